//! What goes wrong beside OSB's own table: judged by what the broker has in the end.

use super::{PLAIN, Scene, bought, delete, order, patient, status};
use crate::check;
use cnsp_tests::bodies::{action, resource, seat, unique};
use cnsp_tests::osb::{Answers, Background, Op, background};
use serde_json::json;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// Short, for what never answers.
const QUICK: &str = "poll_interval_ms = \"1\", timeout_ms = \"500\"";

#[test]
fn what_a_broker_says_is_taken_as_osb_means_it() {
    let scene = Scene::start(patient(), PLAIN);
    a_broker_at_work_is_waited_for_and_never_cleaned_up_after(&scene);
    a_refusal_is_told_in_the_brokers_words_and_leaves_nothing(&scene);
    a_failed_update_says_whether_the_instance_can_still_be_used(&scene);
    a_plan_says_how_long_its_operations_may_take(&scene);
    a_poll_that_fails_is_no_failure_of_the_work(&scene);
    a_broker_with_too_much_to_do_is_asked_later(&scene);
}

fn a_broker_at_work_is_waited_for_and_never_cleaned_up_after(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let busy = "{\"error\":\"ConcurrencyError\",\"description\":\"one at a time\"}";
    osb.refuse(Op::Provision, 422, busy);
    let instance = bought(client, &account, 2);
    assert_eq!((osb.count(Op::Provision), osb.count(Op::Deprovision)), (2, 0));
    osb.refuse(Op::Update, 422, busy);
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] = json!({ "license": 3 });
    client.put("/resource", &body).succeeded();
    assert_eq!((osb.count(Op::Update), osb.count(Op::Deprovision)), (2, 0));
    let user = client.new_user(&account);
    for what in ["assign", "revoke"] {
        osb.refuse(if what == "assign" { Op::Bind } else { Op::Unbind }, 422, busy);
        client.put("/account/user/resource", &seat(&account, what, &user, &instance)).succeeded();
    }
    assert_eq!((osb.count(Op::Bind), osb.count(Op::Unbind)), (2, 2));
    osb.refuse(Op::Deprovision, 422, busy);
    delete(client, &account, &instance).succeeded();
    assert_eq!((osb.count(Op::Deprovision), osb.instances()), (2, 0));
}

fn a_refusal_is_told_in_the_brokers_words_and_leaves_nothing(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let text =
        "{\"error\":\"AsyncRequired\",\"description\":\"no\\u0007 way \u{fc}ber\",\"more\":{}}";
    osb.refuse(Op::Provision, 422, text);
    let body = order(&account, 2);
    let refused = client.post("/resource", &body);
    check("osb.post_resource.error", &refused);
    assert_eq!((refused.status, refused.code()), (400, "AsyncRequired"));
    assert!(client.resources(&account).is_empty());
    // It is the answer from now on.
    let again = client.post("/resource", &body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!((osb.count(Op::Provision), osb.count(Op::Deprovision)), (1, 0));
    for (answered, status) in
        [(401, 502), (403, 502), (404, 404), (409, 400), (412, 502), (302, 502)]
    {
        osb.refuse(Op::Provision, answered, "no JSON");
        let refused = client.post("/resource", &order(&account, 2));
        assert_eq!(refused.status, status, "{answered}: {}", refused.text);
    }
    assert!(osb.instances() == 0 && osb.count(Op::Deprovision) == 0);
}

fn a_broker_with_too_much_to_do_is_asked_later(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    osb.fault(Op::Provision, false, Answers::With(429, "{}".to_owned(), "Retry-After: 1\r\n"));
    // A second later the host asks again by itself, and the caller has waited for that.
    bought(client, &account, 2);
    assert_eq!((osb.count(Op::Provision), osb.count(Op::Deprovision)), (2, 0));
}

#[test]
fn what_was_made_and_not_answered_is_adopted() {
    let scene = Scene::start(patient(), QUICK);
    an_update_is_adopted(&scene);
    a_deletion_is_adopted(&scene);
}

fn an_update_is_adopted(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    for (number, answers) in [(3, Answers::Nothing), (4, Answers::Hangup)] {
        osb.fault(Op::Update, true, answers);
        let mut body = action(&account, &unique("u"), &instance, "update");
        body["parameters"] = json!({ "license": number });
        client.put("/resource", &body).succeeded();
        assert_eq!(osb.state().instances[&instance.id].body["parameters"]["license"], number);
    }
    assert_eq!(osb.count(Op::Update), 2);
    // One whose answer is lost while the broker is at it, and says no more than that.
    osb.state().background = vec![background(1_000_000, "succeeded")];
    osb.fault(Op::Update, true, Answers::Hangup);
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] = json!({ "license": 5 });
    let looked = osb.count(Op::FetchInstance);
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| client.put("/resource", &body));
        cnsp_tests::eventually("it is looked for", LONG, || {
            (osb.count(Op::FetchInstance) > looked + 1).then(|| osb.state().finish(&instance.id))
        });
        answer.join().unwrap().succeeded();
    });
    assert_eq!(osb.count(Op::Update), 3);
    // Not made, as the broker says: the host asks again by itself.
    osb.fault(Op::Update, false, Answers::Hangup);
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] = json!({ "license": 6 });
    client.put("/resource", &body).succeeded();
    assert_eq!(osb.state().instances[&instance.id].body["parameters"]["license"], 6);
    assert_eq!(osb.count(Op::Update), 5);
    // Where it cannot be asked, nobody knows, and nothing is asked for twice.
    let order = resource(&account, &unique("c"), "plan-cache", 1);
    let cache = super::instance(&client.post("/resource", &order).succeeded());
    osb.fault(Op::Update, true, Answers::Hangup);
    let mut body = action(&account, &unique("u"), &cache, "update");
    body["additionalparameters"] = json!({ "parameters": { "more": true } });
    let unknown = client.put("/resource", &body);
    assert!(unknown.status == 502 && unknown.error().contains("nobody knows"), "{}", unknown.text);
    assert_eq!(osb.count(Op::Update), 6);
}

fn a_deletion_is_adopted(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    let change =
        |what| client.put("/account/user/resource", &seat(&account, what, &user, &instance));
    change("assign").succeeded();
    osb.fault(Op::Unbind, true, Answers::Hangup);
    change("revoke").succeeded();
    osb.fault(Op::Deprovision, true, Answers::Nothing);
    delete(client, &account, &instance).succeeded();
    assert_eq!(status(client, &instance), "cancel");
    assert_eq!((osb.count(Op::Unbind), osb.count(Op::Deprovision)), (1, 1));
    // A broker that says 404 where OSB wants 410 is looked at more closely.
    let instance = bought(client, &account, 2);
    osb.fault(Op::Deprovision, true, Answers::With(404, "{}".to_owned(), ""));
    delete(client, &account, &instance).succeeded();
    let instance = bought(client, &account, 2);
    osb.refuse(Op::Deprovision, 404, "{}");
    assert_eq!(delete(client, &account, &instance).status, 404);
    assert_eq!(status(client, &instance), "active");
    delete(client, &account, &instance).succeeded();
    // Where the broker cannot be asked about it, it is told to delete it once more.
    let order = resource(&account, &unique("c"), "plan-cache", 1);
    let cache = super::instance(&client.post("/resource", &order).succeeded());
    osb.fault(Op::Deprovision, true, Answers::Hangup);
    let body = cnsp_tests::bodies::deletion(&account, "d-1", &cache.id);
    client.delete("/resource", &body).succeeded();
    assert_eq!(osb.count(Op::Deprovision), 6);
    assert_eq!(osb.instances(), 0);
}

fn a_failed_update_says_whether_the_instance_can_still_be_used(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let user = client.new_user(&account);
    let assign =
        || client.put("/account/user/resource", &seat(&account, "assign", &user, &instance));
    let update = |id: &str| {
        let mut body = action(&account, id, &instance, "update");
        body["parameters"] = json!({ "license": 3 });
        client.put("/resource", &body)
    };
    let end = json!({ "state": "failed", "description": "no room", "instance_usable": false, "update_repeatable": false });
    osb.state().background = vec![Background { polls: 1, end }];
    let failed = update("repeated-1");
    check("osb.put_resource.error", &failed);
    assert_eq!(failed.status, 502);
    assert_eq!(osb.state().instances[&instance.id].body["parameters"]["license"], 2);
    let refused = assign();
    assert!(
        refused.status == 409 && refused.error().contains("cannot be used"),
        "{}",
        refused.text
    );
    // An update that works makes it usable again; one that fails at once takes that away.
    update("repeated-2").succeeded();
    osb.refuse(Op::Update, 400, "{\"instance_usable\":false,\"description\":\"broken\"}");
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] = json!({ "license": 4 });
    let failed = client.put("/resource", &body);
    assert!(failed.status == 400 && failed.error().contains("broken"), "{}", failed.text);
    assert_eq!(assign().status, 409);
    assert_eq!(osb.count(Op::Bind), 0);
    // One that may be repeated is, when the caller wants.
    osb.refuse(Op::Update, 500, "{\"update_repeatable\":true}");
    assert_eq!(client.put("/resource", &body).header("idempotent-replayed"), Some("true"));
    update("repeated-4").succeeded();
    assert_eq!(osb.count(Op::Update), 5);
    assign().succeeded();
}

fn a_plan_says_how_long_its_operations_may_take(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    osb.state().catalog["services"][0]["plans"][0]["maximum_polling_duration"] = json!(1);
    osb.state().background = vec![background(1_000_000, "succeeded")];
    let failed = client.post("/resource", &order(&account, 2));
    assert_eq!(failed.status, 504, "{}", failed.text);
    assert!(failed.error().contains("within the time"), "{}", failed.text);
    let instance = super::instance_of(client, &account);
    assert_eq!(status(client, &instance), "cancel");
    assert_eq!(osb.instances(), 0);
    assert_eq!((osb.count(Op::Provision), osb.count(Op::Deprovision)), (1, 1));
}

fn a_poll_that_fails_is_no_failure_of_the_work(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    osb.state().background = vec![background(1, "succeeded")];
    for (status, body) in
        [(500, "{}"), (404, "{}"), (401, "{}"), (200, "{"), (200, "{\"state\":\"odd\"}")]
    {
        osb.refuse(Op::LastOperation, status, body);
    }
    osb.fault(Op::LastOperation, false, Answers::Hangup);
    bought(client, &account, 2);
    assert_eq!((osb.count(Op::Provision), osb.count(Op::LastOperation)), (1, 8));
}

#[test]
fn an_order_that_was_at_the_broker_when_the_host_was_killed_is_adopted() {
    let Scene { osb, mut host, client } = Scene::start(patient(), PLAIN);
    let account = client.new_account();
    osb.fault(Op::Provision, true, Answers::Nothing);
    let body = order(&account, 2);
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| {
            let body = body.to_string().into_bytes();
            client.try_send(reqwest::Method::POST, "/resource", Some(body))
        });
        cnsp_tests::eventually("the order is at the broker", LONG, || {
            (osb.instances() == 1).then_some(())
        });
        host.kill9();
        assert!(cut.join().unwrap().is_err(), "nobody has answered");
    });
    host.resume();
    let client = host.marketplace().at("osb");
    let answer = client.post("/resource", &body).succeeded();
    let id = answer.text_of("providerinstanceid");
    assert_eq!(answer.text_of("status"), "active");
    let there: Vec<String> = osb.state().instances.keys().cloned().collect();
    assert_eq!(there, [id]);
    assert_eq!(osb.count(Op::Deprovision), 0);
}
