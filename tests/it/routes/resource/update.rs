use crate::check;
use cnsp_tests::bodies::{action, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn update_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let mut body = action(&account, "change-1", &resource, "update");
    body["parameters"] = json!({ "license": 8, "customparam1": "100 GB" });
    body["additionalparameters"] = json!({ "costcenter": "0815" });
    let answer = client.put("/resource", &body);
    assert_eq!((answer.status, answer.respcode()), (200, 200));
    assert_eq!(answer.message(), "Resource details updated successfully");
    assert_eq!(answer.text_of("providerinstanceid"), resource.id);
    check("put_resource.ok.update", &answer);
    check("put_resource.after_update", &client.get(&format!("/resource/{}", resource.id)));

    // Both spellings. (Contract A11.)
    let mut body = without(&action(&account, "x", &resource, "update"), "/requestId");
    body["requestid"] = json!("change-2");
    body["parameters"] = json!({ "licenseQuantity": 9 });
    client.put("/resource", &body).succeeded();
    let got = client.get(&format!("/resource/{}", resource.id));
    assert_eq!(got.body()["resourceinfo"]["parameters"]["license"], 9);
}

#[test]
fn update_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let mut right = action(&account, "change-1", &resource, "update");
    right["parameters"] = json!({ "license": 8 });
    let wrong = |body: &Value, named: &str| {
        let refused = client.refuses_body(Method::PUT, "/resource", body, named);
        assert_eq!(refused.message(), "Resource details updation failed");
    };
    wrong(&without(&right, "/action"), "action");
    wrong(&with(&right, "/action", json!(["update"])), "action");
    wrong(&without(&right, "/instanceinfo"), "instanceinfo");
    wrong(&with(&right, "/instanceinfo", json!("x")), "instanceinfo");
    wrong(&with(&right, "/instanceinfo/providerinstanceid", json!("")), "id");
    wrong(&with(&right, "/parameters/license", json!("8")), "parameters.license");
    wrong(&with(&right, "/parameters/license", json!(-8)), "parameters.license");
    wrong(&with(&right, "/parameters", json!(8)), "parameters");
    wrong(&without(&right, "/requestor"), "requestor");

    let other = client.new_account();
    let foreign = with(&right, "/requestor", json!({ "provideraccountid": other.id }));
    let refused = client.put("/resource", &foreign);
    assert_eq!((refused.status, refused.message()), (500, "Resource details updation failed"));
    assert_eq!(refused.body()["errorMessage"], "The user is not authorized.");
    check("put_resource.error.update_unauthorized", &refused);

    let nothing = with(&right, "/instanceinfo/providerinstanceid", json!("ins-nothing"));
    let nothing = with(&nothing, "/requestId", json!("change-2"));
    check("put_resource.error.update_missing", &client.put("/resource", &nothing));
}
