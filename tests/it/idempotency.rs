//! A request runs once, however often and however it is sent. (Contract A12, A16 to A18.)

use cnsp_tests::bodies::{account, action, requestor, resource, seat, unique, user, with};
use cnsp_tests::client::Answer;
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::raw::Connection;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Barrier;
use std::time::Duration;

/// Runs all of them at the same time.
fn together<T: Send>(jobs: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    let barrier = Barrier::new(jobs.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    job()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn two_hundred_identical_requests_make_one_resource() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let body = resource(&account, "order-1", "SANDBOX-MAIL", 2);
    let answers: Vec<Answer> =
        together((0..200).map(|_| || client.post("/resource", &body)).collect());
    for answer in &answers {
        assert_eq!(answer.json, answers[0].json);
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let first = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none());
    assert_eq!(first.count(), 1, "one of them was not a replay");
    assert_eq!(client.resources(&account).len(), 1);

    // The same without a request id in the body, for who has only the header.
    let account = client.new_account();
    let keyed = client.with("idempotency-key", "user-1");
    let body = user(&account, "grace@example.com");
    let answers: Vec<Answer> =
        together((0..50).map(|_| || keyed.post("/account/user", &body)).collect());
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.json == answers[0].json));
    let users = client.get(&format!("/account/user/{}", account.id));
    assert_eq!(users.body()["users"].as_array().unwrap().len(), 2);
}

#[test]
fn a_replay_is_answered_as_the_first_request_was() {
    let host = Host::start();
    let client = host.marketplace();
    let keyed = |key: &str| client.with("idempotency-key", key);
    let twice = |key: &str, method: &Method, path: &str, body: &Value| -> Answer {
        let body = body.to_string().into_bytes();
        let first = keyed(key).send(method.clone(), path, Some(body.clone()));
        assert_eq!(first.header("idempotent-replayed"), None, "{}", first.text);
        let again = keyed(key).send(method.clone(), path, Some(body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{}", again.text);
        assert_eq!((again.status, &again.json), (first.status, &first.json));
        first
    };
    let made =
        twice("k-1", &Method::POST, "/account", &account("contoso", "ada@example.com")).succeeded();
    let owner = cnsp_tests::bodies::Account {
        accountid: "contoso".into(),
        id: made.text_of("provideraccountid"),
    };
    twice("k-2", &Method::PUT, "/account", &with(&requestor(&owner), "/phone", json!("1")))
        .succeeded();
    let made = twice("k-3", &Method::POST, "/account/user", &user(&owner, "grace@example.com"))
        .succeeded();
    let grace =
        cnsp_tests::bodies::User { id: made.text_of("userid"), email: "grace@example.com".into() };
    let mut update = requestor(&owner);
    update["requestor"]["userid"] = json!(grace.id);
    update["lastname"] = json!("Murray");
    twice("k-4", &Method::PUT, "/account/user", &update).succeeded();
    let order = resource(&owner, "k-5", "SANDBOX-MAIL", 2);
    let made = twice("k-5", &Method::POST, "/resource", &order).succeeded();
    let mail = cnsp_tests::bodies::Resource {
        id: made.text_of("providerinstanceid"),
        subscription: String::new(),
    };
    twice("k-6", &Method::PUT, "/account/user/resource", &seat(&owner, "assign", &grace, &mail))
        .succeeded();
    // The same key for another operation is another request.
    twice("k-6", &Method::PUT, "/account/user/resource", &seat(&owner, "revoke", &grace, &mail))
        .succeeded();
    twice("k-7", &Method::PUT, "/resource", &action(&owner, "k-7", &mail, "update.suspend"))
        .succeeded();
    twice("k-8", &Method::DELETE, "/account/user", &json!({ "requestor": { "userid": grace.id } }))
        .succeeded();
    let deletion = cnsp_tests::bodies::deletion(&owner, "k-9", &mail.id);
    twice("k-9", &Method::DELETE, "/resource", &deletion).succeeded();
    twice("k-10", &Method::DELETE, "/account", &requestor(&owner)).succeeded();
    // A refusal is replayed too, also when the request would succeed by now.
    let early = twice("k-11", &Method::POST, "/account/user", &user(&owner, "late@example.com"));
    assert_eq!(early.status, 404);
}

/// (Contract A17.)
#[test]
fn a_request_id_with_another_body_is_refused() {
    let host = Host::start();
    let client = host.marketplace();
    let owner = client.new_account();
    let order = resource(&owner, "order-1", "SANDBOX-MAIL", 2);
    client.post("/resource", &order).succeeded();
    let refused = client.post("/resource", &with(&order, "/parameters/licenseQuantity", json!(3)));
    crate::check("post_resource.error.reused", &refused);
    refused.refused(409, "REQUEST_ID_REUSED");
    assert_eq!(client.resources(&owner).len(), 1);
    // The order of the keys, and white space, make no other body.
    let reordered = format!(
        r#"{{ "requestor": {}, "parameters": {}, "action":"create", "resource": {{"type" : "saas"}},
             "requestid": "order-1" }}"#,
        order["requestor"], order["parameters"]
    );
    let replayed = client.send(Method::POST, "/resource", Some(reordered.into_bytes())).succeeded();
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));

    let keyed = client.with("idempotency-key", "account-1");
    keyed.post("/account", &account("a", "a@example.com")).succeeded();
    keyed.post("/account", &account("b", "b@example.com")).refused(409, "REQUEST_ID_REUSED");
    // The two ways to send an id have to agree.
    let refused = client.with("idempotency-key", "order-2").post("/resource", &order);
    refused.refused(400, "INVALID_REQUEST");
    client.with("idempotency-key", "order-1").post("/resource", &order).succeeded();
}

/// (Contract A16.)
#[test]
fn without_an_id_a_request_runs_each_time() {
    let host = Host::start();
    let client = host.marketplace();
    let owner = client.new_account();
    let mut order = resource(&owner, "x", "SANDBOX-MAIL", 2);
    order.as_object_mut().unwrap().remove("requestid");
    client.post("/resource", &order).succeeded();
    client.post("/resource", &order).succeeded();
    assert_eq!(client.resources(&owner).len(), 2);
    let twice = account("contoso", "ada@example.com");
    client.post("/account", &twice).succeeded();
    assert_eq!(client.post("/account", &twice).status, 400);
}

/// (Contract A18.)
#[test]
fn a_repeat_of_what_is_still_running_waits_and_is_then_told_to_come_back() {
    let host = Options::default()
        .set("operations.pending_wait_ms", 60_000)
        .set("operations.repeat_wait_ms_max", 100)
        .start();
    let client = host.marketplace();
    let owner = client.new_account();
    let mut order = resource(&owner, "order-1", "SANDBOX-MAIL", 2);
    order["parameters"]["additionalparameters"]["sandbox"] = json!("pending:1 poll:2000");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| client.post("/resource", &order));
        let limit = Duration::from_secs(20);
        eventually("the first is at work", limit, || {
            (client.resources(&owner).len() == 1).then_some(())
        });
        let refused = client.post("/resource", &order).refused(409, "OPERATION_IN_PROGRESS");
        assert!(refused.header("retry-after").is_some());
        let other = with(&order, "/parameters/licenseQuantity", json!(3));
        client.post("/resource", &other).refused(409, "REQUEST_ID_REUSED");
        let first = first.join().unwrap().succeeded();
        assert_eq!(first.text_of("status"), "active");
        assert_eq!(client.post("/resource", &order).json, first.json);
    });
}

#[test]
fn of_two_creates_that_race_for_one_address_one_wins() {
    let host = Host::start();
    let client = host.marketplace();
    let owners: Vec<_> = (0..6).map(|_| client.new_account()).collect();
    for round in 0..12 {
        let email = format!("race-{round}@example.com");
        let jobs =
            owners.iter().map(|owner| || client.post("/account/user", &user(owner, &email)).status);
        let mut statuses = together(jobs.collect());
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 400, 400, 400, 400, 400], "round {round}");
        // The same between accounts, each with a first user, and a user.
        let email = format!("first-{round}@example.com");
        let jobs: Vec<Box<dyn FnOnce() -> u16 + Send>> = vec![
            Box::new(|| client.post("/account", &account(&unique("race"), &email)).status),
            Box::new(|| client.post("/account", &account(&unique("race"), &email)).status),
            Box::new(|| client.post("/account/user", &user(&owners[0], &email)).status),
        ];
        let statuses = together(jobs);
        assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 2, "{statuses:?}");
    }
    let mut emails = Vec::new();
    for owner in &owners {
        let users = client.get(&format!("/account/user/{}", owner.id)).succeeded();
        let users = users.body()["users"].as_array().unwrap().clone();
        emails.extend(users.into_iter().map(|user| user["email"].as_str().unwrap().to_owned()));
    }
    let races =
        emails.iter().filter(|email| email.starts_with("race-") && !email.contains("race-1-"));
    assert!(races.count() >= 11);
    let count = emails.len();
    emails.sort_unstable();
    emails.dedup();
    assert_eq!(emails.len(), count, "an address is nobody's twice");
}

#[test]
fn of_all_who_race_for_the_last_seat_one_wins() {
    let host = Host::start();
    let client = host.marketplace();
    let owner = client.new_account();
    let users: Vec<_> = (0..6).map(|_| client.new_user(&owner)).collect();
    for round in 0..8 {
        let mail = client.new_resource(&owner, "SANDBOX-MAIL", 2);
        client.put("/account/user/resource", &seat(&owner, "assign", &users[0], &mail)).succeeded();
        // With and without the account's id, so that they do not all queue behind each other.
        let jobs = users[1..].iter().enumerate().map(|(index, user)| {
            let mut body = seat(&owner, "assign", user, &mail);
            if index % 2 == 0 {
                body["requestor"] = json!({ "userid": user.id });
            }
            let client = &client;
            move || client.put("/account/user/resource", &body).status
        });
        let mut statuses = together(jobs.collect());
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403, 403, 403, 403], "round {round}");
    }
}

#[test]
fn a_client_that_hangs_up_does_not_stop_what_it_has_begun() {
    use base64::Engine as _;
    let host = Options::default().set("operations.pending_wait_ms", 60_000).start();
    let client = host.marketplace();
    let owner = client.new_account();
    let mut order = resource(&owner, "order-1", "SANDBOX-MAIL", 2);
    order["parameters"]["additionalparameters"]["sandbox"] = json!("pending:1 poll:1000");
    let caller = host.marketplace_credentials();
    let basic = format!("{}:{}", caller.username, caller.password);
    let basic = base64::engine::general_purpose::STANDARD.encode(basic);
    let body = order.to_string();
    let mut connection = Connection::open(host.address());
    connection.send(
        format!(
            "POST /apiv1/resource HTTP/1.1\r\nhost: x\r\nauthorization: Basic {basic}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    let limit = Duration::from_secs(20);
    let id = eventually("it is at work", limit, || {
        let resources = client.resources(&owner);
        Some(resources.first()?["parameters"]["providerinstanceid"].as_str()?.to_owned())
    });
    connection.hang_up();
    eventually("it ends all the same", limit, || (client.status(&id) == "active").then_some(()));
    let replayed = client.post("/resource", &order).succeeded();
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(replayed.text_of("providerinstanceid"), id);
}
