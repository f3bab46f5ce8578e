//! The adapter against a broker of a few lines: what a host of its own and real HTTP would only make slower. The rest
//! is in `tests/it/osb` of the repository.

mod prices;
mod schemas;
mod verdicts;

use crate::Osb;
use cnsp_sdk::http::{Header, HttpError, Request, Response};
use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure, testing};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

type Answer = Result<Response, HttpError>;

fn answer(status: u16, body: &Value) -> Answer {
    Ok(Response { status, headers: Vec::new(), body: body.to_string().into_bytes() })
}

fn with_header(answer: Answer, name: &str, value: &str) -> Answer {
    answer.map(|mut answer| {
        answer.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
        answer
    })
}

fn lost() -> Answer {
    Err(HttpError { code: 3, message: "in time".to_owned(), outcome_unknown: true })
}

fn catalog() -> Value {
    json!({ "services": [{
        "id": "s", "name": "s", "description": "s", "bindable": true, "instances_retrievable": true,
        "plans": [{ "id": "p", "name": "p", "description": "p" }],
    }] })
}

/// What was asked: method and path.
type Asked = Rc<RefCell<Vec<String>>>;

/// A broker that answers everything but its catalog with these, one after the other.
fn broker(answers: Vec<Answer>) -> Asked {
    testing::set_config("broker_url", "https://broker.example/");
    let asked = Asked::default();
    let seen = asked.clone();
    let mut answers = VecDeque::from(answers);
    testing::on_http(move |request: &Request| {
        let path = request.url.strip_prefix("https://broker.example").expect("ours");
        if path == "/v2/catalog" {
            return answer(200, &catalog());
        }
        let path = path.split('?').next().unwrap_or_default();
        seen.borrow_mut().push(format!("{} {path}", request.method));
        answers.pop_front().expect("no more was expected")
    });
    asked
}

fn account() -> String {
    let request = CreateAccount {
        accountid: "c-1".to_owned(),
        accountname: "Contoso".to_owned(),
        ..CreateAccount::default()
    };
    testing::finish("account", || Osb::create_account(request.clone())).unwrap().provideraccountid
}

fn order(account: &str) -> CreateResource {
    CreateResource {
        resource: ResourceKind { type_: "saas".to_owned(), ..ResourceKind::default() },
        parameters: CreateParameters { sku: "p".to_owned(), ..CreateParameters::default() },
        requestor: Requestor {
            provideraccountid: Some(account.to_owned()),
            ..Requestor::default()
        },
        ..CreateResource::default()
    }
}

fn buy(operation: &str, account: &str) -> Result<CreatedResource, Failure> {
    testing::finish(operation, || Osb::create_resource(order(account)))
}

#[test]
fn a_second_run_of_an_order_names_the_same_instance() {
    let account = account();
    let asked = broker(vec![answer(201, &json!({})), answer(200, &json!({}))]);
    // The first run's outcome was never kept: the host ran it again from its start.
    let lost = testing::operation("order", || {
        Osb::create_resource(order(&account))?;
        Err::<(), _>(Failure::refused(500, "the host went down"))
    });
    assert!(lost.is_err());
    let made = buy("order", &account).unwrap();
    let path = format!("PUT /v2/service_instances/{}", made.providerinstanceid);
    assert_eq!(*asked.borrow(), [path.clone(), path]);
}

#[test]
fn an_order_that_was_interrupted_is_sent_again_before_it_is_cleaned_up() {
    let account = account();
    let again =
        |operation| testing::run(operation, 2, None, || Osb::create_resource(order(&account)));
    // There it is: the broker knows the same request by its id.
    let asked = broker(vec![lost(), answer(200, &json!({}))]);
    assert!(matches!(again("adopted"), Ok(CreateResourceOutcome::Done(_))));
    let paths = asked.borrow().clone();
    assert!(paths[0].starts_with("PUT") && paths[0] == paths[1], "{paths:?}");

    let asked = broker(vec![lost(), lost(), answer(410, &json!({}))]);
    assert_eq!(again("lost").unwrap_err().respcode, 504);
    assert!(asked.borrow()[2].starts_with("DELETE"));
}

#[test]
fn an_order_whose_answer_is_lost_is_cleaned_up_until_the_broker_has_done_it() {
    let account = account();
    let soon = |answer| with_header(answer, "Retry-After", "7");
    let asked = broker(vec![
        lost(),
        lost(),
        answer(500, &json!({})),
        soon(answer(202, &json!({ "operation": "end" }))),
        lost(),
        answer(200, &json!({ "state": "in progress" })),
        answer(410, &json!({})),
    ]);
    let failure = buy("order", &account).unwrap_err();
    assert_eq!((failure.respcode, failure.retryable), (504, false));
    assert!(failure.errormessage.contains("deleted again"), "{}", failure.errormessage);
    let verbs: Vec<String> = asked.borrow().iter().map(|line| line[..3].to_owned()).collect();
    assert_eq!(verbs, ["PUT", "DEL", "DEL", "DEL", "GET", "GET", "GET"]);
    // Its record says what became of it; no work is left.
    let page = Osb::list_resources(account, Page::default()).unwrap();
    assert_eq!(page.resources[0].parameters.status.as_deref(), Some("cancel"));
    let rest: Vec<String> = testing::keys();
    assert!(!rest.iter().any(|key| key.starts_with("w/") || key.starts_with("l/")), "{rest:?}");
}

#[test]
fn what_cannot_be_cleaned_up_is_given_up_in_the_end_and_shown() {
    let account = account();
    testing::set_config("broker_url", "https://broker.example");
    testing::on_http(|request| match request.method.as_str() {
        "GET" => answer(200, &catalog()),
        "PUT" => answer(500, &json!({})),
        _ => answer(400, &json!({ "description": "never" })),
    });
    let failure = buy("order", &account).unwrap_err();
    assert!(failure.errormessage.contains("could not be deleted"), "{}", failure.errormessage);
    let health = Osb::check_health(None).unwrap();
    assert_eq!(health.status, "degraded");
    assert!(health.checks.iter().any(|check| check.name == "orphans" && !check.healthy));
    let line = testing::take_log().into_iter().find(|line| line.message.contains("left"));
    assert!(line.is_some(), "the vendor's log tells");
}

#[test]
fn a_poll_waits_as_long_as_the_broker_asks() {
    let account = account();
    let asked = |seconds| with_header(answer(202, &json!({})), "Retry-After", seconds);
    for (seconds, wait) in [("7", 7_000), ("999999999", 3_600_000), ("Wed, 21 Oct", 10_000)] {
        broker(vec![asked(seconds)]);
        let first = testing::run(seconds, 1, None, || Osb::create_resource(order(&account)));
        let CreateResourceOutcome::Pending(pending) = first.unwrap() else { panic!("done") };
        assert_eq!(pending.poll_after_ms, wait);
    }
}

#[test]
fn what_is_asked_for_too_long_ends() {
    let account = account();
    testing::set_config("polling_max_s", "60");
    broker(vec![answer(202, &json!({}))]);
    let run = |attempt, token| {
        testing::run("order", attempt, token, || Osb::create_resource(order(&account)))
    };
    assert!(matches!(run(1, None), Ok(CreateResourceOutcome::Pending(_))));
    testing::advance_clock(Duration::from_secs(61));
    let asked =
        broker(vec![answer(200, &json!({ "state": "in progress" })), answer(200, &json!({}))]);
    let failure = run(2, Some("work")).unwrap_err();
    assert_eq!(failure.respcode, 504);
    assert!(asked.borrow()[1].starts_with("DELETE"));
}

#[test]
fn every_default_that_is_left_says_that_it_cannot_be_done() {
    let window = Window { start: String::new(), end: String::new() };
    let scope = BillingScope::Account("a".to_owned());
    assert_eq!(Osb::usage(scope, window, Page::default()).unwrap_err().respcode, 501);
}
