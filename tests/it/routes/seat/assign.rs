use crate::check;
use cnsp_tests::bodies::{action, seat, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn assign_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 1);
    let answer = client.put("/account/user/resource", &seat(&account, "assign", &user, &resource));
    assert_eq!(answer.message(), "Subscription entitled successfully");
    assert_eq!(answer.text_of("providerinstanceid"), resource.id);
    check("put_account_user_resource.ok.assign", &answer);
}

#[test]
fn assign_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let (user, other) = (client.new_user(&account), client.new_user(&account));
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 1);
    let path = "/account/user/resource";
    let right = seat(&account, "assign", &user, &resource);
    client.put(path, &right).succeeded();
    // A new request for the same seat gets CNSP's error. (Contract A12.)
    let refused = client.put(path, &right);
    assert_eq!((refused.status, refused.message()), (404, "Entitling of subscription failed"));
    let text = "The subscriber already has a seat for the subscription.";
    assert_eq!(refused.body()["errorMessage"], text);
    check("put_account_user_resource.error.assigned_twice", &refused);

    let refused = client.put(path, &seat(&account, "assign", &other, &resource));
    assert_eq!(refused.status, 403, "there are as many seats as licences");
    check("put_account_user_resource.error.no_seat", &refused);

    let larger = with(
        &action(&account, "grow", &resource, "update"),
        "/parameters",
        json!({ "license": 2 }),
    );
    client.put("/resource", &larger).succeeded();
    client.put(path, &seat(&account, "assign", &other, &resource)).succeeded();
    let smaller = with(
        &action(&account, "shrink", &resource, "update"),
        "/parameters",
        json!({ "license": 1 }),
    );
    let refused = client.put("/resource", &smaller);
    assert_eq!(refused.status, 400, "licences whose seats are taken stay: {}", refused.text);

    client.put("/resource", &action(&account, "pause", &resource, "update.suspend")).succeeded();
    let third = client.new_user(&account);
    assert_eq!(client.put(path, &seat(&account, "assign", &third, &resource)).status, 409);
}

/// A replay answers as the first request did. (Contract A12, A16.)
#[test]
fn assign_again_with_the_same_key_is_answered_as_the_first_time() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 5);
    let body = seat(&account, "assign", &user, &resource);
    let keyed = client.with("idempotency-key", "seat-1");
    let first = keyed.put("/account/user/resource", &body).succeeded();
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = keyed.put("/account/user/resource", &body).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json, first.json);
    assert_eq!(client.put("/account/user/resource", &body).status, 404);
}

#[test]
fn a_seat_names_the_field_that_is_wrong() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 5);
    let right = seat(&account, "assign", &user, &resource);
    let wrong = |body: &Value, named: &str| {
        let refused = client.refuses_body(Method::PUT, "/account/user/resource", body, named);
        assert_eq!(refused.message(), "Entitling of subscription failed");
    };
    wrong(&without(&right, "/action"), "action");
    wrong(&with(&right, "/action", json!(1)), "action");
    // An unknown action gets the list of those that there are. (Contract A9.)
    wrong(&with(&right, "/action", json!("lend")), "assign, revoke");
    wrong(&without(&right, "/instanceinfo"), "instanceinfo");
    wrong(&without(&right, "/instanceinfo/providerinstanceid"), "providerinstanceid");
    wrong(
        &with(&right, "/instanceinfo/providerinstanceid", json!(1)),
        "instanceinfo.providerinstanceid",
    );
    wrong(&without(&right, "/requestor/userid"), "requestor.userid");
    let nobody = with(&right, "/requestor/userid", json!("usr-nobody"));
    assert_eq!(client.put("/account/user/resource", &nobody).status, 404);
    let nothing = with(&right, "/instanceinfo/providerinstanceid", json!("ins-nothing"));
    assert_eq!(client.put("/account/user/resource", &nothing).status, 404);
}
