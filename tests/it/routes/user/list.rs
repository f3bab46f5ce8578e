use crate::check;
use cnsp_tests::host::Host;

#[test]
fn list_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let path = format!("/account/user/{}", account.id);
    let answer = client.get(&path);
    assert_eq!(answer.message(), "Users retrieved successfully");
    check("get_account_user_id.ok.users", &answer);
    let user = client.new_user(&account);
    let users = client.get(&path).succeeded();
    let users = users.body()["users"].as_array().unwrap().clone();
    assert_eq!(users.len(), 2);
    assert!(users.iter().any(|one| one["provideruserid"] == user.id.as_str()));
    assert!(users.iter().all(|one| one["username"].is_string() && one["password"].is_null()));
    // Of this account only, and by either of its ids. (Contract A5b.)
    client.new_account();
    let by_accountid = client.get(&format!("/account/user/{}", account.accountid)).succeeded();
    assert_eq!(by_accountid.body()["users"].as_array().unwrap(), &users);
}

#[test]
fn list_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    client.lock(&account);
    let refused = client.get(&format!("/account/user/{}", account.id));
    let text = "The user is not authorized to perform this operation.";
    assert_eq!((refused.status, refused.message(), refused.error()), (403, text, text));
    check("get_account_user_id.error.users_unauthorized", &refused);
}
