//! Lists that cannot be: bounded, and said.

use super::{Shop, names};
use cnsp_tests::cnsp_remote::Lie;
use serde_json::json;

#[test]
fn a_list_that_does_not_end_is_refused() {
    let shop = Shop::new();
    let owner = shop.account();
    shop.order(&owner, 5);
    let report = shop.report();
    let cases = [
        (Lie::Circle, "PLUGIN_ANSWER_INVALID", "the pages go in a circle"),
        (Lie::Nothing, "PLUGIN_ANSWER_INVALID", "11 empty pages in a row"),
        (Lie::Endless, "LIST_TOO_LONG", "a check takes at most 100000 resources"),
    ];
    for (lie, code, words) in cases {
        shop.remote.state().lie = Some(lie);
        let (failed, reason) = shop.failure();
        assert!(failed == code && reason.contains(words), "{lie:?}: {failed}: {reason}");
        assert_eq!(shop.view().json["report"], report, "{lie:?}");
    }
    shop.remote.state().lie = None;
    assert_eq!(names(&shop.report()), Vec::<&str>::new());
}

#[test]
fn a_resource_that_is_listed_twice_is_counted_or_refused() {
    let shop = Shop::new();
    let owner = shop.account();
    let mail = shop.order(&owner, 5);
    let copy = shop.remote.state().resources[0].clone();
    shop.remote.state().resources.push(copy);
    let report = shop.report();
    assert_eq!((&report["listed"]["duplicates"], names(&report)), (&json!(1), vec![]));
    shop.remote.state().resources[1]["parameters"]["license"] = json!(6);
    let (code, reason) = shop.failure();
    assert_eq!(code, "PLUGIN_ANSWER_INVALID");
    assert!(
        reason.contains(&format!("`{}` is there twice, and not the same", mail.id)),
        "{reason}"
    );
    // Of another account it is not the same either.
    let other = shop.account();
    shop.remote.state().resources[1]["parameters"]["license"] = json!(5);
    shop.remote.state().resources[1]["provideraccountid"] = json!(other.id);
    assert!(shop.failure().1.contains("is there twice"), "{}", mail.id);
    // One that has another account than here is not compared, and said.
    shop.remote.state().resources.remove(0);
    let report = shop.report();
    assert_eq!(names(&report), Vec::<&str>::new());
    let why = report["skipped"][0]["why"].as_str().unwrap();
    assert!(why.contains(&format!("lists it for account `{}`", other.id)), "{why}");
}

#[test]
fn what_the_list_leaves_out_is_asked_for_by_itself() {
    let shop = Shop::new();
    let owner = shop.account();
    let [hidden, changed] = [5, 6].map(|licences| shop.order(&owner, licences));
    for one in [&hidden, &changed] {
        shop.behind(one, |one| one["provideraccountid"] = json!("pa-nobody"));
    }
    shop.behind(&changed, |one| one["parameters"]["license"] = json!(7));
    let report = shop.report();
    assert_eq!(report["listed"]["unlisted"], 2);
    assert_eq!(names(&report), [format!("quantity/{}", changed.id)]);
    assert_eq!((&report["counts"]["missing"], &report["compared"]), (&json!(0), &json!(2)));
}
