use crate::check;
use cnsp_tests::bodies::{unique, user, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn create_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer = client.post("/account/user", &user(&account, "grace@example.com"));
    assert_eq!((answer.status, answer.respcode()), (201, 201));
    assert_eq!(answer.message(), "User created successfully");
    assert!(!answer.text_of("userid").is_empty());
    check("post_account_user.ok", &answer);
    // CNSP's requestor has no userid here, and either id of the account does.
    let least = json!({
        "email": format!("{}@example.com", unique("least")),
        "requestor": { "accountid": account.accountid },
    });
    client.post("/account/user", &least).succeeded();
}

#[test]
fn create_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let (first, second) = (client.new_account(), client.new_account());
    client.post("/account/user", &user(&first, "grace@example.com")).succeeded();
    // An address belongs to one user of the whole provider.
    let refused = client.post("/account/user", &user(&second, "Grace@example.com"));
    assert_eq!((refused.status, refused.message()), (400, "User creation failed"));
    assert_eq!(refused.error(), "The email address already exists");
    check("post_account_user.error.email", &refused);

    let right = user(&first, "other@example.com");
    let nobody = with(&right, "/requestor", json!({ "provideraccountid": "acc-nobody" }));
    check("post_account_user.error.account", &client.post("/account/user", &nobody));

    let wrong = |body: &Value, named: &str| {
        let refused = client.refuses_body(Method::POST, "/account/user", body, named);
        assert_eq!(refused.message(), "User creation failed");
    };
    wrong(&without(&right, "/email"), "email");
    wrong(&with(&right, "/email", json!(5)), "email");
    wrong(&with(&right, "/email", json!("nowhere")), "email");
    wrong(&with(&right, "/firstname", json!({})), "firstname");
    wrong(&with(&right, "/password", json!(12345)), "password");
    wrong(&with(&right, "/role", json!(["user"])), "role");
    wrong(&with(&right, "/additionalattributes", json!(null)), "additionalattributes");
    wrong(&without(&right, "/requestor"), "requestor");
    wrong(&with(&right, "/requestor", json!({})), "requestor.provideraccountid");
    let refused = client.post("/account/user", &with(&right, "/password", json!(12345)));
    assert!(!refused.text.contains("12345"), "a wrong password is not repeated: {}", refused.text);
}
