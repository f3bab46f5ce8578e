use crate::check;
use cnsp_tests::host::Host;
use serde_json::json;

#[test]
fn delete_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    // CNSP's requestor has only the userid here.
    let answer = client.delete("/account/user", &json!({ "requestor": { "userid": user.id } }));
    assert_eq!(answer.message(), "User profile deleted successfully");
    assert_eq!(answer.text_of("userid"), user.id);
    check("delete_account_user.ok", &answer);
    assert_eq!(client.get(&format!("/account/user/{}?kind=user", user.id)).status, 404);

    // The address is free again.
    let body = cnsp_tests::bodies::user(&account, &user.email);
    let again = client.post("/account/user", &body).succeeded();
    // By query. (Contract A10.)
    client.delete_bare(&format!("/account/user?userid={}", again.text_of("userid"))).succeeded();
}

#[test]
fn delete_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let refused =
        client.delete("/account/user", &json!({ "requestor": { "userid": "usr-nobody" } }));
    assert_eq!((refused.status, refused.message()), (404, "User profile deletion failed"));
    assert_eq!(refused.body()["errorMessage"], "The user doesn't exist.");
    check("delete_account_user.error.missing", &refused);
    for body in [json!({ "requestor": {} }), json!({ "requestor": { "userid": 1 } })] {
        let refused = client.delete("/account/user", &body).refused(400, "INVALID_REQUEST");
        assert!(refused.error().contains("requestor.userid"), "{}", refused.error());
    }
    client.delete_bare("/account/user").refused(400, "INVALID_REQUEST");
}
