//! Usage: pushed into Abacus, and told from its reports.

use super::{Scene, bought, delete, push, storage};
use crate::check;
use cnsp_tests::abacus::{Answers, Op, now_ms};
use cnsp_tests::bodies::Account;
use cnsp_tests::client::{Answer, Client};
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3600 * 1000;

#[test]
fn usage_is_pushed_once_and_told_from_the_report() {
    let scene = Scene::start();
    a_document_has_what_the_instance_is(&scene);
    a_document_that_abacus_would_lose_is_refused(&scene);
    a_report_is_a_feed(&scene);
    a_partial_report_says_so(&scene);
    an_account_without_usage_and_an_organization_without_a_report(&scene);
    usage_of_others_is_not_billed(&scene);
}

#[test]
fn usage_whose_answer_is_lost_is_looked_for_and_never_sent_again() {
    let scene = Scene::start();
    what_the_report_shows_was_counted(&scene);
    what_the_report_does_not_show_is_not_known(&scene);
    what_cannot_be_compared_is_not_known(&scene);
    what_was_refused_was_not_counted(&scene);
    a_busy_collector_is_asked_later(&scene);
}

/// Of the moment, so that it is of today and of this month.
fn calls(heavy: i64) -> Value {
    let now = now_ms();
    json!({
        "start": now - 1,
        "end": now,
        "measuredusage": [{ "measure": "heavy_api_calls", "quantity": heavy }],
    })
}

fn feed(client: &Client, account: &Account) -> Answer {
    client.get(&format!("/billing/{}", account.id))
}

fn a_document_has_what_the_instance_is(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    let now = now_ms();
    let usage = json!({
        "start": now,
        "end": now,
        "measuredusage": [
            { "measure": "storage", "quantity": 1_073_741_824 },
            { "measure": "light_api_calls", "quantity": 1000.5 },
        ],
    });
    let body = push(&account, &instance, usage.clone());
    let answer = client.put("/resource", &body).succeeded();
    let mut documents = abacus.bodies(Op::Collect);
    assert_eq!(documents.len(), 1);
    let mut expected = usage;
    let measured = expected.as_object_mut().unwrap().remove("measuredusage").unwrap();
    for (key, value) in [
        ("organization_id", json!(account.id)),
        ("space_id", json!("d98b5916-3c77-44b9-ac12-04456df23eae")),
        ("consumer_id", json!("app:d98b5916-3c77-44b9-ac12-045678edaba")),
        ("resource_id", json!("object-storage")),
        ("plan_id", json!("basic")),
        ("resource_instance_id", json!("d98b5916-3c77-44b9-ac12-04d61c7a4eae")),
        ("measured_usage", measured),
    ] {
        expected[key] = value;
    }
    assert_eq!(documents.remove(0), expected);
    let document = abacus.state().documents[0]["processed_id"].clone();
    assert_eq!(answer.body()["usagedocument"], document);
    // The same request is the same push; another one is another.
    let again = client.put("/resource", &body).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    client.put("/resource", &push(&account, &instance, calls(5))).succeeded();
    // What was too much is taken back with a negative quantity.
    client.put("/resource", &push(&account, &instance, calls(-2))).succeeded();
    assert_eq!(abacus.documents(), 3);
    // A customer of a multi-tenant application has none of the ids.
    let tenant = bought(client, &account, 1);
    let now = now_ms();
    let licences = json!({
        "start": now, "end": now,
        "measured_usage": [{ "measure": "licences", "quantity": 1 }],
    });
    client.put("/resource", &push(&account, &tenant, licences)).succeeded();
    let last = abacus.bodies(Op::Collect).pop().unwrap();
    for key in ["space_id", "consumer_id", "resource_instance_id"] {
        assert_eq!(last[key], "na");
    }
}

fn a_document_that_abacus_would_lose_is_refused(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    let now = now_ms();
    let tomorrow = now.div_euclid(DAY_MS).saturating_add(1) * DAY_MS;
    let of = |start: Value, end: Value| {
        let mut usage = calls(1);
        usage["start"] = start;
        usage["end"] = end;
        usage
    };
    let measured = |measured: Value| {
        let mut usage = calls(1);
        usage["measuredusage"] = measured;
        usage
    };
    let mut more = calls(1);
    more["organization_id"] = json!("idz:another");
    let cases = [
        (of(json!(now), json!(tomorrow)), "end of today"),
        (of(json!(now - 70 * DAY_MS), json!(now - 70 * DAY_MS)), "has closed"),
        (of(json!(now), json!(now - 1)), "after `end`"),
        (of(json!(now / 1000), json!(now / 1000)), "in milliseconds"),
        (of(json!("2026-01-01T00:00:00Z"), json!(now)), "in milliseconds"),
        (of(json!(now), json!(1.5)), "in milliseconds"),
        (measured(json!([])), "1 to 100 measures"),
        (measured(json!([{ "measure": "calories", "quantity": 1 }])), "no measure `calories`"),
        (measured(json!([{ "measure": "storage", "quantity": "1" }])), "`measuredusage`"),
        (measured(json!([{ "measure": "storage" }])), "`quantity`"),
        (
            measured(
                json!([{ "measure": "storage", "quantity": 1 }, { "measure": "storage", "quantity": 1 }]),
            ),
            "twice",
        ),
        (more, "unknown field `organization_id`"),
        (json!({}), "missing field"),
    ];
    for (usage, text) in cases {
        let refused = client.put("/resource", &push(&account, &instance, usage.clone()));
        assert_eq!(refused.status, 400, "{usage}: {}", refused.text);
        assert!(refused.error().contains(text), "{usage}: {}", refused.text);
    }
    assert_eq!(abacus.count(Op::Collect), 0);
    // The last moment of today is not too late.
    let usage = of(json!(now), json!(tomorrow - 1));
    client.put("/resource", &push(&account, &instance, usage)).succeeded();
    assert_eq!(abacus.count(Op::Collect), 1);
    delete(client, &account, &instance).succeeded();
    assert_eq!(client.put("/resource", &push(&account, &instance, calls(1))).status, 409);
}

fn a_report_is_a_feed(scene: &Scene) {
    let (abacus, client, account) = scene.named("customer-report");
    let instance = storage(client, &account);
    for _ in 0..3 {
        let now = now_ms();
        // Abacus's own example: the most of storage, the sum of calls.
        let usage = json!({ "start": now, "end": now, "measuredusage": [
            { "measure": "storage", "quantity": 1_073_741_824 },
            { "measure": "light_api_calls", "quantity": 1000 },
            { "measure": "heavy_api_calls", "quantity": 100 },
        ] });
        client.put("/resource", &push(&account, &instance, usage)).succeeded();
    }
    let answer = feed(client, &account).succeeded();
    check("abacus.get_billing_id", &answer);
    let records = answer.body()["usagefeed"].as_array().unwrap();
    let figures: Vec<(&str, f64, f64)> = records
        .iter()
        .map(|record| {
            let charge = record["info_fields"]["charge"].as_f64().unwrap();
            (record["chargeid"].as_str().unwrap(), record["quantity"].as_f64().unwrap(), charge)
        })
        .collect();
    assert_eq!(
        figures,
        [
            ("heavy_api_calls", 300.0, 45.0),
            ("storage", 1.0, 1.0),
            ("thousand_light_api_calls", 3.0, 0.09)
        ]
    );
    assert!(records.iter().all(|record| record["instanceid"] == instance.id.as_str()));
    // A month that goes on is not to be closed.
    assert_eq!(answer.body()["partial"], true);
    let same = client.get(&format!("/billing/{}", instance.id)).succeeded();
    assert_eq!(same.body()["usagefeed"].as_array().unwrap().len(), 3);
    let first = client.get(&format!("/billing/{}?limit=2", account.id)).succeeded();
    let link = first.header("link").expect("there is a second page").to_owned();
    let (_, query) = link.split_once('?').unwrap();
    let query = query.split('>').next().unwrap();
    let second = client.get(&format!("/billing/{}?{query}", account.id)).succeeded();
    assert_eq!(second.body()["usagefeed"], json!([records[2]]));
    // A month of which nothing was reported has an answer, too; and no window has thirteen.
    let past = "usage_start_time=2020-01-01T00:00:00Z&usage_end_time=2020-02-01T00:00:00Z";
    let empty = client.get(&format!("/billing/{}?{past}", account.id)).succeeded();
    assert_eq!((&empty.body()["usagefeed"], empty.body().get("partial")), (&json!([]), None));
    let long = "usage_start_time=2020-01-01T00:00:00Z&usage_end_time=2021-02-02T00:00:00Z";
    let refused = client.get(&format!("/billing/{}?{long}", account.id));
    assert!(refused.status == 400 && refused.error().contains("12 months"), "{}", refused.text);
    // The next instance of the same consumer does not take away what was the first one's.
    delete(client, &account, &instance).succeeded();
    let next = storage(client, &account);
    let answer = feed(client, &account).succeeded();
    let record = &answer.body()["usagefeed"][0];
    assert_eq!(record["instanceid"], instance.id.as_str());
    assert_eq!(record["info_fields"]["instances"], json!([instance.id, next.id]));
    assert_eq!(abacus.documents(), 3);
}

fn a_partial_report_says_so(scene: &Scene) {
    let (abacus, client, account) = scene.named("customer-partial");
    abacus.state().partial = true;
    // Of a month that is long over, so that only the report can say it.
    let past = "usage_start_time=2020-01-01T00:00:00Z&usage_end_time=2020-02-01T00:00:00Z";
    let answer = client.get(&format!("/billing/{}?{past}", account.id)).succeeded();
    check("abacus.get_billing_id.partial", &answer);
    assert_eq!(answer.body()["partial"], true);
}

fn an_account_without_usage_and_an_organization_without_a_report(scene: &Scene) {
    let (abacus, client, account) = scene.named("customer-without");
    assert_eq!(feed(client, &account).succeeded().body()["usagefeed"], json!([]));
    abacus.state().organizations.clear();
    let missing = feed(client, &account);
    check("abacus.get_billing_id.error", &missing);
    assert_eq!(missing.status, 404);
    abacus.state().organizations.insert(account.id.clone());
    for (answers, status) in [
        (Answers::With(403, "{\"error\":\"Invalid token: insufficient scope\"}", ""), 500),
        (Answers::With(503, "", ""), 503),
        (Answers::With(500, "", ""), 502),
        (Answers::With(200, "{\"spaces\":7}", ""), 502),
        (Answers::With(200, "<html>", ""), 502),
        (Answers::Hangup, 502),
        (Answers::Nothing, 504),
    ] {
        abacus.fault(Op::Report, false, answers.clone());
        let failed = feed(client, &account);
        assert_eq!(failed.status, status, "{answers:?}: {}", failed.text);
    }
}

fn usage_of_others_is_not_billed(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let tenant = bought(client, &account, 1);
    let document = |resource: &str, licences: i64| {
        let now = now_ms();
        json!({
            "start": now, "end": now, "processed": now, "organization_id": account.id,
            "space_id": "na", "consumer_id": "na", "resource_id": resource,
            "plan_id": "standard", "resource_instance_id": "na",
            // As the sampler writes it, at the end of a span.
            "measured_usage": [
                { "measure": "licences", "quantity": licences },
                { "measure": "duration", "quantity": 7_200_000 },
            ],
        })
    };
    abacus.state().documents = vec![document("editor", 2), document("mail", 9)];
    let answer = feed(client, &account).succeeded();
    let records = answer.body()["usagefeed"].as_array().unwrap();
    assert_eq!((records.len(), &records[0]["instanceid"]), (1, &json!(tenant.id)));
    assert_eq!(records[0]["quantity"].as_f64(), Some(4.0));
    assert_eq!(records[0]["unit"], "LICENCE_HOUR");
    assert_eq!(answer.body()["elsewhere"], 1);
    assert!(!answer.text.contains("\"na\""), "{}", answer.text);
}

fn what_the_report_shows_was_counted(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    for (count, answers) in
        [(1, Answers::Hangup), (2, Answers::Nothing), (3, Answers::With(502, "", ""))]
    {
        abacus.fault(Op::Collect, true, answers);
        let body = push(&account, &instance, calls(10));
        let answer = client.put("/resource", &body).succeeded();
        assert!(answer.text_of("confirmed").contains("has counted this"));
        assert_eq!(client.put("/resource", &body).header("idempotent-replayed"), Some("true"));
        assert_eq!((abacus.documents(), abacus.count(Op::Collect)), (count, count));
    }
    let answer = feed(client, &account).succeeded();
    assert_eq!(answer.body()["usagefeed"][0]["quantity"].as_f64(), Some(30.0));
}

fn what_the_report_does_not_show_is_not_known(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    // It never came, or it is not in the report yet: that cannot be told apart.
    for acts in [false, true] {
        abacus.state().unsettled = true;
        abacus.fault(Op::Collect, acts, Answers::Hangup);
        let unknown = client.put("/resource", &push(&account, &instance, calls(10)));
        if acts {
            check("abacus.put_resource.error", &unknown);
        }
        assert_eq!((unknown.status, unknown.code()), (504, "USAGE_UNCERTAIN"), "{}", unknown.text);
        assert!(unknown.error().contains("has not changed"), "{}", unknown.text);
    }
    assert_eq!((abacus.documents(), abacus.count(Op::Collect)), (1, 2));
}

fn what_cannot_be_compared_is_not_known(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    abacus.state().partial = true;
    abacus.fault(Op::Collect, true, Answers::Hangup);
    let unknown = client.put("/resource", &push(&account, &instance, calls(10)));
    assert_eq!((unknown.status, unknown.code()), (504, "USAGE_UNCERTAIN"), "{}", unknown.text);
    assert!(unknown.error().contains("incomplete before"), "{}", unknown.text);
    // Licences that are metered change the same report at any time.
    abacus.state().partial = false;
    let licences = bought(client, &account, 1);
    abacus.fault(Op::Collect, true, Answers::Hangup);
    let now = now_ms();
    let usage = json!({ "start": now, "end": now, "measuredusage": [{ "measure": "licences", "quantity": 1 }] });
    let unknown = client.put("/resource", &push(&account, &licences, usage));
    assert_eq!((unknown.status, unknown.code()), (504, "USAGE_UNCERTAIN"), "{}", unknown.text);
    assert_eq!(abacus.count(Op::Collect), 2);
}

fn what_was_refused_was_not_counted(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    for (status, body, expected, text) in [
        (400, "{\"error\":\"bad\",\"message\":\"no \\u0007 good.\"}", 400, "“no   good”"),
        (451, "", 403, "kind of licence"),
        (403, "{\"error\":\"insufficient scope\"}", 500, "own credentials"),
        (404, "", 404, "does not know"),
        (302, "", 502, "no answer to that"),
    ] {
        abacus.refuse(Op::Collect, status, body);
        let refused = client.put("/resource", &push(&account, &instance, calls(1)));
        assert_eq!(refused.status, expected, "{status}: {}", refused.text);
        assert!(refused.error().contains(text), "{status}: {}", refused.text);
        assert!(refused.error().contains("Nothing was counted"), "{}", refused.text);
    }
    assert_eq!((abacus.documents(), abacus.count(Op::Collect)), (0, 5));
}

fn a_busy_collector_is_asked_later(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    for status in [429, 503] {
        abacus.fault(Op::Collect, false, Answers::With(status, "", "Retry-After: 0\r\n"));
    }
    client.put("/resource", &push(&account, &instance, calls(1))).succeeded();
    assert_eq!((abacus.documents(), abacus.count(Op::Collect)), (1, 3));
}
