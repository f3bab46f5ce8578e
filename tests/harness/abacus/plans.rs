//! The plans of two resources. Those of object storage are Abacus's own example, with its figures.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// By kind and id.
pub(super) fn all() -> BTreeMap<(String, String), Value> {
    let plans = [
        ("metering", storage_metering()),
        ("rating", storage_rating()),
        ("pricing", storage_pricing()),
        ("metering", licence_metering()),
        ("rating", licence_rating()),
        ("pricing", licence_pricing()),
    ];
    let id = |plan: &Value| plan["plan_id"].as_str().expect("a text").to_owned();
    plans.into_iter().map(|(kind, plan)| ((kind.to_owned(), id(&plan)), plan)).collect()
}

fn storage_metering() -> Value {
    json!({
        "plan_id": "basic-object-storage",
        "measures": [
            { "name": "storage", "unit": "BYTE" },
            { "name": "light_api_calls", "unit": "CALL" },
            { "name": "heavy_api_calls", "unit": "CALL" },
        ],
        "metrics": [
            {
                "name": "storage",
                "unit": "GIGABYTE",
                "type": "discrete",
                "meter": "(m) => new BigNumber(m.storage).div(1073741824).toNumber()",
                "accumulate": "(a, qty, start, end, from, to, twCell) => end < from || end >= to ? null : Math.max(a, qty)",
            },
            {
                "name": "thousand_light_api_calls",
                "unit": "THOUSAND_CALLS",
                "type": "discrete",
                "meter": "(m) => new BigNumber(m.light_api_calls).div(1000).toNumber()",
            },
            {
                "name": "heavy_api_calls",
                "unit": "CALL",
                "type": "discrete",
                "meter": "(m) => m.heavy_api_calls",
            },
        ],
    })
}

fn storage_rating() -> Value {
    json!({
        "plan_id": "object-rating-plan",
        "metrics": [
            { "name": "storage" },
            {
                "name": "thousand_light_api_calls",
                "rate": "(p, qty) => p ? p * qty : 0",
                "charge": "(t, cost) => cost",
            },
            { "name": "heavy_api_calls", "rate": "(p, qty) => qty > 1000 ? p * qty : 0" },
        ],
    })
}

fn storage_pricing() -> Value {
    let prices = |usa: &str, eur: &str, can: &str| {
        let price = |country: &str, price: &str| {
            let price: Value = serde_json::from_str(price).expect("a number");
            json!({ "country": country, "price": price })
        };
        json!([price("USA", usa), price("EUR", eur), price("CAN", can)])
    };
    json!({
        "plan_id": "object-pricing-basic",
        "metrics": [
            { "name": "storage", "prices": prices("1", "0.7523", "1.06") },
            { "name": "thousand_light_api_calls", "prices": prices("0.03", "0.0226", "0.0317") },
            { "name": "heavy_api_calls", "prices": prices("0.15", "0.1129", "0.1585") },
        ],
    })
}

fn licence_metering() -> Value {
    json!({
        "plan_id": "editor-licences",
        "measures": [{ "name": "licences", "unit": "LICENCE" }],
        "metrics": [{
            "name": "licence_hours",
            "unit": "LICENCE_HOUR",
            "type": "discrete",
            "meter": "(m) => new BigNumber(m.duration).div(3600000).mul(m.licences).toNumber()",
        }],
    })
}

fn licence_rating() -> Value {
    json!({
        "plan_id": "editor-rating",
        "metrics": [{
            "name": "licence_hours",
            "rate": "(price, qty) => new BigNumber(qty).mul(price).toNumber()",
        }],
    })
}

fn licence_pricing() -> Value {
    json!({
        "plan_id": "editor-pricing",
        "metrics": [{ "name": "licence_hours", "prices": [{ "country": "USA", "price": 0.014 }] }],
    })
}

/// What the `meter` functions make of a document's measures: metrics with their quantities.
pub(super) fn meter(document: &Value) -> Vec<(&'static str, f64)> {
    let measured = document["measured_usage"].as_array().expect("a list");
    let of = |name: &str| {
        let found = measured.iter().find(|measured| measured["measure"] == name)?;
        found["quantity"].as_f64()
    };
    let metrics = [
        ("storage", of("storage").map(|bytes| bytes / 1_073_741_824.0)),
        ("thousand_light_api_calls", of("light_api_calls").map(|calls| calls / 1000.0)),
        ("heavy_api_calls", of("heavy_api_calls")),
        ("licence_hours", of("duration").and_then(|ms| Some(ms / 3_600_000.0 * of("licences")?))),
    ];
    metrics.into_iter().filter_map(|(name, quantity)| Some((name, quantity?))).collect()
}

/// What the `accumulate` and `aggregate` functions make of two quantities.
pub(super) fn accumulate(metric: &str, before: f64, quantity: f64) -> f64 {
    match metric {
        "storage" => before.max(quantity),
        _ => before + quantity,
    }
}

/// The price of one in the USA, and its three plans.
pub(super) fn rating(metric: &str) -> (f64, [&'static str; 3]) {
    let storage = ["basic-object-storage", "object-rating-plan", "object-pricing-basic"];
    match metric {
        "storage" => (1.0, storage),
        "thousand_light_api_calls" => (0.03, storage),
        "heavy_api_calls" => (0.15, storage),
        _ => (0.014, ["editor-licences", "editor-rating", "editor-pricing"]),
    }
}
