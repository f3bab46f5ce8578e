//! Subscriptions: ordered, approved or not, modified, cancelled.

use super::{
    Customer, Scene, becomes, bought, delete, impatient, instance, order, patient, snapshot, update,
};
use crate::check;
use cnsp_tests::bodies::{action, unique};
use cnsp_tests::hp_csa::{CATALOG, HpCsa, MAIL, Op};
use serde_json::{Value, json};

#[test]
fn a_subscription_is_ordered_modified_and_cancelled() {
    let scene = Scene::start(patient(), "");
    an_order_is_a_request_and_then_a_subscription(&scene);
    a_modification_is_a_request(&scene);
    a_deletion_cancels_and_deletes(&scene);
    what_csa_does_not_delete_is_told(&scene);
    what_cannot_be_ordered_is_refused(&scene);
    what_fails_is_cancelled(&scene);
    what_csa_has_no_call_for_is_refused(&scene);
}

fn an_order_is_a_request_and_then_a_subscription(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let mut body = order(&customer);
    body["parameters"]["additionalparameters"] = json!({
        "instancename": "Ada's <server>", "startdate": "2026-06-30T22:00:00+00:00",
        "enddate": "2100-01-01T00:00:00+00:00", "costcenter": "4711",
    });
    let large = json!({ "option": "Large", "properties": { "Memory": 8192 } });
    body["parameters"]["customoption1"] = json!({ "title": "Size", "value": large });
    let created = client.post("/resource", &body).succeeded();
    check("hp_csa.post_resource", &created);
    let again = client.post("/resource", &body).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(csa.count(Op::Submit), 1);
    let sent = csa.bodies(Op::Submit).remove(0);
    let id = created.text_of("providerinstanceid");
    for part in [
        "<name>ORDER</name>",
        "<value>Ada&apos;s &lt;server&gt;</value>",
        "<value>2026-07-01T00:00:00.000+02:00</value>",
        "<name>mem;1</name><values><value>8192</value></values>",
        &format!("<name>SERVICE_DESCRIPTION</name><values><value>cnsp:{id}</value></values>"),
    ] {
        assert!(sent.contains(part), "{part} is not in {sent}");
    }
    // Who has asked signs in, and the order is that person's.
    let state = csa.state();
    let ordered: Vec<_> =
        state.service_requests.values().filter(|one| one.by == customer.ada).collect();
    assert_eq!((ordered.len(), ordered[0].action.as_str()), (1, "ORDER"));
    drop(state);
    let got = client.get(&format!("/resource/{id}")).succeeded();
    check("hp_csa.get_resource_id", &got);
    check("hp_csa.get_health_id", &client.get(&format!("/health/{id}")).succeeded());
    let all = client.get(&format!("/resource/{}", customer.account.id)).succeeded();
    check("hp_csa.get_resource", &all);
    // The same subscription is not found a second time by a snapshot.
    snapshot(client, &customer).succeeded();
    assert_eq!(client.resources(&customer.account).len(), 1);
}

fn a_modification_is_a_request(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let instance = bought(client, &customer);
    let mut body = update(&customer, &instance, json!("Large"));
    body["additionalparameters"] = json!({ "instancename": "larger" });
    let changed = client.put("/resource", &body).succeeded();
    check("hp_csa.put_resource", &changed);
    let sent = csa.bodies(Op::Submit).pop().unwrap();
    for part in [
        "<name>MODIFY_SUBSCRIPTION</name>",
        "<name>large</name><isSelected>true</isSelected>",
        &format!("<artifactContext><id>{}</id>", instance.subscription),
    ] {
        assert!(sent.contains(part), "{part} is not in {sent}");
    }
    let got = client.get(&format!("/resource/{}", instance.id)).succeeded();
    let shown = &got.body()["resourceinfo"];
    assert_eq!(shown["parameters"]["instancename"], "larger");
    assert_eq!(shown["parameters"]["customparam1"], "Large");
    assert_eq!(shown["additionalparameters"]["recurringprice"], "247.5");
    assert_eq!(shown["additionalparameters"]["reservation"]["CPU"], 4);
    for (change, text) in [
        (json!({}), "nothing to change"),
        (json!({ "license": 2 }), "has to be 1"),
        (json!({ "customparam1": "Huge" }), "one of Small, Large"),
        (json!({ "customparam9": "Large" }), "no option"),
    ] {
        let mut body = update(&customer, &instance, json!("Large"));
        body["parameters"] = change;
        let refused = client.put("/resource", &body);
        assert!(refused.status == 400 && refused.error().contains(text), "{}", refused.text);
    }
    assert_eq!(csa.count(Op::Submit), 2);
}

fn a_deletion_cancels_and_deletes(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let instance = bought(client, &customer);
    let other = scene.fresh().2;
    let stranger = delete(client, &other, &instance);
    assert_eq!(stranger.status, 403, "{}", stranger.text);
    let deleted = delete(client, &customer, &instance).succeeded();
    check("hp_csa.delete_resource", &deleted);
    let state = csa.state();
    assert!(!state.subscriptions.contains_key(&instance.subscription));
    let actions: Vec<&str> = state
        .service_requests
        .values()
        .filter(|one| one.by == customer.ada)
        .map(|one| one.action.as_str())
        .collect();
    assert_eq!(actions, ["ORDER", "CANCEL_SUBSCRIPTION"]);
    drop(state);
    assert_eq!(client.status(&instance.id), "cancel");
    let asked = csa.asked().len();
    delete(client, &customer, &instance).succeeded();
    assert_eq!(csa.asked().len(), asked, "what is deleted is not deleted again");
    let refused = client.put("/resource", &update(&customer, &instance, json!("Large")));
    assert!(refused.status == 409 && refused.error().contains("deleted"), "{}", refused.text);
}

fn what_csa_does_not_delete_is_told(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let instance = bought(client, &customer);
    csa.state().undeletable.push(instance.subscription.clone());
    let deleted = delete(client, &customer, &instance).succeeded();
    assert!(deleted.text_of("leftatprovider").contains("still lists"), "{}", deleted.text);
    // It was answered with 200 each time, and its XML was read.
    assert_eq!(csa.count(Op::Delete), 3);
    assert_eq!(csa.state().subscriptions[&instance.subscription].status, "CANCELLED");
    assert_eq!(client.status(&instance.id), "cancel");
}

fn what_cannot_be_ordered_is_refused(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let with = |pointer: &str, value: Value| {
        let mut body = order(&customer);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let mut nobody = order(&customer);
    nobody["requestor"].as_object_mut().unwrap().remove("userid");
    let mut optional = order(&customer);
    optional["parameters"]["sku"] = json!(format!("{CATALOG}/{MAIL}"));
    optional["parameters"]["customoption1"] = json!({ "value": "Large" });
    let cases = [
        (with("/parameters/sku", json!("nowhere/nothing")), 400, "no offering"),
        (with("/parameters/sku", json!(format!("{CATALOG}/nothing"))), 400, "no offering"),
        (with("/parameters/sku", json!(format!("{CATALOG}/../../login"))), 400, "no offering"),
        (with("/parameters/licenseQuantity", json!(2)), 400, "has to be 1"),
        (with("/resource/type", json!("iaas")), 400, "`saas`"),
        (with("/requestor/userid", json!("nobody")), 400, "no user `nobody`"),
        (with("/requestor/provideraccountid", json!("nowhere")), 404, "doesn't exist"),
        (
            with("/parameters/additionalparameters", json!({ "startdate": "soon" })),
            400,
            "`startdate`",
        ),
        (
            with("/parameters/additionalparameters", json!({ "instancename": "" })),
            400,
            "`instancename`",
        ),
        (nobody, 400, "names no user"),
        (optional, 400, "it has none"),
    ];
    for (body, status, text) in cases {
        let refused = client.post("/resource", &body);
        assert_eq!(refused.status, status, "{text}: {}", refused.text);
        assert!(refused.error().contains(text), "{text}: {}", refused.text);
    }
    assert_eq!(csa.count(Op::Submit), 0);
    assert!(client.resources(&customer.account).is_empty());
}

fn what_fails_is_cancelled(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    csa.state().outcome = "FAILED";
    let failed = client.post("/resource", &order(&customer));
    check("hp_csa.post_resource.error", &failed);
    assert_eq!((failed.status, failed.code()), (502, "DEPLOYMENT_FAILED"));
    // Nothing is left of it that takes room, and nothing is billed.
    let left = csa.state().subscriptions.values().filter(|of| of.by == customer.ada).count();
    assert_eq!(left, 0);
    let all = client.resources(&customer.account);
    assert_eq!((all.len(), &all[0]["parameters"]["status"]), (1, &json!("cancel")));
    snapshot(client, &customer).succeeded();
    let bill = client.get(&format!("/billing/{}", customer.account.id)).succeeded();
    assert_eq!(bill.body()["usagefeed"], json!([]));
}

fn what_csa_has_no_call_for_is_refused(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let instance = bought(client, &customer);
    let asked = csa.asked().len();
    for (what, status) in [("update.suspend", 501), ("update.reactivate", 501), ("explode", 400)] {
        let refused =
            client.put("/resource", &action(&customer.account, &unique("act"), &instance, what));
        assert_eq!(refused.status, status, "{}", refused.text);
    }
    assert_eq!(csa.asked().len(), asked);
    // Paused in CSA it is suspended.
    csa.state().change(&instance.subscription).status = "PAUSED";
    assert_eq!(client.status(&instance.id), "suspended");
}

#[test]
fn what_waits_for_an_approval_is_pending() {
    let scene = Scene::start(impatient(), "buyer = \"ada\"");
    an_approved_order_goes_on(&scene);
    a_denied_order_is_nothing(&scene);
    an_order_that_waits_can_be_cancelled(&scene);
    an_order_that_was_approved_meanwhile_is_cancelled_too(&scene);
    a_denied_modification_changes_nothing(&scene);
    a_denied_cancellation_leaves_it_running(&scene);
}

/// An order that waits, by whom the setting names.
fn waiting(scene: &Scene, customer: &Customer) -> (Value, String) {
    scene.csa.state().approval = true;
    let mut body = order(customer);
    body["requestor"].as_object_mut().unwrap().remove("userid");
    let answer = scene.client.post("/resource", &body).succeeded();
    assert_eq!(answer.text_of("status"), "pending");
    let id = answer.text_of("providerinstanceid");
    assert_eq!(scene.client.status(&id), "pending");
    (body, id)
}

/// The answer to a request once it is not pending any more.
fn outcome(scene: &Scene, method: &str, body: &Value) -> cnsp_tests::client::Answer {
    cnsp_tests::eventually("it has come to something", super::LONG, || {
        let answer = match method {
            "post" => scene.client.post("/resource", body),
            "put" => scene.client.put("/resource", body),
            _ => scene.client.delete("/resource", body),
        };
        (answer.body()["status"] != "pending").then_some(answer)
    })
}

/// Waits until CSA was sent so many requests.
fn asked_for(csa: &HpCsa, count: usize) {
    cnsp_tests::eventually("it is asked for", super::LONG, || {
        (csa.count(Op::Submit) == count).then_some(())
    });
}

fn an_approved_order_goes_on(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let (body, id) = waiting(scene, &customer);
    assert!(csa.state().subscriptions.values().all(|of| of.by != customer.ada));
    csa.state().decide(true);
    becomes(client, &id, "active");
    let answer = outcome(scene, "post", &body).succeeded();
    assert_eq!(answer.text_of("status"), "active");
    assert_eq!(csa.count(Op::Submit), 1);
}

fn a_denied_order_is_nothing(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let (body, id) = waiting(scene, &customer);
    csa.state().decide(false);
    becomes(client, &id, "cancel");
    let answer = outcome(scene, "post", &body);
    check("hp_csa.post_resource.error.denied", &answer);
    assert_eq!((answer.status, answer.code()), (403, "REJECTED"));
    assert!(csa.state().subscriptions.values().all(|of| of.by != customer.ada));
    let mut again = order(&customer);
    again["requestor"] = body["requestor"].clone();
    csa.state().approval = false;
    let bought = instance(&scene.client.post("/resource", &again).succeeded());
    becomes(client, &bought.id, "active");
    let bill = client.get(&format!("/billing/{id}")).succeeded();
    assert_eq!(bill.body()["usagefeed"], json!([]));
}

fn an_order_that_waits_can_be_cancelled(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let (body, id) = waiting(scene, &customer);
    let deletion = cnsp_tests::bodies::deletion(&customer.account, &unique("delete"), &id);
    client.delete("/resource", &deletion).succeeded();
    becomes(client, &id, "cancel");
    outcome(scene, "delete", &deletion).succeeded();
    // By the GET that changes something, once.
    assert_eq!((csa.count(Op::CancelRequest), csa.count(Op::Delete)), (1, 0));
    let state = csa.state();
    let ordered = state.service_requests.values().find(|one| one.by == customer.ada).unwrap();
    assert_eq!((ordered.state, ordered.action.as_str()), ("CANCELLED", "ORDER"));
    drop(state);
    let answer = outcome(scene, "post", &body);
    assert_ne!(answer.result()["success"], true, "{}", answer.text);
}

fn an_order_that_was_approved_meanwhile_is_cancelled_too(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let (_, id) = waiting(scene, &customer);
    csa.state().outcome = "DEPLOYING";
    csa.state().decide(true);
    csa.state().approval = false;
    let deletion = cnsp_tests::bodies::deletion(&customer.account, &unique("delete"), &id);
    client.delete("/resource", &deletion);
    becomes(client, &id, "cancel");
    outcome(scene, "delete", &deletion).succeeded();
    let left = csa.state().subscriptions.values().filter(|of| of.by == customer.ada).count();
    assert_eq!(left, 0);
}

fn a_denied_modification_changes_nothing(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let mut body = order(&customer);
    body["requestor"].as_object_mut().unwrap().remove("userid");
    let instance = instance(&client.post("/resource", &body).succeeded());
    becomes(client, &instance.id, "active");
    csa.state().approval = true;
    let body = update(&customer, &instance, json!("Large"));
    assert_eq!(client.put("/resource", &body).body()["status"], "pending");
    asked_for(csa, 2);
    csa.state().decide(false);
    let refused = outcome(scene, "put", &body);
    check("hp_csa.put_resource.error", &refused);
    assert_eq!(refused.status, 403);
    assert_eq!(client.status(&instance.id), "active");
    let state = csa.state();
    let of = state.subscriptions.values().find(|of| of.by == customer.ada).unwrap();
    assert_eq!(of.recurring, Some("150.0"));
}

fn a_denied_cancellation_leaves_it_running(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let mut body = order(&customer);
    body["requestor"].as_object_mut().unwrap().remove("userid");
    let instance = instance(&client.post("/resource", &body).succeeded());
    becomes(client, &instance.id, "active");
    csa.state().approval = true;
    let body = cnsp_tests::bodies::deletion(&customer.account, &unique("delete"), &instance.id);
    client.delete("/resource", &body);
    asked_for(csa, 2);
    csa.state().decide(false);
    let refused = outcome(scene, "delete", &body);
    assert!(refused.status == 403 && refused.error().contains("goes on"), "{}", refused.text);
    assert_eq!(client.status(&instance.id), "active");
}
