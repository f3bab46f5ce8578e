//! What goes wrong elsewhere: hosts that are killed, callers that repeat themselves, services that are late, busy or down.

use super::{Scene, bought, declare, order, sign_up};
use cnsp_tests::billingstack::{ADMIN, Fault, LOGIN, Paths, Step};
use cnsp_tests::bodies::{Account, action, deletion, requestor, seat, unique, user, with};
use cnsp_tests::client::Client;
use cnsp_tests::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// Kills the host at its first call of this step, and asks again: it may have gone on by itself by then.
fn kill_at(scene: &mut Scene, step: Step, path: &str, body: &Value) -> Value {
    let services = &scene.services;
    services.calm();
    services.fail(step, Fault::HangAfter);
    let key = unique("key");
    // An order has its own.
    let keyed = |client: &Client| match path {
        "/account" => client.with("Idempotency-Key", &key),
        _ => client.clone(),
    };
    let client = keyed(&scene.client);
    std::thread::scope(|scope| {
        let sent = body.to_string().into_bytes();
        scope.spawn(|| client.try_send(Method::POST, path, Some(sent)).unwrap_err());
        eventually("the step is reached", LONG, || (services.count(step) > 0).then_some(()));
        scene.host.kill9();
    });
    scene.host.resume();
    scene.client = scene.host.marketplace().at("billing");
    let again = keyed(&scene.client).post(path, body).succeeded();
    again.body().clone()
}

#[test]
fn a_host_that_is_killed_on_the_way_leaves_one_of_each() {
    let mut scene = Scene::start(Paths::Document);
    let account = scene.client.new_account();
    let before = scene.services.state().counts();
    for (number, step) in [
        Step::CreateSubscription,
        Step::CreateSubscriptionTenant,
        Step::GrantSubscriptionAdmin,
        Step::SetResource,
    ]
    .into_iter()
    .enumerate()
    {
        let body = order(&account, 2);
        let made = kill_at(&mut scene, step, "/resource", &body);
        let state = scene.services.state();
        let more = number + 1;
        let [users, customers, tenants, subscriptions] = before;
        let expected = [users, customers, tenants + more, subscriptions + more];
        assert_eq!(state.counts(), expected, "{step:?}");
        let subscription = &state.subscriptions[made["subscriptionid"].as_str().unwrap()];
        assert_eq!(subscription["resource_id"], made["providerinstanceid"], "{step:?}");
        let tenant = made["providerinstanceid"].as_str().unwrap();
        assert!(state.granted.iter().any(|(of, _, role)| of == tenant && role == "role-admin"));
    }
    let [users, customers, tenants, subscriptions] = scene.services.state().counts();
    kill_at(&mut scene, Step::CreateCustomerTenant, "/account", &sign_up());
    let expected = [users + 1, customers + 1, tenants + 1, subscriptions];
    assert_eq!(scene.services.state().counts(), expected);
}

#[test]
fn a_repeat_is_one_order_however_many_send_it() {
    let scene = Scene::start(Paths::Services);
    let (services, client, account) = scene.furnished();
    let body = order(&account, 2);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| client.post("/resource", &body).succeeded())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.json == answers[0].json));
    for step in [Step::CreateSubscription, Step::CreateSubscriptionTenant, Step::SetResource] {
        assert_eq!(services.count(step), 1, "{step:?}");
    }
    services.calm();
    let other = with(&body, "/parameters/licenseQuantity", json!(3));
    client.post("/resource", &other).refused(409, "REQUEST_ID_REUSED");
    assert!(services.steps().is_empty());
}

#[test]
fn what_is_late_busy_down_or_locked_is_told_apart() {
    let scene = Scene::start(Paths::Services);
    let (services, client, account) = scene.furnished();
    let before = services.state().counts();
    // Busy: the order goes on from there, with what was made.
    let body = order(&account, 2);
    services.fail(Step::CreateSubscriptionTenant, Fault::Status(503));
    let busy = client.post("/resource", &body);
    assert_eq!(busy.status, 503, "{}", busy.text);
    assert!(busy.header("retry-after").is_some());
    client.post("/resource", &body).succeeded();
    let [users, customers, tenants, subscriptions] = before;
    assert_eq!(services.state().counts(), [users, customers, tenants + 1, subscriptions + 1]);
    assert_eq!(services.count(Step::CreateSubscription), 1);

    // Late: what was done is found.
    let late = ", timeout_ms = \"2000\"";
    let host = &scene.host;
    host.apply_right(declare(host, "late", services, LOGIN, ADMIN, late).path());
    let patient = host.marketplace().at("late");
    services.fail(Step::CreateCustomer, Fault::HangAfter);
    let customers = services.state().customers.len();
    patient.new_account();
    assert_eq!(services.state().customers.len(), customers + 1);

    // Locked: our own credentials are not the customer's. Once they are right, what was begun goes on.
    for (id, login, admin) in
        [("stranger", "merchant-key:wrong", ADMIN), ("nobody", LOGIN, "wrong")]
    {
        host.apply_right(declare(host, id, services, login, admin, "").path());
        let stranger = host.marketplace().at(id).with("Idempotency-Key", &unique("key"));
        let [users, customers, tenants, subscriptions] = services.state().counts();
        let body = sign_up();
        let refused = stranger.post("/account", &body);
        assert_eq!(refused.status, 500, "{}", refused.text);
        assert!(refused.error().contains("credentials of this endpoint"), "{}", refused.text);
        assert!(refused.header("retry-after").is_some());
        assert_eq!(services.state().customers.len() - 1, customers);
        let health = stranger.get("/health").succeeded();
        assert_eq!(health.body()["status"], "down", "{}", health.text);
        host.apply_right(declare(host, id, services, LOGIN, ADMIN, "").path());
        stranger.post("/account", &body).succeeded();
        let expected = [users + 1, customers + 1, tenants + 1, subscriptions];
        assert_eq!(services.state().counts(), expected, "{id}");
    }
    // Another merchant's: forbidden, which is a 500 there.
    let folder = declare(host, "elsewhere", services, LOGIN, ADMIN, "");
    let text = std::fs::read_to_string(folder.path().join("setup.toml")).unwrap();
    let other =
        cnsp_tests::setup::SetupFolder::default().text(&text.replace("merchant-1", "merchant-2"));
    host.apply_right(other.path());
    assert_eq!(host.marketplace().at("elsewhere").get("/catalog").status, 403);
    assert!(services.state().strangers > 0);
}

#[test]
fn what_is_changed_or_ended_though_the_answer_is_lost_is_done_once_more() {
    let scene = Scene::start(Paths::Document);
    let (services, client, account) = scene.furnished();
    let mail = bought(&client.post("/resource", &order(&account, 2)).succeeded());
    let grace = client.new_user(&account);
    let enabled = || services.state().tenants[&mail.id]["enabled"].clone();
    for fault in [Fault::DropAfter, Fault::DropBefore, Fault::Status(500)] {
        for (what, expected) in [("update.suspend", false), ("update.reactivate", true)] {
            services.fail(Step::ChangeTenant, fault);
            client.put("/resource", &action(&account, &unique("act"), &mail, what)).succeeded();
            assert_eq!(enabled(), expected, "{what} {fault:?}");
        }
    }
    let seats = || {
        let state = services.state();
        state.granted.iter().filter(|(of, _, role)| *of == mail.id && role == "role-member").count()
    };
    for (what, step, expected) in [("assign", Step::GrantMember, 1), ("revoke", Step::TakeRole, 0)]
    {
        services.fail(step, Fault::DropAfter);
        client.put("/account/user/resource", &seat(&account, what, &grace, &mail)).succeeded();
        assert_eq!(seats(), expected, "{what}");
    }
    // A user that gets no role in the account does not stay.
    services.fail(Step::GrantMember, Fault::Status(404));
    let users = services.state().users.len();
    let refused = client.post("/account/user", &user(&account, "eve@example.com"));
    assert_eq!((refused.status, services.state().users.len()), (500, users), "{}", refused.text);
    assert!(refused.error().contains("member_role"), "{}", refused.text);

    // An end that stops half way is gone on with.
    services.calm();
    services.fail_at(Step::DeleteSubscription, 1, 3, Fault::Status(500));
    let end = || client.delete("/resource", &deletion(&account, &unique("end"), &mail.id));
    assert_eq!(end().status, 500);
    assert!(!services.state().tenants.contains_key(&mail.id));
    end().succeeded();
    assert!(services.state().subscriptions.is_empty());
    services.fail(Step::DeleteCustomer, Fault::DropAfter);
    services.fail_at(Step::DeleteTenant, 1, 3, Fault::Status(500));
    assert_eq!(client.delete("/account", &requestor(&account)).status, 500);
    client.delete("/account", &requestor(&account)).succeeded();
    assert_eq!(services.state().counts(), [0, 0, 0, 0]);
}

#[test]
fn a_password_that_nobody_chose_is_answered_once_and_signs_in() {
    let mut scene = Scene::start(Paths::Services);
    let mut body = sign_up();
    body["userinfo"]["password"] = json!("[autogenerated]");
    // The first run's password is lost with the host.
    let made = kill_at(&mut scene, Step::CreateUser, "/account", &body);
    let password = made["password"].as_str().unwrap().to_owned();
    let owner = Account {
        accountid: body["accountid"].as_str().unwrap().to_owned(),
        id: made["provideraccountid"].as_str().unwrap().to_owned(),
    };
    let mut more = user(&owner, "grace@example.com");
    more.as_object_mut().unwrap().remove("password");
    let second = scene.client.post("/account/user", &more).succeeded();
    let state = scene.services.state();
    assert_eq!(state.counts()[0], 2);
    let has = |password: &str| state.users.values().any(|user| user["password"] == password);
    assert!(has(&password) && has(&second.text_of("password")));
    drop(state);
    let shown = scene.client.get(&format!("/account/{}", owner.id)).succeeded();
    assert!(!shown.text.contains(&password) && !scene.host.log().contains(&password));
}
