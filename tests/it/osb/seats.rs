use super::{PLAIN, Scene, bought, delete, patient};
use crate::check;
use cnsp_tests::bodies::{Account, Resource, User, action, resource, seat, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::osb::{Answers, Fault, Op, background};
use serde_json::json;

fn change(client: &Client, account: &Account, what: &str, user: &User, to: &Resource) -> Answer {
    client.put("/account/user/resource", &seat(account, what, user, to))
}

#[test]
fn seats_are_bindings() {
    let scene = Scene::start(patient(), PLAIN);
    a_seat_is_a_binding_and_its_credentials_are_told_once(&scene);
    the_broker_may_bind_in_the_background(&scene);
    a_binding_that_is_gone_already_is_revoked(&scene);
    bindings_are_deleted_before_their_instance(&scene);
    who_cannot_have_a_seat_reaches_no_broker(&scene);
    credentials_that_no_answer_can_hold_are_taken_back(&scene);
}

fn a_seat_is_a_binding_and_its_credentials_are_told_once(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let host = &scene.host;
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    let keyed = client.with("idempotency-key", "seat-1");
    let answer = change(&keyed, &account, "assign", &user, &instance).succeeded();
    check("osb.put_account_user_resource.assign", &answer);
    assert_eq!(answer.body()["respparam1"]["value"], "binding-password-canary");
    let sent = osb.last_body(Op::Bind);
    assert_eq!(sent["bind_resource"]["app_guid"], user.id);
    assert_eq!((osb.bindings(), &sent["plan_id"]), (1, &json!("plan-small")));
    // A replay tells them again, and binds nothing.
    let again = change(&keyed, &account, "assign", &user, &instance).succeeded();
    assert_eq!((again.header("idempotent-replayed"), &again.json), (Some("true"), &answer.json));
    let twice = change(client, &account, "assign", &user, &instance);
    assert_eq!(
        (twice.status, twice.error()),
        (404, "The subscriber already has a seat for the subscription.")
    );
    assert_eq!(osb.count(Op::Bind), 1);
    for path in [format!("/resource/{}", instance.id), format!("/account/user/{}", user.id)] {
        assert!(!client.get(&path).text.contains("binding-password-canary"));
    }
    // As many as there are licences.
    let second = client.new_user(&account);
    change(client, &account, "assign", &second, &instance).succeeded();
    let third = client.new_user(&account);
    let full = change(client, &account, "assign", &third, &instance);
    check("osb.put_account_user_resource.error.full", &full);
    let mut fewer = action(&account, &unique("u"), &instance, "update");
    fewer["parameters"] = json!({ "license": 1 });
    client.refuses_body(reqwest::Method::PUT, "/resource", &fewer, "revoke");
    assert_eq!(osb.count(Op::Update), 0);

    let seated = json!({ "requestor": { "userid": user.id } });
    assert_eq!(client.delete("/account/user", &seated).status, 409);
    check(
        "osb.put_account_user_resource.revoke",
        &change(client, &account, "revoke", &user, &instance).succeeded(),
    );
    assert_eq!((osb.bindings(), osb.count(Op::Unbind)), (1, 1));
    assert_eq!(change(client, &account, "revoke", &user, &instance).status, 404);
    client.delete("/account/user", &seated).succeeded();
    assert!(!host.log().contains("canary"));
}

fn the_broker_may_bind_in_the_background(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    osb.state().background = vec![background(2, "succeeded")];
    let answer = change(client, &account, "assign", &user, &instance).succeeded();
    assert_eq!(answer.body()["respparam2"]["value"], "amqp://queue.example");
    assert_eq!((osb.count(Op::LastOperation), osb.count(Op::FetchBinding)), (3, 1));
    osb.state().background = vec![background(1, "succeeded")];
    change(client, &account, "revoke", &user, &instance).succeeded();
    assert_eq!(osb.bindings(), 0);
}

fn a_binding_that_is_gone_already_is_revoked(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    change(client, &account, "assign", &user, &instance).succeeded();
    osb.state().bindings.clear();
    change(client, &account, "revoke", &user, &instance).succeeded();
    assert_eq!(osb.count(Op::Unbind), 1);
}

fn bindings_are_deleted_before_their_instance(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 30);
    let users: Vec<User> = (0..27).map(|_| client.new_user(&account)).collect();
    for user in &users {
        change(client, &account, "assign", user, &instance).succeeded();
    }
    assert_eq!(osb.bindings(), 27);
    osb.calm();
    osb.state().background = vec![background(1, "succeeded"), background(0, "succeeded")];
    // The fifth fails, and is asked for again.
    let answers = Answers::With(500, "{}".to_owned(), "");
    osb.fault_at(Fault { op: Op::Unbind, nth: 5, acts: false, answers });
    delete(client, &account, &instance).succeeded();
    let state = osb.state();
    assert!(state.bindings.is_empty() && state.instances.is_empty());
    let deletions: Vec<Op> =
        state.requests.iter().map(|(op, _)| *op).filter(|op| *op != Op::LastOperation).collect();
    assert_eq!(deletions.len(), 29, "each once, but for one: {deletions:?}");
    assert_eq!(deletions.last(), Some(&Op::Deprovision));
    drop(state);
    // Nobody has a seat any more.
    client.delete("/account/user", &json!({ "requestor": { "userid": users[0].id } })).succeeded();
}

fn who_cannot_have_a_seat_reaches_no_broker(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    let other = client.new_account();
    let stranger = client.new_user(&other);
    assert_eq!(change(client, &other, "assign", &stranger, &instance).status, 403);
    client.put("/resource", &action(&account, &unique("s"), &instance, "update.suspend"));
    assert_eq!(change(client, &account, "assign", &user, &instance).status, 409);
    let order = resource(&account, &unique("c"), "plan-unbindable", 1);
    let without = super::instance(&client.post("/resource", &order).succeeded());
    let refused = change(client, &account, "assign", &user, &without);
    assert!(refused.status == 400 && refused.error().contains("no seats"), "{}", refused.text);
    delete(client, &account, &without).succeeded();
    assert_eq!(change(client, &account, "assign", &user, &without).status, 400);
    assert_eq!(osb.count(Op::Bind), 0);
}

fn credentials_that_no_answer_can_hold_are_taken_back(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    osb.state().credentials = json!({ "certificate": "x".repeat(15_000) });
    let answer = change(client, &account, "assign", &user, &instance);
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(answer.error().contains("deleted again"), "{}", answer.text);
    assert_eq!((osb.count(Op::Unbind), osb.bindings()), (1, 0));
}
