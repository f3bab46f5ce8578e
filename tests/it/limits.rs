//! A plugin that misbehaves hurts its own calls, with a clear error, and nobody else's.

use cnsp_tests::bodies::{Account, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::{check_time, eventually};
use serde_json::json;
use std::time::Duration;

fn order(client: &Client, account: &Account, sku: &str, script: &str) -> Answer {
    let mut body = resource(account, &unique("order"), sku, 1);
    body["parameters"]["additionalparameters"]["sandbox"] = json!(script);
    client.post("/resource", &body)
}

#[test]
fn a_call_that_takes_too_long_is_given_up() {
    let host = Options::default().set("calls.timeout_ms", 400).start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer =
        check_time(Duration::from_secs(3), || order(&client, &account, "SANDBOX-SLOW", ""));
    crate::check("post_resource.error.timeout", &answer);
    answer.refused(504, "PLUGIN_TIMEOUT");
    assert!(client.resources(&account).is_empty(), "nothing of it stays");
    client.new_resource(&account, "SANDBOX-MAIL", 1);
}

#[test]
fn a_call_that_computes_too_long_is_stopped() {
    let host = Options::default().set("calls.cpu_ms", 200).start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer = check_time(Duration::from_secs(3), || {
        order(&client, &account, "SANDBOX-MAIL", "slow:20000")
    });
    crate::check("post_resource.error.cpu", &answer);
    answer.refused(502, "PLUGIN_FAILED");
    assert!(client.resources(&account).is_empty());
    client.new_resource(&account, "SANDBOX-MAIL", 1);
}

#[test]
fn a_trap_and_nonsense_are_told_and_leave_nothing() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let trap = order(&client, &account, "SANDBOX-TRAP", "");
    crate::check("post_resource.error.trap", &trap);
    trap.refused(502, "PLUGIN_FAILED");
    let nonsense = order(&client, &account, "SANDBOX-NONSENSE", "");
    crate::check("post_resource.error.nonsense", &nonsense);
    nonsense.refused(502, "PLUGIN_ANSWER_INVALID");
    order(&client, &account, "SANDBOX-MAIL", "nonsense:id").refused(502, "PLUGIN_ANSWER_INVALID");
    assert!(client.resources(&account).is_empty(), "nothing of them stays");
    // A quantity that is no number spoils the bill, and nothing else.
    let told = order(&client, &account, "SANDBOX-MAIL", "nonsense:decimal").succeeded();
    let id = told.text_of("providerinstanceid");
    client.get(&format!("/billing/{id}")).refused(502, "PLUGIN_ANSWER_INVALID");
    assert_eq!(client.status(&id), "active");
    // The log says more than the caller learns.
    let log = host.log();
    assert!(log.contains("unreachable"), "the trap is in the log");
    // What the sandbox refuses by its own word is its answer.
    let refused = order(&client, &account, "SANDBOX-MAIL", "refuse:418");
    assert_eq!((refused.status, refused.code()), (418, "TOLD"));
    let unknown = order(&client, &account, "SANDBOX-MAIL", "explode");
    assert_eq!(unknown.status, 400);
}

/// A failure that says that it may pass is not remembered: the same request may be sent again.
#[test]
fn a_retryable_failure_is_no_outcome() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let mut body = resource(&account, "order-1", "SANDBOX-MAIL", 1);
    body["parameters"]["additionalparameters"]["sandbox"] = json!("fail");
    let refused = client.post("/resource", &body);
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(client.post("/resource", &body).header("idempotent-replayed"), None);
    assert!(client.resources(&account).is_empty());
}

#[test]
fn an_offering_that_fails_once_can_be_bought_with_the_same_request() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let body = resource(&account, "order-1", "SANDBOX-FLAKY", 1);
    let first = client.post("/resource", &body);
    if first.status != 200 {
        assert_eq!(first.status, 503, "{}", first.text);
        client.post("/resource", &body).succeeded();
    }
    assert_eq!(client.resources(&account).len(), 1);
}

#[test]
fn an_endpoint_that_is_full_does_not_fill_its_neighbours() {
    let host = Options::default().set("calls.wait_ms_max", 100).set("calls.cpu_ms", 20_000).start();
    let setup = SetupFolder::default().endpoint("narrow", "acme", &[], &[("concurrency_max", 1)]);
    host.apply_right(setup.path());
    let narrow = host.marketplace().at("narrow");
    let neighbour = host.marketplace().at("sandbox");
    let account = narrow.new_account();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| order(&narrow, &account, "SANDBOX-MAIL", "slow:3000"));
        let limit = Duration::from_secs(2);
        let full = eventually("the endpoint is full", limit, || {
            let answer = narrow.get("/discovery");
            (answer.status != 200).then_some(answer)
        });
        assert_eq!(full.header("retry-after"), Some("1"));
        crate::check("get_discovery.error.busy", &full);
        full.refused(429, "ENDPOINT_BUSY");
        neighbour.get("/discovery").succeeded();
        neighbour.new_account();
        assert!(!slow.is_finished(), "all of that was while the endpoint was full");
        slow.join().unwrap().succeeded();
    });
    narrow.get("/discovery").succeeded();
}

#[test]
fn a_host_that_is_full_says_when_to_come_back() {
    let host = Options::default()
        .set("calls.concurrency_max", 1)
        .set("calls.endpoint_concurrency_max", 1)
        .set("calls.wait_ms_max", 100)
        .set("calls.cpu_ms", 20_000)
        .start();
    host.apply_right(SetupFolder::default().endpoint("second", "acme", &[], &[]).path());
    let client = host.marketplace();
    let account = client.at("sandbox").new_account();
    std::thread::scope(|scope| {
        let sandbox = client.at("sandbox");
        let slow = scope.spawn(move || order(&sandbox, &account, "SANDBOX-MAIL", "slow:2000"));
        let limit = Duration::from_secs(2);
        let full = eventually("the host is full", limit, || {
            let answer = client.at("second").get("/discovery");
            (answer.status != 200).then_some(answer)
        });
        assert!(full.header("retry-after").is_some());
        full.refused(503, "OVERLOADED");
        // What needs no plugin is still answered.
        assert_eq!(host.anonymous().below("").get("/healthz").status, 200);
        slow.join().unwrap().succeeded();
    });
}
