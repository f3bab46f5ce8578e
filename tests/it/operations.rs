//! Operations that come to no end by themselves: seen and decided about, over HTTP and with the command.

use crate::egress::start;
use cnsp_tests::bodies::{account, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "a password for tests";
/// How many requests the operations of these tests send, and how many the provider takes.
const STEPS: usize = 4;
const TAKEN: usize = 2;

/// A provider that makes two of four things, and the host of an operation that has asked for them.
struct Scene {
    upstream: Upstream,
    host: Host,
}

/// An operation that waits for its provider.
struct Waiting {
    key: String,
    path: String,
    body: Value,
    id: String,
}

impl Scene {
    fn start() -> Scene {
        let upstream = Upstream::start();
        // Callers are told at once that it did not work, and the host goes on by itself.
        let options = Options::default().set("operations.pending_wait_ms", 0);
        let host = start(options, &format!("grants = [{}]", upstream.grant()));
        Scene { upstream, host }
    }

    fn caller(&self) -> Client {
        self.host.marketplace().at("caller")
    }

    fn operations(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/endpoints/caller/operations{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["operations"].as_array().unwrap().clone()
    }

    fn get(&self, path: &str) -> Answer {
        self.host.operator().below("").get(path)
    }

    fn decide(&self, id: &str, decision: &Value) -> Answer {
        let path = format!("/endpoints/caller/operations/{id}");
        self.host.operator().below("").post(&path, decision)
    }

    /// Begins an operation that comes to nothing for now.
    fn begin(&self) -> Waiting {
        let known: Vec<Value> = self.operations("").iter().map(|one| one["id"].clone()).collect();
        let key = unique("key");
        let path = format!("/gate/{TAKEN}/{key}");
        let mut body = account(&unique("account"), "ada@example.com");
        let url = self.upstream.url(&path);
        body["additionalattributes"]["request"] =
            json!({ "method": "POST", "url": url, "repeats": STEPS - 1, "undo": url });
        let told = self.caller().with("idempotency-key", &key).post("/account", &body);
        assert_eq!(told.status, 503, "{}", told.text);
        let found = self.operations("").into_iter().find(|one| !known.contains(&one["id"]));
        let id = found.unwrap()["id"].as_str().unwrap().to_owned();
        Waiting { key, path, body, id }
    }

    fn again(&self, waiting: &Waiting) -> Answer {
        self.caller().with("idempotency-key", &waiting.key).post("/account", &waiting.body)
    }

    fn count(&self, method: &str, path: &str) -> usize {
        let requests = self.upstream.requests();
        let of = requests.iter().filter(|one| one.method == method && one.path.starts_with(path));
        of.count()
    }

    fn ends(&self, id: &str) {
        eventually("the operation to end", SOON, || {
            let path = format!("/endpoints/caller/operations/{id}");
            (self.get(&path).status == 404).then_some(())
        });
    }
}

/// Whether a text is in a file of a folder.
fn lies_in(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => lies_in(&path, text),
            false => std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|some| some == text)),
        }
    })
}

#[test]
fn what_waits_is_shown_with_what_it_did_and_goes_on_at_once_when_it_is_told_to() {
    let scene = Scene::start();
    let waiting = scene.begin();
    let one = scene.operations("?state=open").remove(0);
    for (key, expected) in [
        ("endpoint", json!("caller")),
        ("operation", json!("account.create")),
        ("state", json!("open")),
        ("caller", json!("marketplace")),
        ("request_id", json!(waiting.key)),
        ("account", waiting.body["accountid"].clone()),
        ("compensating", json!(false)),
    ] {
        assert_eq!(one[key], expected, "{key}: {one:#}");
    }
    let shown = eventually("a second try", SOON, || {
        let shown = scene.get(&format!("/endpoints/caller/operations/{}", waiting.id)).json;
        shown["why"].is_string().then_some(shown)
    });
    assert_eq!(shown["why"], "Account creation failed");
    let steps = shown["steps"].as_array().unwrap();
    // The last one failed, and is made anew each time.
    assert_eq!(steps.len(), TAKEN, "{shown:#}");
    for step in steps {
        assert_eq!(step["request"], format!("POST {}", scene.upstream.url(&waiting.path)));
        assert_eq!((&step["status"], &step["effect"]), (&json!(201), &json!(true)));
    }
    assert!(!shown.to_string().contains("ada@example.com"));

    scene.upstream.open_gates();
    let ruling = scene.decide(&waiting.id, &json!({"action": "retry"}));
    assert_eq!((ruling.status, &ruling.json["state"]), (200, &json!("open")), "{}", ruling.text);
    scene.ends(&waiting.id);
    scene.again(&waiting).succeeded();
    // Two were made at first, and two at last; between them, some were refused.
    let deleted = scene.count("DELETE", &waiting.path);
    assert_eq!(deleted, 0);
    assert_eq!(scene.operations(""), Vec::<Value>::new());
}

#[test]
fn what_is_given_up_is_undone_by_its_plugin_and_its_caller_told() {
    let scene = Scene::start();
    let waiting = scene.begin();
    let note = json!({"action": "compensate", "note": "the customer has left"});
    let ruling = scene.decide(&waiting.id, &note);
    assert_eq!(ruling.json["compensating"], true, "{}", ruling.text);
    scene.ends(&waiting.id);
    let requests = scene.upstream.requests();
    let deleted: Vec<&str> = requests
        .iter()
        .filter(|one| one.method == "DELETE")
        .map(|one| one.path.strip_prefix(&waiting.path).unwrap())
        .collect();
    assert_eq!(deleted, ["/1", "/0"]);
    let told = scene.again(&waiting);
    assert_eq!(told.status, 409, "{}", told.text);
    let text = told.text_of("errormessage");
    assert!(text.contains("somebody has given up this operation"), "{text}");
    assert!(text.contains("was taken back"), "{text}");
    let made = scene.count("POST", &waiting.path);
    scene.again(&waiting);
    assert_eq!(scene.count("POST", &waiting.path), made, "a replay asks nobody");
}

#[test]
fn what_the_provider_has_is_taken_for_done() {
    let scene = Scene::start();
    let waiting = scene.begin();
    let nameless = json!({"action": "adopt", "note": "made by hand"});
    scene.decide(&waiting.id, &nameless).refused(400, "INVALID_REQUEST");
    // To decide, it was set aside; what was decided is nothing, so it goes on.
    assert_eq!(scene.operations("?state=orphan"), Vec::<Value>::new());
    assert_eq!(scene.again(&waiting).status, 503);
    let control = json!({"action": "adopt", "note": "made by hand", "id": "a\u{1}"});
    let refused = scene.decide(&waiting.id, &control).refused(400, "INVALID_REQUEST");
    assert!(refused.text.contains("cannot be taken for done"), "{}", refused.text);
    let adopt = json!({"action": "adopt", "note": "made by hand", "id": "theirs-1"});
    let ruling = scene.decide(&waiting.id, &adopt);
    assert_eq!((&ruling.json["state"], &ruling.json["respcode"]), (&json!("ended"), &json!(200)));
    let told = scene.again(&waiting).succeeded();
    assert_eq!(told.text_of("provideraccountid"), "theirs-1");
    scene.decide(&waiting.id, &adopt).refused(404, "NOT_FOUND");
}

#[test]
fn what_is_let_be_is_told_as_failed_and_left_alone() {
    let scene = Scene::start();
    let waiting = scene.begin();
    for wrong in [
        json!({"action": "dismiss"}),
        json!({"action": "dismiss", "note": " "}),
        json!({"action": "dismiss", "note": "x".repeat(501)}),
        json!({"action": "delete", "note": "x"}),
        json!({"note": "x"}),
        json!({"action": "retry", "note": "x"}),
    ] {
        scene.decide(&waiting.id, &wrong).refused(400, "INVALID_REQUEST");
    }
    assert_eq!(scene.operations("")[0]["state"], "open", "nothing has happened yet");
    let ruling = scene.decide(&waiting.id, &json!({"action": "dismiss", "note": "ticket 4711"}));
    assert_eq!((&ruling.json["state"], &ruling.json["respcode"]), (&json!("ended"), &json!(409)));
    // Who has decided, and why, is in the audit trail.
    let row = r#""decided":{"by":"operator","action":"dismiss","note":"ticket 4711"}"#;
    assert!(lies_in(&scene.host.data(), row.as_bytes()), "there is no audit row");
    let made = scene.count("POST", &waiting.path);
    scene.again(&waiting).refused(409, "OPERATION_DISMISSED");
    assert_eq!(scene.count("POST", &waiting.path), made);
    assert_eq!(scene.count("DELETE", &waiting.path), 0);
    assert_eq!(scene.operations(""), Vec::<Value>::new());
}

#[test]
fn what_grows_too_old_is_an_orphan_and_has_another_life_when_it_is_told_to() {
    let upstream = Upstream::start();
    let options =
        Options::default().set("operations.pending_wait_ms", 0).set("operations.pending_s", 1);
    let host = start(options, &format!("grants = [{}]", upstream.grant()));
    let scene = Scene { upstream, host };
    let waiting = scene.begin();
    let orphan = eventually("an orphan", SOON, || scene.operations("?state=orphan").pop());
    assert_eq!(orphan["why"], "it came to no end within 1s");
    scene.again(&waiting).refused(500, "OPERATION_STUCK");
    let metrics = scene.get("/metrics").text;
    assert!(metrics.contains("operations_stuck_total{endpoint=\"caller\"} 1"), "{metrics}");
    let made = scene.count("POST", &waiting.path);
    scene.upstream.open_gates();
    scene.decide(&waiting.id, &json!({"action": "retry"}));
    scene.ends(&waiting.id);
    scene.again(&waiting).succeeded();
    // What it has made already is not made once more.
    assert_eq!(scene.count("POST", &waiting.path), made + STEPS - TAKEN);
}

#[test]
fn what_the_provider_does_not_finish_is_told_as_failed_and_stays_as_an_orphan() {
    let options =
        Options::default().set("operations.pending_wait_ms", 0).set("operations.pending_s", 1);
    let host = options.start();
    let client = host.marketplace();
    let account = client.new_account();
    let mut body = resource(&account, &unique("order"), "SANDBOX-MAIL", 2);
    body["parameters"]["additionalparameters"]["sandbox"] = json!("pending:1000 poll:100");
    let instance = client.post("/resource", &body).succeeded().text_of("providerinstanceid");
    let operator = host.operator().below("");
    let endpoint = "sandbox";
    let list = |state: &str| {
        let path = format!("/endpoints/{endpoint}/operations?state={state}");
        operator.get(&path).json["operations"].as_array().unwrap().clone()
    };
    let orphan = eventually("an orphan", SOON, || list("orphan").pop());
    assert_eq!(orphan["providerinstanceid"], instance.as_str(), "{orphan:#}");
    assert_eq!(orphan["account"], body["requestor"]["provideraccountid"], "{orphan:#}");
    let why = "the provider did not finish within 1s, and its caller was told that it failed";
    assert_eq!(orphan["why"], why);
    client.post("/resource", &body).refused(504, "PENDING_TOO_LONG");
    let path = format!("/endpoints/{endpoint}/operations/{}", orphan["id"].as_str().unwrap());
    for action in [
        json!({"action": "retry"}),
        json!({"action": "compensate", "note": "x"}),
        json!({"action": "adopt", "note": "x", "id": instance}),
    ] {
        operator.post(&path, &action).refused(409, "CONFLICT");
    }
    assert_eq!(operator.post(&path, &json!({"action": "dismiss", "note": "x"})).status, 200);
    assert_eq!(list("orphan"), Vec::<Value>::new());
    // It was told already.
    client.post("/resource", &body).refused(504, "PENDING_TOO_LONG");
}

#[test]
fn what_is_pending_is_listed_and_taken_for_done_or_let_be() {
    let host = Options::default().set("operations.pending_wait_ms", 0).start();
    let client = host.marketplace();
    let account = client.new_account();
    let operator = host.operator().below("");
    for decision in [
        json!({"action": "adopt", "note": "it is there"}),
        json!({"action": "dismiss", "note": "it is not"}),
    ] {
        let mut body = resource(&account, &unique("order"), "SANDBOX-MAIL", 2);
        body["parameters"]["additionalparameters"]["sandbox"] = json!("pending:1 poll:3600000");
        let instance = client.post("/resource", &body).succeeded().text_of("providerinstanceid");
        let listed = operator.get("/endpoints/sandbox/operations?state=pending").json;
        let one = &listed["operations"][0];
        assert_eq!(one["providerinstanceid"], instance.as_str(), "{listed:#}");
        assert!(one["next_at"].is_string(), "{listed:#}");
        let path = format!("/endpoints/sandbox/operations/{}", one["id"].as_str().unwrap());
        assert_eq!(operator.get(&path).json["steps"], json!([]));
        let compensate = json!({"action": "compensate", "note": "x"});
        operator.post(&path, &compensate).refused(409, "CONFLICT");
        let ruling = operator.post(&path, &decision);
        assert_eq!(ruling.json["state"], "ended", "{}", ruling.text);
        match decision["action"] == "adopt" {
            true => {
                let answer = client.post("/resource", &body).succeeded();
                assert_eq!(answer.text_of("providerinstanceid"), instance);
                assert_eq!(answer.text_of("status"), "active");
            }
            false => {
                client.post("/resource", &body).refused(409, "OPERATION_DISMISSED");
            }
        }
        operator.get(&path).refused(404, "NOT_FOUND");
    }
}

#[test]
fn what_does_otherwise_than_before_is_an_orphan_until_somebody_looks() {
    let upstream = Upstream::start();
    let grants = format!("grants = [{}]", upstream.grant());
    let mut host = start(Options::default(), &grants);
    let path = "/silent-at/2";
    let mut body = account(&unique("account"), "ada@example.com");
    body["additionalattributes"]["request"] =
        json!({ "method": "POST", "url": upstream.url(path), "repeats": 2 });
    let client = host.marketplace().at("caller").with("idempotency-key", "diverges");
    let hanging = body.to_string().into_bytes();
    std::thread::scope(|scope| {
        scope.spawn(|| client.try_send(Method::POST, "/account", Some(hanging)).unwrap_err());
        let two = || (upstream.requests().len() == 2).then_some(());
        eventually("the request that hangs", SOON, two);
        host.kill9();
    });
    host.resume();
    let ended = || {
        let client = host.marketplace().at("caller").with("idempotency-key", "diverges");
        (client.post("/account", &body).status == 200).then_some(())
    };
    eventually("the operation to end", SOON, ended);

    // The same again, with a set-up that has the plugin ask for something else meanwhile.
    let path = "/silent-at/2?again";
    body["additionalattributes"]["request"]["url"] = json!(upstream.url(path));
    let count = || upstream.requests().iter().filter(|one| one.path == path).count();
    let client = host.marketplace().at("caller").with("idempotency-key", "diverges too");
    let hanging = body.to_string().into_bytes();
    std::thread::scope(|scope| {
        scope.spawn(|| client.try_send(Method::POST, "/account", Some(hanging)).unwrap_err());
        eventually("the request that hangs", SOON, || (count() == 2).then_some(()));
        host.kill9();
    });
    let apply = |host: &Host, more: &str| {
        host.apply_right(SetupFolder::default().fixture("caller", "caller", more).path());
    };
    apply(&host, &format!("{grants}\nconfig = {{ x-more = \"1\" }}"));
    host.resume();
    let listed = eventually("an orphan", SOON, || {
        let listed = host.operator().below("").get("/endpoints/caller/operations?state=orphan");
        let listed = listed.json["operations"].as_array().unwrap().clone();
        (!listed.is_empty()).then_some(listed)
    });
    let orphan = &listed[0];
    let why = orphan["why"].as_str().unwrap();
    assert!(why.starts_with("step 1 was `POST http://"), "{why}");
    assert!(why.ends_with("with another body or other headers"), "{why}");
    let client = host.marketplace().at("caller").with("idempotency-key", "diverges too");
    client.post("/account", &body).refused(500, "OPERATION_STUCK");
    let log = host.log();
    assert!(log.contains("cnsp operations show"), "{log}");
    assert_eq!(count(), 2);

    apply(&host, &grants);
    let path = format!("/endpoints/caller/operations/{}", orphan["id"].as_str().unwrap());
    host.operator().below("").post(&path, &json!({"action": "retry"}));
    eventually("the operation to end", SOON, || {
        (client.post("/account", &body).status == 200).then_some(())
    });
    assert_eq!(count(), 3);
}

#[test]
fn operations_are_for_operators_and_the_endpoints_vendor() {
    let scene = Scene::start();
    let waiting = scene.begin();
    let setup = SetupFolder::default()
        .vendor("globex")
        .caller("globex-admin", "vendor", PASSWORD, "vendor = \"globex\"")
        .caller("auditor", "auditor", PASSWORD, "endpoints = [\"*\"]");
    scene.host.apply_right(setup.path());
    let one = format!("/endpoints/caller/operations/{}", waiting.id);
    let dismiss = json!({"action": "dismiss", "note": "mine"});
    for client in [scene.host.marketplace(), scene.host.client("auditor", PASSWORD)] {
        let client = client.below("");
        client.get("/endpoints/caller/operations").refused(403, "FORBIDDEN");
        client.get(&one).refused(403, "FORBIDDEN");
        client.post(&one, &dismiss).refused(403, "FORBIDDEN");
    }
    let other = scene.host.client("globex-admin", PASSWORD).below("");
    other.get("/endpoints/caller/operations").refused(404, "NOT_FOUND");
    other.post(&one, &dismiss).refused(404, "NOT_FOUND");
    let vendor = scene.host.vendor().below("");
    assert_eq!(vendor.get(&one).json["id"], waiting.id.as_str());
    vendor.get("/endpoints/caller/operations?state=lost").refused(400, "INVALID_REQUEST");
    vendor.get("/endpoints/caller/operations?limit=0").refused(400, "INVALID_REQUEST");
    vendor.get("/endpoints/caller/operations?after=x").refused(400, "INVALID_REQUEST");
    vendor.get("/endpoints/caller/operations/none").refused(404, "NOT_FOUND");
    assert_eq!(vendor.post(&one, &dismiss).status, 200);
}

#[test]
fn a_list_has_pages() {
    let scene = Scene::start();
    let mut begun: Vec<String> = (0..3).map(|_| scene.begin().id).collect();
    begun.sort_unstable();
    let mut found = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = scene.get(&format!("/endpoints/caller/operations{query}")).json;
        let page_ids = page["operations"].as_array().unwrap().iter();
        found.extend(page_ids.map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&after={}", next.replace('/', "%2F"));
    }
    assert_eq!(found, begun);
}

#[test]
fn the_command_lists_shows_and_decides() {
    let scene = Scene::start();
    let waiting = scene.begin();
    let run = |arguments: &[&str]| {
        let mut command = cnsp_tests::programs::command(&[]);
        command.arg("operations").args(arguments).arg("--data").arg(scene.host.data());
        let output = command.output().expect("it can be started");
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, _) = run(&["list"]);
    assert_eq!(code, Some(0));
    let line = format!(" caller {} account.create", waiting.id);
    assert!(text.starts_with("open ") && text.contains(&line), "{text}");
    assert_eq!(
        run(&["list", "caller", "--state", "orphan"]).1,
        "every operation has come to its end\n"
    );
    let (_, text, _) = run(&["list", "--json"]);
    let listed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(listed["operations"][0]["id"], waiting.id.as_str());
    let (_, text, _) = run(&["show", "caller", &waiting.id]);
    assert!(text.contains("steps            2\n"), "{text}");
    assert!(text.contains(&format!("{} -> 201\n", waiting.path)), "{text}");
    let (code, text, _) =
        run(&["adopt", "caller", &waiting.id, "--id", "theirs-2", "--note", "by hand"]);
    assert_eq!(code, Some(0));
    assert!(text.ends_with("its caller is answered 200: Account created successfully\n"), "{text}");
    scene.again(&waiting).succeeded();
    let (code, _, told) = run(&["show", "caller", &waiting.id]);
    assert_eq!(code, Some(1));
    assert!(told.contains("has no operation"), "{told}");
    let (code, _, told) = run(&["list", "nowhere"]);
    assert_eq!((code, told.as_str()), (Some(1), "cnsp: There is no endpoint `nowhere`.\n"));
    for arguments in [["dismiss", "--note", "x"], ["retry", "--current-plugin", "--json"]] {
        let other = scene.begin();
        let (verb, more) = (arguments[0], &arguments[1..]);
        let all = [&[verb, "caller", &other.id][..], more].concat();
        assert_eq!(run(&all).0, Some(0), "{verb}");
    }
}
