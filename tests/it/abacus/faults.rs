//! What goes wrong while metering begins or ends: judged by what Abacus meters in the end.

use super::{OFFERINGS, Scene, act, apply, bought, delete, order, update};
use cnsp_tests::abacus::{Answers, LOGIN, Op, Span};
use cnsp_tests::bodies::{Account, deletion, unique};
use cnsp_tests::client::Client;
use serde_json::json;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// Quick ways in which nobody knows what became of a request. A slow one is in a case of its own.
const LOST: [Answers; 2] = [Answers::Hangup, Answers::With(500, "", "")];

#[test]
fn metering_is_begun_and_ended_once_whatever_gets_lost() {
    let scene = Scene::start();
    an_order_whose_answer_is_lost_is_metered_once(&scene);
    an_order_that_gets_no_answer_stays_pending_until_it_does(&scene);
    an_end_whose_answer_is_lost_is_an_end(&scene);
    an_update_that_is_cut_goes_on_at_its_own_moment(&scene);
}

#[test]
fn what_abacus_refuses_leaves_what_was() {
    let scene = Scene::start();
    a_refused_order_leaves_nothing(&scene);
    an_order_is_not_sent_again_with_a_token_that_has_ended(&scene);
    a_refused_end_leaves_it_metered(&scene);
    an_update_whose_beginning_is_refused_is_undone(&scene);
    an_update_that_cannot_be_undone_is_suspended(&scene);
    a_busy_sampler_is_asked_later(&scene);
}

fn an_order_whose_answer_is_lost_is_metered_once(scene: &Scene) {
    for answers in LOST {
        for acts in [true, false] {
            let (abacus, client, account) = scene.fresh();
            abacus.fault(Op::Start, acts, answers.clone());
            bought(client, &account, 2);
            assert_eq!((abacus.running().len(), abacus.spans()), (1, 1));
            let events = abacus.bodies(Op::Start);
            assert_eq!(events.len(), 2);
            assert_eq!(events[0], events[1], "the same event is sent again");
        }
    }
    // The answer is lost, and then there is no time for the same again: it may have begun all the same.
    let (abacus, client, account) = scene.fresh();
    abacus.fault(Op::Start, true, Answers::Hangup);
    abacus.fault(Op::Start, false, Answers::With(503, "", ""));
    bought(client, &account, 2);
    assert_eq!((abacus.spans(), abacus.count(Op::Start)), (1, 3));
}

fn an_order_that_gets_no_answer_stays_pending_until_it_does(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    for answers in [Answers::Nothing, Answers::Hangup, Answers::Hangup, Answers::Hangup] {
        abacus.fault(Op::Start, true, answers);
    }
    bought(client, &account, 2);
    let events = abacus.bodies(Op::Start);
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| *event == events[0]), "{events:?}");
    assert_eq!(abacus.spans(), 1);
}

fn an_end_whose_answer_is_lost_is_an_end(scene: &Scene) {
    for answers in LOST {
        let (abacus, client, account) = scene.fresh();
        let instance = bought(client, &account, 2);
        abacus.fault(Op::Stop, true, answers.clone());
        act(client, &account, &instance, "update.suspend").succeeded();
        assert!(abacus.running().is_empty());
        abacus.fault(Op::Start, true, answers.clone());
        act(client, &account, &instance, "update.reactivate").succeeded();
        assert_eq!(abacus.running().len(), 1);
        abacus.fault(Op::Stop, false, answers.clone());
        abacus.fault(Op::Stop, true, answers);
        delete(client, &account, &instance).succeeded();
        assert_eq!((abacus.running().len(), abacus.spans()), (0, 2));
        let health = client.get(&format!("/health/{}", instance.id)).succeeded();
        assert_eq!(health.body()["checks"][1]["healthy"], true, "{}", health.text);
    }
}

/// The ends of what was and the beginnings of what is, which have to meet.
fn chain(spans: &[Span]) -> Vec<u64> {
    for pair in spans.windows(2) {
        assert_eq!(pair[0].end.as_ref().map(|(_, at)| *at), Some(pair[1].start));
    }
    assert!(spans.last().is_some_and(|span| span.end.is_none()));
    spans.iter().map(Span::quantity).collect()
}

fn an_update_that_is_cut_goes_on_at_its_own_moment(scene: &Scene) {
    for (op, acts) in [(Op::Stop, true), (Op::Stop, false), (Op::Start, true), (Op::Start, false)] {
        let (abacus, client, account) = scene.fresh();
        let instance = bought(client, &account, 2);
        // Twice in one call, and once more in the next.
        for _ in 0..3 {
            abacus.fault(op, acts, Answers::Hangup);
        }
        update(client, &account, &instance, 5).succeeded();
        assert_eq!(chain(&abacus.state().spans), [2, 5], "{op:?} {acts}");
    }
}

fn a_refused_order_leaves_nothing(scene: &Scene) {
    for (status, expected, text) in [
        (400, 400, "refused (400)"),
        (401, 500, "own credentials"),
        (403, 500, "own credentials"),
        (409, 409, "somebody"),
        (415, 400, "refused (415)"),
        (422, 502, "clock"),
    ] {
        let (abacus, client, account) = scene.fresh();
        // As often as there is another token for it.
        for _ in 0..if status == 401 { 4 } else { 1 } {
            abacus.refuse(Op::Start, status, "{}");
        }
        let body = order(&account, 2);
        let refused = client.post("/resource", &body);
        assert_eq!(refused.status, expected, "{status}: {}", refused.text);
        let text = if status == 409 { "not this marketplace's" } else { text };
        assert!(refused.error().contains(text), "{status}: {}", refused.text);
        assert!(abacus.spans() == 0 && client.resources(&account).is_empty());
    }
}

fn an_order_is_not_sent_again_with_a_token_that_has_ended(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    abacus.refuse(Op::Start, 403, "{}");
    let body = order(&account, 2);
    assert_eq!(client.post("/resource", &body).status, 500);
    // Its vendor lets it do more, and the customer asks for the same again.
    abacus.revoke_tokens();
    client.post("/resource", &body).succeeded();
    assert_eq!((abacus.running().len(), abacus.spans()), (1, 1));
}

fn a_refused_end_leaves_it_metered(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    for status in [400, 403] {
        abacus.refuse(Op::Stop, status, "{}");
        assert!(act(client, &account, &instance, "update.suspend").status >= 400);
        abacus.refuse(Op::Stop, status, "{}");
        assert!(update(client, &account, &instance, 3).status >= 400);
        abacus.refuse(Op::Stop, status, "{}");
        assert!(delete(client, &account, &instance).status >= 400);
    }
    assert_eq!(client.status(&instance.id), "active");
    assert_eq!(chain(&abacus.state().spans), [2]);
}

fn an_update_whose_beginning_is_refused_is_undone(scene: &Scene) {
    for status in [400, 409, 422] {
        let (abacus, client, account) = scene.fresh();
        let instance = bought(client, &account, 2);
        abacus.refuse(Op::Start, status, "{}");
        let refused = update(client, &account, &instance, 5);
        assert!(refused.error().contains("licences are as before"), "{status}: {}", refused.text);
        assert_eq!(chain(&abacus.state().spans), [2, 2], "{status}");
        assert_eq!(super::parameters(client, &instance)["license"], 2);
        assert_eq!(client.status(&instance.id), "active");
    }
}

fn an_update_that_cannot_be_undone_is_suspended(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    abacus.refuse(Op::Start, 409, "");
    abacus.refuse(Op::Start, 409, "");
    let refused = update(client, &account, &instance, 5);
    assert!(refused.error().contains("reactivate it"), "{}", refused.text);
    assert!(abacus.running().is_empty());
    assert_eq!(client.status(&instance.id), "suspended");
    let health = client.get(&format!("/health/{}", instance.id)).succeeded();
    assert_eq!(health.body()["status"], "degraded");
    act(client, &account, &instance, "update.reactivate").succeeded();
    let running = abacus.running();
    assert_eq!((running.len(), running[0].quantity()), (1, 2));
}

fn a_busy_sampler_is_asked_later(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    let busy = Answers::With(503, "", "Retry-After: 0\r\n");
    let instance = bought(client, &account, 2);
    abacus.fault(Op::Start, false, busy.clone());
    update(client, &account, &instance, 5).succeeded();
    assert_eq!(chain(&abacus.state().spans), [2, 5]);
    abacus.fault(Op::Stop, false, busy);
    delete(client, &account, &instance).succeeded();
    assert!(abacus.running().is_empty());
}

/// Sends what hangs at Abacus, and kills the host while it does.
fn kill_while(scene: &mut Scene, op: Op, send: impl FnOnce(&Client) + Send) {
    let Scene { abacus, host, client } = scene;
    let before = abacus.count(op);
    let (abacus, client) = (&*abacus, &*client);
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| send(client));
        cnsp_tests::eventually("it is at Abacus", LONG, || {
            (abacus.count(op) > before).then_some(())
        });
        host.kill9();
        cut.join().unwrap();
    });
    host.resume();
    scene.client = scene.host.marketplace().at("abacus");
}

fn cut(client: &Client, method: reqwest::Method, body: &serde_json::Value) {
    let sent = client.try_send(method, "/resource", Some(body.to_string().into_bytes()));
    assert!(sent.is_err(), "nobody has answered");
}

#[test]
fn what_was_at_abacus_when_the_host_was_killed_is_done_once() {
    let mut scene = Scene::start();
    // No answer for as long as the host lives.
    let slow = "retry_ms = \"1\", settle_ms = \"300\"";
    apply(&scene.host, &scene.abacus.origin(), LOGIN, OFFERINGS, slow);
    let (_, _, account): (_, _, Account) = scene.fresh();
    scene.abacus.fault(Op::Start, true, Answers::Nothing);
    let body = order(&account, 2);
    kill_while(&mut scene, Op::Start, |client| cut(client, reqwest::Method::POST, &body));
    let created = scene.client.post("/resource", &body).succeeded();
    let instance = super::instance(&created);
    assert_eq!((scene.abacus.running().len(), scene.abacus.spans()), (1, 1));

    scene.abacus.fault(Op::Stop, true, Answers::Nothing);
    let body = deletion(&account, &unique("delete"), &instance.id);
    kill_while(&mut scene, Op::Stop, |client| cut(client, reqwest::Method::DELETE, &body));
    scene.client.delete("/resource", &body).succeeded();
    assert!(scene.abacus.running().is_empty());

    // A usage document that nobody has answered is looked for, and not sent again.
    let storage = super::storage(&scene.client, &account);
    scene.abacus.fault(Op::Collect, true, Answers::Nothing);
    let now = cnsp_tests::abacus::now_ms();
    let usage = json!({ "start": now, "end": now, "measuredusage": [{ "measure": "storage", "quantity": 1 }] });
    let body = super::push(&account, &storage, usage);
    kill_while(&mut scene, Op::Collect, |client| cut(client, reqwest::Method::PUT, &body));
    let answer = cnsp_tests::eventually("it is looked for", LONG, || {
        let answer = scene.client.put("/resource", &body).succeeded();
        (answer.body()["status"] != "pending").then_some(answer)
    });
    assert!(answer.text_of("confirmed").contains("has counted this"), "{}", answer.text);
    assert_eq!((scene.abacus.documents(), scene.abacus.count(Op::Collect)), (1, 1));
}
