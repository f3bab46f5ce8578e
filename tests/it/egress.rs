//! What a guest sends: only where its endpoint's grants say, with secrets that it never sees, and no longer and
//! no larger than a call may be.

use crate::canary::check_hidden;
use base64::Engine;
use cnsp_tests::bodies::{account, unique};
use cnsp_tests::check_time;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::programs::default_of;
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use serde_json::{Value, json};
use std::time::Duration;

/// A host with an endpoint `caller`.
pub(crate) fn start(options: Options, more: &str) -> Host {
    let host = options.start();
    host.apply_right(SetupFolder::default().fixture("caller", "caller", more).path());
    host
}

/// As [`start`], where the endpoint may reach this upstream.
fn granted(upstream: &Upstream) -> Host {
    start(Options::default(), &format!("grants = [{}]", upstream.grant()))
}

/// Lets the guest send a request; what it tells of it.
pub(crate) fn send(host: &Host, request: &Value) -> Value {
    let name = unique("account");
    let mut body = account(&name, "ada@example.com");
    body["additionalattributes"]["request"] = request.clone();
    let answer = host.marketplace().at("caller").post("/account", &body).succeeded();
    answer.body()["answer"].clone()
}

pub(crate) fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url })
}

/// The guest was refused with this code, in a text that has this in it.
#[track_caller]
pub(crate) fn refused(answer: &Value, code: u64, text: &str) {
    assert_eq!(answer["code"], code, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(text), "`{text}` is not in {answer}");
}

#[test]
fn nothing_connects_without_a_grant_for_that_very_place() {
    let upstream = Upstream::start();
    let other = Upstream::start();
    let host = start(Options::default(), "");
    refused(&send(&host, &get(&upstream.url("/status/200"))), 1, "egress.denied");

    let (port, origin) = (upstream.port(), upstream.origin());
    let grants = [
        other.origin(),
        format!("https://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://*.example.com:{port}"),
        format!("http://[::1]:{port}"),
        "http://127.0.0.1".to_owned(),
    ];
    let grants: Vec<String> = grants.iter().map(|url| format!("{{ url = {url:?} }}")).collect();
    let more = format!("grants = [{}]", grants.join(", "));
    host.apply_right(SetupFolder::default().fixture("caller", "caller", &more).path());
    for url in [
        upstream.url("/status/200"),
        // Other ways to spell the same place.
        format!("http://127.1:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("HTTP://127.0.0.1:{port}"),
        // Names that only begin or end like one that is granted.
        format!("http://localhost.:{port}/"),
        format!("http://localhost.example.org:{port}/"),
        format!("http://example.com:{port}/"),
        format!("http://evilexample.com:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        refused(&send(&host, &get(&url)), 1, "egress.denied");
    }
    for (url, text) in [
        (format!("http://localhost:{port}@127.0.0.1:{port}/"), "credentials"),
        (format!("http://user@localhost:{port}/"), "credentials"),
        (format!("http://:password@localhost:{port}/"), "credentials"),
        ("file:///etc/passwd".to_owned(), "names no host"),
        ("/status/200".to_owned(), "relative"),
        (String::new(), "relative"),
    ] {
        refused(&send(&host, &get(&url)), 5, text);
    }
    assert_eq!((upstream.connections(), other.connections()), (0, 0), "{origin}");
}

#[test]
fn a_granted_request_arrives_whole_and_its_answer_comes_back() {
    let upstream = Upstream::start();
    let host = granted(&upstream);
    let answer = send(
        &host,
        &json!({
            "method": "POST",
            "url": upstream.url("/status/201?a=b&c=%20d"),
            "headers": [["X-One", "1"], ["x-two", "first"], ["X-Two", "second"]],
            "body": "{\"naïve\":true}",
        }),
    );
    assert_eq!((&answer["status"], &answer["body"]), (&json!(201), &json!("the answer")));
    let headers = answer["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-upstream", "here"])), "{answer}");
    let received = upstream.only_request();
    assert_eq!(
        (received.method.as_str(), received.path.as_str()),
        ("POST", "/status/201?a=b&c=%20d")
    );
    assert_eq!(received.headers("x-one"), ["1"]);
    assert_eq!(received.headers("x-two"), ["first", "second"]);
    assert_eq!(received.headers("host"), [upstream.origin().trim_start_matches("http://")]);
    assert!(received.headers("authorization").is_empty());
    assert_eq!(received.body, "{\"naïve\":true}".as_bytes());
    // A status that is a failure is an answer too.
    assert_eq!(send(&host, &get(&upstream.url("/status/503")))["status"], 503);
    // The connection of the first was used again: two endpoints would have two.
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_request_that_could_be_read_in_two_ways_is_refused() {
    let upstream = Upstream::start();
    let host = granted(&upstream);
    let url = upstream.url("/status/200");
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "keep-alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Authorization",
    ] {
        let request = json!({ "method": "POST", "url": url, "headers": [[name, "1"]] });
        refused(&send(&host, &request), 5, "is set by the host");
    }
    for (name, value) in [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "\u{1}"),
        ("X-A: 1\r\nX-B", "2"),
        ("X A", "1"),
        ("", "1"),
        ("X-A", "{{secret:"),
    ] {
        let request = json!({ "method": "GET", "url": url, "headers": [[name, value]] });
        refused(&send(&host, &request), 5, "");
    }
    for method in ["", "GET /other HTTP/1.1\r\nX: ", "G T", "CONNECT", "TRACE"] {
        refused(&send(&host, &json!({ "method": method, "url": url })), 5, "");
    }
    let mut quiet = json!({ "method": "TRACE", "url": url, "effect": false });
    refused(&send(&host, &quiet), 5, "TRACE");
    quiet["method"] = json!("GET");
    quiet["url"] = json!(format!("{url}\r\nX-B: 2"));
    // Line breaks are no part of a URL, and the URL standard drops them.
    send(&host, &quiet);
    let received = upstream.only_request();
    assert!(received.headers("x-b").is_empty(), "{received:?}");
}

/// Every secret of the tests has this in it.
const CANARY: &str = "canary-5e8f1c";

#[test]
fn a_secret_goes_to_where_it_is_granted_and_nowhere_else() {
    let upstream = Upstream::start();
    let elsewhere = Upstream::start();
    // All that a log can say, without the compiler's hundred thousand lines.
    let filter = "info,cnsp=trace,plugin=trace,hyper=trace,hyper_util=trace,reqwest=trace";
    let mut host = Options::default().set("log.filter", filter).start();
    let secret = |name: &str, text: &str| {
        let path = host.folder().join(name);
        std::fs::write(&path, text).unwrap();
        format!("{name} = {{ file = {path:?} }}")
    };
    let secrets = [
        secret("token", &format!("token-{CANARY}\n")),
        secret("login", &format!("ada:password-{CANARY}")),
        secret("spare", &format!("spare-{CANARY}")),
        secret("broken", &format!("two\nlines-{CANARY}")),
    ];
    let more = format!(
        "secrets = {{ {} }}\ngrants = [{{ url = {:?} }}, {{ url = {:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"token\", \"login\", \"broken\"] }}, {{ url = {:?}, secrets = [\"spare\"] }}]",
        secrets.join(", "),
        // The same place twice, once without secrets.
        upstream.origin(),
        upstream.origin(),
        elsewhere.origin(),
    );
    host.apply_right(SetupFolder::default().fixture("caller", "caller", &more).path());

    let mut answers = Vec::new();
    let mut with = |url: String, key: &str, value: Value| {
        let mut request = get(&url);
        request[key] = value;
        let answer = send(&host, &request);
        answers.push(answer.clone());
        answer
    };
    let url = upstream.url("/status/200");
    assert_eq!(with(url.clone(), "basic", json!("login"))["status"], 200);
    assert_eq!(with(url.clone(), "bearer", json!("token"))["status"], 200);
    let header = json!([["X-Key", "a {{secret:token}} b {{secret:token}}"]]);
    assert_eq!(with(url.clone(), "headers", header)["status"], 200);
    // Only in headers.
    assert_eq!(with(url.clone(), "body", json!("{{secret:token}}"))["status"], 200);
    let arrived = upstream.requests();
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("ada:password-{CANARY}"));
    assert_eq!(arrived[0].headers("authorization"), [format!("Basic {basic}")]);
    assert_eq!(arrived[1].headers("authorization"), [format!("Bearer token-{CANARY}")]);
    let twice = format!("a token-{CANARY} b token-{CANARY}");
    assert_eq!(arrived[2].headers("x-key"), [twice]);
    assert_eq!(arrived[3].body, b"{{secret:token}}");

    // Not to another host, not one of another grant, and none that there is not.
    let there = elsewhere.url("/status/200");
    for name in ["token", "login", "none"] {
        for (key, value) in [
            ("basic", json!(name)),
            ("bearer", json!(name)),
            ("headers", json!([["X-Key", format!("{{{{secret:{name}}}}}")]])),
        ] {
            refused(&with(there.clone(), key, value), 1, "egress.denied");
        }
    }
    refused(&with(url.clone(), "bearer", json!("spare")), 1, "egress.denied");
    refused(&with(url.clone(), "bearer", json!("broken")), 5, "");
    refused(&with(url.clone(), "headers", json!([["X-Key", "{{secret:broken}}"]])), 5, "");
    // A provider that fails does not make the host tell.
    let failing = upstream.url("/garbage");
    refused(&with(failing, "bearer", json!("token")), 6, "");
    refused(&with(upstream.url("/cut"), "basic", json!("login")), 2, "");
    assert_eq!(elsewhere.connections(), 0);

    host.terminate();
    let told = answers.iter().map(Value::to_string).collect::<String>();
    let token = base64::prelude::BASE64_STANDARD.encode(format!("token-{CANARY}"));
    for secret in [CANARY, &basic, &token] {
        assert!(!told.contains(secret), "{told}");
    }
    check_hidden(&host, &[CANARY, &basic]);
}

#[test]
fn a_redirect_is_the_guests_to_see() {
    let upstream = Upstream::start();
    let host = granted(&upstream);
    let answer = send(&host, &get(&upstream.url("/redirect")));
    assert_eq!(answer["status"], 302);
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["location", "/status/200"])));
    assert_eq!(upstream.only_request().path, "/redirect");
}

#[test]
fn what_is_too_large_or_too_much_is_refused() {
    let upstream = Upstream::start();
    let host = granted(&upstream);
    let bytes_max = default_of("http_body_bytes_max");
    let of = |path: &str| send(&host, &get(&upstream.url(path)));
    assert_eq!(of(&format!("/bytes/{bytes_max}"))["bytes"], bytes_max);
    refused(&of(&format!("/bytes/{}", bytes_max + 1)), 4, "response body");
    let endless = check_time(Duration::from_secs(3), || of("/endless"));
    refused(&endless, 4, "response body");
    // Who reads has done nothing; who writes may have.
    assert_eq!(endless["outcome_unknown"], false);
    let mut post = json!({ "method": "POST", "url": upstream.url("/endless") });
    assert_eq!(send(&host, &post)["outcome_unknown"], true);
    refused(&of("/headers/101"), 4, "headers");
    let headers: Vec<[&str; 2]> = vec![["X-Many", "1"]; 101];
    post["headers"] = json!(headers);
    refused(&send(&host, &post), 4, "headers");
    let before = upstream.requests().len();
    let huge = json!({ "method": "POST", "url": upstream.url("/status/200"), "body_bytes": bytes_max + 1 });
    refused(&send(&host, &huge), 4, "request body");
    assert_eq!(upstream.requests().len(), before);

    // As many as a call may send, and one more.
    let max = default_of("http_requests_max");
    let mut many = get(&upstream.url("/status/200"));
    many["repeats"] = json!(max - 1);
    assert_eq!(send(&host, &many)["status"], 200);
    many["repeats"] = json!(max);
    refused(&send(&host, &many), 7, &max.to_string());
    assert_eq!(upstream.requests().len() as u64, before as u64 + 2 * max);
}

#[test]
fn a_provider_that_does_not_answer_is_given_up_within_the_calls_time() {
    let upstream = Upstream::start();
    let more = format!("grants = [{}]\nlimits = {{ call_timeout_ms = 1000 }}", upstream.grant());
    let host = start(Options::default(), &more);
    let silent = |method: &str, timeout_ms: Option<u32>| {
        let url = upstream.url("/silent");
        let request = json!({ "method": method, "url": url, "timeout_ms": timeout_ms });
        let answer = check_time(Duration::from_secs(2), || send(&host, &request));
        refused(&answer, 3, "in time");
        assert_eq!(answer["outcome_unknown"], method == "POST");
    };
    // In the guest's own time, or in the call's, of which there is some left to say so.
    std::thread::scope(|scope| {
        scope.spawn(|| silent("GET", Some(100)));
        scope.spawn(|| silent("POST", Some(100)));
        scope.spawn(|| silent("GET", Some(3_600_000)));
        scope.spawn(|| silent("POST", None));
    });
    host.marketplace().at("sandbox").new_account();
}

#[test]
fn a_provider_that_is_not_there_or_does_not_speak_http_is_told_apart() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let upstream = Upstream::start();
    let more = format!(
        "grants = [{{ url = \"http://{gone}\", addresses = [\"127.0.0.0/8\"] }}, {}]",
        upstream.grant()
    );
    let host = start(Options::default(), &more);
    let post = |url: String| send(&host, &json!({ "method": "POST", "url": url }));
    let unreachable = post(format!("http://{gone}/"));
    refused(&unreachable, 2, "cannot be reached");
    assert_eq!(unreachable["outcome_unknown"], false, "nothing was sent");
    let cut = post(upstream.url("/cut"));
    refused(&cut, 2, "");
    assert_eq!(cut["outcome_unknown"], true);
    let garbage = post(upstream.url("/garbage"));
    refused(&garbage, 6, "HTTP");
    assert_eq!(garbage["outcome_unknown"], true);
}
