//! Which provider a call is for (contract A13), and calls that are for all of them (contract A19).

use cnsp_tests::bodies::{account, requestor, resource, unique, with};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::Host;
use cnsp_tests::setup::SetupFolder;
use serde_json::json;

fn with_second(config: &[(&str, &str)]) -> Host {
    let host = Host::start();
    let setup = SetupFolder::default().endpoint("second", "acme", config, &[]);
    host.apply_right(setup.path());
    host
}

/// A refusal that lists both endpoints.
#[track_caller]
fn lists_both(answer: Answer) {
    let answer = answer.refused(400, "AMBIGUOUS");
    assert!(answer.error().contains("sandbox, second"), "{}", answer.error());
}

fn accounts(client: &Client) -> usize {
    client.get("/account").succeeded().body()["accounts"].as_array().unwrap().len()
}

#[test]
fn the_path_or_a_header_names_the_endpoint() {
    let host = with_second(&[]);
    let client = host.marketplace();
    client.at("second").new_account();
    client.with("cnsp-endpoint", "second").new_account();
    assert_eq!((accounts(&client.at("sandbox")), accounts(&client.at("second"))), (0, 2));
    // The path is the stronger.
    client.at("sandbox").with("cnsp-endpoint", "second").new_account();
    assert_eq!((accounts(&client.at("sandbox")), accounts(&client.at("second"))), (1, 2));
    let refused = client.at("third").get("/account").refused(404, "NOT_FOUND");
    assert!(refused.error().contains("sandbox, second"), "{}", refused.error());
    client.with("cnsp-endpoint", "").get("/account").refused(404, "NOT_FOUND");
    let long = "x".repeat(5000);
    client.with("cnsp-endpoint", &long).get("/account").refused(404, "NOT_FOUND");
}

#[test]
fn without_a_hint_the_candidates_are_listed() {
    let host = with_second(&[]);
    let client = host.marketplace();
    lists_both(client.post("/account", &account("contoso", "ada@example.com")));
    lists_both(client.get("/account/nobody"));
    lists_both(client.get("/resource/nothing"));
    lists_both(client.get("/billing/nothing"));
    lists_both(client.get("/health/nothing"));
    assert_eq!(accounts(&client), 0);
}

#[test]
fn an_id_is_for_the_endpoint_that_has_it() {
    let host = with_second(&[]);
    let client = host.marketplace();
    let there = client.at("second").new_account();
    let here = client.at("sandbox").new_account();
    for (endpoint, account) in [("second", &there), ("sandbox", &here)] {
        let found = client.get(&format!("/account/{}", account.id)).succeeded();
        assert_eq!(found.body()["accountinfo"]["accountid"], account.accountid.as_str());
        let user = client.new_user(account);
        client.get(&format!("/account/user/{}", user.id)).succeeded();
        client.at(endpoint).get(&format!("/account/user/{}", user.id)).succeeded();
        let mut update = requestor(account);
        update["phone"] = json!("1");
        client.put("/account", &update).succeeded();
        let instance = client.at(endpoint).new_resource(account, "SANDBOX-MAIL", 1);
        for path in ["resource", "billing", "health"] {
            client.get(&format!("/{path}/{}", instance.id)).succeeded();
        }
        client.get(&format!("/billing/{}", instance.subscription)).succeeded();
        client.delete("/account/user", &json!({ "requestor": { "userid": user.id } })).succeeded();
    }

    // One id at two endpoints does not tell.
    client.at("second").post("/account", &account("same", "a@example.com")).succeeded();
    client.at("sandbox").post("/account", &account("same", "a@example.com")).succeeded();
    lists_both(client.get("/account/same"));
    lists_both(
        client.put("/account", &json!({ "requestor": { "accountid": "same" }, "phone": "1" })),
    );
}

#[test]
fn a_sku_is_for_the_endpoint_that_sells_it() {
    let host = with_second(&[("sandbox.catalog.list", "refuse:503")]);
    let client = host.marketplace();
    let account = client.at("sandbox").new_account();
    let order = resource(&account, &unique("order"), "SANDBOX-MAIL", 1);
    let answer = client.post("/resource", &order).succeeded();
    client
        .at("sandbox")
        .get(&format!("/resource/{}", answer.text_of("providerinstanceid")))
        .succeeded();
}

#[test]
fn a_sku_that_both_sell_is_for_the_endpoint_of_the_account() {
    let host = with_second(&[]);
    let client = host.marketplace();
    let account = client.at("second").new_account();
    let order = resource(&account, &unique("order"), "SANDBOX-MAIL", 1);
    let answer = client.post("/resource", &order).succeeded();
    client
        .at("second")
        .get(&format!("/resource/{}", answer.text_of("providerinstanceid")))
        .succeeded();
    let nobody = with(&order, "/requestor", json!({ "provideraccountid": "acc-nobody" }));
    lists_both(client.post("/resource", &with(&nobody, "/requestid", json!(unique("order")))));
}

#[test]
fn with_one_endpoint_nothing_has_to_be_named() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    client.at("sandbox").get(&format!("/account/{}", account.id)).succeeded();
    assert_eq!(client.get("/account/nobody").status, 404);
}

#[test]
fn a_list_of_all_endpoints_names_those_that_failed() {
    let host = Host::start();
    let broken = [
        ("sandbox.account.list", "trap"),
        ("sandbox.catalog.list", "refuse:503"),
        ("sandbox.discovery.describe", "nonsense:json"),
        ("sandbox.health.check", "slow:60000"),
    ];
    let limits = [("call_timeout_ms", 300)];
    let setup = SetupFolder::default().endpoint("second", "acme", &broken, &limits);
    host.apply_right(setup.path());
    let client = host.marketplace();
    client.at("sandbox").new_account();
    for (path, list, respcode) in [
        ("/account", "accounts", 502),
        ("/catalog", "resources", 503),
        ("/discovery", "resources", 502),
        ("/health", "checks", 504),
    ] {
        let answer = client.get(path).succeeded();
        let body = answer.body();
        let items = body[list].as_array().unwrap();
        assert!(
            !items.is_empty() && items.iter().all(|item| item["endpoint"] == "sandbox"),
            "{body}"
        );
        let partial = body["partial"].as_array().unwrap();
        assert_eq!(partial.len(), 1, "{body}");
        assert_eq!(
            (&partial[0]["endpoint"], &partial[0]["respcode"]),
            (&json!("second"), &json!(respcode))
        );
        let text = partial[0]["errormessage"].as_str().unwrap();
        assert!(!text.is_empty() && !text.contains("wasm"), "{text}");
        // Asked for alone, it fails.
        assert_eq!(client.at("second").get(path).status, respcode, "{path}");
    }
    assert_eq!(client.get("/health").text_of("status"), "degraded");
    // Nobody who failed is named where nobody has.
    let whole = client.at("sandbox").get("/account").succeeded();
    assert!(whole.body().get("partial").is_none());
}
