//! A remote that provisions on its own time.

use super::{Config, start_all};
use cnsp_tests::bodies::{deletion, resource};
use cnsp_tests::client::Client;
use cnsp_tests::cnsp_remote::{Fault, Remote, Switches};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// A host whose callers do not wait, with a remote that recognises a repeat and one that does not.
fn impatient() -> (Host, Vec<(Client, Remote)>) {
    let pending = Switches { pending: 3, ..Switches::default() };
    let soon = ("poll_after_ms", "100");
    let kinds: [(Switches, &Config<'_>); 2] = [
        (Switches { honours_ids: true, ..pending }, &[("idempotency", "resource"), soon]),
        (pending, &[soon]),
    ];
    start_all(Options::default().set("operations.pending_wait_ms", 0), &kinds)
}

#[test]
fn an_order_is_pending_until_the_remotes_instance_is_not_or_it_is_cancelled() {
    let (_host, remotes) = impatient();
    for (client, remote) in &remotes {
        let honours_ids = remote.switches().honours_ids;
        // A poll that fails is tried again. A remote that knows no ids is asked for its list first.
        let nth = if honours_ids { 1 } else { 2 };
        remote.fail("GET", "/resource/:id", nth, Fault::Refusal(503));
        let account = client.new_account();
        let order = resource(&account, "order-1", "MAIL-S", 5);
        let pending = client.post("/resource", &order).succeeded();
        assert_eq!(pending.text_of("status"), "pending");
        let id = pending.text_of("providerinstanceid");
        let done = eventually("it is active", LONG, || {
            let answer = client.post("/resource", &order).succeeded();
            (answer.text_of("status") == "active").then_some(answer)
        });
        assert_eq!(done.text_of("providerinstanceid"), id);
        assert_eq!(done.text_of("username"), format!("admin@{id}"));
        assert_eq!(done.body()["respparam1"]["label"], "Console");
        // Only who knows the order by its id tells the password at the end.
        let password = done.body().get("password").and_then(|password| password.as_str());
        assert_eq!(password, honours_ids.then_some("instance-password"));
        assert_eq!(client.status(&id), "active");
        assert_eq!(remote.state().resources.len(), 1);
        assert_eq!(remote.count("POST", "/resource"), if honours_ids { 2 } else { 1 });
        assert!(remote.count("GET", &format!("/resource/{id}")) >= 3);

        // One that is not wanted any more.
        let order = resource(&account, "order-2", "MAIL-S", 5);
        let id = client.post("/resource", &order).succeeded().text_of("providerinstanceid");
        client.delete("/resource", &deletion(&account, "end-1", &id)).succeeded();
        assert_eq!(remote.state().resources.len(), 1);
        client.post("/resource", &order).refused(409, "OPERATION_CANCELLED");
    }
}
