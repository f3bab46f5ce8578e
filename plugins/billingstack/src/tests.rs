//! The adapter against services of a few lines: what a host of its own and real HTTP would only make slower. The rest is
//! in `tests/it/billingstack` of the repository.

mod prices;

use crate::BillingStack;
use cnsp_sdk::http::{Credential, HttpError, Request, Response};
use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, OpenMapExt, testing};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

type Answer = Result<Response, HttpError>;

fn answer(status: u16, body: &Value) -> Answer {
    Ok(Response { status, headers: Vec::new(), body: body.to_string().into_bytes() })
}

fn failed(code: u16, outcome_unknown: bool) -> Answer {
    Err(HttpError { code, message: "told to".to_owned(), outcome_unknown })
}

/// What was asked: method and path.
type Asked = Rc<RefCell<Vec<String>>>;

/// Services that answer this way, and what they were asked.
fn services(answers: impl Fn(&str, &Request) -> Answer + 'static) -> Asked {
    for (name, value) in [
        ("billingstack_url", "https://billing.example/v2/"),
        ("keystone_url", "https://identity.example/v2.0"),
        ("merchant", "m"),
        ("openstack_admin_role", "admin"),
        ("billingstack_admin_role", "bs-admin"),
        ("member_role", "member"),
    ] {
        testing::set_config(name, value);
    }
    let asked = Asked::default();
    let seen = asked.clone();
    testing::on_http(move |request: &Request| {
        let path = request.url.splitn(4, '/').nth(3).expect("it has a path");
        let line = format!("{} {}", request.method, path.split('?').next().unwrap_or_default());
        seen.borrow_mut().push(line.clone());
        answers(&line, request)
    });
    asked
}

fn sign_up() -> CreateAccount {
    CreateAccount {
        accountid: "a-1".to_owned(),
        accountname: "Contoso".to_owned(),
        userinfo: Some(AccountUser {
            email: Some("ada@example.com".to_owned()),
            password: Some("secret-canary".to_owned()),
            ..AccountUser::default()
        }),
        ..CreateAccount::default()
    }
}

/// Both services, when nothing goes wrong.
fn usual(line: &str) -> Answer {
    match line {
        "POST v2.0/users" => answer(201, &json!({ "user": { "id": "u" } })),
        "POST v2.0/tokens" => answer(200, &json!({ "access": { "token": { "id": "t" } } })),
        "GET v2/merchants/m/customers" | "GET v2/merchants/m/subscriptions" => {
            answer(200, &json!([]))
        }
        "POST v2/merchants/m/customers" => {
            answer(202, &json!({ "id": "c", "name": "Contoso", "merchant_id": "m" }))
        }
        "POST v2.0/tenants" => {
            answer(200, &json!({ "tenant": { "id": "t", "name": "n", "enabled": true } }))
        }
        _ => answer(204, &Value::Null),
    }
}

#[test]
fn each_service_gets_its_own_credentials_by_name_and_a_sign_in_gets_none() {
    let asked = services(|line, request| {
        let token = request.headers.iter().find(|header| header.name == "X-Auth-Token");
        match (&*request.url, &request.credential) {
            (url, Credential::Basic(secret)) if url.starts_with("https://billing.example/") => {
                assert_eq!((secret.as_str(), token.is_none()), ("billingstack", true));
            }
            (url, Credential::None) if url.ends_with("/tokens") => {
                // It makes a token for nobody, and is asked for again at will.
                assert_eq!((token.is_none(), request.effect), (true, Some(false)));
            }
            (_, Credential::None) => {
                assert_eq!(token.expect("a token").value, "{{secret:keystone}}");
            }
            _ => panic!("another credential"),
        }
        usual(line)
    });
    let made = testing::finish("op", || BillingStack::create_account(sign_up())).unwrap();
    assert_eq!((made.accountid.as_str(), made.provideraccountid.as_str()), ("a-1", "c"));
    assert!(made.other.text("password").is_none(), "it was chosen by the caller");
    let paths = [
        "POST v2.0/users",
        "POST v2.0/tokens",
        "POST v2/merchants/m/customers",
        "POST v2.0/tenants",
        "PUT v2.0/tenants/t/users/u/roles/OS-KSADM/admin",
        "PUT v2.0/tenants/t/users/u/roles/OS-KSADM/bs-admin",
        "POST v2.0/tokens",
    ];
    assert_eq!(*asked.borrow(), paths);
}

#[test]
fn nothing_of_an_answer_to_a_password_is_repeated() {
    for (status, body) in [
        (400, json!({ "error": { "message": "`secret-canary` is too weak" } })),
        (201, json!("secret-canary")),
        (500, json!({ "message": "secret-canary" })),
    ] {
        services(move |line, _| match line {
            "POST v2.0/users" => answer(status, &body),
            "GET v2.0/users" => answer(404, &Value::Null),
            line => usual(line),
        });
        let run = || BillingStack::create_account(sign_up());
        let failure = testing::operation("op", run).unwrap_err();
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        assert!(!format!("{:?}", testing::take_log()).contains("canary"));
    }
}

#[test]
fn what_may_still_come_is_named_and_what_cannot_be_looked_for_too() {
    // Late each time, and never there.
    let asked = services(|line, _| match line {
        "POST v2/merchants/m/customers" => failed(3, true),
        line => usual(line),
    });
    let run = || BillingStack::create_account(sign_up());
    let failure = testing::operation("op-1", run).unwrap_err();
    assert_eq!((failure.respcode, failure.retryable), (504, false));
    assert!(
        failure
            .errormessage
            .contains("perhaps a customer with the website urn:cnsp:operation:op-1"),
        "{}",
        failure.errormessage
    );
    assert!(!failure.errormessage.contains("the user ada"), "that one was deleted");
    let posts = asked
        .borrow()
        .iter()
        .filter(|line| line.ends_with("POST v2/merchants/m/customers"))
        .count();
    assert_eq!(posts, 3);
    assert!(asked.borrow().contains(&"DELETE v2.0/users/u".to_owned()));

    // Keystone is gone just when it matters: the host runs it again from there, so nothing is undone.
    let asked = services(|line, _| match line {
        "POST v2.0/users" => failed(3, true),
        "GET v2.0/users" => failed(2, false),
        line => usual(line),
    });
    let failure = testing::operation("op-2", run).unwrap_err();
    assert_eq!((failure.respcode, failure.retryable), (503, true));
    assert!(!asked.borrow().iter().any(|line| line.starts_with("DELETE")));
    let asked = services(|line, _| match line {
        "POST v2.0/tenants" => answer(503, &json!({})),
        line => usual(line),
    });
    let failure = testing::operation("op-3", run).unwrap_err();
    assert_eq!((failure.respcode, failure.retryable), (503, true));
    assert!(!asked.borrow().iter().any(|line| line.starts_with("DELETE")));
}

#[test]
fn what_was_not_sent_may_pass_and_is_told_from_what_will_not() {
    for (code, respcode, retryable) in
        [(1, 500, true), (2, 503, true), (3, 504, true), (4, 502, false), (8, 503, true)]
    {
        services(move |_, _| failed(code, false));
        let failure = BillingStack::list_offerings(Page::default()).unwrap_err();
        assert_eq!((failure.respcode, failure.retryable), (respcode, retryable), "{code}");
    }
    for (status, body, respcode, retryable) in [
        (401, json!({}), 500, true),
        (403, json!({}), 403, false),
        (500, json!({ "code": 500, "type": "forbidden" }), 403, false),
        (500, json!({ "code": 500, "type": "unknown" }), 502, true),
        (404, json!({}), 502, false),
        (302, json!({}), 502, false),
        (429, json!({}), 503, true),
        (200, json!({ "plans": [] }), 502, false),
        (200, json!([{ "id": "../x" }]), 502, false),
    ] {
        services(move |_, _| answer(status, &body));
        let failure = BillingStack::list_offerings(Page::default()).unwrap_err();
        assert_eq!((failure.respcode, failure.retryable), (respcode, retryable), "{status}");
    }
}

#[test]
fn what_is_there_is_taken_over_if_this_operation_has_made_it() {
    let made = json!({
        "id": "c", "name": "Contoso", "merchant_id": "m",
        "contact_info": [{ "website": "urn:cnsp:operation:op" }],
    });
    // The lists of all merchants, and of an operation before.
    let others = json!([
        { "id": "x", "name": "Contoso", "merchant_id": "other",
          "contact_info": [{ "website": "urn:cnsp:operation:op" }] },
        { "id": "y", "name": "Contoso", "merchant_id": "m", "contact_info": null },
        made,
    ]);
    let asked = services(move |line, _| match line {
        "POST v2.0/users" | "POST v2.0/tenants" => answer(409, &json!({})),
        "GET v2.0/users" => answer(200, &json!({ "user": { "id": "u", "cnspoperation": "op" } })),
        "GET v2.0/tenants" => answer(
            200,
            &json!({ "tenant": { "id": "t", "name": "bs-customer-c", "enabled": true } }),
        ),
        "GET v2/merchants/m/customers" => answer(200, &others),
        "POST v2/merchants/m/customers" => answer(500, &json!({})),
        line => usual(line),
    });
    let done = testing::finish("op", || BillingStack::create_account(sign_up())).unwrap();
    assert_eq!(done.provideraccountid, "c");
    let posts = asked.borrow().iter().filter(|line| line.starts_with("POST v2/merchants")).count();
    assert_eq!(posts, 1);
    // Somebody else's, when another operation asks.
    let mut other = sign_up();
    other.accountid = "a-2".to_owned();
    let refused = testing::operation("op-2", || BillingStack::create_account(other)).unwrap_err();
    assert_eq!(refused.errormessage, "User with email address already exists.");
    assert!(!asked.borrow().iter().any(|line| line.starts_with("DELETE")));
}
