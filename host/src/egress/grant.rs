//! What a grant lets out.

use super::{Denied, address};
use crate::store::setup::{HttpGrant, Scheme};
use reqwest::{Method, Url};
use std::net::IpAddr;

/// The one answer to whether a grant lets a request out.
pub(super) fn allows(grant: &HttpGrant, method: &Method, url: &Url) -> bool {
    let scheme = match grant.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let Some(host) = url.host_str() else { return false };
    scheme == url.scheme()
        && matches_host(&grant.host, host)
        && url.port_or_known_default() == Some(grant.port)
        && (grant.methods.is_empty() || grant.methods.contains(method.as_str()))
        && is_below(&grant.path, url.path())
}

/// Whether a grant's host, which may begin with `*.`, has this one.
fn matches_host(granted: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match granted.strip_prefix("*.") {
        Some(suffix) => host
            .strip_suffix(suffix)
            .and_then(|below| below.strip_suffix('.'))
            .is_some_and(|below| !below.is_empty()),
        // An address has several spellings.
        None => match (granted.parse::<IpAddr>(), host.parse::<IpAddr>()) {
            (Ok(granted), Ok(host)) => granted == host,
            _ => host == granted,
        },
    }
}

/// Whether a path is the granted one or lies below it. Both have no dot segments.
fn is_below(granted: &str, path: &str) -> bool {
    let granted = granted.trim_end_matches('/');
    path.strip_prefix(granted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path has what a server may decode into other segments.
pub(super) fn is_encoded(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%2e", "%00", "\\"].iter().any(|code| path.contains(code))
}

/// Whether an address may be dialled for a host, by the exemptions of the grants that have this host.
pub(super) fn check(grants: &[HttpGrant], host: &str, address: IpAddr) -> Result<(), Denied> {
    let exempted = grants.iter().filter(|grant| matches_host(&grant.host, host));
    address::check(address, exempted.flat_map(|grant| &grant.addresses)).map_err(|local| {
        let advice = match local.exemptable {
            true => "ask the operator to exempt it",
            false => "nobody may reach that from here",
        };
        Denied::Address { host: host.to_owned(), address, kind: local.kind, advice }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(host: &str, path: &str, methods: &[&str]) -> HttpGrant {
        HttpGrant {
            scheme: Scheme::Https,
            host: host.into(),
            port: 443,
            path: path.into(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            addresses: Vec::new(),
            secrets: Default::default(),
        }
    }

    fn allowed(grant: &HttpGrant, url: &str) -> bool {
        allows(grant, &Method::GET, &Url::parse(url).unwrap())
    }

    #[test]
    fn a_grant_allows_its_host_scheme_and_port_and_nothing_else() {
        let exact = grant("api.example.com", "/", &[]);
        assert!(allowed(&exact, "https://api.example.com/x"));
        assert!(allowed(&exact, "https://API.example.com:443"));
        for other in [
            "http://api.example.com",
            "https://api.example.com:8443",
            "https://api.example.com.evil.com",
            "https://xapi.example.com",
            "https://api.example.com.",
        ] {
            assert!(!allowed(&exact, other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_allows_names_below_and_not_the_name_itself() {
        let below = grant("*.example.com", "/", &[]);
        assert!(allowed(&below, "https://a.b.example.com"));
        assert!(!allowed(&below, "https://example.com"));
        assert!(!allowed(&below, "https://badexample.com"));
    }

    #[test]
    fn a_path_allows_what_is_below_it() {
        let below = grant("a.b", "/v2", &[]);
        for path in ["/v2", "/v2/", "/v2/x", "/v1/../v2/x", "/v2?x", "/%76%32/../v2"] {
            assert!(allowed(&below, &format!("https://a.b{path}")), "{path}");
        }
        for path in ["", "/", "/v1", "/v22", "/v2/../v1", "/v2/%2e%2e/v1", "//v2", "/V2"] {
            assert!(!allowed(&below, &format!("https://a.b{path}")), "{path}");
        }
        assert!(is_encoded("/v2/..%2Fv1") && is_encoded("/v2/%5c") && !is_encoded("/v2/%20"));
    }

    #[test]
    fn a_grant_with_methods_allows_those() {
        let reading = grant("a.b", "/", &["GET"]);
        let url = Url::parse("https://a.b/").unwrap();
        assert!(allows(&reading, &Method::GET, &url));
        assert!(!allows(&reading, &Method::POST, &url));
    }

    #[test]
    fn numbers_that_are_addresses_are_found_out() {
        let any =
            |host: &str| HttpGrant { scheme: Scheme::Http, port: 80, ..grant(host, "/", &[]) };
        for (url, address) in [
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://0177.0.0.1/", "127.0.0.1"),
            ("http://[::ffff:127.0.0.1]/", "::ffff:7f00:1"),
            ("http://0xa9fea9fe/", "169.254.169.254"),
        ] {
            let url = Url::parse(url).unwrap();
            let host = url.host_str().unwrap().trim_matches(['[', ']']);
            assert_eq!(host, address, "{url}");
            let found = check(&[any(host)], host, host.parse().unwrap());
            assert!(matches!(found, Err(Denied::Address { .. })), "{url}");
        }
    }
}
