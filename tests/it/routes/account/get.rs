use crate::check;
use cnsp_tests::host::Host;

#[test]
fn get_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer = client.get(&format!("/account/{}", account.id));
    assert_eq!(answer.message(), "Account retrieved successfully");
    assert_eq!(answer.body()["accountinfo"]["accountid"], account.accountid.as_str());
    check("get_account_id.ok", &answer);
    // Either of the two ids does. (Contract A5b.)
    let other = client.get(&format!("/account/{}", account.accountid));
    assert_eq!(other.json, answer.json);
}

#[test]
fn get_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    client.lock(&account);
    let refused = client.get(&format!("/account/{}", account.id));
    assert_eq!((refused.status, refused.message()), (500, "Account retrieval failed"));
    assert_eq!(refused.error(), "The user is not authorized.");
    check("get_account_id.error.unauthorized", &refused);

    let refused = client.get("/account/nobody");
    assert_eq!((refused.status, refused.message()), (404, "Account retrieval failed"));
    check("get_account_id.error.missing", &refused);
}
