//! What each role may do.

use crate::auth::ROUTES;
use cnsp_tests::bodies::{account, requestor};
use cnsp_tests::host::Host;
use cnsp_tests::setup::SetupFolder;
use reqwest::Method;
use serde_json::json;

const PASSWORD: &str = "a password for tests";

/// Two vendors with an endpoint each, and callers who may use one, all or none of them.
fn two_vendors(host: &Host) {
    let setup = SetupFolder::default()
        .vendor("globex")
        .vendor("initech")
        .endpoint("files", "globex", &[], &[])
        .caller("globex-admin", "vendor", PASSWORD, "vendor = \"globex\"")
        .caller("initech-admin", "vendor", PASSWORD, "vendor = \"initech\"")
        .caller("auditor", "auditor", PASSWORD, "endpoints = [\"*\"]")
        .caller("shop", "marketplace", PASSWORD, "endpoints = [\"files\"]");
    host.apply_right(setup.path());
}

#[test]
fn an_auditor_reads_and_changes_nothing() {
    let host = Host::start();
    two_vendors(&host);
    let auditor = host.client("auditor", PASSWORD);
    let account = host.marketplace().at("sandbox").new_account();
    auditor.get(&format!("/account/{}", account.id)).succeeded();
    auditor.get("/catalog").succeeded();
    for (method, path) in ROUTES.iter().filter(|(method, _)| *method != "get") {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
        let mut body = requestor(&account);
        body["action"] = json!("update");
        if *path == "/account/user/resource" {
            body["action"] = json!("assign");
        }
        let answer = auditor.at("sandbox").send(method, path, Some(body.to_string().into_bytes()));
        answer.refused(403, "FORBIDDEN");
    }
    host.marketplace().at("sandbox").get(&format!("/account/{}", account.id)).succeeded();
}

#[test]
fn a_vendor_uses_its_own_endpoints_only() {
    let host = Host::start();
    two_vendors(&host);
    let (acme, globex) = (host.vendor(), host.client("globex-admin", PASSWORD));
    let own = globex.new_account();
    globex.at("files").get(&format!("/account/{}", own.id)).succeeded();

    // That an endpoint exists is not told: what is another's answers as what is not there.
    let other = acme.at("files").get("/account").refused(404, "NOT_FOUND");
    let nothing = acme.at("fills").get("/account").refused(404, "NOT_FOUND");
    assert_eq!(other.error().replace("files", "fills"), nothing.error());
    acme.with("cnsp-endpoint", "files").get("/account").refused(404, "NOT_FOUND");
    acme.at("files").post("/account", &account("x", "x@example.com")).refused(404, "NOT_FOUND");
    assert_eq!(acme.get(&format!("/account/{}", own.id)).status, 404);
    let listed = acme.get("/account").succeeded();
    assert_eq!(listed.body()["accounts"], json!([]));
    let catalog = acme.get("/catalog").succeeded();
    assert!(
        catalog.body()["resources"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["endpoint"] == "sandbox")
    );

    // A vendor with no endpoint has nothing to call.
    let initech = host.client("initech-admin", PASSWORD);
    assert_eq!(initech.get("/catalog").succeeded().body()["resources"], json!([]));
    initech.post("/account", &account("x", "x@example.com")).refused(403, "FORBIDDEN");
}

#[test]
fn a_marketplace_uses_the_endpoints_that_it_was_given() {
    let host = Host::start();
    two_vendors(&host);
    let shop = host.client("shop", PASSWORD);
    let account = shop.new_account();
    shop.at("files").get(&format!("/account/{}", account.id)).succeeded();
    shop.at("sandbox").get("/account").refused(404, "NOT_FOUND");
    assert_eq!(
        host.marketplace().at("sandbox").get(&format!("/account/{}", account.id)).status,
        404
    );
    host.operator().at("files").get(&format!("/account/{}", account.id)).succeeded();
}

#[test]
fn metrics_are_for_operators_and_auditors() {
    let host = Host::start();
    two_vendors(&host);
    for client in [host.operator(), host.client("auditor", PASSWORD)] {
        let answer = client.below("").get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for client in [host.vendor(), host.marketplace()] {
        client.below("").get("/metrics").refused(403, "FORBIDDEN");
    }
}
