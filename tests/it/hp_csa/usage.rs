//! Usage: snapshots that become intervals, and intervals that become records.

use super::{Customer, Scene, apply, bought, delete, patient, snapshot};
use crate::check;
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::hp_csa::{LOGIN, Op};
use serde_json::{Value, json};

#[test]
fn snapshots_become_a_bill() {
    let scene = Scene::start(patient(), "");
    a_late_snapshot_bills_from_the_start(&scene);
    what_is_not_deployed_is_not_billed(&scene);
    a_flex_splits_what_is_billed(&scene);
    what_ends_is_billed_no_more(&scene);
    a_group_pays_once(&scene);
    what_makes_no_sense_is_not_billed_and_told(&scene);
    what_was_ordered_here_is_billed_from_its_deployment(&scene);
    prices_are_told_apart_and_adjusted(&scene);
    days_have_the_hours_of_their_zone(&scene);
    the_policy_says_what_february_costs(&scene);
}

const YEAR_2025: &str = "usage_start_time=2024-12-31T23:00:00Z&usage_end_time=2025-03-31T22:00:00Z";
const ALL: &str = "usage_start_time=2024-12-31T23:00:00Z&usage_end_time=2100-01-01T00:00:00Z";

fn bill(client: &Client, id: &str, window: &str) -> Answer {
    client.get(&format!("/billing/{id}?{window}")).succeeded()
}

fn records(answer: &Answer) -> Vec<Value> {
    answer.body()["usagefeed"].as_array().unwrap().clone()
}

/// Charge, beginning, quantity and amount.
fn plain(records: &[Value]) -> Vec<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    records
        .iter()
        .map(|of| {
            (
                text(&of["chargeid"]),
                text(&of["usage_start_time"]),
                of["quantity"].to_string(),
                text(&of["info_fields"]["charge"]),
            )
        })
        .collect()
}

/// As [`plain`], of what is recurring: beginning, quantity and amount.
fn recurring(answer: &Answer) -> Vec<(String, String, String)> {
    let all = plain(&records(answer));
    let of = all.into_iter().filter(|(charge, ..)| charge == "recurring");
    of.map(|(_, start, quantity, charge)| (start, quantity, charge)).collect()
}

fn row(start: &str, quantity: &str, charge: &str) -> (String, String, String) {
    (start.to_owned(), quantity.to_owned(), charge.to_owned())
}

fn a_late_snapshot_bills_from_the_start(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    // In the zone of the server.
    let id = csa.state().subscription(&customer.ada, "Ada's server", "2025-01-17T00:00:00");
    let before = bill(client, &customer.account.id, YEAR_2025);
    assert_eq!((records(&before).len(), &before.body()["partial"]), (0, &json!(true)));
    let taken = snapshot(client, &customer).succeeded();
    check("hp_csa.put_resource.snapshot", &taken);
    // Login, organizations' persons, each one's subscriptions, who has ordered, what is reserved.
    assert_eq!(
        csa.asked()[csa.asked().len() - 6..],
        [
            Op::Login,
            Op::Organization,
            Op::Subscriptions,
            Op::Request,
            Op::Utilization,
            Op::Subscriptions
        ]
    );
    let state = csa.state();
    for (op, request) in &state.requests {
        let is_right =
            request.path.contains("?userIdentifier=") || request.path.contains("&userIdentifier=");
        assert!(*op == Op::Login || is_right, "{}", request.path);
        assert!(*op != Op::Utilization || request.path.contains(&format!("{id}?userIdentifier=")));
    }
    drop(state);
    let answer = bill(client, &customer.account.id, YEAR_2025);
    check("hp_csa.get_billing_id", &answer);
    let setup = ("setup", "2025-01-16T23:00:00+00:00", "1", "1200");
    let expected = [
        ("recurring", "2025-01-16T23:00:00+00:00", "0.483870967742", "72.5806451613"),
        setup,
        ("recurring", "2025-01-31T23:00:00+00:00", "1", "150"),
        // An hour less than other months of 31 days, and a month all the same.
        ("recurring", "2025-02-28T23:00:00+00:00", "1", "150"),
    ];
    let owned = |(a, b, c, d): (&str, &str, &str, &str)| {
        (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned())
    };
    assert_eq!(plain(&records(&answer)), expected.map(owned));
    assert_eq!(answer.body().get("partial"), None);
    // The next snapshot says the same, and makes nothing of it.
    snapshot(client, &customer).succeeded();
    assert_eq!(records(&bill(client, &customer.account.id, YEAR_2025)), records(&answer));
    // What is asked for by its subscription, or page by page, is the same.
    assert_eq!(records(&bill(client, &id, YEAR_2025)), records(&answer));
    let mut paged = Vec::new();
    let mut query = format!("{YEAR_2025}&limit=1");
    loop {
        let page = bill(client, &customer.account.id, &query);
        paged.extend(records(&page));
        let Some(link) = page.header("link") else { break };
        query = link.split_once('?').unwrap().1.split('>').next().unwrap().to_owned();
    }
    assert_eq!(paged, records(&answer));
    // Months that are not over are not told, and said to be missing.
    assert_eq!(bill(client, &customer.account.id, ALL).body()["partial"], true);
    assert_eq!(csa.count(Op::Submit), 0);
}

fn what_is_not_deployed_is_not_billed(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    for (status, state) in [
        ("PENDING", "INITIALIZING"),
        ("PENDING", "DEPLOYED"),
        ("ACTIVE", "RESERVING"),
        ("ACTIVE", "DEPLOYING"),
        ("ACTIVE", "FAILED"),
        ("CANCELLED", "DEPLOYED"),
        ("EXPIRED", "DEPLOYED"),
        ("TERMINATED", "DEPLOYED"),
        ("ACTIVE", "MODIFYING"),
    ] {
        let mut csa = csa.state();
        let id = csa.subscription(&customer.ada, state, "2025-01-17T00:00:00");
        (csa.change(&id).status, csa.change(&id).state) = (status, state);
    }
    // Past its end date it has expired, whatever else CSA says.
    let late = csa.state().subscription(&customer.ada, "late", "2025-01-17T00:00:00");
    csa.state().change(&late).end = Some("2025-02-01T00:00:00.000+01:00".to_owned());
    snapshot(client, &customer).succeeded();
    assert_eq!(records(&bill(client, &customer.account.id, ALL)), [] as [Value; 0]);
    assert_eq!(client.resources(&customer.account).len(), 10);
}

fn a_flex_splits_what_is_billed(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let id = csa.state().subscription(&customer.ada, "flexed", "2025-01-01T00:00:00");
    csa.state().change(&id).period = "YEAR";
    snapshot(client, &customer).succeeded();
    csa.state().change(&id).recurring = Some("225.0");
    snapshot(client, &customer).succeeded();
    let first = records(&bill(client, &id, ALL));
    // What it costs now is certain when it ends.
    csa.state().change(&id).status = "CANCELLED";
    snapshot(client, &customer).succeeded();
    let all = records(&bill(client, &id, ALL));
    assert_eq!(all[..first.len()], first[..], "what was told stays as it is");
    let [.., before, after] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(before["usage_end_time"], after["usage_start_time"]);
    let info = [&before["info_fields"], &after["info_fields"]];
    assert_eq!((&info[0]["price"], &info[1]["price"]), (&json!("150"), &json!("225")));
    let gap = info[0]["enduncertaintyms"].as_i64().unwrap();
    assert!(gap > 0 && info[1]["startuncertaintyms"] == gap, "{all:?}");
    assert!(info[1]["enduncertaintyms"].as_i64().unwrap() > 0);
    assert!(first.iter().filter(|of| of["chargeid"] == "setup").count() == 1);
    assert!(all.iter().filter(|of| of["chargeid"] == "setup").count() == 1, "it is set up once");
}

fn what_ends_is_billed_no_more(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let ids: Vec<String> = (0..5)
        .map(|number| {
            let mut csa = csa.state();
            let id = csa.subscription(&customer.ada, &format!("s{number}"), "2025-01-01T00:00:00");
            csa.change(&id).period = "YEAR";
            id
        })
        .collect();
    snapshot(client, &customer).succeeded();
    {
        let mut csa = csa.state();
        csa.change(&ids[0]).status = "CANCELLED";
        csa.change(&ids[1]).state = "FAILED";
        csa.change(&ids[2]).status = "EXPIRED";
        // Gone without a word.
        csa.subscriptions.remove(&ids[3]);
    }
    snapshot(client, &customer).succeeded();
    let told: Vec<Vec<Value>> = ids.iter().map(|id| records(&bill(client, id, ALL))).collect();
    snapshot(client, &customer).succeeded();
    for (id, told) in ids.iter().zip(&told) {
        assert_eq!(records(&bill(client, id, ALL)), *told);
    }
    // The last goes on, so that its year is not told yet.
    let lengths: Vec<usize> = told.iter().map(Vec::len).collect();
    assert!(lengths[..4].iter().all(|length| *length == lengths[0]), "{lengths:?}");
    assert_eq!(lengths[4], lengths[0] - 1);
    let statuses = client.resources(&customer.account);
    let over = statuses.iter().filter(|of| of["parameters"]["status"] == "cancel").count();
    assert_eq!(over, 4, "{statuses:?}");
}

fn a_group_pays_once(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let id = csa.state().subscription(&customer.bob, "shared", "2025-01-17T00:00:00");
    csa.state().change(&id).group = Some("team".to_owned());
    let taken = snapshot(client, &customer).succeeded();
    // Both persons list it.
    assert_eq!(taken.body()["subscriptions"], 1);
    let all = records(&bill(client, &customer.account.id, YEAR_2025));
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|of| of["info_fields"]["ownergroup"] == "team"), "{all:?}");
    // Whoever joins the group later sees it, too; whoever leaves it takes nothing along.
    let id = &customer.account.id;
    csa.state().person(id, "carol", &["team"]);
    csa.state().persons.get_mut(&customer.ada).unwrap().groups.clear();
    snapshot(client, &customer).succeeded();
    assert_eq!(records(&bill(client, id, YEAR_2025)), all);
    assert_eq!(client.resources(&customer.account).len(), 1);
    // Who has ordered what nobody shares is known from the request.
    csa.state().subscription(&customer.bob, "own", "2025-01-17T00:00:00");
    snapshot(client, &customer).succeeded();
    let all = records(&bill(client, id, YEAR_2025));
    let own = all.iter().find(|of| of["info_fields"]["displayname"] == "own").unwrap();
    assert_eq!(own["info_fields"]["createdby"], "bob.smith");
    assert_eq!(all.len(), 8);
}

fn what_makes_no_sense_is_not_billed_and_told(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let odd = csa.state().subscription(&customer.ada, "odd", "2025-01-17T00:00:00");
    csa.state().change(&odd).period = "MOON";
    csa.state().subscription(&customer.ada, "plain", "2025-01-17T00:00:00");
    let taken = snapshot(client, &customer).succeeded();
    assert_eq!(taken.body()["unreadable"], 1);
    let answer = bill(client, &customer.account.id, YEAR_2025);
    assert_eq!((records(&answer).len(), &answer.body()["unreadable"]), (4, &json!(1)));
    assert_eq!(answer.body()["partial"], true, "the books stay open");
    assert!(scene.host.log().contains("`MOON` is no period"));
    csa.state().change(&odd).period = "MONTH";
    snapshot(client, &customer).succeeded();
    let answer = bill(client, &customer.account.id, YEAR_2025);
    assert_eq!((records(&answer).len(), answer.body().get("partial")), (8, None));
}

fn what_was_ordered_here_is_billed_from_its_deployment(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let instance = bought(client, &customer);
    let first = records(&bill(client, &instance.id, ALL));
    // Before it was deployed it was seen, and not billed: so this is not its start date.
    let setup: Vec<&Value> = first.iter().filter(|of| of["chargeid"] == "setup").collect();
    assert_eq!((first.len(), setup.len()), (1, 1));
    assert_eq!(setup[0]["info_fields"]["charge"], "1320", "1200 times 1.1");
    assert!(setup[0]["usage_start_time"].as_str().unwrap() > "2026-01-02", "{first:?}");
    delete(client, &customer, &instance).succeeded();
    let all = records(&bill(client, &instance.id, ALL));
    assert!((2..=3).contains(&all.len()) && all.contains(&first[0]), "{all:?}");
    let all_of_account = records(&bill(client, &customer.account.id, ALL));
    assert_eq!(all_of_account.len(), all.len());
    snapshot(client, &customer).succeeded();
    assert_eq!(records(&bill(client, &instance.id, ALL)), all);
    assert_eq!(csa.count(Op::Submit), 2);
}

fn prices_are_told_apart_and_adjusted(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let id = csa.state().subscription(&customer.ada, "adjusted", "2025-02-01T00:00:00");
    csa.state().change(&id).typed = false;
    csa.state().change(&id).multiplier = "0.333";
    snapshot(client, &customer).succeeded();
    let told = records(&bill(client, &id, YEAR_2025));
    let charges: Vec<String> = plain(&told).into_iter().map(|(.., charge)| charge).collect();
    assert_eq!(charges, ["49.95", "399.6", "49.95"]);
}

fn days_have_the_hours_of_their_zone(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let id = csa.state().subscription(&customer.ada, "daily", "2025-03-29T12:00:00");
    csa.state().change(&id).period = "DAY";
    snapshot(client, &customer).succeeded();
    let window = "usage_start_time=2025-03-29T00:00:00Z&usage_end_time=2025-03-31T22:00:00Z";
    assert_eq!(
        recurring(&bill(client, &id, window)),
        [
            row("2025-03-29T11:00:00+00:00", "0.5", "75"),
            // 23 hours are a day, too.
            row("2025-03-29T23:00:00+00:00", "1", "150"),
            row("2025-03-30T22:00:00+00:00", "1", "150"),
        ]
    );
}

fn the_policy_says_what_february_costs(scene: &Scene) {
    let (csa, client, customer): (_, _, Customer) = scene.fresh();
    let id = csa.state().subscription(&customer.ada, "prorated", "2025-01-17T00:00:00");
    snapshot(client, &customer).succeeded();
    for (policy, quantities) in [
        ("full", ["1", "1", "1"]),
        ("nominal", ["0.5", "0.933333333333", "1.031944444444"]),
        ("actual", ["0.483870967742", "1", "1"]),
    ] {
        let config = format!("{}, proration = \"{policy}\"", super::QUICK);
        apply(&scene.host, csa, csa.identity().pem(), LOGIN, &config);
        let told = recurring(&bill(client, &id, YEAR_2025));
        let told: Vec<&str> = told.iter().map(|(_, quantity, _)| quantity.as_str()).collect();
        assert_eq!(told, quantities, "{policy}");
    }
    // What is older than what is kept is not told at all.
    let config = super::QUICK.replace("10000", "30");
    apply(&scene.host, csa, csa.identity().pem(), LOGIN, &config);
    let refused = client.get(&format!("/billing/{id}?{YEAR_2025}"));
    assert!(refused.status == 400 && refused.error().contains("`keep_days`"), "{}", refused.text);
}
