use crate::check;
use cnsp_tests::bodies::{action, deletion, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn delete_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let answer = client.delete("/resource", &deletion(&account, "d-1", &resource.id));
    assert_eq!((answer.status, answer.respcode()), (200, 200));
    assert_eq!(answer.message(), "Resource deleted successfully");
    check("delete_resource.ok", &answer);
    assert_eq!(client.status(&resource.id), "cancel");
    assert_eq!(
        client.put("/resource", &action(&account, "a", &resource, "update.suspend")).status,
        409
    );
}

/// (Contract A10.)
#[test]
fn delete_takes_its_fields_from_the_query_too() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let path = format!(
        "/resource?requestId=d-1&action=delete&providerinstanceid={}&provideraccountid={}",
        resource.id, account.id
    );
    let answer = client.delete_bare(&path).succeeded();
    assert_eq!(answer.text_of("providerinstanceid"), resource.id);
    assert_eq!(client.status(&resource.id), "cancel");
    // The same request by body is the same request.
    let again = client.delete("/resource", &deletion(&account, "d-1", &resource.id)).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    client.delete_bare("/resource").refused(400, "INVALID_REQUEST");
}

#[test]
fn delete_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let (account, other) = (client.new_account(), client.new_account());
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let refused = client.delete("/resource", &deletion(&other, "d-1", &resource.id));
    assert_eq!((refused.status, refused.message()), (500, "Resource deletion failed"));
    assert_eq!(refused.body()["errorMessage"], "The user is not authorized.");
    check("delete_resource.error.unauthorized", &refused);
    check(
        "delete_resource.error.missing",
        &client.delete("/resource", &deletion(&account, "d-2", "ins-nothing")),
    );

    let right = deletion(&account, "d-3", &resource.id);
    let wrong = |body: &Value, named: &str| {
        let refused = client.refuses_body(Method::DELETE, "/resource", body, named);
        assert_eq!(refused.message(), "Resource deletion failed");
    };
    wrong(&without(&right, "/instanceinfo"), "instanceinfo");
    wrong(
        &with(&right, "/instanceinfo/providerinstanceid", json!(null)),
        "instanceinfo.providerinstanceid",
    );
    wrong(&without(&right, "/requestor"), "requestor");
    wrong(&with(&right, "/action", json!("update")), "action");
    wrong(&with(&right, "/requestId", json!({})), "requestid");
    assert_eq!(client.status(&resource.id), "active");
}
