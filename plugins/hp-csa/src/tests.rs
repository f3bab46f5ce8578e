//! The adapter against a CSA of a few lines: what takes a clock, many persons or years, and would only be slower with a
//! host of its own. The rest is in `tests/it/hp_csa` of the repository.

use crate::HpCsa;
use cnsp_sdk::http::{Credential, HttpError, Request, Response};
use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure, OpenMapExt, kv, testing};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

type Answer = Result<Response, HttpError>;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ACTIVE: &str = "ACTIVE";

/// What CSA has: persons by id, and their subscriptions, each as XML.
#[derive(Default)]
struct Csa {
    persons: Vec<String>,
    subscriptions: BTreeMap<String, (String, String)>,
    requests: usize,
    posted: Vec<String>,
    /// As the marked requests are told.
    ordered: Option<String>,
    /// How often a list of requests fails since somebody has given the operation up.
    given_up: u32,
    cancelled: Vec<String>,
}

type Shared = Rc<RefCell<Csa>>;

fn xml(body: String) -> Answer {
    Ok(Response { status: 200, headers: Vec::new(), body: body.into_bytes() })
}

fn answer(csa: &mut Csa, request: &Request) -> Answer {
    assert!(matches!(&request.credential, Credential::Basic(name) if name == "csa"));
    csa.requests += 1;
    let path = request.url.strip_prefix("https://csa.example/csa/rest").expect("CSA's");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["login", _, name, ""]) => xml(format!("<person><id>{name}</id></person>")),
        ("GET", ["organization", "org"]) => {
            let persons: String = csa
                .persons
                .iter()
                .map(|id| format!("<person><id>{id}</id><name>{id}</name></person>"))
                .collect();
            xml(format!(
                "<Organization><id>org</id><name>org</name><catalog><id>c</id></catalog>{persons}</Organization>"
            ))
        }
        ("GET", ["user", "mysubscription"]) => {
            let person = query.split('&').find_map(|pair| pair.strip_prefix("requestor="));
            let own =
                csa.subscriptions.values().filter(|(owner, _)| Some(owner.as_str()) == person);
            let all: String = own
                .map(|(_, body)| format!("<ServiceSubscription>{body}</ServiceSubscription>"))
                .collect();
            xml(format!("<ServiceSubscriptionList>{all}</ServiceSubscriptionList>"))
        }
        ("GET", ["catalog", "c", "subscription", id]) => match csa.subscriptions.get(*id) {
            Some((_, body)) => xml(format!("<ServiceSubscription>{body}</ServiceSubscription>")),
            None => Ok(Response { status: 404, headers: Vec::new(), body: Vec::new() }),
        },
        ("GET", ["catalog", "c", "offering", _]) => {
            xml("<ServiceOffering><id>o</id><name>Server</name></ServiceOffering>".to_owned())
        }
        ("GET", ["catalog", "c", "request"]) if csa.given_up > 0 => {
            csa.given_up -= 1;
            Err(HttpError { code: 9, message: "given up".to_owned(), outcome_unknown: false })
        }
        ("GET", ["catalog", "c", "request", id, "cancel"]) => {
            assert_eq!(request.effect, Some(true));
            csa.cancelled.push((*id).to_owned());
            xml(format!("<ServiceRequest><id>{id}</id></ServiceRequest>"))
        }
        ("GET", ["catalog", "c", "request"]) => {
            let body = csa.ordered.clone().unwrap_or_default();
            xml(format!("<ServiceRequestList>{body}</ServiceRequestList>"))
        }
        ("GET", ["catalog", "c", "request", id]) => xml(format!(
            "<ServiceRequest><id>{id}</id><createdBy><name>ada</name></createdBy><requestState><name>COMPLETED</name></requestState></ServiceRequest>"
        )),
        ("GET", ["utilization", _]) => xml("<UtilizationList/>".to_owned()),
        ("POST", ["catalog", "c", "request"]) => {
            csa.posted.push(String::from_utf8(request.body.clone()).expect("UTF-8"));
            Err(HttpError { code: 3, message: "in time".to_owned(), outcome_unknown: true })
        }
        other => panic!("{other:?}"),
    }
}

fn csa(persons: &[&str]) -> Shared {
    testing::set_clock(Duration::from_secs(1_735_689_600)); // 2025-01-01T00:00:00Z
    for (name, value) in [
        ("url", "https://csa.example/csa/rest"),
        ("organization", "CSA-Provider"),
        ("user", "admin"),
        ("time_zone", "UTC"),
        ("settle_ms", "60000"),
    ] {
        testing::set_config(name, value);
    }
    let csa = Shared::default();
    csa.borrow_mut().persons = persons.iter().map(|name| (*name).to_owned()).collect();
    let shared = csa.clone();
    testing::on_http(move |request| answer(&mut shared.borrow_mut(), request));
    csa
}

/// Lets CSA have a subscription like this.
fn has(csa: &Shared, id: &str, owner: &str, status: &str, price: u32, more: &str) {
    let body = format!(
        "<id>{id}</id><displayName>{id}</displayName><catalogItem><catalog><id>c</id></catalog></catalogItem>\
         <serviceInstance><serviceInstanceState><name>DEPLOYED</name></serviceInstanceState></serviceInstance>\
         <subscriptionStatus><name>{status}</name></subscriptionStatus><startDate>2024-12-15T00:00:00Z</startDate>\
         <initiatingServiceRequest><id>r-{id}</id></initiatingServiceRequest>\
         <totalPrice><priceCategory><name>RECURRING</name></priceCategory><fixedPrice>{price}</fixedPrice></totalPrice>\
         <pricingModel><currency><name>EUR</name></currency><recurrencePeriod><name>MONTH</name></recurrencePeriod></pricingModel>{more}"
    );
    csa.borrow_mut().subscriptions.insert(id.to_owned(), (owner.to_owned(), body));
}

fn requestor() -> Requestor {
    Requestor {
        provideraccountid: Some("org".to_owned()),
        provideruserid: Some("ada".to_owned()),
        ..Requestor::default()
    }
}

fn order() -> CreateResource {
    CreateResource {
        resource: ResourceKind { type_: "saas".to_owned(), ..ResourceKind::default() },
        parameters: CreateParameters { sku: "c/o".to_owned(), ..CreateParameters::default() },
        requestor: requestor(),
        ..CreateResource::default()
    }
}

fn snapshot_once() -> Result<ActOnResourceOutcome, Failure> {
    HpCsa::act_on_resource(ActOnResource {
        action: "usage.snapshot".to_owned(),
        instanceinfo: InstanceInfo {
            providerinstanceid: "org".to_owned(),
            ..InstanceInfo::default()
        },
        requestor: requestor(),
        ..ActOnResource::default()
    })
}

fn snapshot(operation: &str) -> Result<ResourceIds, Failure> {
    testing::finish(operation, snapshot_once)
}

fn usage(start: &str, end: &str) -> Result<UsageFeed, Failure> {
    let window =
        Window { start: format!("{start}T00:00:00+00:00"), end: format!("{end}T00:00:00+00:00") };
    HpCsa::usage(BillingScope::Account("org".to_owned()), window, Page::default())
}

fn charges(feed: &UsageFeed) -> Vec<(String, String, String)> {
    let of = |record: &UsageRecord| {
        (
            record.usage_start_time.clone(),
            record.usage_end_time.clone(),
            record.info_fields.text("charge").unwrap(),
        )
    };
    feed.usagefeed.iter().map(of).collect()
}

#[test]
fn a_snapshot_of_many_goes_on_call_by_call() {
    let persons: Vec<String> = (0..150).map(|number| format!("p{number:03}")).collect();
    let names: Vec<&str> = persons.iter().map(String::as_str).collect();
    let csa = csa(&names);
    for (number, name) in names.iter().enumerate() {
        has(&csa, &format!("s{number:03}"), name, ACTIVE, 31, "");
    }
    let calls = Rc::new(RefCell::new(Vec::new()));
    let seen = calls.clone();
    let shared = csa.clone();
    let taken = testing::finish("many", move || {
        shared.borrow_mut().requests = 0;
        let outcome = snapshot_once();
        seen.borrow_mut().push(shared.borrow().requests);
        outcome
    });
    assert_eq!(taken.unwrap().other.integer("subscriptions"), Some(150));
    let calls = calls.borrow();
    assert!(calls.len() > 5 && calls.iter().all(|requests| *requests <= 64), "{calls:?}");
    assert_eq!(usage("2024-12-01", "2025-01-01").unwrap().usagefeed.len(), 150);
}

#[test]
fn an_end_date_between_two_snapshots_is_exact() {
    let csa = csa(&["ada"]);
    let end = "<endDate>2025-01-11T00:00:00Z</endDate>";
    has(&csa, "s", "ada", ACTIVE, 31, end);
    snapshot("one").unwrap();
    testing::advance_clock(20 * DAY);
    // CSA has not noticed yet.
    snapshot("two").unwrap();
    let feed = usage("2024-12-01", "2025-01-21").unwrap();
    assert_eq!(
        charges(&feed),
        [
            ("2024-12-15T00:00:00+00:00", "2025-01-01T00:00:00+00:00", "17"),
            ("2025-01-01T00:00:00+00:00", "2025-01-11T00:00:00+00:00", "10"),
        ]
        .map(|(start, end, charge)| (start.to_owned(), end.to_owned(), charge.to_owned()))
    );
    assert!(!feed.partial);
    assert!(
        feed.usagefeed.iter().all(|record| record.info_fields.json("enduncertaintyms").is_none())
    );
    // Without an end date it would still go on.
    has(&csa, "s2", "ada", ACTIVE, 31, "");
    snapshot("three").unwrap();
    testing::advance_clock(30 * DAY);
    snapshot("four").unwrap();
    assert_eq!(usage("2024-12-01", "2025-02-01").unwrap().usagefeed.len(), 4);
}

#[test]
fn what_is_old_goes_and_is_not_told_any_more() {
    let csa = csa(&["ada"]);
    testing::set_config("keep_days", "60");
    has(&csa, "s", "ada", ACTIVE, 31, "");
    snapshot("one").unwrap();
    testing::advance_clock(DAY);
    has(&csa, "s", "ada", ACTIVE, 62, "");
    snapshot("two").unwrap();
    csa.borrow_mut().subscriptions.clear();
    testing::advance_clock(DAY);
    snapshot("three").unwrap();
    assert_eq!(testing::keys().iter().filter(|key| key.starts_with("s/")).count(), 2);
    assert_eq!(usage("2025-01-01", "2025-02-01").unwrap().usagefeed.len(), 2);
    testing::advance_clock(61 * DAY);
    snapshot("four").unwrap();
    // Only that the organization was read is left.
    assert_eq!(testing::keys(), ["o/org"]);
    assert!(usage("2025-01-01", "2025-02-01").unwrap_err().errormessage.contains("keep_days"));
}

#[test]
fn what_changes_all_the_time_loses_its_oldest() {
    let csa = csa(&["ada"]);
    for number in 0..=1002 {
        has(&csa, "s", "ada", ACTIVE, 100 + number, "");
        snapshot(&format!("op-{number}")).unwrap();
        testing::advance_clock(Duration::from_secs(60));
    }
    assert_eq!(testing::keys().iter().filter(|key| key.starts_with("s/")).count(), 1000);
    let refused = usage("2024-12-01", "2025-02-01").unwrap_err();
    assert!(refused.respcode == 400 && refused.errormessage.contains("too often"), "{refused:?}");
    // The same value again and again leaves nothing behind.
    for number in 0..50 {
        snapshot(&format!("same-{number}")).unwrap();
        testing::advance_clock(Duration::from_secs(60));
    }
    assert_eq!(testing::keys().iter().filter(|key| key.starts_with("s/")).count(), 1000);
}

#[test]
fn an_order_that_nobody_has_answered_is_the_one_that_a_snapshot_finds() {
    let csa = csa(&["ada"]);
    let create = || HpCsa::create_resource(order());
    let CreateResourceOutcome::Pending(pending) = testing::run("order", 1, None, create).unwrap()
    else {
        panic!("it is pending");
    };
    let mark = format!("<description>cnsp:{}</description>", pending.providerinstanceid);
    assert!(csa.borrow().posted[0].contains(&mark));
    // It is there all the same, and a snapshot sees it before the order is looked for.
    has(&csa, "s", "ada", ACTIVE, 31, &mark);
    snapshot("one").unwrap();
    let all = HpCsa::list_resources("org".to_owned(), Page::default()).unwrap().resources;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].parameters.providerinstanceid, pending.providerinstanceid);
    csa.borrow_mut().ordered = Some(format!("<ServiceRequest><id>r-s</id>{mark}</ServiceRequest>"));
    testing::advance_clock(Duration::from_secs(2));
    let CreateResourceOutcome::Pending(found) =
        testing::run("order", 2, Some(&pending.token), create).unwrap()
    else {
        panic!("it is looked at the next time");
    };
    testing::advance_clock(DAY);
    let CreateResourceOutcome::Done(created) =
        testing::run("order", 3, Some(&found.token), create).unwrap()
    else {
        panic!("it is deployed");
    };
    assert_eq!(
        (created.status.as_str(), created.subscriptionid.as_deref()),
        (ACTIVE.to_ascii_lowercase().as_str(), Some("s"))
    );
    assert_eq!(csa.borrow().posted.len(), 1);
    assert_eq!(kv::get_json::<String>("q/r-s").unwrap(), Some(pending.providerinstanceid));
}

#[test]
fn an_order_that_somebody_gives_up_is_taken_back() {
    let csa = csa(&["ada"]);
    csa.borrow_mut().given_up = 1;
    let create = || HpCsa::create_resource(order());
    // Nobody knows of it, and so there is nothing to take back.
    let failure = testing::operation("order", create).unwrap_err();
    assert_eq!((failure.respcode, failure.errorcode.as_deref()), (409, Some("GIVEN_UP")));
    assert!(testing::keys().is_empty() && csa.borrow().cancelled.is_empty());
    // It has arrived.
    let body = csa.borrow().posted[0].clone();
    let (_, mark) = body.split_once("<description>").unwrap();
    let mark = mark.split_once("</description>").unwrap().0;
    csa.borrow_mut().ordered =
        Some(format!("<ServiceRequest><id>r-1</id><name>{mark}</name></ServiceRequest>"));
    csa.borrow_mut().given_up = 1;
    let failure = testing::operation("order", create).unwrap_err();
    assert!(failure.errormessage.contains("was cancelled in CSA"), "{failure:?}");
    assert_eq!(csa.borrow().cancelled, ["r-1"]);
}

#[test]
fn what_keeps_csa_from_being_asked_is_told() {
    csa(&["ada"]);
    for (code, respcode, retryable) in [
        (1, 500, true),
        (2, 502, true),
        (3, 504, true),
        (4, 502, false),
        (5, 502, false),
        (8, 503, true),
        (9, 409, false),
    ] {
        testing::on_http(move |_| {
            Err(HttpError { code, message: "why".to_owned(), outcome_unknown: false })
        });
        let failure = HpCsa::list_accounts(Page::default()).unwrap_err();
        assert_eq!((failure.respcode, failure.retryable), (respcode, retryable), "{code}");
        // What is at work goes on.
        let failure = testing::run("op", 2, Some("{\"Wait\":\"r\"}"), || {
            HpCsa::list_accounts(Page::default())
        });
        assert_eq!(failure.unwrap_err().retryable, code != 9, "{code}");
    }
    testing::unset_config("time_zone");
    assert!(snapshot("op").unwrap_err().errormessage.contains("`time_zone`"));
    assert_eq!(HpCsa::assign_seat(ChangeSeat::default()).unwrap_err().respcode, 501);
}
