//! The report of an organization: documents made into windows, as Abacus's pipeline would.

use super::{State, plans};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const SECOND: i64 = 1000;
const DAY: i64 = 24 * 3600 * SECOND;
/// The current window and the one before.
const WINDOWS: usize = 2;

/// Which second, minute, hour, day and month a moment is in.
fn buckets(at: i64) -> [i64; 5] {
    let [second, minute, hour, day] =
        [SECOND, 60 * SECOND, 3600 * SECOND, DAY].map(|length| at.div_euclid(length));
    [second, minute, hour, day, month(day)]
}

/// The month of a day, both counted from 1970. (Howard Hinnant's civil-from-days.)
fn month(day: i64) -> i64 {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 2 } else { shifted - 10 };
    let year = year + era * 400 + i64::from(month <= 1);
    (year - 1970) * 12 + month
}

/// By space, consumer, resource and plan, then by metric: each window.
type Usage = BTreeMap<[String; 4], BTreeMap<&'static str, Vec<[Option<f64>; WINDOWS]>>>;

/// The report as of a moment: of the last document until then that is of the same month.
pub(super) fn of(state: &State, organization: &str, time: i64) -> Value {
    let time_of = |document: &Value, key: &str| document[key].as_i64().expect("a time");
    let seen = |document: &&Value| {
        document["organization_id"] == organization && time_of(document, "processed") <= time
    };
    let documents: Vec<&Value> = state.documents.iter().filter(seen).collect();
    let last = documents.iter().map(|document| time_of(document, "processed")).max();
    let month_of = |at: i64| buckets(at)[4];
    let processed = match last {
        Some(last) if month_of(last) == month_of(time) && !state.unsettled => last,
        _ => {
            return json!({
                "organization_id": organization,
                "start": time,
                "end": time,
                "resources": [],
                "spaces": [],
            });
        }
    };
    let mut usage = Usage::new();
    for document in documents {
        let id = |key: &str| document[key].as_str().expect("a text").to_owned();
        let key = [id("space_id"), id("consumer_id"), id("resource_id"), id("plan_id")];
        let metrics = usage.entry(key).or_default();
        for (metric, quantity) in plans::meter(document) {
            let windows = metrics.entry(metric).or_insert_with(|| vec![[None; WINDOWS]; 5]);
            let (current, own) = (buckets(processed), buckets(time_of(document, "end")));
            for (dimension, window) in windows.iter_mut().enumerate() {
                let back = usize::try_from(current[dimension] - own[dimension]);
                if let Some(cell) = back.ok().and_then(|back| window.get_mut(back)) {
                    let before = cell.unwrap_or(0.0);
                    *cell = Some(plans::accumulate(metric, before, quantity));
                }
            }
        }
    }
    json!({
        "id": format!("k/{organization}/t/{processed:016}"),
        "organization_id": organization,
        "start": processed,
        "end": processed,
        "processed": processed,
        "resources": [],
        "spaces": spaces(&usage),
    })
}

fn spaces(usage: &Usage) -> Value {
    let mut spaces: BTreeMap<&str, BTreeMap<&str, BTreeMap<&str, Vec<Value>>>> = BTreeMap::new();
    for ([space, consumer, resource, plan], metrics) in usage {
        let consumers = spaces.entry(space).or_default();
        let resources = consumers.entry(consumer).or_default();
        resources.entry(resource).or_default().push(plan_of(plan, metrics));
    }
    let list = |members: Vec<Value>| Value::Array(members);
    list(spaces.into_iter().map(|(space, consumers)| {
        let consumers = consumers.into_iter().map(|(consumer, resources)| {
            let resources = resources
                .into_iter()
                .map(|(resource, plans)| json!({ "resource_id": resource, "plans": plans }));
            json!({ "consumer_id": consumer, "resources": list(resources.collect()) })
        });
        json!({ "space_id": space, "resources": [], "consumers": list(consumers.collect()) })
    }).collect())
}

fn plan_of(plan: &str, metrics: &BTreeMap<&'static str, Vec<[Option<f64>; WINDOWS]>>) -> Value {
    let mut ids = [""; 3];
    let usage: Vec<Value> = metrics
        .iter()
        .map(|(metric, windows)| {
            let (price, plans) = plans::rating(metric);
            ids = plans;
            let cell = |quantity: &Option<f64>| {
                let Some(quantity) = quantity else { return Value::Null };
                let cost = quantity * price;
                json!({ "quantity": quantity, "summary": quantity, "cost": cost, "charge": cost })
            };
            let windows: Vec<Vec<Value>> =
                windows.iter().map(|window| window.iter().map(cell).collect()).collect();
            json!({ "metric": metric, "windows": windows })
        })
        .collect();
    let [metering, rating, pricing] = ids;
    let mut members = Map::new();
    members.insert("plan_id".to_owned(), json!(format!("{plan}/{metering}/{rating}/{pricing}")));
    members.insert("metering_plan_id".to_owned(), json!(metering));
    members.insert("rating_plan_id".to_owned(), json!(rating));
    members.insert("pricing_plan_id".to_owned(), json!(pricing));
    members.insert("aggregated_usage".to_owned(), Value::Array(usage));
    Value::Object(members)
}
