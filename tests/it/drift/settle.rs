//! Adopting and ignoring.

use super::{LONG, Shop, names, seats};
use crate::breaker::metric;
use cnsp_tests::bodies::{Resource, action, resource, unique};
use cnsp_tests::cnsp_remote::{Fault, Switches};
use cnsp_tests::eventually;
use cnsp_tests::host::Options;
use serde_json::{Value, json};

fn whys(settled: &Value) -> Vec<(&str, &str)> {
    let skipped = settled["skipped"].as_array().unwrap();
    skipped
        .iter()
        .map(|one| (one["what"].as_str().unwrap(), one["why"].as_str().unwrap()))
        .collect()
}

#[test]
fn what_is_adopted_differs_no_more_and_stays_so() {
    let mut shop = Shop::new();
    let owner = shop.account();
    let [lost, stopped, grown, seated] = [2, 4, 5, 6].map(|licences| shop.order(&owner, licences));
    let [grace, alan] = [shop.user(&owner), shop.user(&owner)];
    shop.assign(&owner, &grace, &seated);
    shop.lose(&lost);
    shop.behind(&stopped, |one| one["parameters"]["status"] = json!("suspended"));
    shop.behind(&grown, |one| one["parameters"]["license"] = json!(8));
    shop.behind(&seated, |one| seats(one, &[&alan.id]));
    shop.grow(&owner.id, "i-behind");
    let report = shop.report();
    let all: Vec<String> = names(&report).into_iter().map(str::to_owned).collect();
    assert_eq!(all.len(), 5);
    // A dry run changes nothing.
    let body = json!({ "differences": ["missing", "extra", "state", "quantity", "seats"], "dry_run": true });
    let would = shop.settle("adopt", &body);
    assert_eq!((would["settled"].as_array().unwrap().len(), whys(&would)), (5, vec![]));
    assert_eq!(names(&shop.report()), all);
    // One by its name.
    let adopted = shop.adopt(&[&format!("quantity/{}", grown.id)]);
    assert_eq!(adopted["settled"], json!([format!("quantity/{}", grown.id)]));
    assert_eq!((names(&shop.view().json["report"]).len(), shop.counted("quantity")), (4, 0.0));
    // The others by their kinds.
    let adopted = shop.adopt(&["missing", "extra", "state", "seats"]);
    assert_eq!((adopted["settled"].as_array().unwrap().len(), whys(&adopted)), (4, vec![]));
    assert_eq!(names(&shop.view().json["report"]), Vec::<&str>::new());
    shop.host.kill9();
    shop.host.resume();
    let client = shop.host.marketplace().at("remote-1");
    shop.client = client;
    assert_eq!(names(&shop.report()), Vec::<&str>::new());
    // The host knows what it took over as it knows its own: whose it is, too.
    shop.client.get("/resource/i-behind").succeeded();
    let march = "usage_start_time=2026-03-01T00:00:00Z&usage_end_time=2026-04-01T00:00:00Z";
    let usage = shop.client.get(&format!("/billing/s-of-i-behind?{march}")).succeeded();
    assert_eq!(usage.body()["usagefeed"][0]["instanceid"], "i-behind");
    let stranger = shop.account();
    shop.behind(&seated, |one| seats(one, &[]));
    shop.grow(&stranger.id, "i-else");
    assert_eq!(names(&shop.report()), ["extra/i-else", &format!("seats/{}", seated.id)]);
}

#[test]
fn nothing_is_adopted_that_is_not_as_it_was_compared() {
    let shop = Shop::new();
    let owner = shop.account();
    let [ours, theirs, back] = [5, 6, 7].map(|licences| shop.order(&owner, licences));
    for one in [&ours, &theirs, &back] {
        shop.behind(one, |one| one["parameters"]["license"] = json!(9));
    }
    shop.grow("pa-nobody", "i-lost");
    assert_eq!(shop.report()["counts"]["quantity"], 3);
    // Somebody has changed the record here, one resource at the provider, and set another one right.
    let mut more = action(&owner, &unique("more"), &ours, "update");
    more["parameters"] = json!({ "license": 10 });
    shop.client.put("/resource", &more).succeeded();
    shop.behind(&theirs, |one| one["parameters"]["license"] = json!(11));
    shop.behind(&back, |one| one["parameters"]["license"] = json!(7));
    let settled = shop.adopt(&["quantity", "state/i-0"]);
    assert_eq!(settled["settled"], json!([]));
    let name = |of: &str| format!("quantity/{of}");
    let mut expected = vec![
        ("state/i-0".to_owned(), "no such difference"),
        (name(&ours.id), "record was changed since the check"),
        (name(&theirs.id), "differs in another way by now"),
        (name(&back.id), "differs in another way by now"),
    ];
    for (what, why) in whys(&settled) {
        let at = expected.iter().position(|(of, words)| of == what && why.contains(words));
        expected.remove(at.unwrap_or_else(|| panic!("{what}: {why}")));
    }
    assert!(expected.is_empty(), "{expected:?}");
    // They are still there, as what they are by now.
    let report = shop.report();
    assert_eq!(names(&report), [name(&theirs.id)]);
    assert_eq!(report["differences"][0]["provider"]["license"], 11);
    // A provider that is gone is no reason to change anything.
    for nth in 1..=8 {
        shop.remote.fail("GET", "/resource/:id", nth, Fault::Refusal(403));
    }
    let settled = shop.adopt(&["quantity"]);
    assert!(whys(&settled)[0].1.contains("403"), "{settled}");
}

#[test]
fn what_is_under_way_is_skipped_and_said() {
    let switches = Switches { pending: 1000, ..Switches::default() };
    let shop = Shop::open(Options::default().set("operations.pending_wait_ms", 0), switches);
    let owner = shop.account();
    let order = resource(&owner, &unique("order"), "MAIL-S", 5);
    let made = shop.client.post("/resource", &order).succeeded();
    let slow = Resource { id: made.text_of("providerinstanceid"), subscription: String::new() };
    shop.behind(&slow, |one| one["parameters"]["license"] = json!(9));
    let report = shop.report();
    assert_eq!(names(&report), Vec::<&str>::new());
    let skipped = &report["skipped"][0];
    assert_eq!(skipped["what"], slow.id.as_str());
    let why = skipped["why"].as_str().unwrap();
    assert!(why.starts_with("resource.create is pending: operation "), "{why}");
    // It is compared once it is there.
    shop.behind(&slow, |one| one["parameters"]["status"] = json!("active"));
    eventually("the order is done", LONG, || {
        let report = shop.report();
        (names(&report) == [format!("quantity/{}", slow.id)]).then_some(())
    });
}

#[test]
fn what_an_operation_is_doing_at_this_moment_is_skipped_and_said() {
    let shop = Shop::open(Options::default().set("calls.timeout_ms", 4000), Switches::default());
    let owner = shop.account();
    let mail = shop.order(&owner, 5);
    // The provider has done it, and has not answered.
    shop.remote.fail("PUT", "/resource", 1, Fault::HangAfter);
    let mut more = action(&owner, &unique("more"), &mail, "update");
    more["parameters"] = json!({ "license": 8 });
    std::thread::scope(|scope| {
        let call = scope.spawn(|| shop.client.put("/resource", &more));
        eventually("the provider has it", LONG, || {
            (shop.remote.count("PUT", "/resource") > 0).then_some(())
        });
        let report = shop.report();
        assert_eq!(names(&report), Vec::<&str>::new());
        let why = report["skipped"][0]["why"].as_str().unwrap();
        assert!(why.starts_with("resource.update is under way: operation "), "{why}");
        call.join().unwrap()
    });
    // It goes on by itself, and then there is nothing to tell.
    eventually("the operation has ended", LONG, || {
        let report = shop.report();
        (report["skipped"] == json!([]) && names(&report).is_empty()).then_some(())
    });
}

#[test]
fn what_is_ignored_is_not_told_until_it_changes() {
    let shop = Shop::new();
    let owner = shop.account();
    let mail = shop.order(&owner, 5);
    shop.grow(&owner.id, "i-behind");
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(8));
    let name = format!("quantity/{}", mail.id);
    shop.report();
    let dry = shop.settle("ignore", &json!({ "differences": ["quantity"], "dry_run": true }));
    assert_eq!(dry["settled"], json!([name]));
    assert_eq!(names(&shop.view().json["report"]).len(), 2);
    let ignored = shop.settle("ignore", &json!({ "differences": [name] }));
    assert_eq!(ignored["settled"], json!([name]));
    assert_eq!(
        (names(&shop.view().json["report"]), shop.counted("quantity")),
        (vec!["extra/i-behind"], 0.0)
    );
    // Also after the next check, and only that one.
    let report = shop.report();
    assert_eq!((names(&report), &report["ignored"]), (vec!["extra/i-behind"], &json!(1)));
    // What has changed is told again; so is what was gone in between.
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(9));
    assert_eq!(names(&shop.report()), ["extra/i-behind", name.as_str()]);
    shop.settle("ignore", &json!({ "differences": [name] }));
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(5));
    assert_eq!(shop.report()["ignored"], 0);
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(9));
    assert_eq!(names(&shop.report()), ["extra/i-behind", name.as_str()]);
    // All that is ignored is told again on demand.
    shop.settle("ignore", &json!({ "differences": ["quantity", "extra"] }));
    assert_eq!((names(&shop.report()).len(), shop.counted("extra")), (0, 0.0));
    let forgotten = shop.operator().delete_bare("/drift/ignore");
    assert_eq!((forgotten.status, &forgotten.json["count"]), (200, &json!(2)));
    assert_eq!(names(&shop.report()).len(), 2);
    assert_eq!(metric(&shop.host, "drift_checks_total", &["outcome=\"done\""]), 7.0);
}

#[test]
fn what_has_no_report_cannot_be_settled() {
    let shop = Shop::new();
    for what in ["adopt", "ignore"] {
        let body = json!({ "differences": ["state"] });
        let refused = shop.operator().post(&format!("/drift/{what}"), &body);
        assert!(refused.refused(404, "NOT_FOUND").error().contains("check it first"));
    }
}

#[test]
fn a_resource_of_an_account_that_the_host_does_not_know_is_not_adopted() {
    let shop = Shop::new();
    shop.remote.state().accounts.push(json!({
        "accountid": "C-else", "provideraccountid": "pa-else", "accountname": "Elsewhere",
    }));
    shop.grow("pa-else", "i-else");
    assert_eq!(names(&shop.report()), ["extra/i-else"]);
    let settled = shop.adopt(&["extra"]);
    assert!(whys(&settled)[0].1.contains("does not know its account `pa-else`"), "{settled}");
}
