//! What the provider has, compared with what the host has, and settled: with a provider that is changed behind the
//! host's back.

mod lies;
mod schedule;
mod settle;
mod stops;
mod storm;

use crate::breaker::metric;
use crate::cnsp_remote::start_all;
use cnsp_tests::bodies::{Account, Resource, User, account, action, resource, seat, unique, user};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::cnsp_remote::{Remote, Switches};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};
use std::time::Duration;

const PASSWORD: &str = "a password for tests";
const LONG: Duration = Duration::from_secs(60);

/// The endpoint `remote-1`, and who looks after it.
struct Shop {
    host: Host,
    client: Client,
    remote: Remote,
}

impl Shop {
    fn open(options: Options, switches: Switches) -> Shop {
        let options = options.set("drift.pause_ms", 0).set("egress.requests_per_s_max", 10_000);
        let (host, mut remotes) = start_all(options, &[(switches, &[])]);
        let (client, remote) = remotes.remove(0);
        Shop { host, client, remote }
    }

    fn new() -> Shop {
        Shop::open(Options::default(), Switches::default())
    }

    fn account(&self) -> Account {
        let accountid = unique("C");
        let body = account(&accountid, &format!("{accountid}@example.com"));
        let id = self.client.post("/account", &body).succeeded().text_of("provideraccountid");
        Account { accountid, id }
    }

    fn order(&self, account: &Account, licences: u64) -> Resource {
        let body = resource(account, &unique("order"), "MAIL-S", licences);
        let made = self.client.post("/resource", &body).succeeded();
        Resource {
            id: made.text_of("providerinstanceid"),
            subscription: made.text_of("subscriptionid"),
        }
    }

    fn user(&self, account: &Account) -> User {
        let email = format!("{}@example.com", unique("user"));
        let made = self.client.post("/account/user", &user(account, &email)).succeeded();
        User { id: made.text_of("provideruserid"), email }
    }

    fn assign(&self, account: &Account, user: &User, resource: &Resource) {
        let body = seat(account, "assign", user, resource);
        self.client.put("/account/user/resource", &body).succeeded();
    }

    /// Changes a resource at the provider, as somebody else would.
    fn behind(&self, resource: &Resource, edit: impl FnOnce(&mut Value)) {
        let mut state = self.remote.state();
        let is_it =
            |one: &&mut Value| one["parameters"]["providerinstanceid"] == resource.id.as_str();
        edit(state.resources.iter_mut().find(is_it).expect("the provider has it"));
    }

    /// Takes a resource away at the provider.
    fn lose(&self, resource: &Resource) {
        let is_other =
            |one: &Value| one["parameters"]["providerinstanceid"] != resource.id.as_str();
        self.remote.state().resources.retain(is_other);
    }

    /// Gives an account a resource at the provider.
    fn grow(&self, account: &str, id: &str) {
        self.remote.state().resources.push(json!({
            "resource": { "type": "saas" },
            "parameters": {
                "providerinstanceid": id, "sku": "MAIL-L", "license": 9, "status": "active",
                "subscriptionid": format!("s-of-{id}"),
            },
            "additionalparameters": {},
            "provideraccountid": account,
        }));
    }

    fn operator(&self) -> Client {
        self.host.operator().below("/endpoints/remote-1")
    }

    fn view(&self) -> Answer {
        let seen = self.operator().get("/drift");
        assert_eq!(seen.status, 200, "{}", seen.text);
        seen
    }

    /// Begins a check, and waits until it has ended. Answers when it began.
    fn check(&self) -> String {
        let begun = self.operator().post("/drift/check", &json!({}));
        assert_eq!(begun.status, 202, "{}", begun.text);
        eventually("the check ends", LONG, || {
            self.view().json.get("running").is_none().then_some(())
        });
        begun.json["began_at"].as_str().unwrap().to_owned()
    }

    /// What a check finds.
    fn report(&self) -> Value {
        let began_at = self.check();
        let seen = self.view();
        assert_eq!(seen.json["report"]["began_at"], began_at.as_str(), "{}", seen.text);
        assert_eq!(seen.json.get("failed"), None);
        seen.json["report"].clone()
    }

    /// Why a check came to no report.
    fn failure(&self) -> (String, String) {
        let began_at = self.check();
        let seen = self.view();
        let failed = &seen.json["failed"];
        assert_eq!(failed["began_at"], began_at.as_str(), "{}", seen.text);
        let text = |key: &str| failed[key].as_str().unwrap().to_owned();
        (text("code"), text("reason"))
    }

    fn settle(&self, what: &str, body: &Value) -> Value {
        let settled = self.operator().post(&format!("/drift/{what}"), body);
        assert_eq!(settled.status, 200, "{}", settled.text);
        settled.json
    }

    fn adopt(&self, differences: &[&str]) -> Value {
        self.settle("adopt", &json!({ "differences": differences }))
    }

    /// How many differences the metrics tell.
    fn counted(&self, kind: &str) -> f64 {
        let labels = ["endpoint=\"remote-1\"", &format!("kind=\"{kind}\"")];
        metric(&self.host, "drift_differences", &labels)
    }
}

fn names(report: &Value) -> Vec<&str> {
    let differences = report["differences"].as_array().unwrap();
    differences.iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// The seats of a resource, as the provider tells them.
fn seats(resource: &mut Value, users: &[&str]) {
    resource["additionalparameters"]["seats"] = json!(users);
}

#[test]
fn each_kind_of_difference_is_told_with_both_sides() {
    let shop = Shop::new();
    let owner = shop.account();
    let same = shop.order(&owner, 3);
    let [lost, stopped, grown, seated] = [2, 4, 5, 6].map(|licences| shop.order(&owner, licences));
    let grace = shop.user(&owner);
    shop.assign(&owner, &grace, &seated);
    let before = shop.report();
    assert_eq!((names(&before), &before["compared"]), (vec![], &json!(5)));
    shop.lose(&lost);
    shop.behind(&stopped, |one| one["parameters"]["status"] = json!("suspended"));
    shop.behind(&grown, |one| one["parameters"]["license"] = json!(8));
    shop.behind(&seated, |one| seats(one, &["pu-77"]));
    shop.behind(&same, |one| one["parameters"]["instancename"] = json!("Post"));
    shop.grow(&owner.id, "i-behind");
    let report = shop.report();
    let expected = [
        format!("missing/{}", lost.id),
        "extra/i-behind".to_owned(),
        format!("state/{}", stopped.id),
        format!("quantity/{}", grown.id),
        format!("seats/{}", seated.id),
    ];
    assert_eq!(names(&report), expected);
    for kind in ["missing", "extra", "state", "quantity", "seats"] {
        assert_eq!((&report["counts"][kind], shop.counted(kind)), (&json!(1), 1.0), "{kind}");
    }
    let checked_at = metric(&shop.host, "drift_checked_at_s", &["endpoint=\"remote-1\""]);
    assert!(checked_at > 1_700_000_000.0, "{checked_at}");
    // A second check tells the same, seen since the first.
    let again = shop.report();
    assert_eq!(again["differences"], report["differences"]);
    let mut shown = shop.view();
    for one in shown.json["report"]["differences"].as_array_mut().unwrap() {
        assert!(
            one["since"] == report["began_at"] && one["fingerprint"].as_str().unwrap().len() == 32
        );
        one["record_version"] = json!(null);
        one["fingerprint"] = json!("[fingerprint]");
        one["accountid"] = json!("[account]");
    }
    crate::check("get_drift.ok.report", &shown);
    // A vendor sees the same; others see nothing.
    let path = "/endpoints/remote-1/drift";
    assert_eq!(shop.host.vendor().below("").get(path).json["report"], again);
}

#[test]
fn more_seats_than_licences_are_told_where_nobody_lists_seats() {
    let shop = Shop::new();
    let owner = shop.account();
    let mail = shop.order(&owner, 3);
    for _ in 0..2 {
        shop.assign(&owner, &shop.user(&owner), &mail);
    }
    assert_eq!(names(&shop.report()), Vec::<&str>::new());
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(1));
    let report = shop.report();
    assert_eq!(names(&report), [format!("quantity/{}", mail.id), format!("seats/{}", mail.id)]);
    assert_eq!(report["differences"][1]["ours"]["seats"], 2);
    // The licences are adopted; whose seat is to go is for people to say.
    let settled = shop.adopt(&["quantity", "seats"]);
    assert!(
        settled["skipped"][0]["why"].as_str().unwrap().contains("does not tell who has a seat"),
        "{settled}"
    );
}

#[test]
fn a_quantity_that_nobody_ordered_is_not_compared_and_said() {
    let shop = Shop::new();
    let owner = shop.account();
    let mut order = resource(&owner, &unique("order"), "MAIL-S", 1);
    order["parameters"].as_object_mut().unwrap().remove("licenseQuantity");
    let id = shop.client.post("/resource", &order).succeeded().text_of("providerinstanceid");
    let mail = Resource { id, subscription: String::new() };
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(7));
    let report = shop.report();
    assert_eq!(names(&report), Vec::<&str>::new());
    let note = report["notes"][0].as_str().unwrap();
    assert!(note.contains("does not know the quantity of 1 resources"), "{report}");
    // Once it is changed through the host, it is known.
    let mut more = action(&owner, &unique("more"), &mail, "update");
    more["parameters"] = json!({ "license": 9 });
    shop.client.put("/resource", &more).succeeded();
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(7));
    let report = shop.report();
    assert_eq!(
        (names(&report), &report["notes"]),
        (vec![format!("quantity/{}", mail.id).as_str()], &json!([]))
    );
}

#[test]
fn a_list_of_many_pages_and_accounts_is_whole() {
    let shop = Shop::open(Options::default(), Switches { page: Some(3), ..Switches::default() });
    let accounts: Vec<Account> = (0..5).map(|_| shop.account()).collect();
    for account in &accounts {
        for number in 0..8 {
            shop.grow(&account.id, &format!("{}-{number}", account.id));
        }
    }
    let kept = shop.order(&accounts[0], 3);
    let report = shop.report();
    assert_eq!(report["counts"]["extra"], 40);
    assert_eq!((&report["compared"], &report["listed"]["resources"]), (&json!(1), &json!(41)));
    assert_eq!(report["listed"]["accounts"], 5);
    // One account is gone with all that it has, which is no reason to doubt the others.
    shop.remote.state().accounts.retain(|one| one["provideraccountid"] != accounts[0].id.as_str());
    shop.lose(&kept);
    let report = shop.report();
    assert_eq!(names(&report)[0], format!("missing/{}", kept.id));
    assert_eq!(report["counts"]["extra"], 32);
    // Nor is it where all are gone.
    shop.remote.state().accounts.clear();
    shop.remote.state().resources.clear();
    assert_eq!(names(&shop.report()), [format!("missing/{}", kept.id)]);
}

#[test]
fn a_report_is_bounded_and_counts_the_rest() {
    let shop = Shop::new();
    let owner = shop.account();
    (0..620).for_each(|number| shop.grow(&owner.id, &format!("i-behind-{number:04}")));
    let report = shop.report();
    assert_eq!(report["counts"]["extra"], 620);
    assert_eq!((names(&report).len(), &report["left_out"]), (500, &json!(120)));
    assert_eq!(shop.counted("extra"), 620.0);
    // The next report is a short one, and nothing of the long one is left.
    shop.remote.state().resources.clear();
    let report = shop.report();
    assert_eq!((names(&report).len(), &report["left_out"]), (0, &json!(0)));
}

#[test]
fn operators_and_the_endpoints_vendor_look_and_operators_settle() {
    let shop = Shop::new();
    let set_up = SetupFolder::default()
        .vendor("globex")
        .caller("globex-admin", "vendor", PASSWORD, "vendor = \"globex\"")
        .caller("auditor", "auditor", PASSWORD, "endpoints = [\"*\"]");
    shop.host.apply_right(set_up.path());
    let of = |client: Client| client.below("/endpoints/remote-1");
    let all = json!({ "differences": ["state"] });
    let vendor = of(shop.host.vendor());
    assert_eq!(vendor.get("/drift").status, 200);
    assert_eq!(vendor.post("/drift/check", &json!({})).status, 202);
    eventually("the check ends", LONG, || shop.view().json.get("running").is_none().then_some(()));
    for what in ["adopt", "ignore"] {
        vendor.post(&format!("/drift/{what}"), &all).refused(403, "FORBIDDEN");
    }
    vendor.delete_bare("/drift/ignore").refused(403, "FORBIDDEN");
    for other in [shop.host.marketplace(), shop.host.client("auditor", PASSWORD)] {
        let other = of(other);
        other.get("/drift").refused(403, "FORBIDDEN");
        for what in ["check", "adopt", "ignore"] {
            other.post(&format!("/drift/{what}"), &all).refused(403, "FORBIDDEN");
        }
        other.delete_bare("/drift/ignore").refused(403, "FORBIDDEN");
    }
    // That it exists is not told.
    let globex = of(shop.host.client("globex-admin", PASSWORD));
    globex.get("/drift").refused(404, "NOT_FOUND");
    globex.post("/drift/check", &all).refused(404, "NOT_FOUND");
    // What names nothing is refused, with what to send.
    for wrong in [
        json!({}),
        json!({ "differences": [] }),
        json!({ "differences": ["gone/i-1"] }),
        json!({ "differences": ["state"], "all": true }),
    ] {
        for what in ["adopt", "ignore"] {
            shop.operator().post(&format!("/drift/{what}"), &wrong).refused(400, "INVALID_REQUEST");
        }
    }
    let nowhere = shop.host.operator().below("/endpoints/nowhere");
    nowhere.get("/drift").refused(404, "NOT_FOUND");
}

#[test]
fn the_command_checks_shows_and_settles() {
    let shop = Shop::new();
    let owner = shop.account();
    let mail = shop.order(&owner, 5);
    shop.behind(&mail, |one| one["parameters"]["license"] = json!(8));
    let run = |arguments: &[&str]| {
        let output = shop.host.command("endpoint", &[&["drift"], arguments].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, text, _) = run(&["remote-1"]);
    let expected = "there is no report yet: see with --check\nit is checked on demand only\n";
    assert_eq!((code, text.as_str()), (Some(0), expected));
    let (code, text, told) = run(&["remote-1", "--check"]);
    assert_eq!(code, Some(0), "{told}");
    let line =
        format!("  quantity/{}  account {} ({}), since ", mail.id, owner.accountid, owner.id);
    for words in [
        "differences: 1 quantity\n",
        &line,
        "    here      active, sku MAIL-S, 5 licences, 0 seats\n",
        "    provider  active, sku MAIL-S, 8 licences\n",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let (_, text, _) = run(&["remote-1", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), shop.view().json);
    let name = format!("quantity/{}", mail.id);
    let (_, text, _) = run(&["remote-1", "--adopt", &name, "--dry-run"]);
    assert_eq!(text, format!("would adopt {name}\n"));
    let (_, text, _) = run(&["remote-1", "--ignore", "quantity"]);
    assert_eq!(text, format!("ignored {name}\n"));
    let (_, text, _) = run(&["remote-1", "--unignore"]);
    assert_eq!(text, "1 were ignored; the next check reports them\n");
    run(&["remote-1", "--check"]);
    let (_, text, _) = run(&["remote-1", "--adopt", "quantity", "--adopt", "state/i-0"]);
    assert_eq!(
        text,
        format!("adopted {name}\nskipped state/i-0: the last report has no such difference\n")
    );
    let (code, _, told) = run(&["nowhere"]);
    assert_eq!((code, told.as_str()), (Some(1), "cnsp: there is no endpoint `nowhere`\n"));
    let (code, _, told) = run(&["remote-1", "--dry-run"]);
    assert!(code == Some(2) && told.contains("a check only looks anyway"), "{told}");
    // A check that fails says so, with what there was before.
    for nth in 1..=6 {
        shop.remote.fail("GET", "/account", nth, cnsp_tests::cnsp_remote::Fault::Refusal(403));
    }
    let (code, text, told) = run(&["remote-1", "--check"]);
    assert!(code == Some(1) && told.contains("the check came to no report: "), "{told}");
    assert!(text.contains("no differences\n") && text.contains(" failed: "), "{text}");
}
