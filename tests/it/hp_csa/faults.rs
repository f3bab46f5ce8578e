//! What goes wrong on the way: judged by what CSA has in the end.

use super::{Customer, LONG, Scene, bought, delete, instance, order, patient, snapshot, update};
use cnsp_tests::client::Client;
use cnsp_tests::hp_csa::{Answers, HpCsa, Op};
use serde_json::{Value, json};

/// Ways in which nobody knows what became of a request. A slow one is in a case of its own.
const LOST: [Answers; 3] =
    [Answers::Hangup, Answers::With(500, "", ""), Answers::With(200, "<html/>", "")];

#[test]
fn everything_is_asked_for_once_whatever_gets_lost() {
    let scene = Scene::start(patient(), "");
    an_order_whose_answer_is_lost_is_found_again(&scene);
    an_order_that_never_arrived_is_sent_again(&scene);
    a_modification_and_a_cancellation_are_found_again(&scene);
    a_deletion_whose_answer_is_lost_is_looked_for(&scene);
}

#[test]
fn what_csa_answers_otherwise_makes_and_loses_nothing() {
    let scene = Scene::start(patient(), "");
    what_csa_refuses_leaves_nothing(&scene);
    a_busy_csa_is_asked_later(&scene);
    polls_that_fail_are_no_failures_of_the_order(&scene);
    a_snapshot_that_fails_counts_for_nothing(&scene);
    attachments_are_passed_over(&scene);
    answers_that_are_none_are_refused(&scene);
}

/// How many requests of this action a customer's people have made.
fn made(csa: &HpCsa, customer: &Customer, action: &str) -> usize {
    let state = csa.state();
    let of = |by: &str| [&customer.ada, &customer.bob].iter().any(|id| *id == by);
    state.service_requests.values().filter(|one| one.action == action && of(&one.by)).count()
}

fn subscriptions(csa: &HpCsa, customer: &Customer) -> usize {
    csa.state().subscriptions.values().filter(|of| of.by == customer.ada).count()
}

fn an_order_whose_answer_is_lost_is_found_again(scene: &Scene) {
    for answers in LOST.into_iter().chain([Answers::Nothing]) {
        let (csa, client, customer) = scene.fresh();
        csa.fault(Op::Submit, true, answers.clone());
        bought(client, &customer);
        assert_eq!(
            (made(csa, &customer, "ORDER"), subscriptions(csa, &customer)),
            (1, 1),
            "{answers:?}"
        );
        assert_eq!(csa.count(Op::Submit), 1);
    }
    // Looking for it fails at first, too.
    let (csa, client, customer) = scene.fresh();
    csa.fault(Op::Submit, true, Answers::Hangup);
    for _ in 0..3 {
        csa.refuse(Op::Requests, 500, "");
    }
    bought(client, &customer);
    assert_eq!((csa.count(Op::Submit), made(csa, &customer, "ORDER")), (1, 1));
}

fn an_order_that_never_arrived_is_sent_again(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    csa.fault(Op::Submit, false, Answers::Hangup);
    csa.fault(Op::Submit, false, Answers::With(503, "", "Retry-After: 0\r\n"));
    bought(client, &customer);
    assert_eq!((csa.count(Op::Submit), made(csa, &customer, "ORDER")), (3, 1));
    // Not for ever.
    let (csa, client, customer) = scene.fresh();
    for _ in 0..3 {
        csa.fault(Op::Submit, false, Answers::Hangup);
    }
    let failed = client.post("/resource", &order(&customer));
    assert_eq!((failed.status, failed.code()), (504, "REQUEST_UNCERTAIN"), "{}", failed.text);
    assert_eq!((csa.count(Op::Submit), made(csa, &customer, "ORDER")), (3, 0));
}

fn a_modification_and_a_cancellation_are_found_again(scene: &Scene) {
    for answers in [Answers::Hangup, Answers::With(200, "<html/>", "")] {
        let (csa, client, customer) = scene.fresh();
        let instance = bought(client, &customer);
        csa.fault(Op::Submit, true, answers.clone());
        client.put("/resource", &update(&customer, &instance, json!("Large"))).succeeded();
        csa.fault(Op::Submit, true, answers);
        delete(client, &customer, &instance).succeeded();
        for action in ["ORDER", "MODIFY_SUBSCRIPTION", "CANCEL_SUBSCRIPTION"] {
            assert_eq!(made(csa, &customer, action), 1, "{action}");
        }
        assert_eq!(subscriptions(csa, &customer), 0);
    }
}

fn a_deletion_whose_answer_is_lost_is_looked_for(scene: &Scene) {
    for (answers, acts) in
        [(Answers::Hangup, true), (Answers::With(500, "", ""), true), (Answers::Hangup, false)]
    {
        let (csa, client, customer) = scene.fresh();
        let instance = bought(client, &customer);
        csa.fault(Op::Delete, acts, answers);
        let deleted = delete(client, &customer, &instance).succeeded();
        assert_eq!(deleted.body().get("leftatprovider"), None, "{}", deleted.text);
        assert_eq!(
            (subscriptions(csa, &customer), csa.count(Op::Delete)),
            (0, if acts { 1 } else { 2 })
        );
    }
}

fn what_csa_refuses_leaves_nothing(scene: &Scene) {
    for (status, expected, text) in [
        (400, 400, "refused (400)"),
        (404, 404, "does not have it"),
        (409, 400, "refused (409)"),
        (302, 502, "no answer to that"),
    ] {
        let (csa, client, customer) = scene.fresh();
        csa.refuse(Op::Submit, status, "<html/>");
        let refused = client.post("/resource", &order(&customer));
        assert_eq!(refused.status, expected, "{}", refused.text);
        assert!(refused.error().contains(text), "{}", refused.text);
        assert_eq!((made(csa, &customer, "ORDER"), csa.count(Op::Submit)), (0, 1));
        assert!(client.resources(&customer.account).is_empty());
    }
    // The endpoint's own credentials are not the customer's; once they are right, the same order works.
    let (csa, client, customer) = scene.fresh();
    csa.refuse(Op::Submit, 403, "");
    let body = order(&customer);
    let refused = client.post("/resource", &body);
    assert!(
        refused.status == 500 && refused.error().contains("own credentials"),
        "{}",
        refused.text
    );
    client.post("/resource", &body).succeeded();
    assert_eq!(made(csa, &customer, "ORDER"), 1);
}

fn a_busy_csa_is_asked_later(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    csa.fault(Op::Submit, false, Answers::With(503, "", "Retry-After: 0\r\n"));
    bought(client, &customer);
    assert_eq!((csa.count(Op::Submit), made(csa, &customer, "ORDER")), (2, 1));
}

fn polls_that_fail_are_no_failures_of_the_order(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    for answers in LOST {
        csa.fault_after(Op::Subscriptions, 0, false, answers);
    }
    csa.fault(Op::Request, false, Answers::With(500, "", ""));
    bought(client, &customer);
    assert_eq!((csa.count(Op::Submit), subscriptions(csa, &customer)), (1, 1));
}

fn a_snapshot_that_fails_counts_for_nothing(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let window = "usage_start_time=2025-01-01T00:00:00Z&usage_end_time=2025-02-01T00:00:00Z";
    csa.state().subscription(&customer.ada, "a", "2025-01-01T00:00:00");
    csa.state().subscription(&customer.bob, "b", "2025-01-01T00:00:00");
    csa.fault_after(Op::Subscriptions, 1, false, Answers::With(400, "", ""));
    assert_eq!(snapshot(client, &customer).status, 400);
    assert!(client.resources(&customer.account).is_empty());
    let bill = client.get(&format!("/billing/{}?{window}", customer.account.id)).succeeded();
    assert_eq!(bill.body()["partial"], true);
    // Whoever cannot be read takes nobody's subscriptions away.
    snapshot(client, &customer).succeeded();
    csa.refuse(Op::Subscriptions, 404, "");
    let taken = snapshot(client, &customer).succeeded();
    assert_eq!(taken.body()["personsnotread"], json!([customer.ada]));
    let active = |client: &Client| {
        let all = client.resources(&customer.account);
        all.iter().filter(|of| of["parameters"]["status"] == "active").count()
    };
    assert_eq!(active(client), 2);
    // A list that says that it was cut takes nothing away, either.
    csa.state().cut = true;
    let gone =
        csa.state().subscriptions.iter().find(|(_, of)| of.by == customer.bob).unwrap().0.clone();
    let kept = csa.state().subscriptions.remove(&gone).unwrap();
    csa.state().subscription(&customer.bob, "c", "2025-01-01T00:00:00");
    snapshot(client, &customer).succeeded();
    assert_eq!(active(client), 3);
    csa.state().cut = false;
    csa.state().subscriptions.insert(gone, kept);
}

fn attachments_are_passed_over(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    csa.state().subscription(&customer.ada, "large", "2025-01-01T00:00:00");
    csa.state().attachment_bytes = 3 << 20;
    let taken = snapshot(client, &customer).succeeded();
    assert_eq!(taken.body()["subscriptions"], 1);
    // More than the host takes in.
    csa.state().attachment_bytes = 5 << 20;
    let refused = snapshot(client, &customer);
    assert_eq!((refused.status, refused.code()), (502, "ANSWER_TOO_LARGE"), "{}", refused.text);
    assert!(refused.error().contains("4.01"), "{}", refused.text);
    csa.state().attachment_bytes = 0;
    snapshot(client, &customer).succeeded();
}

fn answers_that_are_none_are_refused(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    for (body, why) in [
        ("<OrganizationList><organization>", "in the middle"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><OrganizationList>&b;</OrganizationList>", "DTD"),
        ("{\"organization\": []}", "root"),
        ("", "root"),
    ] {
        csa.refuse(Op::Organizations, 200, body);
        let refused = client.get("/account");
        assert_eq!(refused.status, 502, "{}", refused.text);
        assert!(refused.error().contains(why), "{}", refused.text);
    }
    csa.refuse(
        Op::Organization,
        200,
        "<Organization><id>another</id><name>x</name></Organization>",
    );
    let refused = client.get(&format!("/account/{}", customer.account.id));
    assert!(refused.status == 502 && refused.error().contains("not the one"), "{}", refused.text);
}

/// Sends what hangs at CSA, and kills the host while it does.
fn kill_while(scene: &mut Scene, op: Op, method: reqwest::Method, body: &Value) {
    let Scene { csa, host, client } = scene;
    let before = csa.count(op);
    let (csa, client) = (&*csa, &*client);
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| {
            client.try_send(method, "/resource", Some(body.to_string().into_bytes())).is_err()
        });
        cnsp_tests::eventually("it is at CSA", LONG, || (csa.count(op) > before).then_some(()));
        host.kill9();
        assert!(cut.join().unwrap(), "nobody has answered");
    });
    host.resume();
    scene.client = scene.host.marketplace().at("csa");
}

#[test]
fn what_was_at_csa_when_the_host_was_killed_is_done_once() {
    let mut scene = Scene::start(patient(), "");
    // No answer for as long as the host lives.
    let slow = super::QUICK.replace("timeout_ms = \"1000\", ", "");
    super::apply(&scene.host, &scene.csa, scene.csa.identity().pem(), super::LOGIN, &slow);
    let (_, _, customer) = scene.fresh();
    scene.csa.fault(Op::Submit, true, Answers::Nothing);
    let body = order(&customer);
    kill_while(&mut scene, Op::Submit, reqwest::Method::POST, &body);
    let created = scene.client.post("/resource", &body).succeeded();
    let instance = instance(&created);
    assert_eq!(created.text_of("status"), "active");
    assert_eq!(
        (made(&scene.csa, &customer, "ORDER"), subscriptions(&scene.csa, &customer)),
        (1, 1)
    );

    scene.csa.fault(Op::Submit, true, Answers::Nothing);
    let body = cnsp_tests::bodies::deletion(&customer.account, "delete-killed", &instance.id);
    kill_while(&mut scene, Op::Submit, reqwest::Method::DELETE, &body);
    scene.client.delete("/resource", &body).succeeded();
    super::becomes(&scene.client, &instance.id, "cancel");
    assert_eq!(made(&scene.csa, &customer, "CANCEL_SUBSCRIPTION"), 1);

    // A request that waits is cancelled by a GET, which is taken down like any other change.
    scene.csa.state().approval = true;
    let body = order(&customer);
    let pending = std::thread::scope(|scope| {
        let (client, csa) = (&scene.client, &scene.csa);
        let waits = scope.spawn(|| client.post("/resource", &body));
        let id = cnsp_tests::eventually("it waits", LONG, || {
            let all = client.resources(&customer.account);
            let waiting = all.iter().find(|of| of["parameters"]["status"] == "pending")?;
            Some(waiting["parameters"]["providerinstanceid"].as_str()?.to_owned())
        });
        csa.fault(Op::CancelRequest, true, Answers::Hangup);
        let deletion = cnsp_tests::bodies::deletion(&customer.account, "delete-waiting", &id);
        client.delete("/resource", &deletion).succeeded();
        waits.join().unwrap();
        id
    });
    super::becomes(&scene.client, &pending, "cancel");
    let ended = cnsp_tests::eventually("the order has ended, too", LONG, || {
        let answer = scene.client.post("/resource", &body);
        (answer.body()["status"] != "pending").then_some(answer)
    });
    assert_ne!(ended.result()["success"], true, "{}", ended.text);
    assert_eq!(scene.csa.count(Op::CancelRequest), 1);
}
