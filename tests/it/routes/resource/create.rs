use crate::check;
use cnsp_tests::bodies::{resource, unique, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn create_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let mut body = resource(&account, "order-1", "SANDBOX-CRM-PRO", 10);
    body["parameters"]["customoption1"] = json!({ "title": "Data region", "value": "us" });
    let answer = client.post("/resource", &body);
    assert_eq!(answer.message(), "Resource created successfully");
    assert_eq!((answer.status, answer.respcode()), (200, 200));
    assert_eq!(answer.text_of("status"), "active");
    assert!(!answer.text_of("username").is_empty() && !answer.text_of("password").is_empty());
    check("post_resource.ok", &answer);
    let got = client.get(&format!("/resource/{}", answer.text_of("providerinstanceid")));
    assert_eq!(got.body()["resourceinfo"]["parameters"]["customparam1"], "us");
    assert_eq!(got.body()["resourceinfo"]["parameters"]["license"], 10);
    assert_eq!(got.body()["resourceinfo"]["additionalparameters"]["costcenter"], "4711");
    let password = answer.text_of("password");
    assert!(!got.text.contains(&password), "a password is answered once");
}

/// (Contract A11, G8.)
#[test]
fn create_takes_both_spellings_of_its_keys() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let license = |body: &Value| {
        let id = client.post("/resource", body).succeeded().text_of("providerinstanceid");
        let got = client.get(&format!("/resource/{id}")).succeeded();
        got.body()["resourceinfo"]["parameters"]["license"].clone()
    };
    let usual = resource(&account, "order-1", "SANDBOX-MAIL", 3);
    assert_eq!(license(&usual), 3);
    let mut other = without(&without(&usual, "/requestid"), "/parameters/licenseQuantity");
    other["requestId"] = json!("order-2");
    other["parameters"]["license"] = json!(4);
    assert_eq!(license(&other), 4);
    // Both spellings are one key: the replay is recognised by either.
    let mut again = without(&other, "/requestId");
    again["requestid"] = json!("order-2");
    let replayed = client.post("/resource", &again).succeeded();
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    let mut both = usual.clone();
    both["requestId"] = json!("order-1");
    assert_eq!(client.post("/resource", &both).header("idempotent-replayed"), Some("true"));
    both["requestId"] = json!("another");
    client.refuses_body(Method::POST, "/resource", &both, "requestId");
    let mut both = resource(&account, "order-3", "SANDBOX-MAIL", 3);
    both["parameters"]["license"] = json!(4);
    client.refuses_body(Method::POST, "/resource", &both, "licenseQuantity");
}

#[test]
fn create_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    // The offering that is refused to everybody answers with its own text; a locked account with CNSP's.
    let refused = client.post("/resource", &resource(&account, "order-1", "SANDBOX-REFUSED", 1));
    assert_eq!(refused.status, 403);
    check("post_resource.error.refused", &refused);
    client.lock(&account);
    let refused = client.post("/resource", &resource(&account, "order-2", "SANDBOX-MAIL", 1));
    let text = "The user is not authorized to perform this operation.";
    assert_eq!((refused.status, refused.error()), (403, text));
    check("post_resource.error.unauthorized", &refused);
}

#[test]
fn create_names_the_field_that_is_wrong() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let right = resource(&account, "order-1", "SANDBOX-CRM-PRO", 10);
    let wrong = |body: &Value, named: &str| {
        let body = with(body, "/requestid", json!(unique("order")));
        client.refuses_body(Method::POST, "/resource", &body, named);
    };
    wrong(&without(&right, "/parameters"), "parameters");
    wrong(&without(&right, "/parameters/sku"), "sku");
    wrong(&with(&right, "/parameters/sku", json!(1)), "parameters.sku");
    wrong(&with(&right, "/parameters/sku", json!("NO-SUCH-SKU")), "NO-SUCH-SKU");
    for licences in [json!("10"), json!(1.5), json!(-1), json!([1])] {
        wrong(&with(&right, "/parameters/licenseQuantity", licences), "parameters.licenseQuantity");
    }
    wrong(&with(&right, "/parameters/licenseQuantity", json!(4)), "5 to 500");
    wrong(&with(&right, "/parameters/licenseQuantity", json!(u64::MAX)), "5 to 500");
    wrong(&with(&right, "/parameters/additionalparameters", json!("x")), "additionalparameters");
    wrong(&with(&right, "/parameters/customoption1", json!({ "value": "mars" })), "customoption1");
    wrong(&with(&right, "/parameters/customoption7", json!({ "value": "x" })), "customoption7");
    wrong(&without(&right, "/resource"), "resource");
    wrong(&with(&right, "/resource", json!("saas")), "resource");
    wrong(&with(&right, "/resource/type", json!("iaas")), "resource.type");
    wrong(&without(&right, "/requestor"), "requestor");
    wrong(&with(&right, "/requestor", json!({})), "requestor");
    client.refuses_body(
        Method::POST,
        "/resource",
        &with(&right, "/requestid", json!(1)),
        "requestid",
    );
    client.refuses_body(
        Method::POST,
        "/resource",
        &with(&right, "/requestid", json!("")),
        "request id",
    );
    let long = with(&right, "/requestid", json!("x".repeat(201)));
    client.refuses_body(Method::POST, "/resource", &long, "request id");
    // The action of a POST can only be one.
    client.refuses_body(
        Method::POST,
        "/resource",
        &with(&right, "/action", json!("delete")),
        "action",
    );
    assert!(client.resources(&account).is_empty(), "nothing that was refused is there");
}
