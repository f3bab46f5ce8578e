use crate::check;
use cnsp_tests::bodies::{action, unique, with};
use cnsp_tests::host::Host;
use serde_json::json;

#[test]
fn suspend_and_reactivate_answer_204_in_a_body() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let answer = client.put("/resource", &action(&account, "a-1", &resource, "update.suspend"));
    assert_eq!((answer.status, answer.respcode()), (200, 204), "a 204 of HTTP has no body");
    assert_eq!(answer.message(), "Resource suspended successfully");
    assert_eq!(answer.text_of("providerinstanceid"), resource.id);
    check("put_resource.ok.suspend", &answer);
    assert_eq!(client.status(&resource.id), "suspended");

    let answer = client.put("/resource", &action(&account, "a-2", &resource, "update.reactivate"));
    assert_eq!((answer.status, answer.respcode()), (200, 204));
    assert_eq!(answer.message(), "Resource reactivated successfully");
    check("put_resource.ok.reactivate", &answer);
    assert_eq!(client.status(&resource.id), "active");
}

#[test]
fn an_action_of_the_providers_own_is_taken() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let mut body = action(&account, "a-1", &resource, "update.rename");
    body["parameters"] = json!({ "instancename": "Post" });
    let answer = client.put("/resource", &body);
    assert_eq!((answer.status, answer.respcode()), (200, 200));
    check("put_resource.ok.rename", &answer);
    let got = client.get(&format!("/resource/{}", resource.id));
    assert_eq!(got.body()["resourceinfo"]["parameters"]["instancename"], "Post");
}

#[test]
fn actions_are_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let right = action(&account, "a-1", &resource, "update.suspend");
    let nothing = with(&right, "/instanceinfo/providerinstanceid", json!("ins-nothing"));
    let refused = client.put("/resource", &nothing);
    assert_eq!((refused.status, refused.message()), (404, "Suspension of resource failed"));
    assert_eq!(refused.body()["errorMessage"], "Resource not found");
    assert_eq!(refused.text_of("providerinstanceid"), "ins-nothing");
    check("put_resource.error.suspend_missing", &refused);

    let refused = client.put("/resource", &action(&account, "a-2", &resource, "update.reactivate"));
    assert_eq!((refused.status, refused.message()), (409, "Reactivation of resource failed"));
    check("put_resource.error.reactivate_active", &refused);
    client.put("/resource", &action(&account, "a-3", &resource, "update.suspend")).succeeded();
    let refused = client.put("/resource", &action(&account, "a-4", &resource, "update.suspend"));
    assert_eq!((refused.status, refused.message()), (409, "Suspension of resource failed"));
}

/// (Contract A9.)
#[test]
fn an_unknown_action_is_refused_with_those_of_discovery() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let refused = client.put("/resource", &action(&account, "a-1", &resource, "update.explode"));
    check("put_resource.error.unknown_action", &refused);
    refused.refused(400, "INVALID_REQUEST");
    for wrong in ["create", "delete", "assign", "", "UPDATE", "update.suspend "] {
        let body = action(&account, &unique("a"), &resource, wrong);
        let refused = client.put("/resource", &body).refused(400, "INVALID_REQUEST");
        assert!(refused.error().contains("update.suspend"), "{wrong}: {}", refused.error());
    }
    assert_eq!(client.status(&resource.id), "active");
}
