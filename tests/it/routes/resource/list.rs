use crate::check;
use cnsp_tests::host::Host;
use serde_json::json;

#[test]
fn list_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let path = format!("/resource/{}", account.id);
    assert_eq!(client.get(&path).succeeded().body()["resources"], json!([]));
    let first = client.new_resource(&account, "SANDBOX-MAIL", 5);
    let answer = client.get(&path);
    assert_eq!(answer.message(), "Resources retrieved successfully");
    check("get_resource_id.ok.account", &answer);
    let second = client.new_resource(&account, "SANDBOX-CRM-PRO", 5);
    let mut ids: Vec<_> = client
        .resources(&account)
        .iter()
        .map(|one| one["parameters"]["providerinstanceid"].clone())
        .collect();
    ids.sort_by_key(ToString::to_string);
    let mut expected = [json!(first.id), json!(second.id)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(ids, expected);
    // Of this account only, and by either of its ids. (Contract A5b.)
    let other = client.new_account();
    assert!(client.resources(&other).is_empty());
    let by_accountid = client.get(&format!("/resource/{}", account.accountid)).succeeded();
    assert_eq!(by_accountid.body()["resources"].as_array().unwrap().len(), 2);
}

#[test]
fn list_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    client.lock(&account);
    let refused = client.get(&format!("/resource/{}", account.id));
    let text = "The user is not authorized to perform this operation.";
    assert_eq!((refused.status, refused.message()), (403, text));
    assert_eq!(refused.body()["errorMessage"], text);
    check("get_resource_id.error.account_unauthorized", &refused);
}
