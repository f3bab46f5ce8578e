//! What Abacus does with a request that nothing goes wrong with.

use super::{LOGIN, Op, Span, State, now_ms, report};
use crate::upstream::Received;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// How far a sampler's event may be from now.
const SLACK_MS: i64 = 60 * 24 * 3600 * 1000;
const IDS: [&str; 6] = [
    "organization_id",
    "space_id",
    "consumer_id",
    "resource_id",
    "plan_id",
    "resource_instance_id",
];

/// An answer.
pub(super) struct Done {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) body: String,
}

fn bare(status: u16) -> Done {
    Done { status, headers: String::new(), body: String::new() }
}

fn told(status: u16, body: &Value) -> Done {
    Done { status, headers: String::new(), body: body.to_string() }
}

fn parts(received: &Received) -> Vec<String> {
    let path = received.path.split('?').next().unwrap_or_default();
    path.trim_start_matches('/').split('/').map(decoded).collect()
}

/// Percent-decoding, of what is UTF-8.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex: Vec<u8> = if byte == b'%' { rest.by_ref().take(2).collect() } else { vec![] };
        let hex = std::str::from_utf8(&hex).expect("ASCII");
        bytes.push(if byte == b'%' { u8::from_str_radix(hex, 16).expect("hex") } else { byte });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// What a request asks for.
pub(super) fn op(received: &Received) -> Op {
    let parts = parts(received);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (received.method.as_str(), parts.as_slice()) {
        ("POST", ["oauth", "token"]) => Op::Token,
        ("POST", ["v1", "metering", "collected", "usage"]) => Op::Collect,
        ("GET", ["v1", "metering", "collected", "usage", _]) => Op::Document,
        ("POST", ["v1", "events", "start"]) => Op::Start,
        ("POST", ["v1", "events", "stop"]) => Op::Stop,
        ("GET", ["v1", "metering" | "rating" | "pricing", "plans", _]) => Op::Plan,
        ("GET", ["v1", "metering", "organizations", _, "aggregated", "usage", _]) => Op::Report,
        ("GET", ["v1", "organizations", _, "account", _]) => Op::Account,
        _ => Op::Unknown,
    }
}

pub(super) fn act(state: &mut State, op: Op, received: &Received) -> Done {
    if op == Op::Token {
        return token(state, received);
    }
    let bearer =
        received.headers("authorization").first().and_then(|of| of.strip_prefix("Bearer "));
    if !bearer.is_some_and(|token| state.tokens.iter().any(|known| known == token)) {
        return told(401, &json!({ "error": "unauthorized" }));
    }
    if state.out_of_scope.contains(&op) {
        return told(403, &json!({ "error": "insufficient scope" }));
    }
    let parts = parts(received);
    let part = |index: usize| parts.get(index).map(String::as_str).unwrap_or_default();
    match op {
        Op::Token | Op::Unknown => bare(404),
        Op::Collect => collect(state, received),
        Op::Document => {
            let found = state.documents.iter().find(|document| document["processed_id"] == part(4));
            found.map_or_else(|| bare(404), |document| told(200, document))
        }
        Op::Start => start(state, received),
        Op::Stop => stop(state, received),
        Op::Plan => {
            let plan = state.plans.get(&(part(1).to_owned(), part(3).to_owned()));
            plan.map_or_else(|| bare(404), |plan| told(200, plan))
        }
        Op::Report => match state.organizations.contains(part(3)) {
            false => bare(404),
            true => {
                let time = part(6).parse().expect("a time");
                let status = if state.partial { 206 } else { 200 };
                told(status, &report::of(state, part(3), time))
            }
        },
        Op::Account => match state.organizations.contains(part(2)) {
            false => bare(404),
            true => told(
                200,
                &json!({
                    "account_id": "1234",
                    "organizations": [part(2)],
                    "pricing_country": "USA",
                }),
            ),
        },
    }
}

fn token(state: &mut State, received: &Received) -> Done {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(LOGIN));
    if received.headers("authorization") != [expected.as_str()] {
        return told(
            401,
            &json!({ "error": "unauthorized", "error_description": "Bad credentials" }),
        );
    }
    if received.body != b"grant_type=client_credentials" {
        return told(400, &json!({ "error": "unsupported_grant_type" }));
    }
    state.tokens_given += 1;
    let token = format!("access-token-canary-{}", state.tokens_given);
    state.tokens.push(token.clone());
    let granted = json!({ "access_token": token, "token_type": "bearer", "expires_in": 43199 });
    told(200, &granted)
}

/// A body that has these texts, these times, measured usage or not, and nothing else.
fn valid(
    received: &Received,
    texts: &[&str],
    times: &[&str],
    measured: bool,
) -> Result<Value, Done> {
    if received.headers("content-type") != ["application/json"] {
        return Err(bare(415));
    }
    let wrong = |why: &str| told(400, &json!({ "error": "validation", "message": why }));
    let body: Value =
        serde_json::from_slice(&received.body).map_err(|_| wrong("the body is no JSON"))?;
    let members = body.as_object().ok_or_else(|| wrong("the body is no object"))?;
    for key in texts {
        if !members.get(*key).is_some_and(Value::is_string) {
            return Err(wrong(&format!("{key} is no text")));
        }
    }
    for key in times {
        if !members.get(*key).is_some_and(Value::is_i64) {
            return Err(wrong(&format!("{key} is no time")));
        }
    }
    let usage = members.get("measured_usage").and_then(Value::as_array);
    let right = usage.is_some_and(|usage| {
        !usage.is_empty()
            && usage.iter().all(|of| of["measure"].is_string() && of["quantity"].is_number())
    });
    if measured != right || members.len() != texts.len() + times.len() + usize::from(measured) {
        return Err(wrong("there are members that do not belong here, or too few"));
    }
    Ok(body)
}

/// Whatever comes is new: each request gets a number of its own.
fn collect(state: &mut State, received: &Received) -> Done {
    let mut document = match valid(received, &IDS, &["start", "end"], true) {
        Ok(document) => document,
        Err(done) => return done,
    };
    let now = now_ms();
    state.processed += 1;
    let id = format!("{now}-0-0-0-{}", state.processed);
    document["processed_id"] = json!(id);
    document["processed"] = json!(now);
    state.documents.push(document);
    let headers = format!("Location: http://collector/v1/metering/collected/usage/{id}\r\n");
    Done { headers, ..bare(202) }
}

fn target(event: &Value) -> Value {
    IDS.iter().map(|key| event[*key].clone()).collect()
}

fn event(received: &Received, measured: bool) -> Result<(Value, String, i64), Done> {
    let texts = [&["id"], IDS.as_slice()].concat();
    let event = valid(received, &texts, &["timestamp"], measured)?;
    let at = event["timestamp"].as_i64().expect("a time");
    if (at - now_ms()).abs() > SLACK_MS {
        return Err(bare(422));
    }
    let id = event["id"].as_str().expect("a text").to_owned();
    Ok((event, id, at))
}

fn start(state: &mut State, received: &Received) -> Done {
    let (event, start_id, start) = match event(received, true) {
        Ok(event) => event,
        Err(done) => return done,
    };
    if state.spans.iter().any(|span| span.start_id == start_id) {
        return bare(201);
    }
    let target = target(&event);
    if state.spans.iter().any(|span| span.target == target && span.end.is_none()) {
        return bare(409);
    }
    let measured = event["measured_usage"].clone();
    state.spans.push(Span { target, measured, start_id, start, end: None });
    bare(201)
}

fn stop(state: &mut State, received: &Received) -> Done {
    let (event, end_id, end) = match event(received, false) {
        Ok(event) => event,
        Err(done) => return done,
    };
    let is_it = |span: &Span| span.end.as_ref().is_some_and(|(id, _)| *id == end_id);
    if state.spans.iter().any(is_it) {
        return bare(201);
    }
    let target = target(&event);
    let running = state.spans.iter_mut().find(|span| span.target == target && span.end.is_none());
    match running {
        Some(span) if span.start <= end => {
            span.end = Some((end_id, end));
            bare(201)
        }
        _ => bare(422),
    }
}
