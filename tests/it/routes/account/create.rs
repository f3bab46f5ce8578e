use crate::check;
use cnsp_tests::bodies::{account, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::json;

#[test]
fn create_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let answer = client.post("/account", &account("contoso", "ada@example.com"));
    assert_eq!((answer.status, answer.respcode()), (200, 200));
    assert_eq!(answer.message(), "Account created successfully");
    assert_eq!(answer.text_of("accountid"), "contoso");
    check("post_account.ok", &answer);

    // The first user of the account is there, without the password.
    let users = client.get(&format!("/account/user/{}", answer.text_of("provideraccountid")));
    assert_eq!(users.body()["users"][0]["email"], "ada@example.com");
    assert!(!users.text.contains("canary"), "{}", users.text);

    let least = client.post("/account", &json!({ "accountid": "least", "accountname": "Least" }));
    assert_eq!(least.succeeded().text_of("accountid"), "least");
}

#[test]
fn create_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    client.post("/account", &account("contoso", "ada@example.com")).succeeded();

    let told =
        with(&account("b", "b@example.com"), "/additionalattributes/sandbox", json!("credentials"));
    let refused = client.post("/account", &told);
    assert_eq!((refused.status, refused.message()), (401, "Authentication failed"));
    assert_eq!(refused.error(), "Invalid credentials provided.");
    check("post_account.error.credentials", &refused);

    // Upper case is the same address.
    let refused = client.post("/account", &account("c", "ADA@example.com"));
    assert_eq!((refused.status, refused.message()), (400, "Account creation failed"));
    assert_eq!(refused.body()["errorMessage"], "User with email address already exists.");
    check("post_account.error.email", &refused);
    // Nothing of a refused account stays.
    client.post("/account", &account("c", "c@example.com")).succeeded();

    let refused = client.post("/account", &account("contoso", "d@example.com"));
    assert_eq!(refused.status, 400, "an accountid belongs to one account");
    check("post_account.error.accountid", &refused);
}

#[test]
fn create_names_the_field_that_is_wrong() {
    let host = Host::start();
    let client = host.marketplace();
    let right = account("contoso", "ada@example.com");
    let wrong = |body: &serde_json::Value, named: &str| {
        let refused = client.refuses_body(Method::POST, "/account", body, named);
        assert_eq!(refused.message(), "Account creation failed");
    };
    for field in ["accountid", "accountname"] {
        wrong(&without(&right, &format!("/{field}")), field);
        wrong(&with(&right, &format!("/{field}"), json!(7)), field);
        wrong(&with(&right, &format!("/{field}"), json!(null)), field);
        wrong(&with(&right, &format!("/{field}"), json!("")), field);
    }
    wrong(&with(&right, "/phone", json!(["1"])), "phone");
    wrong(&with(&right, "/userinfo", json!("ada")), "userinfo");
    wrong(&with(&right, "/userinfo/email", json!({ "at": 1 })), "userinfo.email");
    wrong(&with(&right, "/userinfo/email", json!("no address")), "userinfo.email");
    wrong(&with(&right, "/address/city", json!(true)), "address.city");
    wrong(&with(&right, "/address", json!([])), "address");
    wrong(&with(&right, "/additionalattributes", json!("x")), "additionalattributes");
    wrong(&with(&right, "/accountname", json!("x".repeat(300))), "accountname");
    let accounts = client.get("/account").succeeded();
    assert_eq!(accounts.body()["accounts"], json!([]), "nothing that was refused is there");
}
