//! A restart, in order or not, changes nothing that a caller could see.

use cnsp_tests::bodies::{Account, account, action, resource, seat};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::Host;
use cnsp_tests::raw::Connection;
use serde_json::{Value, json};

/// Answers to everything that can be read.
fn everything(client: &Client, account: &Account, ids: &[String]) -> Vec<Value> {
    let mut paths =
        vec!["/account".to_owned(), "/catalog".into(), "/discovery".into(), "/health".into()];
    for route in ["/account", "/account/user", "/resource", "/billing"] {
        paths.push(format!("{route}/{}", account.id));
    }
    for id in ids {
        paths.extend(["/resource", "/health", "/billing"].map(|route| format!("{route}/{id}")));
    }
    paths.iter().map(|path| client.get(path).json).collect()
}

#[test]
fn state_survives_a_restart_and_a_kill_9() {
    let mut host = Host::start();
    let client = host.marketplace();
    let keyed = client.with("idempotency-key", "account-1");
    let first = keyed.post("/account", &account("contoso", "ada@example.com")).succeeded();
    let contoso = Account { accountid: "contoso".into(), id: first.text_of("provideraccountid") };
    let user = client.new_user(&contoso);
    let order = resource(&contoso, "order-1", "SANDBOX-CRM-PRO", 5);
    let bought = client.post("/resource", &order).succeeded();
    let mail = client.new_resource(&contoso, "SANDBOX-MAIL", 1);
    let assigned = client.with("idempotency-key", "seat-1");
    let assign = seat(&contoso, "assign", &user, &mail);
    assigned.put("/account/user/resource", &assign).succeeded();
    let suspended = client.new_resource(&contoso, "SANDBOX-MAIL", 1);
    client.put("/resource", &action(&contoso, "s", &suspended, "update.suspend")).succeeded();
    let ids = [bought.text_of("providerinstanceid"), mail.id.clone(), suspended.id.clone()];
    let before = everything(&client, &contoso, &ids);

    for orderly in [true, false, false, true] {
        if orderly {
            host.terminate();
        } else {
            host.kill9();
        }
        host.resume();
        let client = host.marketplace();
        assert_eq!(everything(&client, &contoso, &ids), before, "orderly: {orderly}");
        let replayed = |answer: Answer| {
            assert_eq!(answer.header("idempotent-replayed"), Some("true"), "{}", answer.text);
            answer.json
        };
        // Also the password that was answered once is in the replay.
        assert_eq!(replayed(client.post("/resource", &order)), bought.json);
        let keyed = client.with("idempotency-key", "account-1");
        assert_eq!(
            replayed(keyed.post("/account", &account("contoso", "ada@example.com"))),
            first.json
        );
        replayed(client.with("idempotency-key", "seat-1").put("/account/user/resource", &assign));
        assert_eq!(
            client.put("/account/user/resource", &assign).status,
            404,
            "the seat is still taken"
        );
    }
    // And it goes on from there.
    let client = host.marketplace();
    client.put("/resource", &action(&contoso, "r", &suspended, "update.reactivate")).succeeded();
    assert_eq!(client.status(&suspended.id), "active");
}

/// What is inside when the host is told to end is finished and answered.
#[test]
fn a_call_that_is_under_way_is_finished_before_the_end() {
    use base64::Engine as _;
    let mut host = Host::start();
    let client = host.marketplace();
    let contoso = client.new_account();
    let caller = host.marketplace_credentials();
    let basic = format!("{}:{}", caller.username, caller.password);
    let basic = base64::engine::general_purpose::STANDARD.encode(basic);
    let body = resource(&contoso, "order-1", "SANDBOX-MAIL", 2).to_string();
    let mut connection = Connection::open(host.address());
    connection.send(
        format!(
            "POST /apiv1/resource HTTP/1.1\r\nhost: x\r\nauthorization: Basic {basic}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    // The host asks for the body: it is inside the call.
    assert_eq!(connection.read().expect("an answer").status, 100);
    host.signal_terminate();
    let limit = std::time::Duration::from_secs(20);
    let address = host.address().to_owned();
    cnsp_tests::eventually("nobody new is let in", limit, || {
        std::net::TcpStream::connect(&address).is_err().then_some(())
    });
    connection.send(body.as_bytes());
    let answer = connection.read().expect("an answer");
    assert_eq!(
        (answer.status, &answer.json["result"]["success"]),
        (200, &json!(true)),
        "{answer:?}"
    );
    assert_eq!(host.wait().code(), Some(0));
    host.resume();
    assert_eq!(host.marketplace().resources(&contoso).len(), 1);
}

#[test]
fn a_data_folder_has_one_host_at_a_time() {
    let host = Host::start();
    let data = host.data();
    let mut second = cnsp_tests::host::Options::default().data(&data).stopped();
    let refused = second.try_resume(&[]).expect_err("the folder is in use");
    assert_eq!(refused.code, Some(1));
    let log = second.log();
    assert!(log.contains(&data.display().to_string()), "{log}");
    host.marketplace().new_account();
}
