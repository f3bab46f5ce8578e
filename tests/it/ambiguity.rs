//! Paths whose id may stand for several things. (Contract A1 to A3.)

use cnsp_tests::bodies::{Account, account, unique};
use cnsp_tests::client::Client;
use cnsp_tests::host::Host;

/// An account whose accountid, which the caller chooses, is the id of something else.
fn account_named(client: &Client, id: &str) -> Account {
    let body = account(id, &format!("{}@example.com", unique("twin")));
    let answer = client.post("/account", &body).succeeded();
    Account { accountid: id.to_owned(), id: answer.text_of("provideraccountid") }
}

#[test]
fn a_user_and_an_account_of_one_id_are_told_apart_by_kind() {
    let host = Host::start();
    let client = host.marketplace();
    let user = client.new_user(&client.new_account());
    account_named(&client, &user.id);
    let path = format!("/account/user/{}", user.id);
    let refused = client.get(&path).refused(400, "AMBIGUOUS");
    assert!(refused.error().contains("kind=user") && refused.error().contains("kind=account"));
    let as_user = client.get(&format!("{path}?kind=user")).succeeded();
    assert_eq!(as_user.body()["userinfo"]["email"], user.email.as_str());
    let as_account = client.get(&format!("{path}?kind=account")).succeeded();
    assert_eq!(as_account.body()["users"].as_array().unwrap().len(), 1);
    for wrong in ["?kind=instance", "?kind=", "?kind=USER"] {
        let refused = client.get(&format!("{path}{wrong}")).refused(400, "INVALID_REQUEST");
        assert!(refused.error().contains("user, account"), "{}", refused.error());
    }
}

#[test]
fn an_instance_and_an_account_of_one_id_are_told_apart_by_kind() {
    let host = Host::start();
    let client = host.marketplace();
    let resource = client.new_resource(&client.new_account(), "SANDBOX-MAIL", 2);
    let twin = account_named(&client, &resource.id);
    client.new_resource(&twin, "SANDBOX-MAIL", 7);
    let path = format!("/resource/{}", resource.id);
    let refused = client.get(&path).refused(400, "AMBIGUOUS");
    assert!(refused.error().contains("kind=instance") && refused.error().contains("kind=account"));
    let instance = client.get(&format!("{path}?kind=instance")).succeeded();
    assert_eq!(instance.body()["resourceinfo"]["parameters"]["license"], 2);
    let listed = client.get(&format!("{path}?kind=account")).succeeded();
    assert_eq!(listed.body()["resources"][0]["parameters"]["license"], 7);
}

#[test]
fn what_is_billed_is_told_apart_by_kind() {
    let host = Host::start();
    let client = host.marketplace();
    let resource = client.new_resource(&client.new_account(), "SANDBOX-MAIL", 2);
    for (id, kind) in [(&resource.id, "instance"), (&resource.subscription, "subscription")] {
        account_named(&client, id);
        let path = format!("/billing/{id}");
        let refused = client.get(&path).refused(400, "AMBIGUOUS");
        assert!(refused.error().contains(kind) && refused.error().contains("account"));
        let of_kind = client.get(&format!("{path}?kind={kind}")).succeeded();
        assert_eq!(of_kind.body()["usagefeed"].as_array().unwrap().len(), 1);
        let of_account = client.get(&format!("{path}?kind=account")).succeeded();
        assert_eq!(of_account.body()["usagefeed"].as_array().unwrap().len(), 0);
        assert_eq!(of_account.text_of("accountid"), *id);
    }
    client.get(&format!("/billing/{}?kind=user", resource.id)).refused(400, "INVALID_REQUEST");
}

/// The first user of an account is made by the provider, and the host has never heard of its id.
#[test]
fn an_id_that_the_host_does_not_know_is_the_providers_to_tell() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let users = client.get(&format!("/account/user/{}", account.id)).succeeded();
    let first = users.body()["users"][0]["provideruserid"].as_str().unwrap();
    let found = client.get(&format!("/account/user/{first}")).succeeded();
    assert_eq!(found.body()["userinfo"], users.body()["users"][0]);
    for path in ["/account/user/nobody", "/resource/nothing", "/billing/nothing"] {
        assert_eq!(client.get(path).status, 404, "{path}");
    }
}
