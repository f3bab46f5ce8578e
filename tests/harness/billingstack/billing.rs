//! BillingStack v2, with its traps: lists of customers have those of every merchant, a subscription needs a resource
//! before there is one, what is forbidden is a 500, and a customer's end is silently that of its subscriptions.

use super::{Answer, LOGIN, MERCHANT, Paths, State};
use crate::upstream::Received;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn error(status: u16, kind: &str, text: &str) -> Answer {
    (status, json!({ "code": status, "type": kind, "message": text }))
}

fn not_found(what: &str) -> Answer {
    error(404, &format!("{what}_not_found"), "There is none.")
}

pub(super) fn act(state: &mut State, received: &Received) -> Answer {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(LOGIN));
    if received.headers("authorization") != [basic.as_str()] {
        return error(401, "unauthorized", "Who are you?");
    }
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    let path = match state.paths {
        Paths::Services => path.strip_prefix("/v2/"),
        Paths::Document => path.strip_prefix('/'),
    };
    let Some(path) = path else { return error(404, "not_found", "There is no such path.") };
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let words: Vec<&str> = path.split('/').collect();
    let [below, merchant, rest @ ..] = words.as_slice() else { return not_found("path") };
    let creates_customer = received.method == "POST" && rest == ["customers"];
    let expected = match (state.paths, creates_customer) {
        (Paths::Document, true) => "merchant",
        _ => "merchants",
    };
    if *below != expected {
        return error(404, "not_found", "There is no such path.");
    }
    if *merchant != MERCHANT {
        return error(500, "forbidden", "It is not your merchant.");
    }
    match (received.method.as_str(), rest) {
        ("GET", ["plans"]) => (200, json!(state.plans)),
        ("GET", ["plans", id]) => {
            let plan = state.plans.iter().find(|plan| plan["id"] == *id);
            plan.map_or_else(|| not_found("plan"), |plan| (200, plan.clone()))
        }
        ("GET", ["products"]) => (200, json!(state.products)),
        ("GET", ["usage"]) => (200, json!(state.usage)),
        ("POST", ["customers"]) => create_customer(state, body),
        ("GET", ["customers"]) => list(&state.customers, query),
        ("GET", ["customers", id]) => get(&state.customers, id, "customer"),
        ("PATCH", ["customers", id]) => patch(&mut state.customers, id, &body, "customer"),
        ("DELETE", ["customers", id]) => {
            if state.customers.remove(*id).is_none() {
                return not_found("customer");
            }
            state.subscriptions.retain(|_, subscription| subscription["customer_id"] != *id);
            (204, Value::Null)
        }
        ("POST", ["subscriptions"]) => create_subscription(state, body),
        ("GET", ["subscriptions"]) => list(&state.subscriptions, query),
        ("GET", ["subscriptions", id]) => get(&state.subscriptions, id, "subscription"),
        ("PATCH", ["subscriptions", id]) => {
            patch(&mut state.subscriptions, id, &body, "subscription")
        }
        ("DELETE", ["subscriptions", id]) => match state.subscriptions.remove(*id) {
            Some(_) => (204, Value::Null),
            None => not_found("subscription"),
        },
        _ => error(405, "not_allowed", "It cannot do that."),
    }
}

/// `q.field`, `q.op` and `q.value`.
fn list(all: &BTreeMap<String, Value>, query: &str) -> Answer {
    let value = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.map(decoded)
    };
    let field = value("q.field");
    let wanted = value("q.value").unwrap_or_default();
    let fits = |item: &&Value| match &field {
        Some(field) => item[field.as_str()].as_str() == Some(wanted.as_str()),
        None => true,
    };
    (200, all.values().filter(fits).cloned().collect())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let hex = std::str::from_utf8(&tail[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(hex, 16).expect("they are hexadecimal"));
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).expect("it is text")
}

fn get(all: &BTreeMap<String, Value>, id: &str, what: &str) -> Answer {
    all.get(id).map_or_else(|| not_found(what), |found| (200, found.clone()))
}

fn patch(all: &mut BTreeMap<String, Value>, id: &str, body: &Value, what: &str) -> Answer {
    let Some(found) = all.get_mut(id) else { return not_found(what) };
    for (key, value) in body.as_object().into_iter().flatten() {
        found[key] = value.clone();
    }
    (200, found.clone())
}

fn create_customer(state: &mut State, mut body: Value) -> Answer {
    if !body["name"].is_string() {
        return error(400, "invalid_object", "A customer has a name.");
    }
    let id = state.mint("c");
    body["id"] = json!(id);
    body["merchant_id"] = json!(MERCHANT);
    state.customers.insert(id, body.clone());
    (202, body)
}

fn create_subscription(state: &mut State, mut body: Value) -> Answer {
    if !body["resource_id"].is_string() {
        return error(400, "invalid_object", "resource_id may not be NULL");
    }
    let customer = body["customer_id"].as_str().unwrap_or_default();
    if !state.customers.contains_key(customer) {
        return not_found("customer");
    }
    if !state.plans.iter().any(|plan| plan["id"] == body["plan_id"]) {
        return not_found("plan");
    }
    let id = state.mint("s");
    body["id"] = json!(id);
    state.subscriptions.insert(id, body.clone());
    (202, body)
}
