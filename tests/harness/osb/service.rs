//! What the broker does, as OSB 2.17 lays it down.

use super::background::{accepted, last_binding, last_operation, pass, running};
use super::{Binding, Instance, LOGIN, Op, State, Then};
use crate::upstream::Received;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A status and a body.
pub(super) type Answer = (u16, Value);

/// A path, taken apart.
struct Path<'a> {
    instance: &'a str,
    binding: Option<&'a str>,
    last_operation: bool,
}

fn path(received: &Received) -> Option<Path<'_>> {
    let path = received.path.split('?').next().unwrap_or_default();
    let words: Vec<&str> = path.strip_prefix("/v2/service_instances/")?.split('/').collect();
    Some(match words.as_slice() {
        [instance] => Path { instance, binding: None, last_operation: false },
        [instance, "last_operation"] => Path { instance, binding: None, last_operation: true },
        [instance, "service_bindings", binding] => {
            Path { instance, binding: Some(binding), last_operation: false }
        }
        [instance, "service_bindings", binding, "last_operation"] => {
            Path { instance, binding: Some(binding), last_operation: true }
        }
        _ => return None,
    })
}

/// What a request asks for.
pub(super) fn op(received: &Received) -> Op {
    if received.method == "GET" && received.path == "/v2/catalog" {
        return Op::Catalog;
    }
    let Some(path) = path(received) else { return Op::Unknown };
    match (received.method.as_str(), path.binding.is_some(), path.last_operation) {
        ("PUT", false, false) => Op::Provision,
        ("PATCH", false, false) => Op::Update,
        ("DELETE", false, false) => Op::Deprovision,
        ("PUT", true, false) => Op::Bind,
        ("DELETE", true, false) => Op::Unbind,
        ("GET", _, true) => Op::LastOperation,
        ("GET", false, false) => Op::FetchInstance,
        ("GET", true, false) => Op::FetchBinding,
        _ => Op::Unknown,
    }
}

pub(super) fn refusal(status: u16, text: &str) -> Answer {
    (status, json!({ "description": text }))
}

fn error(status: u16, code: &str) -> Answer {
    (status, json!({ "error": code, "description": format!("{code} it is") }))
}

/// The value of a parameter of the query, decoded.
pub(super) fn query(received: &Received, name: &str) -> Option<String> {
    let (_, query) = received.path.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let code = std::str::from_utf8(&tail[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(code, 16).expect("two hexadecimal digits"));
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    Some(String::from_utf8(bytes).expect("UTF-8"))
}

/// What every request has to have.
fn check_headers(op: Op, received: &Received) -> Result<(), Answer> {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(LOGIN));
    if received.headers("authorization") != [expected] {
        return Err(refusal(401, "who are you"));
    }
    if received.headers("x-broker-api-version") != ["2.17"] {
        return Err(refusal(412, "2.17 and nothing else"));
    }
    let identities = received.headers("x-broker-api-request-identity");
    if identities.len() != 1 || identities[0].is_empty() {
        return Err(refusal(400, "no request identity"));
    }
    if matches!(op, Op::Provision | Op::Update | Op::Deprovision | Op::Bind | Op::Unbind) {
        let originator = received.headers("x-broker-api-originating-identity");
        let value = originator.first().and_then(|value| value.strip_prefix("cnsp "));
        let json = value.and_then(|value| BASE64_STANDARD.decode(value).ok());
        let json: Option<Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
        if json.is_none_or(|json| !json["user_id"].is_string()) {
            return Err(refusal(400, "no originating identity"));
        }
        if query(received, "accepts_incomplete").as_deref() != Some("true") {
            return Err(error(422, "AsyncRequired"));
        }
    }
    Ok(())
}

/// Does what it is asked, or says why not.
pub(super) fn act(state: &mut State, op: Op, received: &Received) -> Answer {
    acted(state, op, received).unwrap_or_else(|refused| refused)
}

fn acted(state: &mut State, op: Op, received: &Received) -> Result<Answer, Answer> {
    check_headers(op, received)?;
    if op == Op::Catalog {
        return Ok((200, state.catalog.clone()));
    }
    let Some(Path { instance, binding, .. }) = path(received) else {
        return Err(refusal(404, "no such place"));
    };
    if op != Op::LastOperation {
        pass(state, instance);
    }
    match (op, binding) {
        (Op::Provision, _) => provision(state, instance, body(state, received)?),
        (Op::Update, _) => update(state, instance, &body(state, received)?),
        (Op::Deprovision, _) => deprovision(state, instance, received),
        (Op::Bind, Some(binding)) => bind(state, instance, binding, body(state, received)?),
        (Op::Unbind, Some(binding)) => unbind(state, instance, binding, received),
        (Op::LastOperation, None) => last_operation(state, instance, received),
        (Op::LastOperation, Some(binding)) => last_binding(state, instance, binding, received),
        (Op::FetchInstance, _) => fetch_instance(state, instance),
        (Op::FetchBinding, Some(binding)) => {
            let key = (instance.to_owned(), binding.to_owned());
            match state.bindings.get(&key) {
                // One that is being made is not there yet, and one that is being deleted is still.
                Some(there) if there.running.as_ref().is_none_or(|of| of.then != Then::Stays) => {
                    Ok((200, json!({ "credentials": state.credentials, "parameters": {} })))
                }
                _ => Err(refusal(404, "no such binding")),
            }
        }
        _ => Err(refusal(404, "no such place")),
    }
}

/// The body of a change, with a plan of ours.
fn body(state: &State, received: &Received) -> Result<Value, Answer> {
    if received.headers("content-type") != ["application/json"] {
        return Err(refusal(400, "JSON, please"));
    }
    let body: Value =
        serde_json::from_slice(&received.body).map_err(|_| refusal(400, "that is no JSON"))?;
    let service = known(&state.catalog["services"], &body["service_id"])?;
    if !body["plan_id"].is_null() {
        known(&service["plans"], &body["plan_id"])?;
    }
    if body["context"]["platform"] != "cnsp" {
        return Err(refusal(400, "which platform"));
    }
    Ok(body)
}

fn known<'a>(list: &'a Value, id: &Value) -> Result<&'a Value, Answer> {
    let found = list.as_array().into_iter().flatten().find(|item| item["id"] == *id);
    found.ok_or_else(|| refusal(400, &format!("{id} is not in the catalog")))
}

/// Both of those have to be named in the query of a deletion.
pub(super) fn check_query(body: &Value, received: &Received) -> Result<(), Answer> {
    for name in ["service_id", "plan_id"] {
        if query(received, name).as_deref() != body[name].as_str() {
            return Err(refusal(400, &format!("{name} is not what it was")));
        }
    }
    Ok(())
}

fn provision(state: &mut State, id: &str, body: Value) -> Result<Answer, Answer> {
    for name in ["plan_id", "organization_guid", "space_guid"] {
        if body[name].as_str().is_none_or(str::is_empty) {
            return Err(refusal(400, &format!("no {name}")));
        }
    }
    if let Some(there) = state.instances.get(id) {
        return match &there.running {
            _ if there.body != body => Err((409, json!({}))),
            Some(running) => Ok(accepted(running)),
            None => Ok((200, json!({ "dashboard_url": format!("https://queue.example/{id}") }))),
        };
    }
    let running = running(state, Then::Stays);
    let answer = running.as_ref().map(accepted);
    state.instances.insert(id.to_owned(), Instance { body, running });
    Ok(answer.unwrap_or_else(|| {
        (201, json!({ "dashboard_url": format!("https://queue.example/{id}"), "unknown": [1] }))
    }))
}

fn idle<'a>(state: &'a State, id: &str, gone: u16) -> Result<&'a Instance, Answer> {
    match state.instances.get(id) {
        None => Err((gone, json!({}))),
        Some(Instance { running: Some(_), .. }) => Err(error(422, "ConcurrencyError")),
        Some(instance) => Ok(instance),
    }
}

fn update(state: &mut State, id: &str, patch: &Value) -> Result<Answer, Answer> {
    let mut body = idle(state, id, 404)?.body.clone();
    if patch["previous_values"]["plan_id"] != body["plan_id"] {
        return Err(refusal(400, "that was not its plan"));
    }
    if !patch["plan_id"].is_null() {
        body["plan_id"] = patch["plan_id"].clone();
    }
    for (name, value) in patch["parameters"].as_object().into_iter().flatten() {
        body["parameters"][name] = value.clone();
    }
    match running(state, Then::Becomes(body.clone())) {
        Some(running) => {
            let answer = accepted(&running);
            let instance = state.instances.get_mut(id).expect("it is there");
            instance.running = Some(running);
            Ok(answer)
        }
        None => {
            state.instances.get_mut(id).expect("it is there").body = body;
            Ok((200, json!({})))
        }
    }
}

fn deprovision(state: &mut State, id: &str, received: &Received) -> Result<Answer, Answer> {
    let Some(instance) = state.instances.get(id) else { return Err((410, json!({}))) };
    check_query(&instance.body, received)?;
    // A deletion ends what is being made, and nothing else.
    if instance.running.as_ref().is_some_and(|running| running.then != Then::Stays) {
        return Err(error(422, "ConcurrencyError"));
    }
    if state.bindings.keys().any(|(instance, _)| instance == id) {
        return Err(refusal(400, "it is bound"));
    }
    match running(state, Then::Goes) {
        Some(running) => {
            let answer = accepted(&running);
            state.instances.get_mut(id).expect("it is there").running = Some(running);
            Ok(answer)
        }
        None => {
            state.instances.remove(id);
            Ok((200, json!({})))
        }
    }
}

fn bind(state: &mut State, id: &str, binding: &str, body: Value) -> Result<Answer, Answer> {
    idle(state, id, 404)?;
    let key = (id.to_owned(), binding.to_owned());
    let credentials = json!({ "credentials": state.credentials });
    if let Some(there) = state.bindings.get(&key) {
        return match &there.running {
            _ if there.body != body => Err((409, json!({}))),
            Some(running) => Ok(accepted(running)),
            None => Ok((200, credentials)),
        };
    }
    let running = running(state, Then::Stays);
    let answer = running.as_ref().map(accepted);
    state.bindings.insert(key, Binding { body, running });
    Ok(answer.unwrap_or((201, credentials)))
}

fn unbind(
    state: &mut State,
    id: &str,
    binding: &str,
    received: &Received,
) -> Result<Answer, Answer> {
    let key = (id.to_owned(), binding.to_owned());
    let Some(there) = state.bindings.get(&key) else { return Err((410, json!({}))) };
    check_query(&there.body, received)?;
    match running(state, Then::Goes) {
        Some(running) => {
            let answer = accepted(&running);
            state.bindings.get_mut(&key).expect("it is there").running = Some(running);
            Ok(answer)
        }
        None => {
            state.bindings.remove(&key);
            Ok((200, json!({})))
        }
    }
}

fn fetch_instance(state: &State, id: &str) -> Result<Answer, Answer> {
    let instance = idle(state, id, 404)?;
    let body = &instance.body;
    Ok((
        200,
        json!({
            "service_id": body["service_id"],
            "plan_id": body["plan_id"],
            "parameters": body.get("parameters").cloned().unwrap_or(json!({})),
            "dashboard_url": format!("https://queue.example/{id}"),
        }),
    ))
}
