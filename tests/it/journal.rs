//! An operation that the host was killed in goes on where it was: what the provider did is not asked of it again.

use crate::egress::start;
use cnsp_tests::bodies::{account, unique};
use cnsp_tests::client::Client;
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How many requests each operation sends.
const STEPS: usize = 4;
const SOON: Duration = Duration::from_secs(30);

/// An account whose creation sends so many requests to a path.
fn creation(url: &str, repeats: usize) -> Value {
    let mut body = account(&unique("account"), "ada@example.com");
    body["additionalattributes"]["request"] = json!({ "method": "POST", "url": url, "repeats": repeats, "body": "hunter2-of-the-request" });
    body
}

fn count(upstream: &Upstream, path: &str) -> usize {
    upstream.requests().iter().filter(|request| request.path == path).count()
}

/// Begins operations that hang, each at another step, and kills the host in the middle of all of them.
fn kill_within(host: &mut Host, upstream: &Upstream, operations: &[(String, Value, usize)]) {
    let client = host.marketplace().at("caller");
    std::thread::scope(|scope| {
        for (path, body, _) in operations {
            let client = client.with("idempotency-key", path);
            let body = body.to_string().into_bytes();
            scope.spawn(move || client.try_send(Method::POST, "/account", Some(body)).unwrap_err());
        }
        for (path, _, step) in operations {
            eventually("the request that hangs", SOON, || {
                (count(upstream, path) == *step).then_some(())
            });
        }
        host.kill9();
    });
}

fn operations(upstream: &Upstream) -> Vec<(String, Value, usize)> {
    let one = |step: usize| {
        let path = format!("/silent-at/{step}");
        let body = creation(&upstream.url(&path), STEPS - 1);
        (path, body, step)
    };
    (1..=STEPS).map(one).collect()
}

/// Asks many times at once for what was asked for before.
fn repeats(client: &Client, path: &str, body: &Value) -> Vec<Value> {
    let client = client.with("idempotency-key", path);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client.post("/account", body).succeeded().body().clone()))
            .collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    })
}

#[test]
fn each_step_reaches_the_provider_once_wherever_the_host_was_killed() {
    let upstream = Upstream::start();
    let mut host = start(Options::default(), &format!("grants = [{}]", upstream.grant()));
    let operations = operations(&upstream);
    kill_within(&mut host, &upstream, &operations);
    host.resume();
    // Nobody has to ask: the host goes on by itself.
    for (path, _, _) in &operations {
        eventually("the operation to go on", SOON, || {
            (count(&upstream, path) == STEPS).then_some(())
        });
    }
    let client = host.marketplace().at("caller");
    for (path, body, step) in &operations {
        let answers = repeats(&client, path, body);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let told = &answers[0]["answer"];
        match step {
            // The last answer is the one that is told, and whether the provider acted then is not known.
            &STEPS => assert_eq!(
                (&told["code"], &told["outcome_unknown"]),
                (&json!(2), &json!(true)),
                "{told}"
            ),
            _ => assert_eq!(
                (&told["status"], &told["body"]),
                (&json!(201), &json!(STEPS.to_string())),
                "{told}"
            ),
        }
        assert_eq!(count(&upstream, path), STEPS, "{path}: no step twice, and none for a replay");
    }
}

#[test]
fn an_endpoint_whose_provider_hangs_keeps_no_other_from_going_on() {
    // More than are run again at a time.
    const HANGING: usize = 130;
    let upstream = Upstream::start();
    let more = format!("grants = [{}]", upstream.grant());
    let options = ["calls.endpoint_concurrency_max", "egress.concurrency_max"];
    let options = options.iter().fold(Options::default(), |options, name| options.set(name, 256));
    let mut host = start(options, &more);
    host.apply_right(SetupFolder::default().fixture("hangs", "caller", &more).path());
    let order = |endpoint: &str, path: String| {
        let client = host.marketplace().at(endpoint).with("idempotency-key", &path);
        (client, creation(&upstream.url(&path), 1).to_string().into_bytes())
    };
    let hanging = (0..HANGING).map(|number| order("hangs", format!("/silent-from/2/{number}")));
    let orders: Vec<_> = hanging.chain([order("caller", "/silent-at/1".to_owned())]).collect();
    std::thread::scope(|scope| {
        for (client, body) in orders {
            scope.spawn(move || client.try_send(Method::POST, "/account", Some(body)).unwrap_err());
        }
        eventually("every request that hangs", SOON, || {
            (upstream.requests().len() == 2 * HANGING + 1).then_some(())
        });
        host.kill9();
    });
    host.resume();
    eventually("the other one's operation", Duration::from_secs(10), || {
        (count(&upstream, "/silent-at/1") == 2).then_some(())
    });
}

#[test]
fn what_was_begun_is_ended_by_the_plugin_that_began_it() {
    let upstream = Upstream::start();
    let mut host = start(Options::default(), &format!("grants = [{}]", upstream.grant()));
    let operations = operations(&upstream);
    kill_within(&mut host, &upstream, &operations[1..2]);
    // Another plugin, which would not ask for any of it, and another attempt of the host to be killed in.
    host.apply_right(
        SetupFolder::default()
            .fixture("caller", "greedy", &format!("grants = [{}]", upstream.grant()))
            .path(),
    );
    host.resume();
    let (path, body, _) = &operations[1];
    eventually("the operation to go on", SOON, || (count(&upstream, path) == STEPS).then_some(()));
    let answers = repeats(&host.marketplace().at("caller"), path, body);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(count(&upstream, path), STEPS);
}
