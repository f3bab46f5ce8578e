//! What an operator sees of a host, and what nobody sees.

use crate::canary::check_hidden;
use cnsp_tests::bodies::{account, resource, user};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use reqwest::Method;
use serde_json::Value;

#[test]
fn liveness_and_readiness_are_plain_words() {
    let host = Host::start();
    let anybody = host.anonymous().below("");
    for path in ["/healthz", "/readyz"] {
        let answer = anybody.get(path);
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok\n"), "{path}");
    }
}

#[test]
fn a_host_whose_disk_is_full_reads_and_changes_nothing() {
    // The host's own files lie on the disk, so that not all of it is free.
    let host = Options::default().set("store.free_ratio_min", "1").start();
    let client = host.marketplace();
    let ready = host.anonymous().below("").get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert_eq!(host.anonymous().below("").get("/healthz").status, 200);
    client.get("/account").succeeded();
    let refused = client.post("/account", &account("contoso", "ada@example.com"));
    let refused = refused.refused(503, "OVERLOADED");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(client.get("/account").body()["accounts"], serde_json::json!([]));
}

#[test]
fn metrics_tell_calls_latencies_limits_and_the_pool() {
    let host = Host::start();
    let client = host.marketplace();
    let owner = client.new_account();
    let order = resource(&owner, "order-1", "SANDBOX-TRAP", 1);
    client.post("/resource", &order).refused(502, "PLUGIN_FAILED");
    client.post("/resource", &resource(&owner, "order-2", "SANDBOX-MAIL", 1)).succeeded();
    client.post("/resource", &resource(&owner, "order-2", "SANDBOX-MAIL", 1)).succeeded();
    let metrics = host.operator().below("").get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let has = |start: &str, labels: &[&str]| {
        let mut lines = metrics.text.lines().filter(|line| line.starts_with(start));
        let found = lines.any(|line| labels.iter().all(|label| line.contains(label)));
        assert!(found, "{start} {labels:?} is not in\n{}", metrics.text);
    };
    has(
        "http_request_seconds_bucket",
        &["method=\"POST\"", "path=\"/apiv1/resource\"", "status=\"200\"", "le="],
    );
    has("http_request_seconds_count", &["status=\"502\""]);
    has(
        "plugin_call_seconds_count",
        &["endpoint=\"sandbox\"", "operation=\"account.create\"", "outcome=\"done\""],
    );
    has("plugin_call_seconds_count", &["operation=\"resource.create\"", "outcome=\"trap\""]);
    has("operation_replays_total", &["endpoint=\"sandbox\"", "1"]);
    has("store_group", &[]);
    has("pool_", &[]);
    // No label is made of what a caller sends.
    client.get("/account/some-id-of-a-caller");
    client.below("").get("/some-path-of-a-caller");
    let metrics = host.operator().below("").get("/metrics");
    assert!(!metrics.text.contains("of-a-caller"), "{}", metrics.text);
}

#[test]
fn a_request_id_goes_from_the_call_to_the_log_and_back() {
    let host = Options::default().set("log.format", "json").start();
    let client = host.marketplace();
    let answer = client.with("x-request-id", "trace-me.1").get("/account");
    assert_eq!(answer.header("x-request-id"), Some("trace-me.1"));
    let one = client.get("/account").header("x-request-id").unwrap().to_owned();
    let two = client.get("/account").header("x-request-id").unwrap().to_owned();
    assert_ne!(one, two);
    let account = serde_json::json!({"accountid": "C-1", "accountname": "A"});
    client.with("x-request-id", "trace-me.2").post("/account", &account).succeeded();
    // What could forge a line of the log is not taken over.
    for forged in ["a b", "a\tb", &"x".repeat(65), "{}", "a\"b"] {
        let answer = client.with("x-request-id", forged).get("/account");
        assert_ne!(answer.header("x-request-id"), Some(forged));
    }
    let log = host.log();
    let lines: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), log.lines().count(), "every line is JSON:\n{log}");
    let about = |id: &str| lines.iter().filter(|line| line.to_string().contains(id)).count();
    assert!(about("trace-me.1") > 0 && about(&one) > 0 && about(&two) > 0, "{log}");
    let line = lines.iter().find(|line| line.to_string().contains("trace-me.1")).unwrap();
    assert!(
        line.to_string().contains("took_us") && line.to_string().contains("marketplace"),
        "{line}"
    );
    let changed = lines.iter().find(|line| line["span"]["id"] == "trace-me.2").unwrap();
    assert_eq!(changed["span"]["endpoint"], "sandbox", "{changed}");
    assert!(changed["span"]["operation"].as_str().is_some_and(|id| id.len() == 36), "{changed}");
}

/// The page for trying things out comes from the host alone.
#[test]
fn the_interactive_page_needs_no_network() {
    let host = Host::start();
    let anybody = host.anonymous().below("");
    let page = anybody.get("/docs");
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("://"), "{}", page.text);
    let sources =
        page.text.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    let mut count = 0;
    for source in sources {
        let path = format!("/docs/{}", source.trim_start_matches("./"));
        assert_eq!(anybody.get(&path).status, 200, "{path}");
        count += 1;
    }
    assert!(count >= 3, "{}", page.text);
    let start = anybody.get("/docs/swagger-initializer.js");
    assert!(start.text.contains("/openapi.json"), "{}", start.text);
}

/// (Contract A8.)
#[test]
fn no_password_is_in_a_log_or_on_the_disk() {
    // All that a log can say, without the compiler's hundred thousand lines.
    let filter =
        "trace,cranelift_codegen=info,cranelift_frontend=info,regalloc2=info,wasmtime=info";
    let mut host = Options::default().set("log.filter", filter).start();
    let setup = SetupFolder::default().caller(
        "canary",
        "marketplace",
        "caller-password-canary",
        "endpoints = [\"*\"]",
    );
    host.apply_right(setup.path());
    let client = host.client("canary", "caller-password-canary");
    let keyed = client.with("idempotency-key", "account-1");
    let made = keyed.post("/account", &account("contoso", "ada@example.com")).succeeded();
    let owner = cnsp_tests::bodies::Account {
        accountid: "contoso".into(),
        id: made.text_of("provideraccountid"),
    };
    let keyed = client.with("idempotency-key", "user-1");
    keyed.post("/account/user", &user(&owner, "grace@example.com")).succeeded();
    // Also what is pending, refused, broken or trapping.
    let mut pending = user(&owner, "pending@example.com");
    pending["additionalattributes"]["sandbox"] = "pending:1 poll:3600000".into();
    client.with("idempotency-key", "user-2").post("/account/user", &pending).succeeded();
    client.post("/account/user", &user(&owner, "grace@example.com"));
    let mut trapping = user(&owner, "trap@example.com");
    trapping["additionalattributes"]["sandbox"] = "trap".into();
    client.post("/account/user", &trapping).refused(502, "PLUGIN_FAILED");
    let mut broken = user(&owner, "broken@example.com").to_string();
    broken.truncate(broken.len() - 2);
    client.send(Method::POST, "/account/user", Some(broken.into_bytes()));
    host.client("canary", "wrong-password-canary").get("/account");
    let bought =
        client.post("/resource", &resource(&owner, "order-1", "SANDBOX-MAIL", 1)).succeeded();
    let answered = bought.text_of("password");
    let again =
        client.post("/resource", &resource(&owner, "order-1", "SANDBOX-MAIL", 1)).succeeded();
    assert_eq!(again.text_of("password"), answered, "a replay has it");
    host.terminate();

    let log = host.log();
    assert!(log.contains("canary"), "the caller's name is in the log");
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode("canary:caller-password-canary")
    };
    check_hidden(&host, &["password-canary", &answered, &basic]);
}
