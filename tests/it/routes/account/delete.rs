use crate::check;
use cnsp_tests::bodies::{requestor, unique};
use cnsp_tests::host::Host;
use serde_json::json;

#[test]
fn delete_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer = client.delete("/account", &requestor(&account));
    assert_eq!(answer.message(), "Account deleted successfully");
    check("delete_account.ok", &answer);
    assert_eq!(client.get(&format!("/account/{}", account.id)).status, 404);
    assert_eq!(client.get("/account").succeeded().body()["accounts"], json!([]));
}

/// Some proxies drop the body of a DELETE. (Contract A10.)
#[test]
fn delete_takes_its_fields_from_the_query_too() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer =
        client.delete_bare(&format!("/account?provideraccountid={}", account.id)).succeeded();
    assert_eq!(answer.text_of("provideraccountid"), account.id);
    let account = client.new_account();
    client.delete_bare(&format!("/account?accountid={}", account.accountid)).succeeded();
    client.delete_bare("/account").refused(400, "INVALID_REQUEST");
}

#[test]
fn delete_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    client.delete("/account", &requestor(&account)).succeeded();
    let refused = client.delete("/account", &requestor(&account));
    assert_eq!((refused.status, refused.message()), (404, "Account deletion failed"));
    assert_eq!(refused.error(), "The account doesn't exist.");
    check("delete_account.error.missing", &refused);

    let account = client.new_account();
    client.new_resource(&account, "SANDBOX-MAIL", 1);
    let refused = client.delete("/account", &requestor(&account));
    assert_eq!(refused.status, 409, "what was bought is to be cancelled first");
    check("delete_account.error.in_use", &refused);

    let body = json!({ "requestor": { "provideraccountid": [unique("x")] } });
    let refused = client.delete("/account", &body).refused(400, "INVALID_REQUEST");
    assert!(refused.error().contains("requestor.provideraccountid"), "{}", refused.error());
    let body = json!({ "request": 1 });
    let refused = client.delete("/account", &body).refused(400, "INVALID_REQUEST");
    assert!(refused.error().contains("requestor"), "{}", refused.error());
}
