use crate::catalog::Plan;
use crate::price::charges;
use cnsp_sdk::testing;
use cnsp_sdk::types::Charge;
use serde_json::{Value, json};

fn of(free: Option<bool>, costs: &Value) -> Vec<Charge> {
    let mut plan = json!({ "id": "p", "name": "p", "metadata": { "costs": costs } });
    if let Some(free) = free {
        plan["free"] = json!(free);
    }
    let plan: Plan = serde_json::from_value(plan).unwrap();
    charges(&plan)
}

/// Currency, amount, what for, and how it recurs.
fn shown(charge: &Charge) -> (String, String, String, String) {
    let price = charge.subscriptionserviceterm.sellprice.as_ref().unwrap();
    let tier = &price.tierpricing[0];
    let recurs = format!("{} {}", price.chargetype, price.billingperiodunit);
    (tier.currencycode.clone(), tier.chargeamount.clone(), tier.chargeamountunit.clone(), recurs)
}

fn one(cost: Value) -> Option<(String, String, String, String)> {
    of(Some(false), &json!([cost])).first().map(shown)
}

fn is(charge: Option<(String, String, String, String)>, expected: [&str; 4]) {
    let (a, b, c, d) = charge.unwrap();
    assert_eq!([a.as_str(), &b, &c, &d], expected);
}

#[test]
fn a_plan_is_free_unless_it_says_otherwise() {
    let costs = json!([{ "amount": { "usd": 9 }, "unit": "MONTHLY" }]);
    for free in [None, Some(true)] {
        let charges = of(free, &costs);
        assert_eq!(charges.len(), 1);
        assert_eq!(shown(&charges[0]).1, "0");
    }
    assert_eq!(testing::take_log().len(), 2, "the vendor is told");
    assert!(of(Some(false), &json!([])).is_empty());
}

#[test]
fn costs_keep_their_digits_and_their_period() {
    let cost = |unit: &str| json!({ "amount": { "USD": 0.100 }, "unit": unit });
    is(one(cost("Monthly")), ["usd", "0.1", "/mo", "recurring month"]);
    is(one(cost("HOURLY")), ["usd", "0.1", "/h", "recurring hour"]);
    is(one(cost("one-time")), ["usd", "0.1", "/once", "setup month"]);
    is(one(cost("GB")), ["usd", "0.1", "/GB", "usage month"]);
    let text = r#"{ "amount": { "usd": 0.12345678901234567890 }, "unit": "GB" }"#;
    let charge = one(serde_json::from_str(text).unwrap());
    is(charge, ["usd", "0.12345678901234567890", "/GB", "usage month"]);
}

#[test]
fn the_endpoint_chooses_the_currency() {
    let cost = json!({ "amount": { "eur": 1, "usd": 2 }, "unit": "MONTHLY" });
    assert_eq!(one(cost.clone()).unwrap().0, "usd");
    testing::set_config("currency", "EUR");
    assert_eq!(one(cost).unwrap().0, "eur");
    testing::set_config("currency", "jpy");
    let charge = one(json!({ "amount": { "chf": 3, "usd": 2 }, "unit": "MONTHLY" }));
    assert_eq!(charge.unwrap().0, "chf");
    testing::unset_config("currency");
}

#[test]
fn what_is_no_cost_is_no_charge() {
    for wrong in [
        json!(7),
        json!({ "unit": "MONTHLY" }),
        json!({ "amount": {}, "unit": "MONTHLY" }),
        json!({ "amount": { "usd": -1 }, "unit": "MONTHLY" }),
        json!({ "amount": { "usd": 1e40 }, "unit": "MONTHLY" }),
        json!({ "amount": { "usd": "1" }, "unit": "MONTHLY" }),
        json!({ "amount": { "dollars": 1 }, "unit": "MONTHLY" }),
        json!({ "amount": { "usd": 1 }, "unit": " " }),
    ] {
        assert_eq!(one(wrong.clone()), None, "{wrong}");
    }
}

#[test]
fn every_charge_has_an_id_of_its_own() {
    let cost = |unit: &str| json!({ "amount": { "usd": 1 }, "unit": unit });
    let charges =
        of(Some(false), &json!([cost("1 GB"), cost("1 GB"), cost("1-gb"), cost("?"), cost("!")]));
    let ids: std::collections::BTreeSet<_> =
        charges.iter().map(|charge| &charge.chargeid).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
}
