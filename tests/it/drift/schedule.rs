//! Checks that the host makes by itself.

use super::{LONG, Shop, names};
use crate::breaker::metric;
use cnsp_tests::cnsp_remote::Switches;
use cnsp_tests::eventually;
use cnsp_tests::host::Options;
use cnsp_tests::setup::SetupFolder;
use serde_json::json;

/// How many checks of an endpoint have come to a report.
fn checks(shop: &Shop, endpoint: &str) -> f64 {
    let labels = [format!("endpoint=\"{endpoint}\""), "outcome=\"done\"".to_owned()];
    metric(&shop.host, "drift_checks_total", &labels.each_ref().map(String::as_str))
}

#[test]
fn an_endpoint_is_checked_by_itself_as_often_as_it_says() {
    let shop = Shop::open(Options::default().set("drift.check_s", 1), Switches::default());
    let owner = shop.account();
    let mail = shop.order(&owner, 5);
    assert_eq!(shop.view().json["check_s"], 1);
    eventually("it is checked", LONG, || {
        (shop.view().json["report"]["compared"] == 1).then_some(())
    });
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(8));
    eventually("it is checked again", LONG, || {
        let seen = shop.view().json;
        (seen["report"].is_object() && names(&seen["report"]) == [format!("quantity/{}", mail.id)])
            .then_some(())
    });
    eventually("the metrics tell", LONG, || (shop.counted("quantity") == 1.0).then_some(()));
    // Its own setting counts before the host's, at once.
    let plugin = "config = {}\ndrift_check_s = 0";
    shop.host.apply_right(SetupFolder::default().plugin("quiet", "sandbox", plugin).path());
    let quiet = shop.host.operator().below("/endpoints/quiet");
    let seen = quiet.get("/drift").json;
    assert_eq!((&seen["check_s"], seen.get("next_check_at")), (&json!(0), None));
    let before = checks(&shop, "remote-1");
    eventually("the other one goes on", LONG, || {
        (checks(&shop, "remote-1") > before + 1.0).then_some(())
    });
    assert_eq!(quiet.get("/drift").json.get("failed"), None);
}

#[test]
fn an_endpoints_own_setting_turns_it_on_and_is_checked() {
    let shop = Shop::new();
    let more = "drift_check_s = 1";
    shop.host.apply_right(SetupFolder::default().plugin("eager", "sandbox", more).path());
    let eager = shop.host.operator().below("/endpoints/eager");
    eventually("it is checked", LONG, || {
        let seen = eager.get("/drift").json;
        (seen["report"].is_object() || seen["failed"].is_object()).then_some(())
    });
    assert!(eager.get("/drift").json["next_check_at"].is_string());
    assert_eq!(shop.view().json.get("report"), None);
    let wrong = SetupFolder::default().plugin("eager", "sandbox", "drift_check_s = 99999999");
    let refused = String::from_utf8(shop.host.apply(wrong.path(), &[]).stderr).unwrap();
    assert!(
        refused.contains("drift_check_s is 99999999; it must be 0 to 2592000 seconds"),
        "{refused}"
    );
}
