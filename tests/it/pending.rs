//! Work that the provider has accepted and not finished.

use cnsp_tests::bodies::{
    Account, Resource, account, action, deletion, requestor, resource, seat, unique,
};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);
/// Pending until somebody does something about it.
const FOR_AN_HOUR: &str = "pending:1 poll:3600000";

/// A host whose callers do not wait for pending work.
fn impatient() -> Host {
    Options::default().set("operations.pending_wait_ms", 0).start()
}

fn order(account: &Account, script: &str) -> Value {
    let mut body = resource(account, &unique("order"), "SANDBOX-MAIL", 2);
    body["parameters"]["additionalparameters"]["sandbox"] = json!(script);
    body
}

fn as_resource(answer: &Answer) -> Resource {
    Resource { id: answer.text_of("providerinstanceid"), subscription: String::new() }
}

fn becomes(client: &Client, id: &str, status: &str) {
    eventually(&format!("{id} becomes {status}"), LONG, || {
        (client.status(id) == status).then_some(())
    });
}

/// How often the plugin was called for an operation.
fn calls(host: &Host, operation: &str) -> u64 {
    let metrics = host.operator().below("").get("/metrics").text;
    let operation = format!("operation=\"{operation}\"");
    let lines = metrics.lines().filter(|line| line.starts_with("plugin_call_seconds_count"));
    let counts = lines.filter(|line| line.contains(&operation));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn a_create_stays_pending_for_as_many_polls_as_the_provider_says() {
    let host = impatient();
    let client = host.marketplace();
    let account = client.new_account();
    let body = order(&account, "pending:3 poll:150");
    let began = Instant::now();
    let answer = client.post("/resource", &body).succeeded();
    assert_eq!(answer.text_of("status"), "pending");
    assert!(answer.body().get("password").is_none());
    crate::check("post_resource.pending", &answer);
    let id = answer.text_of("providerinstanceid");
    assert_eq!(client.status(&id), "pending");
    assert_eq!(client.resources(&account)[0]["parameters"]["status"], "pending");
    // A repeat meanwhile says the same, and starts nothing.
    let again = client.post("/resource", &body).succeeded();
    assert_eq!(again.text_of("providerinstanceid"), id);
    becomes(&client, &id, "active");
    assert!(began.elapsed() >= Duration::from_millis(450), "three polls, 150 ms between them");
    assert_eq!(calls(&host, "resource.create"), 4);
    // From now on a repeat gets how it ended.
    let done = client.post("/resource", &body).succeeded();
    assert_eq!((done.text_of("status"), done.text_of("providerinstanceid")), ("active".into(), id));
    assert_eq!(done.header("idempotent-replayed"), Some("true"));
    assert!(!done.text_of("password").is_empty());
    assert_eq!(client.resources(&account).len(), 1);
}

#[test]
fn pending_work_that_ends_soon_looks_synchronous() {
    let host = Options::default().set("operations.pending_wait_ms", 20_000).start();
    let client = host.marketplace();
    let account = client.new_account();
    let answer =
        client.post("/resource", &resource(&account, "order-1", "SANDBOX-PENDING", 1)).succeeded();
    assert_eq!(answer.text_of("status"), "active");
    let mut body = cnsp_tests::bodies::account("slow", "slow@example.com");
    body["additionalattributes"]["sandbox"] = json!("pending:2 poll:100");
    let answer = client.post("/account", &body).succeeded();
    assert_eq!(answer.message(), "Account created successfully");
    assert_eq!(answer.text_of("accountid"), "slow");
}

#[test]
fn other_changes_of_what_is_pending_are_refused() {
    let host = impatient();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let pending = client.post("/resource", &order(&account, FOR_AN_HOUR)).succeeded();
    let pending = as_resource(&pending);
    for body in [
        action(&account, "p-1", &pending, "update"),
        action(&account, "p-2", &pending, "update.suspend"),
        action(&account, "p-3", &pending, "update.rename"),
    ] {
        let refused = client.put("/resource", &body).refused(409, "RESOURCE_PENDING");
        assert!(refused.header("retry-after").is_some());
    }
    let assign = seat(&account, "assign", &user, &pending);
    let refused = client.put("/account/user/resource", &assign).refused(409, "RESOURCE_PENDING");
    crate::check("put_account_user_resource.error.pending", &refused);
    // Everything else goes on.
    client.new_resource(&account, "SANDBOX-MAIL", 1);
    client.new_user(&account);

    // A change that is pending is nothing that a deletion could cancel.
    let active = client.new_resource(&account, "SANDBOX-MAIL", 1);
    let mut suspend = action(&account, "p-4", &active, "update.suspend");
    suspend["additionalparameters"]["sandbox"] = json!(FOR_AN_HOUR);
    client.put("/resource", &suspend).succeeded();
    assert_eq!(client.status(&active.id), "pending");
    client
        .delete("/resource", &deletion(&account, "p-5", &active.id))
        .refused(409, "RESOURCE_PENDING");
}

#[test]
fn a_pending_account_or_user_refuses_a_second_one() {
    let host = impatient();
    let client = host.marketplace();
    let mut body = account("contoso", "ada@example.com");
    body["additionalattributes"]["sandbox"] = json!(FOR_AN_HOUR);
    let answer = client.post("/account", &body).succeeded();
    assert_eq!(answer.text_of("status"), "pending");
    crate::check("post_account.pending", &answer);
    client.post("/account", &account("contoso", "b@example.com")).refused(409, "RESOURCE_PENDING");
    let owner = client.new_account();
    let mut user = cnsp_tests::bodies::user(&owner, "grace@example.com");
    user["additionalattributes"]["sandbox"] = json!(FOR_AN_HOUR);
    client.post("/account/user", &user).succeeded();
    let twin = cnsp_tests::bodies::user(&owner, "grace@example.com");
    client.post("/account/user", &twin).refused(409, "RESOURCE_PENDING");
}

#[test]
fn deleting_a_pending_create_cancels_it() {
    let host = impatient();
    let client = host.marketplace();
    let account = client.new_account();
    let body = order(&account, "pending:1000 poll:100");
    let pending = client.post("/resource", &body).succeeded();
    let id = pending.text_of("providerinstanceid");
    let deleted = client.delete("/resource", &deletion(&account, "d-1", &id)).succeeded();
    assert_eq!(deleted.message(), "Resource deleted successfully");
    assert_eq!(client.status(&id), "cancel");
    let before = calls(&host, "resource.create");
    // Who asks for the create again learns what became of it.
    let again = client.post("/resource", &body);
    crate::check("post_resource.error.cancelled", &again);
    again.refused(409, "OPERATION_CANCELLED");
    assert_eq!(client.status(&id), "cancel");
    assert_eq!(calls(&host, "resource.create"), before, "it is polled no more");
}

#[test]
fn a_pending_deletion_cancels_a_pending_create_only_when_it_is_done() {
    let host = impatient();
    let client = host.marketplace();
    let account = client.new_account();
    for (name, script, ends) in [
        ("done", "pending:2 poll:200", "cancel"),
        ("refused", "pending:2 poll:200 refuse:403", "active"),
    ] {
        let mut body = order(&account, "pending:8 poll:200");
        body["requestid"] = json!(format!("c-{name}"));
        let id = client.post("/resource", &body).succeeded().text_of("providerinstanceid");
        let mut deletion = deletion(&account, &format!("d-{name}"), &id);
        deletion["sandbox"] = json!(script);
        let pending = client.delete("/resource", &deletion).succeeded();
        assert_eq!(pending.text_of("status"), "pending", "{name}");
        // Nothing is decided yet.
        let again = client.post("/resource", &body).succeeded();
        assert_eq!(again.text_of("status"), "pending", "{name}");
        becomes(&client, &id, ends);
        let ended = client.delete("/resource", &deletion);
        let created = client.post("/resource", &body);
        match ends {
            "cancel" => {
                ended.succeeded();
                created.refused(409, "OPERATION_CANCELLED");
            }
            _ => {
                assert_eq!(ended.status, 403, "{}", ended.text);
                assert_eq!(created.succeeded().text_of("status"), "active");
            }
        }
    }
}

#[test]
fn pending_work_goes_on_after_a_kill_9() {
    let mut host = impatient();
    let client = host.marketplace();
    let account = client.new_account();
    let body = order(&account, "pending:4 poll:400");
    let id = client.post("/resource", &body).succeeded().text_of("providerinstanceid");
    let waiting = order(&account, FOR_AN_HOUR);
    let other = client.post("/resource", &waiting).succeeded().text_of("providerinstanceid");
    host.kill9();
    host.resume();
    let client = host.marketplace();
    assert_eq!(client.status(&other), "pending");
    let refused = action(
        &account,
        "p-1",
        &Resource { id: other.clone(), subscription: String::new() },
        "update.suspend",
    );
    client.put("/resource", &refused).refused(409, "RESOURCE_PENDING");
    becomes(&client, &id, "active");
    let done = client.post("/resource", &body).succeeded();
    assert_eq!(done.text_of("providerinstanceid"), id);
    host.restart();
    let client = host.marketplace();
    client.delete("/resource", &deletion(&account, "d-1", &other)).succeeded();
    assert_eq!(client.status(&other), "cancel");
    assert_eq!(client.resources(&account).len(), 2);
}

#[test]
fn pending_work_that_fails_is_told_to_who_asks_again() {
    let host = impatient();
    let client = host.marketplace();
    let account = client.new_account();
    let body = order(&account, "pending:2 poll:300");
    let id = client.post("/resource", &body).succeeded().text_of("providerinstanceid");
    // While it is pending, the provider comes to know that nobody is authorized.
    client.lock(&account);
    let failed = eventually("the create fails", LONG, || {
        let answer = client.post("/resource", &body);
        (answer.result()["success"] == false).then_some(answer)
    });
    assert_eq!((failed.status, failed.header("idempotent-replayed")), (403, Some("true")));
    assert_eq!(failed.error(), "The user is not authorized to perform this operation.");
    // It is over: the next change is for the provider to refuse.
    let instance = Resource { id: id.clone(), subscription: String::new() };
    let change = action(&account, "p-1", &instance, "update.suspend");
    assert_ne!(client.put("/resource", &change).code(), "RESOURCE_PENDING");
    // What the adapter wrote as it failed is kept: the instance is cancelled at the provider too.
    let mut unlock = requestor(&account);
    unlock["additionalattributes"] = json!({ "sandbox": "" });
    client.put("/account", &unlock).succeeded();
    assert_eq!(client.status(&id), "cancel");
}
