//! Keystone v2.0: names are unique, roles are given again without a word, and a token is refused until a role counts.

use super::{ADMIN, Answer, Paths, State};
use crate::upstream::Received;
use serde_json::{Value, json};

fn error(status: u16, title: &str, text: &str) -> Answer {
    (status, json!({ "error": { "code": status, "title": title, "message": text } }))
}

fn not_found(what: &str) -> Answer {
    error(404, "Not Found", &format!("Could not find {what}."))
}

pub(super) fn act(state: &mut State, received: &Received) -> Answer {
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let (versioned, path) = match path.strip_prefix("/v2.0/") {
        Some(path) => (true, path),
        None => (false, path.trim_start_matches('/')),
    };
    let words: Vec<&str> = path.split('/').collect();
    let method = received.method.as_str();
    if (method, words.as_slice()) == ("POST", &["tokens"]) && versioned {
        return sign_in(state, &body);
    }
    if received.headers("x-auth-token") != [ADMIN] {
        return error(401, "Unauthorized", "The request you have made requires authentication.");
    }
    if !versioned && !is_unversioned(state.paths, method, &words) {
        return not_found("the resource");
    }
    let name = query.strip_prefix("name=").map(|name| name.replace("%40", "@"));
    match (method, words.as_slice()) {
        ("POST", ["users"]) => create_user(state, body),
        ("GET", ["users"]) => {
            let found = state.users.values().find(|user| user["name"].as_str() == name.as_deref());
            found.map_or_else(|| not_found("user"), |user| (200, json!({ "user": shown(user) })))
        }
        ("GET", ["users", id]) => match state.users.get(*id) {
            Some(user) => (200, json!({ "user": shown(user) })),
            None => not_found("user"),
        },
        ("PUT", ["users", id, "OS-KSADM", "password"]) => match state.users.get_mut(*id) {
            Some(user) => {
                user["password"] = body["user"]["password"].clone();
                (200, json!({ "user": shown(user) }))
            }
            None => not_found("user"),
        },
        ("DELETE", ["users", id]) => match state.users.remove(*id) {
            Some(_) => {
                state.granted.retain(|(_, user, _)| user != id);
                (204, Value::Null)
            }
            None => not_found("user"),
        },
        ("POST", ["tenants"]) => create_tenant(state, versioned, &body),
        ("GET", ["tenants"]) => {
            let mut all = state.tenants.values();
            let found = all.find(|tenant| tenant["name"].as_str() == name.as_deref());
            found.map_or_else(|| not_found("tenant"), |tenant| (200, json!({ "tenant": tenant })))
        }
        ("GET", ["tenants", id]) => match state.tenants.get(*id) {
            Some(tenant) => (200, json!({ "tenant": tenant })),
            None => not_found("tenant"),
        },
        ("POST", ["tenants", id]) => match state.tenants.get_mut(*id) {
            Some(tenant) => {
                tenant["enabled"] = body["tenant"]["enabled"].clone();
                (200, json!({ "tenant": tenant }))
            }
            None => not_found("tenant"),
        },
        ("DELETE", ["tenants", id]) => match state.tenants.remove(*id) {
            Some(_) => {
                state.granted.retain(|(tenant, ..)| tenant != id);
                (204, Value::Null)
            }
            None => not_found("tenant"),
        },
        ("GET", ["tenants", id, "users"]) => {
            let has = |user: &&Value| {
                state
                    .granted
                    .iter()
                    .any(|(tenant, of, _)| tenant == id && user["id"] == of.as_str())
            };
            let users: Vec<Value> = state.users.values().filter(has).map(shown).collect();
            (200, json!({ "users": users }))
        }
        ("GET", ["tenants", id, "users", user, "roles"]) => {
            let of = |(tenant, of, _): &&(String, String, String)| tenant == id && of == user;
            let roles = state.granted.iter().filter(of).map(|(.., role)| json!({ "id": role }));
            (200, json!({ "roles": roles.collect::<Vec<_>>() }))
        }
        (_, ["tenants", tenant, "users", user, words @ .., role]) => {
            change_role(state, method, (*tenant, *user, words, *role))
        }
        ("GET", ["OS-KSADM", "roles"]) => {
            let roles: Vec<Value> = state.roles.iter().map(|role| json!({ "id": role })).collect();
            (200, json!({ "roles": roles }))
        }
        _ => error(405, "Not Allowed", "It cannot do that."),
    }
}

/// What the description reaches without a version: steps 10 and 11.
fn is_unversioned(paths: Paths, method: &str, words: &[&str]) -> bool {
    paths == Paths::Document
        && matches!((method, words), ("POST", ["tenants"]) | ("PUT" | "DELETE", ["tenants", ..]))
}

/// Without its password, which Keystone never tells.
fn shown(user: &Value) -> Value {
    let mut user = user.clone();
    if let Some(user) = user.as_object_mut() {
        user.remove("password");
    }
    user
}

fn create_user(state: &mut State, body: Value) -> Answer {
    let mut user = body["user"].clone();
    let name = user["name"].clone();
    if !name.is_string() {
        return error(400, "Bad Request", "A user has a name.");
    }
    if state.users.values().any(|known| known["name"] == name) {
        let text = "Conflict occurred attempting to store user. Duplicate Entry";
        return error(409, "Conflict", text);
    }
    let id = state.mint("u");
    if let Some(user) = user.as_object_mut() {
        let password = user.remove("OS-KSADM:password").unwrap_or_default();
        user.insert("password".to_owned(), password);
        user.insert("id".to_owned(), json!(id));
    }
    state.users.insert(id, user.clone());
    // The first answer repeats all of it.
    (201, json!({ "user": user }))
}

/// Ids tell what a tenant is for, so that steps can be told apart.
fn create_tenant(state: &mut State, versioned: bool, body: &Value) -> Answer {
    let mut tenant = body["tenant"].clone();
    let name = tenant["name"].as_str().unwrap_or_default().to_owned();
    let of_customer = name.starts_with("bs-customer-");
    if state.paths == Paths::Document && versioned != of_customer {
        return not_found("the resource");
    }
    if state.tenants.values().any(|known| known["name"] == name.as_str()) {
        let text = "Conflict occurred attempting to store project. Duplicate Entry";
        return error(409, "Conflict", text);
    }
    let id = state.mint(if of_customer { "tc" } else { "ts" });
    tenant["id"] = json!(id);
    state.tenants.insert(id, tenant.clone());
    (200, json!({ "tenant": tenant }))
}

fn change_role(
    state: &mut State,
    method: &str,
    (tenant, user, words, role): (&str, &str, &[&str], &str),
) -> Answer {
    let expected: &[&str] = match (state.paths, tenant.starts_with("tc-")) {
        (Paths::Services, _) => &["roles", "OS-KSADM"],
        (Paths::Document, true) => &["role"],
        (Paths::Document, false) => &["roles"],
    };
    if words != expected {
        return not_found("the resource");
    }
    if !state.tenants.contains_key(tenant) {
        return not_found("tenant");
    }
    if !state.users.contains_key(user) {
        return not_found("user");
    }
    if !state.roles.iter().any(|known| known == role) {
        return not_found("role");
    }
    let granted = (tenant.to_owned(), user.to_owned(), role.to_owned());
    match method {
        "PUT" => {
            state.granted.insert(granted);
            (201, Value::Null)
        }
        "DELETE" if state.granted.remove(&granted) => (204, Value::Null),
        _ => not_found("role"),
    }
}

fn sign_in(state: &mut State, body: &Value) -> Answer {
    let refused =
        || error(401, "Unauthorized", "The request you have made requires authentication.");
    let credentials = &body["auth"]["passwordCredentials"];
    let known = state.users.values().find(|user| {
        user["name"] == credentials["username"] && user["password"] == credentials["password"]
    });
    let Some(user) = known.filter(|user| user["enabled"] == true) else { return refused() };
    if let Some(tenant) = body["auth"]["tenantId"].as_str() {
        if state.role_lag > 0 {
            state.role_lag -= 1;
            return refused();
        }
        let has_role =
            state.granted.iter().any(|(of, who, _)| of == tenant && user["id"] == who.as_str());
        let is_enabled = state.tenants.get(tenant).is_some_and(|of| of["enabled"] == true);
        if !has_role || !is_enabled {
            return refused();
        }
    }
    (
        200,
        json!({ "access": { "token": { "id": "token-canary", "expires": "2036-01-01T00:00:00Z" } } }),
    )
}
