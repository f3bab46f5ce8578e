//! What goes wrong on the way, judged by what the remote has in the end.

use super::{Config, start, start_all};
use cnsp_tests::bodies::{
    Account, Resource, User, account, action, deletion, resource, seat, unique, user,
};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::cnsp_remote::{Fault, Remote, Switches};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// After these the remote has acted, and its answer is lost.
const ACTED: [Fault; 3] = [Fault::DropAfter, Fault::Garbage, Fault::BadGateway];
/// After these it has not, which nobody can know.
const NOT_ACTED: [Fault; 2] = [Fault::DropBefore, Fault::Status(500)];

/// Remotes that recognise a repeat or do not, and keep marks or do not.
fn remotes() -> (Host, Vec<(Client, Remote)>) {
    let usual = Switches::default();
    let kinds: [(Switches, &Config<'_>); 3] = [
        (usual, &[("idempotency", "none")]),
        (Switches { keeps_attributes: false, ..usual }, &[]),
        (Switches { honours_ids: true, ..usual }, &[("idempotency", "all")]),
    ];
    start_all(Options::default(), &kinds)
}

/// An account with one user and one instance.
fn furnished(client: &Client) -> (Account, User, Resource) {
    let account = client.new_account();
    let user = client.new_user(&account);
    let order = resource(&account, &unique("order"), "MAIL-S", 5);
    let made = client.post("/resource", &order).succeeded();
    let mail = Resource {
        id: made.text_of("providerinstanceid"),
        subscription: made.text_of("subscriptionid"),
    };
    (account, user, mail)
}

#[test]
fn what_was_made_though_its_answer_was_lost_is_found() {
    let (_host, remotes) = remotes();
    for (client, remote) in &remotes {
        for fault in ACTED {
            let shown = format!("{fault:?} at {:?}", remote.switches());
            let before = remote.state().accounts.len();
            remote.fail("POST", "/account", 1, fault);
            let owner = client.new_account();
            assert_eq!(remote.state().accounts.len(), before + 1, "{shown}");
            assert_eq!(remote.state().accounts[before]["provideraccountid"], owner.id.as_str());

            remote.fail("POST", "/account/user", 1, fault);
            let user = client.new_user(&owner);
            let users = client.get(&format!("/account/user/{}", owner.id)).succeeded();
            assert_eq!(users.body()["users"].as_array().unwrap().len(), 2, "{shown}");
            assert_eq!(users.body()["users"][1]["provideruserid"], user.id.as_str());

            // Beside others of the same kind.
            client.post("/resource", &resource(&owner, &unique("order"), "MAIL-S", 5)).succeeded();
            let before = remote.state().resources.len();
            remote.fail("POST", "/resource", 1, fault);
            let order = resource(&owner, &unique("order"), "MAIL-S", 5);
            let made = client.post("/resource", &order).succeeded();
            assert_eq!(remote.state().resources.len(), before + 1, "{shown}");
            let last = remote.state().resources[before]["parameters"]["providerinstanceid"].clone();
            assert_eq!(last, made.text_of("providerinstanceid").as_str(), "{shown}");
            assert_eq!(client.post("/resource", &order).succeeded().json, made.json);
        }
    }
}

#[test]
fn what_was_done_though_its_answer_was_lost_is_seen() {
    let (_host, remotes) = remotes();
    for (client, remote) in &remotes {
        for fault in ACTED {
            let shown = format!("{fault:?} at {:?}", remote.switches());
            let (owner, user, mail) = furnished(client);
            let status = || {
                let state = remote.state();
                let own = |of: &&Value| of["parameters"]["providerinstanceid"] == mail.id.as_str();
                state.resources.iter().find(own).map(|of| of["parameters"]["status"].clone())
            };
            for (what, expected) in
                [("update.suspend", "suspended"), ("update.reactivate", "active")]
            {
                remote.fail("PUT", "/resource", 1, fault);
                client.put("/resource", &action(&owner, &unique("act"), &mail, what)).succeeded();
                assert_eq!(status().unwrap(), expected, "{shown}");
            }
            for (what, seats) in [("assign", 1), ("revoke", 0)] {
                remote.fail("PUT", "/account/user/resource", 1, fault);
                let answer =
                    client.put("/account/user/resource", &seat(&owner, what, &user, &mail));
                // A seat that was taken back is refused with 403, as one of somebody else is: nothing tells them
                // apart, so it stays a refusal where a repeat is not recognised.
                if what == "assign" || remote.switches().honours_ids {
                    answer.succeeded();
                } else {
                    assert_eq!(answer.status, 403, "{}", answer.text);
                }
                assert_eq!(remote.state().seats.len(), seats, "{shown}");
            }
            remote.fail("DELETE", "/resource", 1, fault);
            client.delete("/resource", &deletion(&owner, &unique("end"), &mail.id)).succeeded();
            assert!(status().is_none(), "{shown}");
        }
    }
}

/// A request whose first try was in vain.
fn twice(client: &Client, honours_ids: bool, send: impl Fn(&Client) -> Answer) -> Answer {
    let client = client.with("Idempotency-Key", &unique("key"));
    let first = send(&client);
    if !honours_ids {
        assert_eq!(first.status, 504, "{}", first.text);
        assert!(first.error().contains("not known whether"), "{}", first.text);
        assert!(first.header("retry-after").is_some());
    }
    send(&client).succeeded()
}

#[test]
fn what_was_not_made_is_made_once() {
    let (_host, remotes) = remotes();
    for (client, remote) in &remotes {
        let honours_ids = remote.switches().honours_ids;
        for fault in NOT_ACTED {
            let (accountid, email) = (unique("account"), unique("first") + "@example.com");
            let before = remote.state().accounts.len();
            remote.fail("POST", "/account", 1, fault);
            let made = twice(client, honours_ids, |client| {
                client.post("/account", &account(&accountid, &email))
            });
            let owner = Account { accountid, id: made.text_of("provideraccountid") };
            assert_eq!(remote.state().accounts.len(), before + 1, "{fault:?}");

            let email = unique("user") + "@example.com";
            remote.fail("POST", "/account/user", 1, fault);
            twice(client, honours_ids, |client| {
                client.post("/account/user", &user(&owner, &email))
            });
            let same = |user: &&Value| user["email"] == email.as_str();
            assert_eq!(remote.state().users.iter().filter(same).count(), 1, "{fault:?}");

            let mut order = resource(&owner, "", "MAIL-S", 5);
            order.as_object_mut().unwrap().remove("requestid");
            let before = remote.state().resources.len();
            remote.fail("POST", "/resource", 1, fault);
            twice(client, honours_ids, |client| client.post("/resource", &order));
            assert_eq!(remote.state().resources.len(), before + 1, "{fault:?}");
        }
    }
}

#[test]
fn a_remote_that_never_answers_is_given_up_and_what_it_did_is_found() {
    // Long enough for everything else on a busy machine.
    let (_host, client, remote) = start(Switches::default(), &[("timeout_ms", "2000")]);
    let (owner, other) = (client.new_account(), client.new_account());
    remote.fail("POST", "/account", 1, Fault::HangAfter);
    remote.fail("POST", "/resource", 1, Fault::HangAfter);
    remote.fail("POST", "/account/user", 1, Fault::HangBefore);
    remote.fail("GET", "/catalog", 1, Fault::HangBefore);
    std::thread::scope(|scope| {
        scope.spawn(|| client.new_account());
        scope.spawn(|| {
            let order = resource(&owner, "order-1", "MAIL-S", 5);
            client.post("/resource", &order).succeeded();
        });
        scope.spawn(|| {
            let late = client.post("/account/user", &user(&other, "late@example.com"));
            assert_eq!(late.status, 504, "{}", late.text);
        });
        scope.spawn(|| assert_eq!(client.get("/catalog").status, 504));
    });
    let state = remote.state();
    assert_eq!((state.accounts.len(), state.resources.len()), (3, 1));
    assert!(!state.users.iter().any(|user| user["email"] == "late@example.com"));
}

#[test]
fn a_host_that_is_killed_in_between_finds_what_it_had_made() {
    let (mut host, remotes) = remotes();
    // Without marks and without ids nothing would tell whose an instance is.
    let told = [&remotes[0], &remotes[2]];
    let orders: Vec<Value> = told
        .iter()
        .map(|(client, _)| resource(&client.new_account(), "order-1", "MAIL-S", 5))
        .collect();
    std::thread::scope(|scope| {
        for ((client, remote), order) in told.iter().zip(&orders) {
            remote.fail("POST", "/resource", 1, Fault::HangAfter);
            let body = order.to_string().into_bytes();
            scope.spawn(|| client.try_send(Method::POST, "/resource", Some(body)).unwrap_err());
        }
        for (_, remote) in told {
            eventually("the instance is made", Duration::from_secs(20), || {
                (remote.state().resources.len() == 1).then_some(())
            });
        }
        host.kill9();
    });
    host.resume();
    for (number, (order, (_, remote))) in [1, 3].into_iter().zip(orders.iter().zip(told)) {
        let client = host.marketplace().at(&format!("remote-{number}"));
        let made = client.post("/resource", order).succeeded();
        let state = remote.state();
        let id = &state.resources[0]["parameters"]["providerinstanceid"];
        assert_eq!((*id == made.text_of("providerinstanceid"), state.resources.len()), (true, 1));
    }
}

#[test]
fn a_refusal_leaves_nothing_and_is_remembered_unless_it_passes() {
    let (_host, remotes) = remotes();
    for (client, remote) in &remotes {
        let owner = client.new_account();
        for (fault, status) in [
            (Fault::Refusal(403), 403),
            (Fault::Refusal(500), 500),
            (Fault::Refusal(409), 409),
            (Fault::Status(400), 400),
            (Fault::Status(404), 404),
            (Fault::Status(422), 400),
            (Fault::Status(405), 501),
        ] {
            let order = resource(&owner, &unique("order"), "MAIL-S", 5);
            remote.fail("POST", "/resource", 1, fault);
            let refused = client.post("/resource", &order);
            assert_eq!(
                (refused.status, refused.respcode()),
                (status, u64::from(status)),
                "{fault:?}: {}",
                refused.text
            );
            assert!(remote.state().resources.is_empty(), "{fault:?}");
            let again = client.post("/resource", &order);
            assert_eq!(
                (again.header("idempotent-replayed"), &again.json),
                (Some("true"), &refused.json)
            );
        }
        // One that is busy has said nothing about the order.
        for fault in [Fault::Status(429), Fault::Status(503), Fault::Refusal(503)] {
            let order = resource(&owner, &unique("order"), "MAIL-S", 5);
            let before = remote.state().resources.len();
            remote.fail("POST", "/resource", 1, fault);
            let busy = client.post("/resource", &order);
            assert_eq!(busy.status, 503, "{fault:?}: {}", busy.text);
            assert!(busy.header("retry-after").is_some());
            assert_eq!(remote.state().resources.len(), before, "{fault:?}");
            client.post("/resource", &order).succeeded();
            assert_eq!(remote.state().resources.len(), before + 1, "{fault:?}");
        }
    }
}
