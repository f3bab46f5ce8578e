//! Licences: metered from the order to the deletion, and nothing twice.

use super::{LICENCES, Scene, act, bought, delete, instance, order, parameters, storage, update};
use crate::check;
use cnsp_tests::abacus::{Op, Span};
use cnsp_tests::bodies::{action, resource, unique};
use serde_json::{Value, json};

#[test]
fn licences_are_metered_for_as_long_as_they_are_had() {
    let scene = Scene::start();
    an_order_begins_metering_once(&scene);
    a_consumer_is_of_one_form_or_the_other(&scene);
    an_update_ends_and_begins_at_the_same_moment(&scene);
    suspending_ends_metering_and_reactivating_begins_it(&scene);
    a_deletion_ends_metering(&scene);
    what_somebody_else_has_begun_is_not_taken_for_ours(&scene);
    what_was_not_metered_is_not_hidden(&scene);
    what_only_usage_is_pushed_of_is_not_sampled(&scene);
}

fn an_order_begins_metering_once(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let mut body = order(&account, 3);
    body["parameters"]["customoption1"] = json!({ "title": "Colour", "value": "blue" });
    let created = client.post("/resource", &body).succeeded();
    check("abacus.post_resource", &created);
    let again = client.post("/resource", &body).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let running = abacus.running();
    assert_eq!((running.len(), running[0].quantity(), abacus.count(Op::Start)), (1, 3, 1));
    // Abacus's word for "none" is in its own documents, and nowhere else.
    let na = json!([account.id, "na", "na", "editor", "standard", "na"]);
    assert_eq!(running[0].target, na);
    let instance = instance(&created);
    let got = client.get(&format!("/resource/{}", instance.id)).succeeded();
    check("abacus.get_resource_id", &got);
    assert!(!got.text.contains("\"na\""), "{}", got.text);
    assert_eq!(client.resources(&account).len(), 1);
    check("abacus.get_health_id", &client.get(&format!("/health/{}", instance.id)).succeeded());
    for (sku, licences, text) in
        [("editor/gold", 1, "no offering"), (LICENCES, 0, "licenseQuantity")]
    {
        let refused =
            client.post("/resource", &resource(&account, &unique("order"), sku, licences));
        assert!(refused.status == 400 && refused.error().contains(text), "{}", refused.text);
    }
    assert_eq!(abacus.count(Op::Start), 1);
}

fn a_consumer_is_of_one_form_or_the_other(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let with = |more: Value| {
        let mut body = order(&account, 1);
        body["parameters"]["additionalparameters"] = more;
        client.post("/resource", &body)
    };
    // An application, and the binding of a service key; ids are opaque.
    let space = "d98b5916-3c77-44b9-ac12-04456df23eae";
    let first = with(json!({ "spaceid": space, "appid": "78edaba" })).succeeded();
    let second = with(json!({ "spaceid": space, "bindingid": "b/1", "serviceinstanceid": "ß" }));
    let second = instance(&second.succeeded());
    let first = instance(&first);
    let targets: Vec<Value> = abacus.running().into_iter().map(|span| span.target).collect();
    assert_eq!(
        targets,
        [
            json!([account.id, space, "app:78edaba", "editor", "standard", first.id]),
            json!([account.id, space, "b/1", "editor", "standard", "ß"]),
        ]
    );
    let got = client.get(&format!("/resource/{}", second.id)).succeeded();
    let shown = &got.body()["resourceinfo"]["additionalparameters"];
    assert_eq!((&shown["bindingid"], &shown["spaceid"]), (&json!("b/1"), &json!(space)));
    for (mixed, text) in [
        (json!({ "spaceid": space }), "mixed"),
        (json!({ "appid": "a" }), "mixed"),
        (json!({ "serviceinstanceid": "i" }), "mixed"),
        (json!({ "spaceid": "na", "appid": "a" }), "cannot be `na`"),
        (json!({ "spaceid": space, "bindingid": "NA" }), "cannot be `NA`"),
        (json!({ "spaceid": space, "appid": "a", "bindingid": "b" }), "Send one"),
        (json!({ "spaceid": space, "bindingid": "app:a" }), "as `appid`"),
        (json!({ "spaceid": space, "appid": "app:a" }), "guid alone"),
        (json!({ "spaceid": space, "appid": "a\nb" }), "no id"),
        (json!({ "spaceid": space, "appid": "" }), "no id"),
        (json!({ "spaceid": 7, "appid": "a" }), "has to be a text"),
    ] {
        let refused = with(mixed.clone());
        assert_eq!(refused.status, 400, "{mixed}: {}", refused.text);
        assert!(refused.error().contains(text), "{mixed}: {}", refused.text);
    }
    let moved = {
        let mut body = action(&account, &unique("u"), &first, "update");
        body["additionalparameters"] = json!({ "spaceid": "another" });
        client.put("/resource", &body)
    };
    assert!(moved.status == 400 && moved.error().contains("cannot change"), "{}", moved.text);
    assert_eq!(abacus.count(Op::Start), 2);
}

/// All spans of one target, whose ends meet, and of which only the last may be running.
fn check_chain(spans: &[Span], quantities: &[u64]) {
    let found: Vec<u64> = spans.iter().map(Span::quantity).collect();
    assert_eq!(found, quantities);
    for pair in spans.windows(2) {
        assert_eq!(pair[0].target, pair[1].target);
        let end = pair[0].end.as_ref().map(|(_, at)| *at);
        assert_eq!(end, Some(pair[1].start), "one ends when the next begins");
    }
}

fn an_update_ends_and_begins_at_the_same_moment(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] = json!({ "license": 5, "customparam1": "green" });
    check("abacus.put_resource", &client.put("/resource", &body).succeeded());
    client.put("/resource", &body).succeeded();
    check_chain(&abacus.state().spans, &[2, 5]);
    assert_eq!((abacus.count(Op::Stop), abacus.count(Op::Start)), (1, 2));
    let now = parameters(client, &instance);
    assert_eq!((&now["license"], &now["customparam1"]), (&json!(5), &json!("green")));
    // The same number again is no change.
    update(client, &account, &instance, 5).succeeded();
    assert_eq!(abacus.running().len(), 1);
    assert_eq!(abacus.count(Op::Stop), 1);
    let refused = update(client, &account, &instance, 0);
    assert!(refused.status == 400 && refused.error().contains("`license`"), "{}", refused.text);
}

fn suspending_ends_metering_and_reactivating_begins_it(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let suspended = act(client, &account, &instance, "update.suspend").succeeded();
    check("abacus.put_resource.suspend", &suspended);
    assert!(abacus.running().is_empty());
    act(client, &account, &instance, "update.suspend").succeeded();
    assert_eq!(client.status(&instance.id), "suspended");
    // Licences of what is not metered are only a number.
    update(client, &account, &instance, 4).succeeded();
    assert_eq!((abacus.count(Op::Start), abacus.count(Op::Stop)), (1, 1));
    act(client, &account, &instance, "update.reactivate").succeeded();
    act(client, &account, &instance, "update.reactivate").succeeded();
    assert_eq!(client.status(&instance.id), "active");
    let running = abacus.running();
    assert_eq!((running.len(), running[0].quantity()), (1, 4));
    assert_eq!(abacus.count(Op::Start), 2);
    let refused = act(client, &account, &instance, "update.explode");
    assert!(refused.status == 400 && refused.error().contains("usage.push"), "{}", refused.text);
}

fn a_deletion_ends_metering(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    check("abacus.delete_resource", &delete(client, &account, &instance).succeeded());
    assert!(abacus.running().is_empty());
    assert_eq!(client.status(&instance.id), "cancel");
    delete(client, &account, &instance).succeeded();
    for what in ["update.suspend", "update.reactivate"] {
        assert_eq!(act(client, &account, &instance, what).status, 409);
    }
    assert_eq!(abacus.count(Op::Stop), 1);
    // What was suspended is not metered, so that nothing is left to end.
    let instance = bought(client, &account, 2);
    act(client, &account, &instance, "update.suspend").succeeded();
    delete(client, &account, &instance).succeeded();
    assert_eq!((abacus.count(Op::Stop), abacus.running().len()), (2, 0));
}

/// Somebody's span of what the next order would meter.
fn others_span(account: &cnsp_tests::bodies::Account) -> Span {
    Span {
        target: json!([account.id, "na", "na", "editor", "standard", "na"]),
        measured: json!([{ "measure": "licences", "quantity": 99 }]),
        start_id: "somebody-elses".to_owned(),
        start: cnsp_tests::abacus::now_ms() - 1000,
        end: None,
    }
}

fn what_somebody_else_has_begun_is_not_taken_for_ours(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    abacus.state().spans.push(others_span(&account));
    let refused = client.post("/resource", &order(&account, 2));
    check("abacus.post_resource.error", &refused);
    assert_eq!((refused.status, refused.code()), (409, "ALREADY_METERED"));
    assert!(client.resources(&account).is_empty());
    let running = abacus.running();
    assert_eq!((running.len(), running[0].quantity()), (1, 99));
    assert_eq!(abacus.count(Op::Stop), 0);
    // Nor one of our own that another order has begun.
    abacus.state().spans.clear();
    let first = bought(client, &account, 1);
    let refused = client.post("/resource", &order(&account, 2));
    assert_eq!((refused.status, refused.code()), (409, "ALREADY_METERED"), "{}", refused.text);
    assert!(refused.error().contains(&first.id), "{}", refused.text);
    // And not for a reactivation.
    act(client, &account, &first, "update.suspend").succeeded();
    abacus.state().spans.push(others_span(&account));
    let refused = act(client, &account, &first, "update.reactivate");
    assert_eq!((refused.status, refused.code()), (409, "ALREADY_METERED"), "{}", refused.text);
    assert_eq!(client.status(&first.id), "suspended");
}

fn what_was_not_metered_is_not_hidden(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let lost = bought(client, &account, 2);
    // Somebody has ended it behind our back.
    abacus.state().spans.clear();
    update(client, &account, &lost, 3).succeeded();
    let running = abacus.running();
    assert_eq!((running.len(), running[0].quantity()), (1, 3));
    let health = client.get(&format!("/health/{}", lost.id)).succeeded();
    assert_eq!(health.body()["status"], "degraded");
    let check = &health.body()["checks"][1];
    assert!(check["detail"].as_str().unwrap().contains("not metering"), "{}", health.text);
    abacus.state().spans.clear();
    delete(client, &account, &lost).succeeded();
    let got = client.get(&format!("/resource/{}", lost.id)).succeeded();
    let more = &got.body()["resourceinfo"]["additionalparameters"];
    assert!(more["meteringgap"].is_string(), "{}", got.text);
    assert_eq!(client.status(&lost.id), "cancel");
}

fn what_only_usage_is_pushed_of_is_not_sampled(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = storage(client, &account);
    update(client, &account, &instance, 7).succeeded();
    act(client, &account, &instance, "update.suspend").succeeded();
    act(client, &account, &instance, "update.reactivate").succeeded();
    assert_eq!(parameters(client, &instance)["license"], 7);
    delete(client, &account, &instance).succeeded();
    assert_eq!((abacus.count(Op::Start), abacus.count(Op::Stop)), (0, 0));
}
