//! Remotes without discovery or health, in pages or in none, that do not know us, or that are not there.

use super::{Config, declare, start, start_all};
use cnsp_tests::bodies::{Account, Resource, resource};
use cnsp_tests::bodies::{account, action};
use cnsp_tests::client::Client;
use cnsp_tests::cnsp_remote::{Fault, LOGIN, Remote, Switches};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

#[test]
fn a_remote_without_discovery_and_health_is_probed() {
    let switches = Switches { discovery: false, health: false, ..Switches::default() };
    let (_host, client, remote) = start(switches, &[("actions", "update.rename")]);
    crate::check("cnsp_remote.describe.ok.probed", &client.get("/discovery"));
    crate::check("cnsp_remote.check_health.ok.probed", &client.get("/health"));
    // What its vendor has said it can do, it is asked to.
    let owner = client.new_account();
    let order = resource(&owner, "order-1", "MAIL-S", 5);
    let id = client.post("/resource", &order).succeeded().text_of("providerinstanceid");
    let mail = Resource { id, subscription: String::new() };
    let mut rename = action(&owner, "rename-1", &mail, "update.rename");
    rename["parameters"] = json!({ "instancename": "Post" });
    client.put("/resource", &rename).succeeded();
    assert_eq!(remote.state().resources[0]["parameters"]["instancename"], "Post");
    // It is well for as long as it shows its catalogue.
    remote.fail("GET", "/catalog", 1, Fault::Status(500));
    let down = client.get("/health").succeeded();
    assert_eq!(down.body()["status"], "down", "{}", down.text);
    remote.fail("GET", "/catalog", 1, Fault::Refusal(403));
    assert_eq!(client.get("/health").succeeded().body()["status"], "degraded");
    remote.fail("GET", "/catalog", 1, Fault::Refusal(403));
    let capabilities = client.get("/discovery").succeeded().body()["capabilities"].clone();
    let has = |name: &str| capabilities.as_array().unwrap().contains(&json!(name));
    assert!(
        has("resource.create") && has("account.list") && !has("catalog.list"),
        "{capabilities}"
    );
}

/// The accountids of a list, page by page, and how many pages there were.
fn pages(client: &Client, limit: usize) -> (Vec<String>, usize) {
    let mut path = format!("/account?limit={limit}");
    let mut ids = Vec::new();
    let mut count = 0;
    loop {
        let answer = client.get(&path).succeeded();
        let items = answer.body()["accounts"].as_array().unwrap();
        assert!(items.len() <= limit, "{}", answer.text);
        ids.extend(items.iter().map(|item| item["accountid"].as_str().unwrap().to_owned()));
        count += 1;
        let Some(link) = answer.header("link") else { return (ids, count) };
        let link = link.split(['<', '>']).nth(1).unwrap();
        path = link[link.find("/account").unwrap()..].to_owned();
    }
}

#[test]
fn lists_have_pages_whether_the_remote_has_or_not() {
    let cases = [(None, 2, 3), (Some(2), 2, 3), (Some(3), 2, 3), (Some(2), 10, 3)];
    let kinds = cases.map(|(page, ..)| Switches { page, ..Switches::default() });
    let none: &Config<'_> = &[];
    let (_host, remotes) = start_all(Options::default(), &kinds.map(|kind| (kind, none)));
    for ((page, limit, count), (client, remote)) in cases.into_iter().zip(&remotes) {
        for number in 1..=5 {
            let body = account(&format!("C-{number}"), &format!("{number}@example.com"));
            client.post("/account", &body).succeeded();
        }
        let expected: Vec<String> = (1..=5).map(|number| format!("C-{number}")).collect();
        assert_eq!(pages(client, limit), (expected.clone(), count), "pages of {page:?}");
        // Without a limit, all of it in one answer.
        let all = client.get("/account").succeeded();
        assert_eq!(all.body()["accounts"].as_array().unwrap().len(), 5);
        assert!(remote.count("GET", "/account") > count);
        let refused = client.get("/account?limit=2&after=nonsense");
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
}

#[test]
fn a_remote_that_does_not_know_us_or_is_not_there_is_nobodys_401() {
    let remote = Remote::start(Switches::default());
    let always = Remote::start(Switches { always_200: true, ..Switches::default() });
    let host = Host::start();
    let mut set_up = SetupFolder::default();
    for (id, remote) in [("wrong", &remote), ("wrong-200", &always)] {
        let url = format!("{}/apiv1", remote.origin());
        set_up = declare(set_up, &host, id, &url, "marketplace:wrong-canary", &[]);
    }
    host.apply_right(set_up.path());
    for (id, remote) in [("wrong", &remote), ("wrong-200", &always)] {
        let client = host.marketplace().at(id);
        let refused = client.get("/account/pa-1");
        assert_eq!((refused.status, refused.respcode()), (500, 500), "{}", refused.text);
        assert!(refused.error().contains("credentials of this endpoint"), "{}", refused.text);
        assert!(refused.header("www-authenticate").is_none());
        let refused = client.post("/account", &account("C-1", "ada@example.com"));
        assert_eq!(refused.status, 500, "{}", refused.text);
        assert_eq!(client.get("/health").succeeded().body()["status"], "down");
        let state = remote.state();
        assert!(state.strangers >= 3 && state.requests.is_empty() && state.accounts.is_empty());
    }
    // One that is not there is down, too.
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/apiv1", listener.local_addr().unwrap())
    };
    let set_up = declare(SetupFolder::default(), &host, "gone", &gone, LOGIN, &[]);
    host.apply_right(set_up.path());
    let client = host.marketplace().at("gone");
    assert_eq!(client.get("/health").succeeded().body()["status"], "down");
    let refused = client.get("/account/pa-1");
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.header("retry-after").is_some());
    // It works as soon as the secret is right, also for a request that was refused before.
    let url = format!("{}/apiv1", remote.origin());
    let set_up = declare(SetupFolder::default(), &host, "wrong", &url, LOGIN, &[]);
    host.apply_right(set_up.path());
    let client = host.marketplace().at("wrong");
    client.post("/account", &account("C-1", "ada@example.com")).succeeded();
    assert!(!host.log().contains("canary"));
}

/// Bodies that no CNSP endpoint may send; each is refused by name, and none makes the plugin trap.
#[test]
fn nonsense_is_refused_and_named() {
    let (_host, client, remote) = start(Switches::default(), &[("idempotency", "all")]);
    let put = |info: Value| remote.state().accounts = vec![info];
    let info = json!({ "accountid": "C-1", "provideraccountid": "pa-1", "accountname": "n" });
    let with = |key: &str, value: Value| {
        let mut info = info.clone();
        info[key] = value;
        info
    };
    put(info.clone());
    client.get("/account/pa-1").succeeded();
    let long = "x".repeat(201);
    for (info, named) in [
        (with("accountid", json!([1])), "accountinfo.accountid` is not a text"),
        (with("address", json!("here")), "accountinfo.address` is no object"),
        (with("additionalattributes", json!("none")), "additionalattributes` is no object"),
        // The host itself refuses what is none of the contract's.
        (with("accountname", json!("a\u{0}b")), "does not allow"),
        (with("provideraccountid", json!(long)), "does not allow"),
    ] {
        put(info.clone());
        let id = info["provideraccountid"].as_str().unwrap();
        let asked = if id.len() > 200 { "C-1" } else { id };
        let answer = client.get(&format!("/account/{asked}"));
        // An id that is too long is nothing that anybody asked for.
        if id.len() > 200 && answer.status == 200 {
            continue;
        }
        assert_eq!(answer.status, 502, "{}", answer.text);
        assert!(answer.error().contains(named), "{named}: {}", answer.text);
    }
    // Deep enough to end a reader that goes down for each level.
    let deep: Value =
        serde_json::from_str(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap();
    put(with("additionalattributes", json!({ "deep": deep })));
    let answer = client.get("/account/pa-1");
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(answer.error().contains("levels"), "{}", answer.text);
    remote.fail("GET", "/account/:id", 1, Fault::Garbage);
    let answer = client.get("/account/pa-1");
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(answer.error().contains("is not JSON"), "{}", answer.text);
    // The id of a path is an id, whatever it looks like.
    for id in ["%2e%2e", "%2E", "a%2Fb", "a%3Fkind%3Duser", "%C3%BC"] {
        let answer = client.get(&format!("/account/{id}"));
        assert!(matches!(answer.status, 404 | 500), "{id}: {}", answer.text);
    }
    let owner = Account { accountid: "C-1".into(), id: "pa-1".into() };
    put(info);
    client.post("/resource", &resource(&owner, "order-1", "MAIL-S", 5)).succeeded();
}
