//! Who calls is checked on every route, and a wrong caller learns nothing else.

use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::Host;
use reqwest::Method;

/// Every route and method of CNSP, below `/apiv1`. `coverage` compares it with what the host says it has.
pub(crate) const ROUTES: [(&str, &str); 19] = [
    ("get", "/discovery"),
    ("get", "/account"),
    ("post", "/account"),
    ("put", "/account"),
    ("delete", "/account"),
    ("get", "/account/{id}"),
    ("post", "/account/user"),
    ("put", "/account/user"),
    ("delete", "/account/user"),
    ("get", "/account/user/{id}"),
    ("put", "/account/user/resource"),
    ("post", "/resource"),
    ("put", "/resource"),
    ("delete", "/resource"),
    ("get", "/resource/{id}"),
    ("get", "/catalog"),
    ("get", "/billing/{id}"),
    ("get", "/health"),
    ("get", "/health/{id}"),
];

/// What the operator's tools ask for without being anybody.
pub(crate) const OPEN_ROUTES: [(&str, &str); 3] =
    [("get", "/healthz"), ("get", "/readyz"), ("get", "/openapi.json")];

/// Routes that are not CNSP's and need a caller.
pub(crate) const OTHER_ROUTES: [(&str, &str); 11] = [
    ("get", "/metrics"),
    ("get", "/endpoints/{endpoint}/failures"),
    ("get", "/endpoints/{endpoint}/limits"),
    ("get", "/endpoints/{endpoint}/operations"),
    ("get", "/endpoints/{endpoint}/operations/{id}"),
    ("post", "/endpoints/{endpoint}/operations/{id}"),
    ("get", "/endpoints/{endpoint}/drift"),
    ("post", "/endpoints/{endpoint}/drift/check"),
    ("post", "/endpoints/{endpoint}/drift/adopt"),
    ("post", "/endpoints/{endpoint}/drift/ignore"),
    ("delete", "/endpoints/{endpoint}/drift/ignore"),
];

fn call(client: &Client, method: &str, path: &str) -> Answer {
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
    let body = (method != Method::GET).then(|| b"{}".to_vec());
    client.send(method, &path.replace("{id}", "x"), body)
}

fn check_refused(answer: &Answer, shown: &str) {
    assert_eq!(answer.status, 401, "{shown}: {}", answer.text);
    let basic = "Basic realm=\"cnsp\", charset=\"UTF-8\"";
    assert_eq!(answer.header("www-authenticate"), Some(basic), "{shown}");
    assert_eq!(answer.message(), "Authentication failed", "{shown}");
    assert_eq!(answer.error(), "Invalid credentials provided.", "{shown}");
    assert_eq!(answer.code(), "INVALID_CREDENTIALS", "{shown}");
}

#[test]
fn every_route_refuses_who_is_nobody_or_has_a_wrong_password() {
    let host = Host::start();
    let wrong = host.client("marketplace", "not the password");
    let mut bodies = Vec::new();
    for (method, path) in ROUTES {
        for prefix in ["/apiv1", "/endpoints/sandbox/apiv1", "/endpoints/nowhere/apiv1"] {
            let shown = format!("{method} {prefix}{path}");
            let answer = call(&host.anonymous().below(prefix), method, path);
            check_refused(&answer, &shown);
            bodies.push(answer.text);
        }
        let answer = call(&wrong, method, path);
        check_refused(&answer, path);
        bodies.push(answer.text);
    }
    for (method, path) in OTHER_ROUTES {
        let answer = call(&host.anonymous().below(""), method, path);
        check_refused(&answer, path);
        bodies.push(answer.text);
    }
    // Also what is not there is nobody's business.
    for path in ["/nowhere", "/apiv1/nowhere", "/apiv1/account/user/a/b"] {
        let answer = call(&host.anonymous().below(""), "get", path);
        check_refused(&answer, path);
        bodies.push(answer.text);
    }
    let answer = call(&host.anonymous().below("/apiv1"), "patch", "/account");
    check_refused(&answer, "a method that is not there");
    bodies.push(answer.text);
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "every refusal is the same: {bodies:?}");
}

#[test]
fn open_routes_need_nobody() {
    let host = Host::start();
    for (method, path) in OPEN_ROUTES {
        let answer = call(&host.anonymous().below(""), method, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

#[test]
fn credentials_have_to_be_whole() {
    let host = Host::start();
    let good = host.marketplace_credentials();
    let anonymous = host.anonymous();
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let right = encode(&format!("{}:{}", good.username, good.password));
    for header in [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        format!("Bearer {right}"),
        format!("Basic {right}!"),
        format!("Basic {}", encode("marketplace")),
        format!("Basic {}", encode("marketplace:")),
        format!("Basic {}", encode(&format!(":{}", good.password))),
        format!("Basic {}", encode(&format!("Marketplace:{}", good.password))),
        format!("Basic {}", encode(&format!("marketplace:{} ", good.password))),
        format!("Basic {}", encode(&format!("operator:{}", good.password))),
        format!("Basic {}", encode(&format!("nobody:{}", good.password))),
        format!("Basic {}", encode(&format!("marketplace:{}", "x".repeat(2000)))),
    ] {
        check_refused(&anonymous.with("authorization", &header).get("/catalog"), &header);
    }
    // The scheme's case does not count. (RFC 7617.)
    for scheme in ["Basic", "basic", "BASIC"] {
        anonymous.with("authorization", &format!("{scheme} {right}")).get("/catalog").succeeded();
    }
}
