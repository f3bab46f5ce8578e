//! Checks that come to no end, and plugins that have no list.

use super::{Shop, names};
use crate::breaker::metric;
use cnsp_tests::cnsp_remote::{Fault, Switches};
use cnsp_tests::eventually;
use cnsp_tests::host::Options;
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

/// A shop with two accounts, each with a resource, and a report.
fn shop() -> (Shop, Value) {
    let shop = Shop::new();
    let mail = [shop.account(), shop.account()].map(|account| shop.order(&account, 5));
    shop.behind(&mail[1], |one| one["parameters"]["license"] = json!(8));
    let report = shop.report();
    assert_eq!(names(&report), [format!("quantity/{}", mail[1].id)]);
    (shop, report)
}

#[test]
fn a_provider_that_fails_half_way_leaves_the_last_report() {
    let (shop, report) = shop();
    // The first account is listed, the second is not, however often it is asked for.
    (2..=9).for_each(|nth| shop.remote.fail("GET", "/resource/:id", nth, Fault::Status(500)));
    let (code, reason) = shop.failure();
    assert!(
        code == "REFUSED" && reason.contains("resource.list of account `pa-"),
        "{code}: {reason}"
    );
    let seen = shop.view().json;
    assert_eq!(seen["report"], report);
    assert_eq!(shop.counted("quantity"), 1.0);
    let failed = ["endpoint=\"remote-1\"", "outcome=\"failed\""];
    assert_eq!(metric(&shop.host, "drift_checks_total", &failed), 1.0);
    // One that passes is none.
    shop.remote.state().forget_faults();
    shop.remote.fail("GET", "/resource/:id", 2, Fault::Status(503));
    assert_eq!(shop.report()["differences"], report["differences"]);
}

#[test]
fn a_check_that_the_host_did_not_survive_is_told() {
    let (mut shop, report) = shop();
    shop.remote.fail("GET", "/resource/:id", 1, Fault::HangBefore);
    let before = shop.remote.count("GET", "/account");
    let begun = shop.operator().post("/drift/check", &json!({})).json;
    // A second one is the same one.
    assert_eq!(shop.operator().post("/drift/check", &json!({})).json, begun);
    eventually("it is under way", super::LONG, || {
        (shop.remote.count("GET", "/account") > before).then_some(())
    });
    let running = shop.view().json["running"].clone();
    assert_eq!(running["began_at"], begun["began_at"]);
    shop.host.kill9();
    shop.host.resume();
    let seen = shop.view().json;
    assert_eq!((&seen["report"], seen.get("running")), (&report, None));
    assert_eq!(seen["failed"]["began_at"], begun["began_at"]);
    assert_eq!(seen["failed"]["code"], "INTERRUPTED");
    // The metrics are those of the report.
    assert_eq!(shop.counted("quantity"), 1.0);
    // One that is stopped in order tells it, too.
    shop.remote.fail("GET", "/resource/:id", 1, Fault::HangBefore);
    let begun = shop.operator().post("/drift/check", &json!({})).json;
    shop.host.restart();
    let failed = shop.view().json["failed"].clone();
    assert_eq!((&failed["began_at"], &failed["code"]), (&begun["began_at"], &json!("INTERRUPTED")));
    shop.remote.state().forget_faults();
    assert_eq!(shop.report()["differences"], report["differences"]);
}

#[test]
fn an_endpoint_that_is_left_alone_is_not_checked() {
    let host =
        Options::default().set("breaker.failure_count", 1).set("breaker.pause_ms", 60_000).start();
    let more = "config = { habit = \"random\" }";
    host.apply_right(SetupFolder::default().fixture("random", "greedy", more).path());
    host.marketplace().at("random").get("/health").refused(502, "PLUGIN_FAILED");
    let operator = host.operator().below("/endpoints/random");
    assert_eq!(operator.post("/drift/check", &json!({})).status, 202);
    let failed = eventually("it has failed", super::LONG, || {
        operator.get("/drift").json.get("failed").cloned()
    });
    assert_eq!(failed["code"], "ENDPOINT_UNAVAILABLE");
    assert!(failed["reason"].as_str().unwrap().contains("is not called for now"), "{failed}");
    assert_eq!(operator.get("/drift").json.get("report"), None);
}

#[test]
fn a_plugin_that_lists_what_it_keeps_itself_is_told_from_one_that_asks() {
    let shop = Shop::new();
    let operator = shop.host.operator().below("/endpoints/sandbox");
    let reason = || {
        let begun = operator.post("/drift/check", &json!({})).json;
        let failed = eventually("it has ended", super::LONG, || {
            let seen = operator.get("/drift").json;
            let failed =
                seen.get("failed").filter(|failed| failed["began_at"] == begun["began_at"]);
            failed.filter(|_| seen.get("running").is_none()).cloned()
        });
        assert_eq!(failed["code"], "CANNOT_LIST", "{failed}");
        failed["reason"].as_str().unwrap().to_owned()
    };
    let cannot = "This plugin cannot list its provider's resources: ";
    let none = "it has no account, and asked its provider for none.";
    assert_eq!(reason(), format!("{cannot}{none}"));
    shop.host.marketplace().at("sandbox").new_account();
    let own = "it answered from what it keeps itself, and asked its provider for nothing.";
    assert_eq!(reason(), format!("{cannot}{own}"));
    let labels = ["endpoint=\"sandbox\"", "outcome=\"cannot_list\""];
    assert_eq!(metric(&shop.host, "drift_checks_total", &labels), 2.0);
    // One that says 501 is told so, too.
    shop.account();
    shop.remote.fail("GET", "/resource/:id", 1, Fault::Refusal(501));
    let (code, reason) = shop.failure();
    assert_eq!(code, "CANNOT_LIST");
    assert!(reason.starts_with(cannot), "{reason}");
}

#[test]
fn an_account_that_is_refused_is_not_missing() {
    let shop = Shop::open(Options::default(), Switches::default());
    let mail = [shop.account(), shop.account()].map(|account| shop.order(&account, 5));
    shop.lose(&mail[0]);
    shop.lose(&mail[1]);
    shop.remote.fail("GET", "/resource/:id", 1, Fault::Refusal(403));
    let report = shop.report();
    assert_eq!(names(&report), [format!("missing/{}", mail[1].id)]);
    let skipped = &report["skipped"][0];
    assert!(skipped["what"].as_str().unwrap().starts_with("account pa-"), "{report}");
    assert!(skipped["why"].as_str().unwrap().contains("with 403"), "{report}");
}
