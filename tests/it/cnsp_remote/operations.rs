//! Every operation of CNSP 1.0, whole; and that a remote's spelling makes no difference to a caller.

use super::{start, start_all};
use crate::open_maps::anything;
use cnsp_tests::bodies::{
    Account, Resource, User, account, action, deletion, requestor, resource, seat, user,
};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::cnsp_remote::Switches;
use cnsp_tests::host::Options;
use cnsp_tests::redact::shown;
use serde_json::{Value, json};

/// Every operation and what this remote refuses, each with the name of its snapshot.
fn every_operation(client: &Client) -> Vec<(&'static str, Answer)> {
    let owner = Account { accountid: "C-1".into(), id: "pa-1".into() };
    let nobody = Account { accountid: "C-9".into(), id: "pa-9".into() };
    let grace = User { id: "pu-3".into(), email: "grace@example.com".into() };
    let mail = Resource { id: "i-4".into(), subscription: "s-4".into() };
    let none = Resource { id: "i-9".into(), subscription: "s-9".into() };
    let mut order = resource(&owner, "order-1", "MAIL-S", 5);
    order["parameters"]["customoption1"] = json!({ "title": "Region", "value": "eu" });
    let update = |of: &Account| {
        let mut update = requestor(of);
        update["accountname"] = json!("Contoso Ltd");
        update["additionalattributes"] = json!({ "segment": "enterprise" });
        update
    };
    let update_user = |id: &str| {
        let mut update = requestor(&owner);
        update["requestor"]["userid"] = json!(id);
        update["phone"] = json!("+1 206 555 0199");
        update
    };
    let of_user = json!({ "requestor": { "userid": grace.id } });
    let act = |name: &str, of: &Resource, what: &str| action(&owner, name, of, what);
    let mut more = act("more-1", &mail, "update");
    more["parameters"] = json!({ "license": 7, "customparam1": "us" });
    let mut rename = act("rename-1", &mail, "update.rename");
    rename["parameters"] = json!({ "instancename": "Post" });
    let put = |body: &Value| client.put("/resource", body);
    let change_seat =
        |what| client.put("/account/user/resource", &seat(&owner, what, &grace, &mail));
    let march = "usage_start_time=2026-03-01T00:00:00Z&usage_end_time=2026-04-01T00:00:00Z";
    let usage = |id: &str, kind: &str| client.get(&format!("/billing/{id}?kind={kind}&{march}"));
    vec![
        ("cnsp_remote.describe.ok", client.get("/discovery")),
        ("cnsp_remote.check_health.ok", client.get("/health")),
        ("cnsp_remote.list_catalog.ok", client.get("/catalog")),
        (
            "cnsp_remote.create_account.ok",
            client.post("/account", &account("C-1", "ada@example.com")),
        ),
        (
            "cnsp_remote.create_account.error.email",
            client.post("/account", &account("C-2", "ada@example.com")),
        ),
        ("cnsp_remote.get_account.ok", client.get("/account/pa-1")),
        ("cnsp_remote.get_account.error", client.get("/account/pa-9")),
        ("cnsp_remote.list_accounts.ok", client.get("/account")),
        ("cnsp_remote.update_account.ok", client.put("/account", &update(&owner))),
        ("cnsp_remote.update_account.error", client.put("/account", &update(&nobody))),
        ("cnsp_remote.create_user.ok", client.post("/account/user", &user(&owner, &grace.email))),
        (
            "cnsp_remote.create_user.error",
            client.post("/account/user", &user(&owner, &grace.email)),
        ),
        ("cnsp_remote.get_user.ok", client.get("/account/user/pu-3")),
        ("cnsp_remote.list_users.ok", client.get("/account/user/pa-1")),
        ("cnsp_remote.list_users.error", client.get("/account/user/pa-9")),
        ("cnsp_remote.update_user.ok", client.put("/account/user", &update_user("pu-3"))),
        ("cnsp_remote.update_user.error", client.put("/account/user", &update_user("pu-9"))),
        ("cnsp_remote.create_resource.ok", client.post("/resource", &order)),
        (
            "cnsp_remote.create_resource.error",
            client.post("/resource", &resource(&owner, "order-2", "OTHER", 5)),
        ),
        ("cnsp_remote.get_resource.ok", client.get("/resource/i-4")),
        ("cnsp_remote.get_resource.error", client.get("/resource/i-9")),
        ("cnsp_remote.list_resources.ok", client.get("/resource/pa-1")),
        ("cnsp_remote.update_resource.ok", put(&more)),
        ("cnsp_remote.update_resource.error", put(&act("more-2", &none, "update"))),
        ("cnsp_remote.suspend_resource.ok", put(&act("suspend-1", &mail, "update.suspend"))),
        (
            "cnsp_remote.suspend_resource.error.twice",
            put(&act("suspend-2", &mail, "update.suspend")),
        ),
        ("cnsp_remote.suspend_resource.error", put(&act("suspend-3", &none, "update.suspend"))),
        (
            "cnsp_remote.reactivate_resource.ok",
            put(&act("reactivate-1", &mail, "update.reactivate")),
        ),
        ("cnsp_remote.act_on_resource.ok", put(&rename)),
        ("cnsp_remote.act_on_resource.error", put(&act("dance-1", &mail, "update.dance"))),
        ("cnsp_remote.get_resource.ok.after", client.get("/resource/i-4")),
        ("cnsp_remote.check_instance.ok", client.get("/health/i-4")),
        ("cnsp_remote.assign_seat.ok", change_seat("assign")),
        ("cnsp_remote.assign_seat.error", change_seat("assign")),
        ("cnsp_remote.usage.ok.account", usage("pa-1", "account")),
        ("cnsp_remote.usage.ok.subscription", usage("s-4", "subscription")),
        ("cnsp_remote.usage.ok.instance", usage("i-4", "instance")),
        ("cnsp_remote.usage.error", usage("s-9", "subscription")),
        ("cnsp_remote.revoke_seat.ok", change_seat("revoke")),
        ("cnsp_remote.revoke_seat.error", change_seat("revoke")),
        (
            "cnsp_remote.delete_resource.ok",
            client.delete("/resource", &deletion(&owner, "end-1", "i-4")),
        ),
        (
            "cnsp_remote.delete_resource.error",
            client.delete("/resource", &deletion(&owner, "end-2", "i-4")),
        ),
        ("cnsp_remote.delete_user.ok", client.delete("/account/user", &of_user)),
        ("cnsp_remote.delete_user.error", client.delete("/account/user", &of_user)),
        ("cnsp_remote.delete_account.ok", client.delete("/account", &requestor(&owner))),
        ("cnsp_remote.delete_account.error", client.delete("/account", &requestor(&owner))),
    ]
}

#[test]
fn every_operation_is_the_remotes_in_whatever_spelling() {
    let usual = Switches::default();
    let kinds = [
        usual,
        Switches { other_spelling: true, ..usual },
        Switches { always_200: true, ..usual },
        Switches { slips: true, ..usual },
        Switches { honours_ids: true, ..usual },
    ];
    let idempotency = |kind: &Switches| if kind.honours_ids { "all" } else { "none" };
    let configs = kinds.map(|kind| [("idempotency", idempotency(&kind))]);
    let started: Vec<_> =
        kinds.iter().copied().zip(configs.iter().map(|config| &config[..])).collect();
    let (_host, remotes) = start_all(Options::default(), &started);
    let expected = every_operation(&remotes[0].0);
    for (name, answer) in &expected {
        let failed = name.contains(".error");
        assert_eq!(answer.result()["success"], !failed, "{name}: {}", answer.text);
        if name.starts_with("cnsp_remote.usage.ok") {
            assert_eq!(answer.body()["usagefeed"][0]["quantity"], 7, "{name}");
        }
        crate::check(name, answer);
    }
    for (client, remote) in remotes.iter().skip(1) {
        let kind = remote.switches();
        for ((name, answer), (_, expected)) in every_operation(client).iter().zip(&expected) {
            assert_eq!(shown(answer), shown(expected), "{kind:?}: {name}");
        }
    }
    for (_, remote) in &remotes {
        let state = remote.state();
        assert!(state.accounts.is_empty() && state.resources.is_empty() && state.seats.is_empty());
        assert_eq!(state.strangers, 0);
        // The operation's id, in both places.
        for request in state.requests.iter().filter(|request| request.method != "GET") {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let [id] = request.headers("idempotency-key")[..] else { panic!("{request:?}") };
            let in_body = [&body["requestid"], &body["requestId"]];
            assert!(
                !request.path.ends_with("/resource")
                    || request.path.contains("/user/")
                    || in_body.contains(&&json!(id)),
                "{body}"
            );
        }
    }
}

#[test]
fn what_cnsp_leaves_open_goes_both_ways_digit_for_digit() {
    let (_host, client, remote) = start(Switches::default(), &[]);
    let mut body = account("C-1", "ada@example.com");
    body["additionalattributes"] = anything();
    body["taxnumber"] = anything();
    body["address"]["geo"] = anything();
    client.post("/account", &body).succeeded();
    let got = client.get("/account/pa-1").succeeded();
    let info = &got.body()["accountinfo"];
    assert_eq!(info["additionalattributes"], anything());
    assert_eq!((&info["taxnumber"], &info["address"]["geo"]), (&anything(), &anything()));
    let digits = "0.1000000000000000055511151231257827";
    assert!(got.text.contains(digits), "{}", got.text);
    {
        let state = remote.state();
        let sent = String::from_utf8_lossy(
            &state.requests.iter().find(|r| r.method == "POST").unwrap().body,
        )
        .into_owned();
        assert!(sent.contains(digits) && sent.contains("123456789012345678901234567890"), "{sent}");
        // By the mark a second run would know it. The caller is not shown it.
        assert!(state.accounts[0]["additionalattributes"]["cnspoperation"].is_string());
    }
    let owner = Account { accountid: "C-1".into(), id: "pa-1".into() };
    let mut order = resource(&owner, "order-1", "MAIL-S", 5);
    order["parameters"]["additionalparameters"] = anything();
    order["parameters"]["customoption1"] = json!({ "value": anything() });
    let made = client.post("/resource", &order).succeeded();
    let again = client.post("/resource", &order).succeeded();
    assert_eq!((again.header("idempotent-replayed"), &again.json), (Some("true"), &made.json));
    assert_eq!(remote.count("POST", "/resource"), 1, "a repeat is the host's to answer");
    let id = made.text_of("providerinstanceid");
    let got = client.get(&format!("/resource/{id}")).succeeded();
    let info = &got.body()["resourceinfo"];
    assert_eq!(info["additionalparameters"], anything());
    assert_eq!(info["parameters"]["customparm1"], anything(), "as the specification misspells it");
}
