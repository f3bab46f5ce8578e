//! An endpoint whose plugin keeps failing is left alone, says so, and comes back by itself.

use cnsp_tests::bodies::{account, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);
/// Nothing in a test lasts as long.
const FOR_AN_HOUR_MS: u64 = 3_600_000;

/// A host whose breakers open after this many failures, for this long.
fn options(failure_count: u32, pause_ms: u64) -> Options {
    let longest = pause_ms.max(1000);
    Options::default()
        .set("breaker.failure_count", failure_count)
        .set("breaker.pause_ms", pause_ms)
        .set("breaker.pause_ms_max", longest)
}

/// An endpoint of `greedy` with this habit.
fn greedy(host: &Host, id: &str, habit: &str, more: &str) -> Client {
    let more = format!("config = {{ habit = {habit:?} }}\n{more}");
    host.apply_right(SetupFolder::default().fixture(id, "greedy", &more).path());
    host.marketplace().at(id)
}

/// A change that makes a plugin of the habit `sulk` trap from then on.
pub(crate) fn sulk(client: &Client, key: &str, time_ms: u64) -> Answer {
    let mut body = account("sulker", "ada@example.com");
    body["additionalattributes"] = json!({ "sulk_ms": time_ms });
    client.with("idempotency-key", key).post("/account", &body)
}

/// A metric's value.
pub(crate) fn metric(host: &Host, name: &str, labels: &[&str]) -> f64 {
    let metrics = host.operator().below("").get("/metrics").text;
    let lines = metrics.lines().filter(|line| line.split('{').next() == Some(name));
    let mut lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    lines.next().map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

pub(crate) fn is_open(host: &Host, endpoint: &str) -> bool {
    metric(host, "breaker_open", &[&format!("endpoint=\"{endpoint}\"")]) != 0.0
}

/// How often the plugin was called for an operation.
fn calls(host: &Host, endpoint: &str, operation: &str) -> f64 {
    let (endpoint, operation) =
        (format!("endpoint=\"{endpoint}\""), format!("operation=\"{operation}\""));
    let outcomes = ["done", "refused", "trap", "limit", "timeout"];
    let count = |outcome| {
        let outcome = format!("outcome=\"{outcome}\"");
        metric(host, "plugin_call_seconds_count", &[&endpoint, &operation, &outcome])
    };
    outcomes.map(count).iter().sum()
}

#[test]
fn an_endpoint_that_keeps_failing_is_left_alone_and_comes_back_by_itself() {
    let host = options(3, 2000).start();
    let client = greedy(&host, "sulky", "sulk", "");
    let first = sulk(&client, "sulk-1", 5000).succeeded();
    for _ in 0..3 {
        client.get("/account").refused(502, "PLUGIN_FAILED");
    }
    let open = client.get("/account");
    crate::check("get_account.error.unavailable", &open);
    let open = open.refused(503, "ENDPOINT_UNAVAILABLE");
    assert!(["1", "2"].contains(&open.header("retry-after").unwrap()));
    for words in ["`sulky`", "3 times in a row", "failed in account.list", "by itself"] {
        assert!(open.error().contains(words), "{words}: {}", open.error());
    }
    assert!(!open.text.contains("wasm") && !open.text.contains("greedy"), "{}", open.text);

    // What was answered before is answered again, and nobody is asked.
    let again = sulk(&client, "sulk-1", 5000).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.body(), first.body());
    // A change that is refused has not used its id.
    let keyed = client.with("idempotency-key", "account-2");
    let body = account("second", "grace@example.com");
    keyed.post("/account", &body).refused(503, "ENDPOINT_UNAVAILABLE");

    // Health says it, alone and together with the neighbour, who is well.
    let health = client.get("/health").succeeded();
    assert_eq!(health.text_of("status"), "down");
    assert_eq!(health.body()["checks"][0]["name"], "adapter");
    assert_eq!(health.body()["checks"][0]["healthy"], false);
    let all = host.marketplace().get("/health").succeeded();
    assert_eq!(all.text_of("status"), "degraded", "{}", all.text);
    let checks = all.body()["checks"].as_array().unwrap().clone();
    let of = |endpoint: &str| checks.iter().find(|check| check["endpoint"] == endpoint).cloned();
    assert_eq!(of("sulky").unwrap()["healthy"], false);
    assert_eq!(of("sandbox").unwrap()["healthy"], true);
    host.marketplace().at("sandbox").new_account();
    assert!(is_open(&host, "sulky") && !is_open(&host, "sandbox"));

    // It is well again after a while, and nobody has to do anything about it.
    eventually("it is called again", LONG, || (!is_open(&host, "sulky")).then_some(()));
    client.get("/account").succeeded();
    assert_eq!(client.get("/health").succeeded().text_of("status"), "ok");
    assert_eq!(keyed.post("/account", &body).succeeded().header("idempotent-replayed"), None);
    assert_eq!(calls(&host, "sulky", "account.list"), 4.0, "the refused ones were not made");
    let probes = calls(&host, "sulky", "health.check") - 1.0;
    assert!((2.0..=5.0).contains(&probes), "one in two seconds: {probes}");
}

#[test]
fn a_burst_of_failures_opens_it_once() {
    let host = options(4, FOR_AN_HOUR_MS).start();
    let client = greedy(&host, "loop", "loop", "limits = { cpu_ms = 50 }");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..12).map(|_| scope.spawn(|| client.get("/health"))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let failed = answers.iter().filter(|answer| answer.status == 502).count();
    assert!((4..=12).contains(&failed), "{failed}");
    let rest = answers.iter().filter(|answer| answer.status != 502);
    assert!(rest.clone().all(|answer| answer.body()["status"] == "down"), "{answers:?}");
    let endpoint = ["endpoint=\"loop\""];
    assert_eq!(metric(&host, "breaker_openings_total", &endpoint), 1.0);
    let open = client.get("/discovery").refused(503, "ENDPOINT_UNAVAILABLE");
    assert!(open.error().contains("went over its CPU time limit in health.check"), "{}", open.text);
    // Somebody mends it: there is no waiting for the pause to be over.
    let client = greedy(&host, "loop", "loglines", "limits = { cpu_ms = 50 }");
    assert_eq!(client.get("/health").succeeded().text_of("status"), "ok");
    assert!(!is_open(&host, "loop"));
}

#[test]
fn what_is_slow_opens_it_and_what_refuses_does_not() {
    let host = options(2, FOR_AN_HOUR_MS).set("calls.cpu_ms", 20_000).start();
    let setup = SetupFolder::default().endpoint("slow", "acme", &[], &[("call_timeout_ms", 400)]);
    host.apply_right(setup.path());
    let client = host.marketplace().at("slow");
    let owner = client.new_account();
    let order = |script: &str| -> Answer {
        let mut body = resource(&owner, &unique("order"), "SANDBOX-MAIL", 1);
        body["parameters"]["additionalparameters"]["sandbox"] = json!(script);
        client.post("/resource", &body)
    };
    for _ in 0..5 {
        assert_eq!(order("refuse:418").status, 418);
    }
    // One that is answered between them makes a new start.
    order("slow:2000").refused(504, "PLUGIN_TIMEOUT");
    assert_eq!(order("refuse:418").status, 418);
    order("slow:2000").refused(504, "PLUGIN_TIMEOUT");
    order("slow:2000").refused(504, "PLUGIN_TIMEOUT");
    let open = order("").refused(503, "ENDPOINT_UNAVAILABLE");
    assert!(open.error().contains("did not answer resource.create in time"), "{}", open.text);
    let wait: u64 = open.header("retry-after").unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
}

#[test]
fn pending_work_waits_for_it_and_goes_on() {
    let host = options(2, 3000).set("operations.pending_wait_ms", 0).start();
    let client = host.marketplace();
    let owner = client.new_account();
    let mut body = resource(&owner, "order-1", "SANDBOX-MAIL", 1);
    body["parameters"]["additionalparameters"]["sandbox"] = json!("pending:2 poll:1500");
    let id = client.post("/resource", &body).succeeded().text_of("providerinstanceid");
    for number in 0..2 {
        let trap = resource(&owner, &format!("trap-{number}"), "SANDBOX-TRAP", 1);
        client.post("/resource", &trap).refused(502, "PLUGIN_FAILED");
    }
    let before = calls(&host, "sandbox", "resource.create");
    assert!(is_open(&host, "sandbox"));
    // The first poll comes while it is open: it is not made, nor is one made every moment.
    eventually("it is closed", LONG, || {
        let made = calls(&host, "sandbox", "resource.create");
        let open = is_open(&host, "sandbox");
        assert!(!open || made == before, "{made} calls, not {before}");
        (!open).then_some(())
    });
    eventually("the work is done", LONG, || (client.status(&id) == "active").then_some(()));
    assert_eq!(calls(&host, "sandbox", "resource.create"), before + 2.0);
    assert!(!host.log().contains("a poll failed"), "it is no failure of the poll");
    let done = client.post("/resource", &body).succeeded();
    assert_eq!(done.header("idempotent-replayed"), Some("true"));
    assert_eq!(done.body()["status"], Value::from("active"));
}
