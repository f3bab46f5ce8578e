//! The adapter against an Abacus of a few lines: what a host of its own and real HTTP would only make slower. The rest
//! is in `tests/it/abacus` of the repository.

use crate::Abacus;
use cnsp_sdk::http::{Credential, Header, HttpError, Request, Response};
use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure, OpenMapExt, testing};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

type Answer = Result<Response, HttpError>;

/// 2025-01-15T12:00:00Z
const NOON: u64 = 1_736_942_400;

fn answer(status: u16, body: &Value) -> Answer {
    Ok(Response { status, headers: Vec::new(), body: body.to_string().into_bytes() })
}

fn lost() -> Answer {
    Err(HttpError { code: 3, message: "in time".to_owned(), outcome_unknown: true })
}

/// What was posted: where, and what.
type Posted = Rc<RefCell<Vec<(String, Value)>>>;

/// An Abacus that answers what is posted with these, one after the other, and has this report.
fn abacus(answers: Vec<Answer>, report: Value) -> Posted {
    testing::set_clock(Duration::from_secs(NOON));
    testing::set_config("domain", "cf.example");
    testing::set_config("auth", "bearer");
    testing::set_config(
        "offerings",
        r#"[{"resource": "r", "metering": "m", "measure": "seats"}, {"resource": "u", "metering": "m"}]"#,
    );
    let posted = Posted::default();
    let seen = posted.clone();
    let mut answers = VecDeque::from(answers);
    testing::on_http(move |request: &Request| {
        assert!(matches!(&request.credential, Credential::Bearer(name) if name == "abacus"));
        let (host, path) = request.url["https://".len()..].split_once('/').expect("a path");
        match (request.method.as_str(), host) {
            ("GET", "abacus-account-plugin.cf.example") => {
                answer(200, &json!({ "account_id": "1" }))
            }
            ("GET", "abacus-usage-reporting.cf.example") => answer(200, &report),
            ("GET", "abacus-provisioning-plugin.cf.example") => answer(
                200,
                &json!({
                    "measures": [{ "name": "seats" }],
                    "metrics": [{ "name": "seat_hours", "unit": "HOUR" }],
                }),
            ),
            ("POST", "abacus-usage-sampler.cf.example" | "abacus-usage-collector.cf.example") => {
                let body = serde_json::from_slice(&request.body).expect("JSON");
                seen.borrow_mut().push((path.to_owned(), body));
                answers.pop_front().expect("no more was expected")
            }
            other => panic!("{other:?}"),
        }
    });
    posted
}

fn account() -> String {
    let mut attributes = OpenMap::new();
    attributes.put("identityzone", "zone");
    let request = CreateAccount {
        accountid: "c-1".to_owned(),
        accountname: "Contoso".to_owned(),
        additionalattributes: attributes,
        ..CreateAccount::default()
    };
    testing::finish("account", || Abacus::create_account(request.clone()))
        .unwrap()
        .provideraccountid
}

fn requestor() -> Requestor {
    Requestor { accountid: Some("c-1".to_owned()), ..Requestor::default() }
}

fn order(sku: &str, licences: u64) -> CreateResource {
    CreateResource {
        resource: ResourceKind { type_: "saas".to_owned(), ..ResourceKind::default() },
        parameters: CreateParameters {
            sku: sku.to_owned(),
            license_quantity: Some(licences),
            ..CreateParameters::default()
        },
        requestor: requestor(),
        ..CreateResource::default()
    }
}

fn buy(operation: &str, sku: &str, licences: u64) -> Result<CreatedResource, Failure> {
    testing::finish(operation, || Abacus::create_resource(order(sku, licences)))
}

fn update(id: &str, licences: u64) -> UpdateResource {
    UpdateResource {
        action: "update".to_owned(),
        instanceinfo: InstanceInfo { providerinstanceid: id.to_owned(), ..InstanceInfo::default() },
        parameters: Some(UpdateParameters {
            license: Some(licences),
            ..UpdateParameters::default()
        }),
        requestor: requestor(),
        ..UpdateResource::default()
    }
}

fn push(id: &str, start: i64, end: i64) -> ActOnResource {
    let mut parameters = OpenMap::new();
    parameters.put("start", start);
    parameters.put("end", end);
    parameters.put("measuredusage", json!([{ "measure": "seats", "quantity": 1 }]));
    ActOnResource {
        action: "usage.push".to_owned(),
        instanceinfo: InstanceInfo { providerinstanceid: id.to_owned(), ..InstanceInfo::default() },
        parameters,
        requestor: requestor(),
        ..ActOnResource::default()
    }
}

fn status_of(id: &str) -> Option<String> {
    Abacus::get_resource(id.to_owned()).unwrap().parameters.status
}

#[test]
fn an_organization_is_its_zone() {
    abacus(vec![], json!({}));
    assert_eq!(account(), "idz:zone");
}

#[test]
fn a_second_run_of_an_order_sends_the_same_event() {
    let posted = abacus(vec![answer(201, &json!({})), answer(201, &json!({}))], json!({}));
    account();
    // The first run's outcome was never kept: the host ran it again from its start.
    let lost = testing::operation("order", || {
        Abacus::create_resource(order("r/standard", 3))?;
        Err::<(), _>(Failure::refused(500, "the host went down"))
    });
    assert!(lost.is_err());
    buy("order", "r/standard", 3).unwrap();
    let posted = posted.borrow();
    assert_eq!(posted[0], posted[1]);
    assert_eq!(posted[0].0, "v1/events/start");
    assert_eq!(posted[0].1["plan_id"], "standard");
}

#[test]
fn an_order_that_never_gets_an_answer_is_given_up_after_a_day() {
    testing::set_config("retry_ms", "3600000");
    let posted = abacus(vec![lost(); 100], json!({}));
    account();
    let failure = buy("order", "r/standard", 3).unwrap_err();
    assert_eq!(failure.respcode, 504);
    let events = posted.borrow();
    assert!(events.iter().all(|event| *event == events[0]));
    let page = Abacus::list_resources("c-1".to_owned(), Page::default()).unwrap();
    assert_eq!(page.resources[0].parameters.status.as_deref(), Some("cancel"));
}

#[test]
fn an_order_that_is_open_is_ended_by_its_deletion() {
    let posted = abacus(vec![lost(), lost(), answer(422, &json!({}))], json!({}));
    account();
    let first = testing::run("order", 1, None, || Abacus::create_resource(order("r/standard", 1)));
    let Ok(CreateResourceOutcome::Pending(pending)) = first else { panic!("{first:?}") };
    assert_eq!(status_of(&pending.providerinstanceid).as_deref(), Some("pending"));
    let id = pending.providerinstanceid;
    let deletion = DeleteResource {
        instanceinfo: InstanceInfo { providerinstanceid: id.clone(), ..InstanceInfo::default() },
        requestor: requestor(),
        ..DeleteResource::default()
    };
    testing::finish("delete", || Abacus::delete_resource(deletion.clone())).unwrap();
    assert_eq!(status_of(&id).as_deref(), Some("cancel"));
    assert_eq!(posted.borrow()[2].0, "v1/events/stop");
    // Nothing was running, and nothing was missed.
    let health = Abacus::check_health(Some(id)).unwrap();
    assert!(health.checks.iter().any(|check| check.name == "metering" && check.healthy));
}

#[test]
fn an_end_is_never_before_its_beginning() {
    let done = || answer(201, &json!({}));
    let posted = abacus(vec![done(), done(), done()], json!({}));
    account();
    let id = buy("order", "r/standard", 1).unwrap().providerinstanceid;
    // The clock is set back by a minute.
    testing::set_clock(Duration::from_secs(NOON - 60));
    testing::finish("update", || Abacus::update_resource(update(&id, 2))).unwrap();
    let times: Vec<Value> =
        posted.borrow().iter().map(|(_, body)| body["timestamp"].clone()).collect();
    assert_eq!(times, [json!(NOON * 1000), json!(NOON * 1000), json!(NOON * 1000)]);
}

#[test]
fn a_document_is_offered_in_one_run_only() {
    let report = json!({ "processed": NOON * 1000, "spaces": [] });
    let posted = abacus(vec![answer(202, &json!({}))], report);
    account();
    let id = buy("order", "u/standard", 1).unwrap().providerinstanceid;
    let now = i64::try_from(NOON * 1000).unwrap();
    let run = |attempt, token: Option<&str>| {
        testing::run("push", attempt, token, || Abacus::act_on_resource(push(&id, now, now)))
    };
    let Ok(ActOnResourceOutcome::Pending(first)) = run(1, None) else { panic!("done at once") };
    assert!(posted.borrow().is_empty());
    // The second run was never heard of again, so the third does not know whether it has posted.
    let Ok(ActOnResourceOutcome::Pending(third)) = run(3, Some(&first.token)) else {
        panic!("done");
    };
    assert!(posted.borrow().is_empty());
    testing::advance_clock(Duration::from_secs(3600));
    let failure = run(4, Some(&third.token)).unwrap_err();
    assert_eq!(failure.errorcode.as_deref(), Some("USAGE_UNCERTAIN"));
    assert!(!failure.retryable);
    // The second run itself posts.
    testing::set_clock(Duration::from_secs(NOON));
    assert!(matches!(run(2, Some(&first.token)), Ok(ActOnResourceOutcome::Done(_))));
    assert_eq!(posted.borrow().len(), 1);
}

#[test]
fn last_months_usage_is_taken_for_as_long_as_abacus_takes_it() {
    abacus(vec![], json!({}));
    account();
    let id = buy("order", "u/standard", 1).unwrap().providerinstanceid;
    // 2025-01-31T23:59:59.999Z, and the ten minutes after it.
    let end = 1_738_367_999_999;
    let offered = |seconds: u64| {
        testing::set_clock(Duration::from_secs(1_738_368_000 + seconds));
        testing::operation("push", || Abacus::act_on_resource(push(&id, end, end)))
    };
    assert!(offered(0).is_ok());
    assert!(offered(599).is_ok());
    let failure = offered(601).unwrap_err();
    assert!(failure.errormessage.contains("has closed"), "{}", failure.errormessage);
}

/// One metric of one consumer, whose months are these.
fn report(processed: u64, months: Value) -> Value {
    let windows = json!([[null], [null], [null], [null], months]);
    json!({ "processed": processed, "spaces": [{ "space_id": "na", "consumers": [{
        "consumer_id": "na", "resources": [{ "resource_id": "r", "plans": [{
            "plan_id": "standard/m/rating/pricing", "metering_plan_id": "m",
            "rating_plan_id": "rating", "pricing_plan_id": "pricing",
            "aggregated_usage": [{ "metric": "seat_hours", "windows": windows }],
        }] }],
    }] }] })
}

fn usage(start: &str, end: &str) -> Result<UsageFeed, Failure> {
    let window = Window { start: start.to_owned(), end: end.to_owned() };
    Abacus::usage(BillingScope::Account("c-1".to_owned()), window, Page::default())
}

#[test]
fn months_are_read_from_the_current_one_into_the_past() {
    let cell = |hours: &str| -> Value {
        let hours: Value = serde_json::from_str(hours).unwrap();
        json!({ "quantity": { "consumed": 1 }, "summary": hours, "charge": 0.5 })
    };
    // Processed in February: the second month is January, with what came after its end.
    let months = json!([cell("1e-7"), cell("744.5")]);
    abacus(vec![answer(201, &json!({}))], report(1_738_400_000_000, months));
    account();
    buy("order", "r/standard", 1).unwrap();
    testing::set_clock(Duration::from_secs(1_738_410_000));
    let january = usage("2025-01-01T00:00:00+00:00", "2025-02-01T00:00:00+00:00").unwrap();
    assert_eq!(january.usagefeed[0].quantity, "744.5");
    assert_eq!(january.usagefeed[0].unit, "HOUR");
    assert_eq!(january.usagefeed[0].usage_start_time, "2025-01-01T00:00:00+00:00");
    assert!(!january.partial, "the month and its slack are over");
    let february = usage("2025-02-01T00:00:00+00:00", "2025-03-01T00:00:00+00:00").unwrap();
    assert_eq!(february.usagefeed[0].quantity, "0.0000001");
    assert!(february.partial);
    // A window that no month begins in has none.
    let none = usage("2025-01-02T00:00:00+00:00", "2025-02-01T00:00:00+00:00").unwrap();
    assert!(none.usagefeed.is_empty());
}

#[test]
fn a_figure_that_is_no_quantity_keeps_the_books_open() {
    let cell = json!({ "quantity": { "consumed": 1 } });
    abacus(vec![answer(201, &json!({}))], report(NOON * 1000, json!([cell])));
    account();
    buy("order", "r/standard", 1).unwrap();
    testing::set_clock(Duration::from_secs(1_738_410_000));
    let feed = usage("2025-01-01T00:00:00+00:00", "2025-02-01T00:00:00+00:00").unwrap();
    assert!(feed.usagefeed.is_empty() && feed.partial);
    assert!(testing::take_log().iter().any(|line| line.message.contains("no quantity")));
}

#[test]
fn a_busy_abacus_says_how_long_it_wants_to_be_left_alone() {
    abacus(vec![], json!({}));
    account();
    let header = Header { name: "Retry-After".to_owned(), value: "7".to_owned() };
    testing::on_http(move |_| {
        Ok(Response { status: 429, headers: vec![header.clone()], body: Vec::new() })
    });
    let failure = buy("order", "r/standard", 1).unwrap_err();
    assert_eq!((failure.respcode, failure.retry_after_ms), (503, Some(7000)));
    for (code, respcode) in [(1, 500), (2, 502), (3, 504), (8, 503)] {
        testing::on_http(move |_| {
            Err(HttpError { code, message: "why".to_owned(), outcome_unknown: false })
        });
        let failure = buy("order", "r/standard", 1).unwrap_err();
        assert_eq!((failure.respcode, failure.retryable), (respcode, true), "{code}");
    }
    testing::on_http(|_| {
        Err(HttpError { code: 5, message: "why".to_owned(), outcome_unknown: false })
    });
    assert!(!buy("order", "r/standard", 1).unwrap_err().retryable);
}

#[test]
fn every_default_that_is_left_says_that_it_cannot_be_done() {
    let users = Abacus::list_users("a".to_owned(), Page::default());
    assert_eq!(users.unwrap_err().respcode, 501);
    assert_eq!(Abacus::assign_seat(ChangeSeat::default()).unwrap_err().respcode, 501);
}
