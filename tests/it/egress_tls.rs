//! TLS towards a provider: only a certificate that is signed, named, in its time and, where some are pinned, one of
//! those gets a request to read.

use crate::egress::{get, refused, send, start};
use cnsp_tests::certificates::{Authority, Identity};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::names::Names;
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use serde_json::json;

const ADDRESS: &str = "127.0.0.1";

fn speaking(identity: &Identity) -> Upstream {
    Upstream::tls(identity.server())
}

/// The endpoint `caller`, which may reach these upstreams and has this in its declaration, with `ca` in a file.
fn declare(host: &Host, upstreams: &[&Upstream], ca: Option<&str>, more: &str) {
    let grants: Vec<String> = upstreams.iter().map(|upstream| upstream.grant()).collect();
    let ca_file = ca.map_or("", |_| "ca_file = \"ca.pem\"\n");
    let more = format!("grants = [{}]\n{ca_file}{more}", grants.join(", "));
    let setup = SetupFolder::default().file("ca.pem", ca.unwrap_or_default());
    host.apply_right(setup.fixture("caller", "caller", &more).path());
}

fn pinning(identities: &[&Identity]) -> String {
    let pins: Vec<String> = identities.iter().map(|identity| identity.fingerprint()).collect();
    format!("certificate_sha256 = {pins:?}")
}

/// The guest is told so, and the provider has read nothing.
#[track_caller]
fn not_spoken_to(host: &Host, upstream: &Upstream, words: &str) {
    let before = upstream.requests().len();
    let answer = send(host, &get(&upstream.url("/status/200")));
    refused(&answer, 2, words);
    assert_eq!(answer["outcome_unknown"], false);
    assert_eq!(upstream.requests().len(), before, "{words}");
}

#[track_caller]
fn spoken_to(host: &Host, upstream: &Upstream) {
    let answer = send(host, &get(&upstream.url("/status/200")));
    assert_eq!(answer["status"], 200, "{answer}");
}

#[test]
fn an_unknown_authority_has_to_be_in_the_endpoints_ca_file() {
    let authority = Authority::new();
    let upstream = speaking(&authority.identity(&[ADDRESS]));
    let host = Host::start();
    declare(&host, &[&upstream], None, "");
    not_spoken_to(&host, &upstream, "UnknownIssuer");
    declare(&host, &[&upstream], Some(&Authority::new().pem()), "");
    // Both authorities of the tests have one name; it is the key that counts.
    not_spoken_to(&host, &upstream, "invalid peer certificate");
    declare(&host, &[&upstream], Some(&authority.pem()), "");
    spoken_to(&host, &upstream);
    assert_eq!(upstream.requests().len(), 1);
    // What was accepted a moment ago is not any more, in a connection that is still open either.
    declare(&host, &[&upstream], None, "");
    not_spoken_to(&host, &upstream, "UnknownIssuer");
}

#[test]
fn a_certificate_of_another_name_or_time_is_refused() {
    let authority = Authority::new();
    let host = Host::start();
    let wrong = [
        (authority.identity(&["localhost"]), "not valid for name"),
        (authority.identity(&["127.0.0.2", "*.0.0.1"]), "not valid for name"),
        (authority.expired_identity(&[ADDRESS]), "expired"),
        (Identity::self_signed(&[ADDRESS]), "invalid peer certificate"),
    ];
    for (identity, words) in wrong {
        let upstream = speaking(&identity);
        declare(&host, &[&upstream], Some(&authority.pem()), "");
        not_spoken_to(&host, &upstream, words);
        // A pin does not make it right.
        declare(&host, &[&upstream], Some(&authority.pem()), &pinning(&[&identity]));
        not_spoken_to(&host, &upstream, words);
    }
    // Nor does a provider that speaks no TLS at all.
    let plain = Upstream::start();
    let grant = format!(
        "{{ url = \"https://127.0.0.1:{}\", addresses = [\"127.0.0.0/8\"] }}",
        plain.port()
    );
    let host = start(Options::default(), &format!("grants = [{grant}]"));
    let answer = send(&host, &get(&format!("https://127.0.0.1:{}/status/200", plain.port())));
    refused(&answer, 2, "cannot be reached");
}

#[test]
fn the_name_that_was_dialled_is_the_name_that_counts() {
    let authority = Authority::new();
    let upstream = speaking(&authority.identity(&["api.example.com"]));
    let (names, port) = (Names::start(), upstream.port());
    names.set("api.example.com", &[&["127.0.0.1"]]);
    names.set("other.example.com", &[&["127.0.0.1"]]);
    let host = Options::default().set("egress.nameservers", names.setting()).start();
    let grant =
        format!("{{ url = \"https://*.example.com:{port}\", addresses = [\"127.0.0.0/8\"] }}");
    let more = format!("grants = [{grant}]\nca_file = \"ca.pem\"");
    let setup = SetupFolder::default().file("ca.pem", &authority.pem());
    host.apply_right(setup.fixture("caller", "caller", &more).path());
    let url = |name: &str| format!("https://{name}.example.com:{port}/status/200");
    refused(&send(&host, &get(&url("other"))), 2, "not valid for name");
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(send(&host, &get(&url("api")))["status"], 200);
}

#[test]
fn a_redirect_out_of_tls_is_not_followed() {
    let authority = Authority::new();
    let upstream = speaking(&authority.identity(&[ADDRESS]));
    let private = Upstream::start();
    let host = Host::start();
    declare(&host, &[&upstream], Some(&authority.pem()), "");
    for place in [private.url("/status/200"), "http://169.254.169.254/latest".to_owned()] {
        let mut request = get(&upstream.url("/redirect-to"));
        request["headers"] = json!([["X-Location", place]]);
        let answer = send(&host, &request);
        assert_eq!(answer["status"], 302, "{answer}");
        assert!(answer["headers"].as_array().unwrap().contains(&json!(["location", place])));
        // The guest may ask for the new place by itself, and is refused as for any.
        refused(&send(&host, &get(&place)), 1, "egress.denied");
    }
    assert_eq!(private.connections(), 0);
}

#[test]
fn where_certificates_are_pinned_no_other_will_do() {
    let authority = Authority::new();
    let [pinned, next, other] = [(); 3].map(|()| authority.identity(&[ADDRESS]));
    let upstreams = [&pinned, &next, &other].map(speaking);
    let [at_pinned, at_next, at_other] = &upstreams;
    let host = Host::start();
    let all = [at_pinned, at_next, at_other];
    declare(&host, &all, Some(&authority.pem()), &pinning(&[&pinned, &next]));
    spoken_to(&host, at_pinned);
    spoken_to(&host, at_next);
    let words = format!("has the SHA-256 fingerprint {}, which", other.fingerprint());
    not_spoken_to(&host, at_other, &words);
    // Its authority still has to be known.
    declare(&host, &all, None, &pinning(&[&pinned]));
    not_spoken_to(&host, at_pinned, "UnknownIssuer");
    // As openssl writes it.
    let fingerprint = pinned.fingerprint().to_ascii_uppercase();
    let bytes: Vec<&str> = (0..32).map(|at| &fingerprint[2 * at..2 * at + 2]).collect();
    let more = format!("certificate_sha256 = [\"{}\"]", bytes.join(":"));
    declare(&host, &all, Some(&authority.pem()), &more);
    spoken_to(&host, at_pinned);
    not_spoken_to(&host, at_next, "certificate_sha256");
}

#[test]
fn a_certificate_that_signs_itself_is_its_own_authority() {
    let [own, other] = [(); 2].map(|()| Identity::self_signed(&[ADDRESS]));
    let upstreams = [&own, &other].map(speaking);
    let [at_own, at_other] = &upstreams;
    let host = Host::start();
    let both = format!("{}{}", own.pem(), other.pem());
    declare(&host, &[at_own, at_other], Some(&both), &pinning(&[&own]));
    spoken_to(&host, at_own);
    not_spoken_to(&host, at_other, "certificate_sha256");
}

#[test]
fn a_fingerprint_that_is_none_is_a_problem() {
    let host = Host::start();
    for (more, words) in [
        ("certificate_sha256 = []", "names no certificate"),
        ("certificate_sha256 = [\"abc\"]", "is no SHA-256 fingerprint"),
        ("certificate_sha256 = [\"sha256/AAAA\"]", "is no SHA-256 fingerprint"),
        ("certificate_sha256 = \"abc\"", "certificate_sha256"),
    ] {
        let output =
            host.apply(SetupFolder::default().fixture("caller", "caller", more).path(), &[]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains("endpoints.caller.certificate_sha256") && text.contains(words),
            "{text}"
        );
    }
}
