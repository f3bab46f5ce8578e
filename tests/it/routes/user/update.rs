use crate::check;
use cnsp_tests::bodies::{Account, User, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

fn body(account: &Account, user: &User) -> Value {
    json!({
        "firstname": "Grace Brewster",
        "lastname": "Hopper",
        "phone": "+1 206 555 0199",
        "role": "admin",
        "additionalattributes": { "rank": "rear admiral" },
        "requestor": {
            "accountid": account.accountid,
            "provideraccountid": account.id,
            "userid": user.id,
        },
    })
}

#[test]
fn update_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let answer = client.put("/account/user", &body(&account, &user));
    assert_eq!((answer.status, answer.respcode()), (200, 200));
    assert_eq!(answer.message(), "User updated successfully");
    check("put_account_user.ok", &answer);
    check("put_account_user.after", &client.get(&format!("/account/user/{}", user.id)));
}

#[test]
fn update_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let right = body(&account, &user);
    let refused =
        client.put("/account/user", &with(&right, "/requestor/userid", json!("usr-nobody")));
    assert_eq!((refused.status, refused.message()), (404, "User updation failed"));
    assert_eq!(refused.body()["errorMessage"], "The user doesn't exist.");
    check("put_account_user.error.missing", &refused);

    let wrong = |body: &Value, named: &str| {
        let refused = client.refuses_body(Method::PUT, "/account/user", body, named);
        assert_eq!(refused.message(), "User updation failed");
    };
    wrong(&without(&right, "/requestor"), "requestor");
    wrong(&without(&right, "/requestor/userid"), "requestor.userid");
    wrong(&with(&right, "/requestor/userid", json!(1)), "requestor.userid");
    wrong(&with(&right, "/lastname", json!(false)), "lastname");
    wrong(&with(&right, "/additionalattributes", json!([])), "additionalattributes");
}
