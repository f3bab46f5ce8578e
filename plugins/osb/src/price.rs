//! What a plan costs: OSB's `costs` as CNSP's charges.

use crate::catalog::Plan;
use crate::settings;
use cnsp_sdk::types::{Charge, Price, ServiceTerm, Tier};
use cnsp_sdk::{OpenMapExt, log};
use serde_json::{Map, Value};

/// More charges than this no plan has.
const CHARGES_MAX: usize = 32;
/// The contract's bound on a decimal.
const DIGITS_MAX: usize = 28;

/// How a charge recurs.
struct Period {
    kind: &'static str,
    unit: &'static str,
    /// What one of a quantity is.
    per: String,
}

/// The charges of a plan.
pub(crate) fn charges(plan: &Plan) -> Vec<Charge> {
    let costs = plan.metadata.as_ref().and_then(|metadata| metadata.get("costs"));
    let costs: &[Value] = costs.and_then(Value::as_array).map_or(&[], Vec::as_slice);
    if plan.is_free() {
        if !costs.is_empty() {
            log::warn(
                "A plan that does not say `free: false` is free, and has costs, which are left out.",
                &[("plan", &plan.id)],
            );
        }
        let period = Period { kind: "recurring", unit: "month", per: "/mo".to_owned() };
        return vec![charge("free".to_owned(), "Free", &period, "0", &settings::currency())];
    }
    let mut charges: Vec<Charge> = Vec::new();
    for cost in costs.iter().take(CHARGES_MAX) {
        let Some((amounts, unit)) = read(cost) else {
            log::warn("A cost of a plan is not what OSB lays down.", &[("plan", &plan.id)]);
            continue;
        };
        let Some((currency, amount)) = pick(amounts) else {
            log::warn("A cost of a plan has no amount.", &[("plan", &plan.id)]);
            continue;
        };
        let plain = slug(unit);
        let taken = |id: &str| charges.iter().any(|charge| charge.chargeid == id);
        // Two units may come to the same word.
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let id = std::iter::once(plain.clone()).chain(numbered).find(|id| !taken(id));
        let id = id.unwrap_or(plain);
        let mut charge = charge(id, unit, &period(unit), &amount, &currency);
        charge.other.put("amounts", amounts);
        charges.push(charge);
    }
    charges
}

fn read(cost: &Value) -> Option<(&Map<String, Value>, &str)> {
    let unit = cost.get("unit")?.as_str()?;
    let plain = !unit.trim().is_empty() && unit.len() <= 200 && !unit.contains(char::is_control);
    plain.then_some((cost.get("amount")?.as_object()?, unit))
}

/// The amount in the endpoint's currency, else in the first there is.
fn pick(amounts: &Map<String, Value>) -> Option<(String, String)> {
    let wanted = settings::currency();
    let decimal = |(currency, amount): (&String, &Value)| {
        let amount = amount.as_number()?.to_string();
        let plain = amount.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let code = currency.to_ascii_lowercase();
        let coded = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase());
        (plain && amount.len() <= DIGITS_MAX && coded).then_some((code, amount))
    };
    let all: Vec<(String, String)> = amounts.iter().filter_map(decimal).collect();
    all.iter().find(|(currency, _)| *currency == wanted).or_else(|| all.first()).cloned()
}

fn period(unit: &str) -> Period {
    let known = |kind, unit, per: &str| Period { kind, unit, per: per.to_owned() };
    match unit.trim().to_ascii_uppercase().as_str() {
        "HOURLY" | "HOUR" => known("recurring", "hour", "/h"),
        "DAILY" | "DAY" => known("recurring", "day", "/day"),
        "WEEKLY" | "WEEK" => known("recurring", "week", "/week"),
        "MONTHLY" | "MONTH" => known("recurring", "month", "/mo"),
        "YEARLY" | "ANNUALLY" | "YEAR" => known("recurring", "year", "/yr"),
        "ONCE" | "ONE-TIME" | "ONE TIME" | "SETUP" => known("setup", "month", "/once"),
        // So much of something that is counted.
        _ => Period { kind: "usage", unit: "month", per: format!("/{unit}") },
    }
}

fn charge(id: String, name: &str, period: &Period, amount: &str, currency: &str) -> Charge {
    let tier = Tier {
        sequencenumber: 1,
        startingvalue: "0".to_owned(),
        endingvalue: None,
        chargeamount: amount.to_owned(),
        chargeamountunit: period.per.clone(),
        currencycode: currency.to_owned(),
        isdefault: true,
        isenabled: true,
        other: Vec::new(),
    };
    let price = Price {
        billingperiodfrequency: 1,
        billingperiodunit: period.unit.to_owned(),
        chargetype: period.kind.to_owned(),
        tierpricing: vec![tier],
        other: Vec::new(),
    };
    Charge {
        chargeid: id,
        chargename: name.to_owned(),
        description: None,
        subscriptionserviceterm: ServiceTerm {
            costprice: None,
            // The broker's price is what a customer of the platform pays.
            sellprice: Some(price),
            erpprice: None,
            other: Vec::new(),
        },
        other: Vec::new(),
    }
}

/// `1GB of messages over 20GB` is `1gb-of-messages-over-20gb`.
fn slug(unit: &str) -> String {
    let words = unit.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if slug.is_empty() { "cost".to_owned() } else { slug.chars().take(100).collect() }
}
