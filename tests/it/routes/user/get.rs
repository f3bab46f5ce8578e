use crate::check;
use cnsp_tests::host::Host;

#[test]
fn get_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let answer = client.get(&format!("/account/user/{}", user.id));
    assert_eq!(answer.message(), "User retrieved successfully");
    assert_eq!(answer.body()["userinfo"]["email"], user.email.as_str());
    assert!(!answer.text.contains("password"), "{}", answer.text);
    check("get_account_user_id.ok.user", &answer);
}

#[test]
fn get_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    client.lock(&account);
    let refused = client.get(&format!("/account/user/{}", user.id));
    let text = "The user is not authorized to perform this operation.";
    assert_eq!((refused.status, refused.message(), refused.error()), (403, text, text));
    check("get_account_user_id.error.user_unauthorized", &refused);
    check("get_account_user_id.error.missing", &client.get("/account/user/nobody"));
}
