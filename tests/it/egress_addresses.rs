//! Where a granted request may arrive: at public addresses, and at others only where the grant exempts them,
//! whatever the name resolves to and however the address is written.

use crate::egress::{get, refused, send, start};
use cnsp_tests::check_time;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::names::Names;
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use serde_json::json;
use std::time::Duration;

/// A host that resolves names here, with an endpoint `caller` that has these grants.
fn resolving(names: &Names, grants: &[String]) -> Host {
    let options = Options::default().set("egress.nameservers", names.setting());
    start(options, &format!("grants = [{}]", grants.join(", ")))
}

#[test]
fn an_address_that_is_not_public_is_refused_however_it_is_written() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let open = |host: &str, more: &str| format!("{{ url = \"http://{host}:{port}\"{more} }}");
    let every = ", addresses = [\"0.0.0.0/0\", \"::/0\"]";
    let grants = [
        open("127.0.0.1", ""),
        open("10.0.0.5", ", addresses = [\"127.0.0.0/8\"]"),
        open("[::1]", ""),
        open("[::ffff:7f00:1]", ""),
        open("[64:ff9b::a00:5]", ""),
        open("169.254.169.254", every),
        open("[::ffff:a9fe:a9fe]", every),
        open("100.100.100.200", every),
        open("168.63.129.16", every),
        open("[fd00:ec2::254]", every),
    ];
    let host = start(Options::default(), &format!("grants = [{}]", grants.join(", ")));
    for (place, kind) in [
        ("127.0.0.1", "the host's own (loopback); ask the operator to exempt it"),
        ("127.1", "loopback"),
        ("2130706433", "loopback"),
        ("0x7f.0.0.1", "loopback"),
        ("017700000001", "loopback"),
        ("10.0.0.5", "private"),
        ("[::1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("[64:ff9b::10.0.0.5]", "private"),
        ("169.254.169.254", "a metadata service of a cloud; nobody may reach that from here"),
        ("0xa9fea9fe", "metadata"),
        ("[::ffff:169.254.169.254]", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("[fd00:ec2::254]", "metadata"),
    ] {
        let answer = check_time(Duration::from_secs(2), || {
            send(&host, &get(&format!("http://{place}:{port}/status/200")))
        });
        refused(&answer, 1, kind);
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_name_is_refused_for_what_it_resolves_to() {
    let (names, upstream) = (Names::start(), Upstream::start());
    let port = upstream.port();
    names.set("loop.example.com", &[&["127.0.0.1"]]);
    names.set("private.example.com", &[&["10.0.0.5", "192.168.1.1"]]);
    names.set("mapped.example.com", &[&["::ffff:127.0.0.1"]]);
    names.set("nat64.example.com", &[&["64:ff9b::7f00:1"]]);
    names.set("metadata.example.com", &[&["169.254.169.254"]]);
    names.set("shared.example.com", &[&["100.64.1.1"]]);
    let host = resolving(&names, &[format!("{{ url = \"http://*.example.com:{port}\" }}")]);
    for (name, kind) in [
        ("loop", "loop.example.com resolved to 127.0.0.1, which is the host's own (loopback)"),
        ("private", "which is private; ask the operator to exempt it"),
        ("mapped", "loopback"),
        ("nat64", "loopback"),
        ("metadata", "nobody may reach that"),
        ("shared", "shared by carriers"),
    ] {
        let answer = send(&host, &get(&format!("http://{name}.example.com:{port}/status/200")));
        refused(&answer, 1, kind);
        assert_eq!(answer["outcome_unknown"], false);
    }
    let nowhere = send(&host, &get(&format!("http://none.example.com:{port}/")));
    refused(&nowhere, 2, "cannot be reached");
    assert_eq!(upstream.connections(), 0);
    assert!(names.asked() > 0);
}

#[test]
fn an_exemption_opens_its_addresses_for_its_host_only() {
    let (names, upstream) = (Names::start(), Upstream::start());
    let port = upstream.port();
    // One that is exempt and one that is not: what is left is dialled.
    names.set("api.example.com", &[&["10.0.0.5", "127.0.0.1"]]);
    names.set("other.example.com", &[&["127.0.0.1"]]);
    let host = resolving(
        &names,
        &[
            format!(
                "{{ url = \"http://api.example.com:{port}\", addresses = [\"127.0.0.1/32\"] }}"
            ),
            format!("{{ url = \"http://other.example.com:{port}\" }}"),
        ],
    );
    let url = |name: &str| format!("http://{name}.example.com:{port}/status/200");
    assert_eq!(send(&host, &get(&url("api")))["status"], 200);
    assert_eq!(upstream.only_request().headers("host"), [format!("api.example.com:{port}")]);
    refused(&send(&host, &get(&url("other"))), 1, "loopback");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_name_that_answers_differently_the_next_time_is_checked_again() {
    let (names, upstream) = (Names::start(), Upstream::start());
    let port = upstream.port();
    let inside = Upstream::at(&format!("127.0.0.2:{port}"));
    names.set("rebind.example.com", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let grant =
        format!("{{ url = \"http://rebind.example.com:{port}\", addresses = [\"127.0.0.1/32\"] }}");
    let host = resolving(&names, &[grant]);
    let url = |path: &str| format!("http://rebind.example.com:{port}{path}");
    // The connection ends with its answer, so that the next request has to resolve.
    refused(&send(&host, &get(&url("/cut"))), 2, "");
    refused(&send(&host, &get(&url("/status/200"))), 1, "resolved to 127.0.0.2");
    assert_eq!((upstream.connections(), inside.connections()), (1, 0));
}

#[test]
fn a_redirect_into_the_inside_ends_at_the_guest() {
    let upstream = Upstream::start();
    let host = start(Options::default(), &format!("grants = [{}]", upstream.grant()));
    for place in ["http://169.254.169.254/latest/meta-data/", "http://localhost/", "http://[::1]/"]
    {
        let mut request = get(&upstream.url("/redirect-to"));
        request["headers"] = json!([["X-Location", place]]);
        let answer = send(&host, &request);
        assert_eq!(answer["status"], 302);
        assert!(answer["headers"].as_array().unwrap().contains(&json!(["location", place])));
        // Going on is a request like any other.
        refused(&send(&host, &get(place)), 1, "egress.denied");
    }
}

#[test]
fn a_grant_may_be_for_some_methods_below_a_path() {
    let upstream = Upstream::start();
    let grant = format!(
        "{{ url = \"{}/status\", methods = [\"GET\"], addresses = [\"127.0.0.0/8\"] }}",
        upstream.origin()
    );
    let host = start(Options::default(), &format!("grants = [{grant}]"));
    assert_eq!(send(&host, &get(&upstream.url("/status/200")))["status"], 200);
    for path in ["/", "/statusx", "/status/../bytes/1", "/status/%2e%2e/bytes/1", "//status/200"] {
        refused(&send(&host, &get(&upstream.url(path))), 1, "no grant of this endpoint allows GET");
    }
    for path in ["/status/..%2Fbytes/1", "/status/%5c..", "/status/a%00b"] {
        refused(&send(&host, &get(&upstream.url(path))), 1, "encoded slash or dot");
    }
    let post = json!({ "method": "POST", "url": upstream.url("/status/200") });
    refused(&send(&host, &post), 1, "allows POST");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_provider_that_asks_for_a_pause_gets_it() {
    let upstream = Upstream::start();
    let host = start(Options::default(), &format!("grants = [{}]", upstream.grant()));
    let ask = |path: &str| send(&host, &get(&upstream.url(path)));
    // Who is not busy may say what it wants.
    assert_eq!(ask("/later/200")["status"], 200);
    assert_eq!(ask("/later/429")["status"], 429);
    refused(&ask("/status/200"), 8, "asked to be left alone for");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn an_endpoint_sends_no_faster_than_its_rate() {
    let upstream = Upstream::start();
    let more =
        format!("grants = [{}]\nlimits = {{ http_requests_per_s_max = 4 }}", upstream.grant());
    let host = start(Options::default(), &more);
    let mut request = get(&upstream.url("/status/200"));
    // Four at once, and then two that wait a quarter of a second each.
    request["repeats"] = json!(6);
    let began = std::time::Instant::now();
    assert_eq!(send(&host, &request)["status"], 200);
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    // One that could not go out in time does not.
    request["repeats"] = json!(1);
    request["timeout_ms"] = json!(1);
    refused(&send(&host, &request), 3, "in time");
}

#[test]
fn an_endpoint_has_so_many_requests_under_way() {
    let upstream = Upstream::start();
    let more = format!(
        "grants = [{}]\nlimits = {{ http_concurrency_max = 1, call_timeout_ms = 3000 }}",
        upstream.grant()
    );
    let host = start(Options::default(), &more);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| refused(&send(&host, &get(&upstream.url("/silent"))), 3, "in time"));
        }
    });
    // The others never got out: their time ran out while they waited.
    assert!(upstream.requests().len() <= 2, "{}", upstream.requests().len());
}

#[test]
fn a_provider_that_is_slow_to_begin_or_drips_is_given_up() {
    let upstream = Upstream::start();
    let options = Options::default().set("egress.first_byte_ms", 300);
    let more = format!("grants = [{}]\nlimits = {{ call_timeout_ms = 1500 }}", upstream.grant());
    let host = start(options, &more);
    let ask =
        |path: &str| check_time(Duration::from_secs(2), || send(&host, &get(&upstream.url(path))));
    refused(&ask("/silent"), 3, "did not begin to answer within 300ms");
    refused(&ask("/drip"), 3, "in time");
}

#[test]
fn a_body_is_not_unpacked() {
    let upstream = Upstream::start();
    let host = start(Options::default(), &format!("grants = [{}]", upstream.grant()));
    let answer = send(&host, &get(&upstream.url("/packed")));
    assert_eq!(answer["status"], 200);
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["content-encoding", "gzip"])));
    assert_eq!(answer["body"], "the answer");
    // Nor asked for.
    assert!(upstream.only_request().headers("accept-encoding").is_empty());
}

#[test]
fn a_provider_that_echoes_does_not_tell_a_secret() {
    let upstream = Upstream::start();
    let mut host = Options::default().start();
    let file = host.folder().join("login");
    std::fs::write(&file, "ada:echoed-secret-7").unwrap();
    let more = format!(
        "secrets = {{ login = {{ file = {file:?} }} }}\ngrants = [{{ url = {:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"login\"] }}]",
        upstream.origin()
    );
    host.apply_right(SetupFolder::default().fixture("caller", "caller", &more).path());
    for (key, value) in [
        ("basic", json!("login")),
        ("bearer", json!("login")),
        ("headers", json!([["X-Key", "is {{secret:login}} here"]])),
    ] {
        let mut request = get(&upstream.url("/echo"));
        request[key] = value;
        let answer = send(&host, &request).to_string();
        assert!(answer.contains("***") && !answer.contains("echoed"), "{answer}");
        assert!(!answer.contains("YWRhOmVjaG9lZC1zZWNyZXQtNw"), "{answer}");
    }
    host.terminate();
    assert!(!host.log().contains("echoed-secret"));
}
