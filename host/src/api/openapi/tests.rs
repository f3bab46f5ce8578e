//! The document is what it says, and its examples are what the host takes and answers.

use super::examples::{self, Examples};
use super::*;
use crate::api::{documented, envelope};
use crate::error::{Error, ErrorCode};
use crate::model::{Answer as Answered, Change, Failure, OperationKind};
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt;

fn document() -> Value {
    let document = complete(documented().into_openapi());
    serde_json::from_str(&document.to_json().unwrap()).unwrap()
}

/// Path, method and operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().clone().into_iter();
    let of = |(path, item): (&String, &Value)| {
        let known = ["get", "put", "post", "delete"];
        let found = methods(item).filter(|(method, _)| known.contains(&method.as_str()));
        found.map(|(method, operation)| (path.clone(), method, operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

fn examples_of(content: &Value) -> Vec<(String, Value)> {
    let content = &content["content"]["application/json"];
    let examples = content["examples"].as_object().cloned().unwrap_or_default();
    examples.into_iter().map(|(name, example)| (name, example["value"].clone())).collect()
}

/// What is wrong with a value, by as much of JSON Schema as the document uses.
fn misfit(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let check = |schema: &Value, value: &Value, at: &str| misfit(document, schema, value, at);
    if let Some(target) = schema["$ref"].as_str() {
        let found = document.pointer(target.trim_start_matches('#'));
        return check(found.unwrap_or_else(|| panic!("{target} is not there")), value, at);
    }
    if let Some(all) = schema["allOf"].as_array()
        && let Some(wrong) = all.iter().find_map(|schema| check(schema, value, at))
    {
        return Some(wrong);
    }
    for key in ["anyOf", "oneOf"] {
        let Some(any) = schema[key].as_array() else { continue };
        let wrong: Vec<_> = any.iter().map(|schema| check(schema, value, at)).collect();
        if wrong.iter().all(Option::is_some) {
            return Some(format!("{at}: fits none: {wrong:?}"));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |wanted: &Value| wanted == kind || (wanted == "integer" && kind == "number");
    let right = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(fits),
        Value::Null => true,
        wanted => fits(wanted),
    };
    if !right {
        return Some(format!("{at}: {value} is no {}", schema["type"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Some(format!("{at}: {name} is missing"));
        }
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut members =
        properties.filter_map(|(name, schema)| Some((name, schema, value.get(name)?)));
    let wrong =
        members.find_map(|(name, schema, value)| check(schema, value, &format!("{at}.{name}")));
    let items = value.as_array().into_iter().flatten();
    wrong.or_else(|| items.map(|item| check(&schema["items"], item, at)).find_map(|wrong| wrong))
}

#[test]
fn every_operation_is_documented() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["security"], json!([{"basic": []}]));
    assert_eq!(document["paths"].as_object().unwrap().len(), 23);
    let operations = operations(&document);
    assert_eq!(operations.len(), 19 + 13);
    let tags: Vec<&Value> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in &operations {
        let at = format!("{method} {path}");
        let filled = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
        assert!(filled(&operation["summary"]), "{at}");
        assert!(!operation["summary"].as_str().unwrap().ends_with('.'), "{at}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}");
        assert!(tags.contains(&&operation["tags"][0]), "{at}");
        let open = operation["security"] == json!([{}]);
        assert_eq!(open, path == "/healthz" || path == "/readyz", "{at}");
        assert_eq!(operation["responses"]["401"].is_object(), !open, "{at}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(filled(&parameter["description"]), "{at}: {}", parameter["name"]);
            assert_eq!(
                parameter["required"] == true,
                parameter["in"] == "path",
                "{at}: {}",
                parameter["name"]
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(filled(&response["description"]), "{at}: {status}");
            assert!(response["headers"]["X-Request-Id"].is_object(), "{at}: {status}");
        }
    }
    let handlers = examples::all().into_iter().map(|of| of.operation.to_owned());
    let operators = [
        "healthz",
        "readyz",
        "metrics",
        "list_failures",
        "list_limits",
        "list_operations",
        "get_operation",
        "decide_operation",
    ];
    let of_drift = ["get_drift", "check_drift", "adopt_drift", "ignore_drift", "unignore_drift"];
    let others = operators.into_iter().chain(of_drift).map(str::to_owned);
    assert_eq!(ids, handlers.chain(others).collect());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
                }
                members.values().for_each(|member| walk(document, member));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn answers_have_examples_that_fit() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let mut successes = 0;
        for (status, response) in operation["responses"].as_object().unwrap() {
            let schema = &response["content"]["application/json"]["schema"];
            for (name, example) in examples_of(response) {
                let at = format!("{method} {path} {status} {name}");
                assert_eq!(misfit(&document, schema, &example, &at), None);
                let result = &example["result"];
                let respcode = result["providerresponse"]["respcode"].as_u64().unwrap();
                let expected = if respcode == 204 { 200 } else { respcode };
                assert_eq!(status, &expected.to_string(), "{at}");
                assert_eq!(result["success"], respcode < 300, "{at}");
                assert!(result["message"].is_string(), "{at}");
                let texts =
                    ["errormessage", "errorMessage"].map(|key| &result["providerresponse"][key]);
                assert_eq!(texts[0], texts[1], "{at}");
                assert_eq!(texts[0].is_string(), respcode >= 300, "{at}");
                successes += u32::from(respcode < 300 && name != "waiting");
            }
        }
        let responses = &operation["responses"];
        let success = responses.get("200").unwrap_or(&responses["202"]);
        let content = &success["content"];
        let plain = content["text/plain"]["example"].is_string();
        let other = &content["application/json"];
        assert!(successes > 0 || plain || other["example"].is_object(), "{method} {path}");
        if other["example"].is_object() {
            let at = format!("{method} {path}");
            assert_eq!(misfit(&document, &other["schema"], &other["example"], &at), None);
        }
    }
}

#[test]
fn requests_have_examples_that_are_taken() {
    let document = document();
    let mut kinds = Vec::new();
    for Examples { operation, requests, .. } in examples::all() {
        for request in requests {
            let body = request.body.to_string();
            let change = Change::parse(request.kind.texts().name, body.as_bytes());
            let change = change.unwrap_or_else(|error| panic!("{operation}: {}", error.message));
            assert_eq!(change.kind(), request.kind, "{operation}");
            kinds.push(request.kind);
        }
    }
    assert_eq!(kinds.len(), 13, "one per change, but for the provider's own actions");
    for (path, method, operation) in operations(&document) {
        let body = &operation["requestBody"];
        let content = &body["content"]["application/json"];
        if path.contains("/drift") {
            // It has one example, or no body.
            let at = format!("{method} {path}");
            assert_eq!(body.is_object(), content["example"].is_object(), "{at}");
            let wrong = misfit(&document, &content["schema"], &content["example"], &at);
            assert!(body.is_null() || wrong.is_none(), "{at}");
            continue;
        }
        assert_eq!(body.is_object(), method != "get", "{method} {path}");
        assert_eq!(!examples_of(body).is_empty(), method != "get", "{method} {path}");
        for (name, example) in examples_of(body) {
            let schema = &body["content"]["application/json"]["schema"];
            assert_eq!(
                misfit(&document, schema, &example, &format!("{method} {path} {name}")),
                None
            );
        }
    }
}

/// The examples are made here and the answers elsewhere: they are the same.
#[tokio::test]
async fn examples_are_what_the_host_answers() {
    async fn sent(answer: &Answered) -> Value {
        let body =
            envelope::response(answer, false).into_body().collect().await.unwrap().to_bytes();
        crate::model::body::check_strict(&body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
    let kind = OperationKind::DeleteAccount;
    let error = Error::new(ErrorCode::Forbidden, "No.");
    let example = examples::error(Some(kind), ErrorCode::Forbidden, "No.");
    assert_eq!(example.body, sent(&envelope::answer(Some(kind), &error)).await);
    let all = examples::all();
    let of = |operation: &str, name: &str| {
        let of = all.iter().find(|of| of.operation == operation).unwrap();
        of.answers.iter().find(|answer| answer.name == name).unwrap().body.clone()
    };
    let done = Answered::done(
        OperationKind::SuspendResource,
        &json!({"providerinstanceid": "ins-77aa01"}),
    );
    assert_eq!(of("update_resource", "suspended"), sent(&done.unwrap_or_else(|_| panic!())).await);
    let failure = Failure {
        respcode: 403,
        message: None,
        errormessage: "The user is not authorized.".to_owned(),
        errorcode: Some("BZSSS1452E".to_owned()),
        retryable: false,
        retry_after_ms: None,
        other: Vec::new(),
    };
    let refused = Answered::refused(OperationKind::Usage, &failure);
    assert_eq!(of("get_usage", "with_a_code"), sent(&refused.unwrap_or_else(|_| panic!())).await);
}

#[test]
fn names_and_texts_are_those_of_cnsp() {
    let text = document().to_string();
    let names = [
        "licenseQuantity",
        "license",
        "requestid",
        "requestId",
        "errormessage",
        "errorMessage",
        "errorcode",
        "usage_start_time",
        "usage_end_time",
        "object_type",
        "meter_name",
        "meter_region",
        "meter_category",
        "info_fields",
        "usagefeed",
        "customoption1",
        "customparam1",
        "respparam1",
        "provideraccountid",
        "provideruserid",
        "providerinstanceid",
        "instanceinfo",
        "resourceinfo",
        "accountinfo",
        "userinfo",
        "additionalattributes",
        "additionalparameters",
        "chargeattributes",
        "subscriptionserviceterm",
        "tierpricing",
        "billingperiodfrequency",
        "setproductasnew",
        "minpurchasequantity",
        "isaccountrequired",
        "CNSP-Endpoint",
        "CNSP-Always-200",
        "Idempotency-Key",
        "Idempotent-Replayed",
    ];
    let messages = [
        "Account created successfully",
        "Authentication failed",
        "Account creation failed",
        "Account updated successfully",
        "Account updation failed",
        "Account deleted successfully",
        "Account deletion failed",
        "Account retrieved successfully",
        "Account retrieval failed",
        "Accounts retrieved successfully",
        "User created successfully",
        "User creation failed",
        "User updated successfully",
        "User updation failed",
        "Subscription entitled successfully",
        "The given subscription revoked successfully for the subscriber",
        "Entitling of subscription failed",
        "Revoking of the given subscription for the subscriber failed",
        "User profile deleted successfully",
        "User profile deletion failed",
        "User retrieved successfully",
        "Users retrieved successfully",
        "Resource created successfully",
        "Resource details updated successfully",
        "Resource details updation failed",
        "Resource suspended successfully",
        "Suspension of resource failed",
        "Resource details retrieved successfully",
        "Resources retrieved successfully",
        "Resource deleted successfully",
        "Resource deletion failed",
        "Catalog retrieved successfully",
        "The user is not authorized. Unable to retrieve catalogue",
        "Usage data retrieved successfully",
    ];
    for name in names {
        assert!(text.contains(&format!("\"{name}\"")), "{name}");
    }
    for message in messages {
        assert!(text.contains(&format!("\"message\":\"{message}\"")), "{message}");
    }
}

async fn get(router: &Router, path: &str) -> (StatusCode, String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_page_needs_no_network() {
    let router: Router = router(&complete(documented().into_openapi()));
    let (status, kind, body) = get(&router, "/openapi.json").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), document());
    let (status, ..) = get(&router, "/docs").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (status, kind, page) = get(&router, "/docs/").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html"));
    let mut assets = 0;
    for part in page.split(['"', '\'']) {
        assert!(!part.contains("://") && !part.starts_with("//"), "{part}");
        if part.starts_with("./") || part.ends_with(".css") || part.ends_with(".js") {
            let path = format!("/docs/{}", part.trim_start_matches("./"));
            let (status, kind, body) = get(&router, &path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            let expected = [(".css", "text/css"), (".js", "javascript"), (".png", "image/png")];
            let (_, expected) = expected.iter().find(|(end, _)| path.ends_with(end)).unwrap();
            assert!(kind.contains(expected), "{path}: {kind}");
            assert!(!path.ends_with(".css") || !body.contains("url(http"), "{path}");
            assets += 1;
        }
    }
    assert!(assets >= 5, "{assets}");
    let (_, _, start) = get(&router, "/docs/swagger-initializer.js").await;
    assert!(start.contains("\"url\": \"/openapi.json\""), "{start}");
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(!start.contains("://"), "{start}");
}
