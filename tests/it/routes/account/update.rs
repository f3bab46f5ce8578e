use crate::check;
use cnsp_tests::bodies::{requestor, with, without};
use cnsp_tests::host::Host;
use reqwest::Method;
use serde_json::{Value, json};

fn body(requestor: Value) -> Value {
    let mut body = requestor;
    body["accountname"] = json!("Contoso Ltd");
    body["phone"] = json!("+44 20 7946 0000");
    body["address"] = json!({ "addressline1": "2 High Street", "city": "London", "country": "GB" });
    body["additionalattributes"] = json!({ "segment": "enterprise", "since": 2016 });
    body
}

#[test]
fn update_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer = client.put("/account", &body(requestor(&account)));
    assert_eq!(answer.message(), "Account updated successfully");
    check("put_account.ok", &answer);
    // What was not sent stays as it was.
    check("put_account.after", &client.get(&format!("/account/{}", account.id)));

    // Either of the two ids says which account.
    let by_accountid = json!({ "requestor": { "accountid": account.accountid }, "phone": "1" });
    client.put("/account", &by_accountid).succeeded();
}

#[test]
fn update_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let nobody =
        json!({ "requestor": { "provideraccountid": "acc-nobody", "accountid": "nobody" } });
    let refused = client.put("/account", &body(nobody));
    assert_eq!((refused.status, refused.message()), (404, "Account updation failed"));
    assert_eq!(refused.error(), "The account doesn't exist.");
    check("put_account.error.missing", &refused);

    let account = client.new_account();
    let right = body(requestor(&account));
    let wrong = |body: &Value, named: &str| {
        let refused = client.refuses_body(Method::PUT, "/account", body, named);
        assert_eq!(refused.message(), "Account updation failed");
    };
    wrong(&without(&right, "/requestor"), "requestor");
    wrong(&with(&right, "/requestor", json!({})), "requestor.provideraccountid");
    wrong(&with(&right, "/requestor/accountid", json!(1)), "requestor.accountid");
    wrong(&with(&right, "/accountname", json!(1)), "accountname");
    wrong(&with(&right, "/address/postalcode", json!(98101)), "address.postalcode");
    wrong(&with(&right, "/additionalattributes", json!(1)), "additionalattributes");
}
