//! Whatever comes in gets a clear error in the envelope, promptly, and the host goes on serving others.

use cnsp_tests::bodies::{account, unique};
use cnsp_tests::client::Client;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::programs::default_of;
use cnsp_tests::raw::{Connection, exchange};
use reqwest::Method;
use std::time::{Duration, Instant};

/// Far less than any of the limits that a bad request could wait for.
const PROMPT: Duration = Duration::from_secs(5);

/// The head of a request, without its end, by the demo's marketplace.
fn head(host: &Host, method: &str, path: &str) -> String {
    use base64::Engine as _;
    let caller = host.marketplace_credentials();
    let basic = base64::engine::general_purpose::STANDARD
        .encode(format!("{}:{}", caller.username, caller.password));
    format!("{method} {path} HTTP/1.1\r\nhost: cnsp\r\nauthorization: Basic {basic}\r\n")
}

/// That the host serves, changes and remembers as if nothing had been.
#[track_caller]
fn serves(client: &Client) {
    let account = client.new_account();
    client.get(&format!("/account/{}", account.id)).succeeded();
}

fn post(client: &Client, body: impl Into<Vec<u8>>) -> cnsp_tests::client::Answer {
    let began = Instant::now();
    let answer = client.send(Method::POST, "/account", Some(body.into()));
    assert!(began.elapsed() < PROMPT, "it took {:?}", began.elapsed());
    answer
}

#[test]
fn what_is_not_json_is_refused() {
    let host = Host::start();
    let client = host.marketplace();
    let right = account("contoso", "ada@example.com").to_string();
    for length in (0..right.len()).step_by(7).chain([right.len() - 1]) {
        post(&client, &right.as_bytes()[..length]).refused(400, "INVALID_REQUEST");
    }
    let place = |value: &str| {
        format!(
            "{{\"accountid\":\"x\",\"accountname\":\"x\",\"additionalattributes\":{{\"x\":{value}}}}}"
        )
    };
    let bodies = [
        "null".to_owned(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        "7".to_owned(),
        format!("{right}{right}"),
        format!("{right},"),
        format!("\u{feff}{right}"),
        right.replace('"', "'"),
        place("1,\"x\":2"),
        place("{\"y\":{\"z\":1,\"z\":1}}"),
        place("\"\\ud800\""),
        place("\"\\udc00\\ud800\""),
        place("\"a\u{0}b\""),
        place("\"a\\u0000b\""),
        place("\"a\nb\""),
        place("\"\\x41\""),
        place("NaN"),
        place("Infinity"),
        place("01"),
        place("1."),
        place("+1"),
        place("0x10"),
        place("[1,]"),
        place("{\"a\":1,}"),
        place("// comment\n1"),
        place(&("[".repeat(200) + &"]".repeat(200))),
        place(&("{\"a\":".repeat(200) + "1" + &"}".repeat(200))),
        "[".repeat(10_000),
        "{\"a\":".repeat(3_000),
    ];
    for body in bodies {
        let shown: String = body.chars().take(200).collect();
        let refused = post(&client, body);
        assert_eq!(refused.status, 400, "{shown}: {}", refused.text);
        assert!(refused.error().len() < 500, "{shown}: an error is no copy of its body");
    }
    for bytes in [
        &b"\xff\xfe{\x00}\x00"[..],
        b"{\"accountid\":\"\xc3\x28\",\"accountname\":\"x\"}",
        b"\x00",
        b"\x1f\x8b\x08",
    ] {
        post(&client, bytes).refused(400, "INVALID_REQUEST");
    }
    // A key twice, at the top.
    let twice = r#"{"accountid":"a","accountid":"b","accountname":"x"}"#;
    let refused = post(&client, twice).refused(400, "INVALID_REQUEST");
    assert!(refused.error().contains("accountid"), "{}", refused.error());
    let accounts = client.get("/account").succeeded();
    assert_eq!(accounts.body()["accounts"], serde_json::json!([]), "nothing was made");
    serves(&client);
}

#[test]
fn numbers_of_any_size_are_taken_or_refused_and_never_bent() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let order = |licences: &str| {
        let body = format!(
            r#"{{"requestid":"{}","resource":{{"type":"saas"}},"parameters":{{"sku":"SANDBOX-MAIL","licenseQuantity":{licences}}},"requestor":{{"provideraccountid":"{}"}}}}"#,
            unique("order"),
            account.id
        );
        client.send(Method::POST, "/resource", Some(body.into_bytes()))
    };
    for licences in [
        "1e400",
        "-1",
        "1.5",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "-0.5",
        "1e-400",
    ] {
        let refused = order(licences);
        assert_eq!(refused.status, 400, "{licences}: {}", refused.text);
    }
    assert!(client.resources(&account).is_empty());
    order("3").succeeded();
    // A thousand digits are kept as they are.
    let digits = "9".repeat(1000);
    let id = unique("digits");
    let body = format!(
        r#"{{"accountid":"{id}","accountname":"x","additionalattributes":{{"x":{digits}}}}}"#
    );
    post(&client, body).succeeded();
    assert!(client.get(&format!("/account/{id}")).text.contains(&digits));
}

#[test]
fn a_body_that_is_too_large_is_refused_at_once() {
    let host = Host::start();
    let client = host.marketplace();
    // One hundred megabytes, announced: refused before they are sent.
    let mut connection = Connection::open(host.address());
    let began = Instant::now();
    connection.send(
        format!("{}content-length: 104857600\r\n\r\n{{", head(&host, "POST", "/apiv1/account"))
            .as_bytes(),
    );
    connection.read().expect("an answer").refused(413, "TOO_LARGE");
    assert!(began.elapsed() < PROMPT, "it took {:?}", began.elapsed());
    drop(connection);

    // The same in chunks, of a client that sends all it has.
    let mut connection = Connection::open(host.address());
    let began = Instant::now();
    connection.send(
        format!("{}transfer-encoding: chunked\r\n\r\n", head(&host, "POST", "/apiv1/account"))
            .as_bytes(),
    );
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1600 && connection.send(&chunk) {
        sent += 1;
    }
    if let Some(answer) = connection.read() {
        answer.refused(413, "TOO_LARGE");
    } else {
        assert!(sent < 1600, "everything was taken and nothing answered");
    }
    assert!(began.elapsed() < PROMPT, "it took {:?}", began.elapsed());

    // Just over the limit, whole.
    let most = usize::try_from(default_of("body_bytes_max")).unwrap();
    let mut body = vec![b' '; most + 1];
    let refused = post(&client, body.clone()).refused(413, "TOO_LARGE");
    assert!(refused.error().contains(&most.to_string()), "{}", refused.error());
    body.truncate(most);
    post(&client, body).refused(400, "INVALID_REQUEST");
    serves(&client);
}

#[test]
fn a_slow_body_is_given_up() {
    let host = Options::default().set("http.body_timeout_ms", 300).start();
    let client = host.marketplace();
    let mut connection = Connection::open(host.address());
    connection.send(
        format!("{}content-length: 100\r\n\r\n{{", head(&host, "POST", "/apiv1/account"))
            .as_bytes(),
    );
    connection.read().expect("an answer").refused(408, "REQUEST_TIMEOUT");
    // One that ends early.
    let mut connection = Connection::open(host.address());
    connection.send(
        format!("{}content-length: 100\r\n\r\n{{", head(&host, "POST", "/apiv1/account"))
            .as_bytes(),
    );
    connection.finish();
    if let Some(answer) = connection.read() {
        answer.refused(400, "INVALID_REQUEST");
    }
    serves(&client);
}

#[test]
fn slow_heads_do_not_keep_others_out() {
    let host = Options::default().set("http.header_timeout_ms", 300).start();
    let client = host.marketplace();
    let mut slow: Vec<Connection> = (0..50).map(|_| Connection::open(host.address())).collect();
    for connection in &mut slow {
        connection.send(b"POST /apiv1/account HTTP/1.1\r\nhost:");
    }
    serves(&client);
    for mut connection in slow {
        // Closed, with or without an answer.
        if let Some(answer) = connection.read() {
            assert_eq!(answer.status, 408);
        }
    }
}

#[test]
fn too_many_headers_are_refused() {
    let host = Host::start();
    let client = host.marketplace();
    let head = head(&host, "GET", "/apiv1/account");
    let many: String = (0..150).map(|index| format!("x-{index}: 1\r\n")).collect();
    let answer = exchange(host.address(), format!("{head}{many}\r\n").as_bytes());
    answer.expect("an answer").refused(431, "HEADERS_TOO_LARGE");
    let large = format!("x-large: {}\r\n", "x".repeat(70_000));
    let answer = exchange(host.address(), format!("{head}{large}\r\n").as_bytes());
    answer.expect("an answer").refused(431, "HEADERS_TOO_LARGE");
    // Floods are not even read to their end.
    let headers = |count: u32| (0..count).map(|index| format!("x-{index}: 1\r\n")).collect();
    for flood in [
        headers(1000),
        headers(20_000),
        headers(200_000),
        format!("x-flood: {}\r\n", "x".repeat(4_000_000)),
    ] {
        let began = Instant::now();
        let answer = exchange(host.address(), format!("{head}{flood}\r\n").as_bytes());
        let answer = answer.expect("an answer").refused(431, "HEADERS_TOO_LARGE");
        assert!(answer.head.contains("\r\ndate: "), "{answer:?}");
        assert!(began.elapsed() < PROMPT, "it took {:?}", began.elapsed());
    }
    for length in [70_000, 300_000, 1_000_000] {
        let long = head.replace("/account", &format!("/account/{}", "x".repeat(length)));
        let answer = exchange(host.address(), format!("{long}\r\n").as_bytes());
        answer.expect("an answer").refused(431, "HEADERS_TOO_LARGE");
    }
    serves(&client);
}

#[test]
fn what_is_not_http_ends_the_connection_only() {
    let host = Host::start();
    let client = host.marketplace();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"GET /apiv1/account HTTP/9.9\r\n\r\n",
        b"G\x00T /apiv1/account HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /apiv1/account HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /apiv1/account HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nhello",
        b"GET /apiv1/account HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
    ] {
        let mut connection = Connection::open(host.address());
        connection.send(bytes);
        connection.finish();
        // Empty lines ask nothing, and the beginning of HTTP/2 speaks another language.
        let silent = bytes.starts_with(b"\r\n") || bytes.starts_with(b"PRI");
        match connection.read() {
            Some(answer) => drop(answer.refused(400, "INVALID_REQUEST")),
            None => assert!(silent, "no answer to {:?}", String::from_utf8_lossy(bytes)),
        }
    }
    // Two lengths in one request would let two servers see two requests.
    let smuggled = format!(
        "{}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        head(&host, "POST", "/apiv1/account")
    );
    let mut connection = Connection::open(host.address());
    connection.send(smuggled.as_bytes());
    connection.finish();
    if let Some(answer) = connection.read() {
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    serves(&client);
}

#[test]
fn wrong_methods_and_unknown_paths_are_told_apart() {
    let host = Host::start();
    let client = host.marketplace();
    for (method, path) in [
        ("POST", "/discovery"),
        ("DELETE", "/catalog"),
        ("PATCH", "/account"),
        ("PUT", "/account/x"),
        ("POST", "/account/user/x"),
        ("DELETE", "/account/user/resource"),
        ("GET", "/account/user/a/b"),
        ("OPTIONS", "/resource"),
        ("TRACE", "/resource"),
        ("PROPFIND", "/health"),
    ] {
        let answer = client.send(Method::from_bytes(method.as_bytes()).unwrap(), path, None);
        match path {
            "/account/user/a/b" => drop(answer.refused(404, "NOT_FOUND")),
            _ => {
                let answer = answer.refused(405, "METHOD_NOT_ALLOWED");
                assert!(answer.header("allow").is_some(), "{method} {path}: no Allow");
            }
        }
    }
    let root = client.below("");
    for path in [
        "/",
        "/nowhere",
        "/apiv1",
        "/apiv1/",
        "/apiv1/accounts",
        "/apiv2/account",
        "/apiv1//account",
    ] {
        let answer = root.get(path).refused(404, "NOT_FOUND");
        answer.check_envelope(path);
    }
    client.get("/account/").refused(404, "NOT_FOUND");
    client.get("/ACCOUNT").refused(404, "NOT_FOUND");
    // HEAD is GET without the body.
    let head = root.below("/apiv1").try_send(Method::HEAD, "/catalog", None).unwrap();
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    serves(&client);
}

#[test]
fn ids_that_cannot_be_are_refused() {
    let host = Host::start();
    let client = host.marketplace();
    let long = "x".repeat(201);
    let routes = ["/account", "/account/user", "/resource", "/billing", "/health"];
    for id in ["%00", "%0A", "a%1Fb", "%C2%85", "%7F", &long, &"%41".repeat(201)] {
        for route in routes {
            client.get(&format!("{route}/{id}")).refused(400, "INVALID_REQUEST");
        }
    }
    // Bytes that are no UTF-8, and percent signs that are no encoding.
    for id in ["%FF", "%C3%28", "%ED%A0%80"] {
        client.get(&format!("/account/{id}")).refused(400, "INVALID_REQUEST");
    }
    // What is only odd is just not there.
    for id in [
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "%25",
        "a%2Fb",
        "%F0%9F%98%80",
        "' OR 1=1 --",
        "*",
        "%zz",
        "%",
        "a;b",
        "a&b",
    ] {
        let answer = client.get(&format!("/account/{id}"));
        assert!([400, 404].contains(&answer.status), "{id}: {}", answer.text);
    }
    // 200 bytes are fine, and are found.
    let longest = "x".repeat(200);
    client.post("/account", &account(&longest, "long@example.com")).succeeded();
    client.get(&format!("/account/{longest}")).succeeded();
    for wrong in
        [longest.clone() + "x", "a\u{0}b".to_owned(), "a\nb".to_owned(), "\u{85}".to_owned()]
    {
        let refused = client.post("/account", &account(&wrong, "other@example.com"));
        assert_eq!(refused.status, 400, "{wrong:?}: {}", refused.text);
    }
    // With what a path has to encode.
    client.post("/account", &account("a b/ü?#%", "odd@example.com")).succeeded();
    client.get("/account/a%20b%2F%C3%BC%3F%23%25").succeeded();
    for key in ["", "x\u{1}", &long] {
        let keyed = client.with("idempotency-key", key);
        if let Ok(answer) = keyed.try_send(Method::POST, "/account", Some(b"{}".to_vec())) {
            assert_eq!(answer.status, 400, "{}", answer.text);
        }
    }
    serves(&client);
}

#[test]
fn queries_that_cannot_be_are_refused() {
    let host = Host::start();
    let client = host.marketplace();
    for query in ["limit=%FF", "limit=%00", "limit=1%0A", "kind=%F0", "kind=user%00"] {
        client.get(&format!("/account/user/x?{query}")).refused(400, "INVALID_REQUEST");
    }
    client.get("/account?").succeeded();
    client.get("/account?unknown=1").succeeded();
    serves(&client);
}
