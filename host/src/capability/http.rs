//! The import `http`: the only way to a network, and only towards what the endpoint's grants name.
//!
//! Secrets are put in here, after the grant has been found, and only towards hosts that the grant gives
//! them to. Redirects are not followed: the guest sees them.

use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::http::{
    Credential, Header, Host, HttpError, Request, Response,
};
use crate::store::setup::{HttpGrant, Scheme};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The most headers that a request or a response may have.
const HEADER_COUNT_MAX: usize = 100;
/// What a call keeps of its time, after a provider that did not answer, to say so. A tenth of it at most.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);
/// Headers that frame the message or belong to one hop: they are the host's to set.
const OWN_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "proxy-authorization",
];

/// What a call has sent so far.
#[derive(Default)]
pub(crate) struct HttpUse {
    requests: usize,
}

/// Where one endpoint may send requests, and the secrets that it may use there. No grant, no network.
pub(crate) struct Outbound {
    /// None without a grant: most of a client's cost is in reading the system's certificates.
    client: Option<Client>,
    grants: Vec<HttpGrant>,
    secrets: BTreeMap<String, String>,
}

impl Outbound {
    /// Connections are the endpoint's own: it never shares one with another.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that opens sockets towards providers"
    )]
    pub(crate) fn new(
        grants: Vec<HttpGrant>,
        secrets: BTreeMap<String, String>,
    ) -> anyhow::Result<Outbound> {
        if grants.is_empty() {
            return Ok(Outbound { client: None, grants, secrets });
        }
        // Fails when it is there already, and that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(30))
            .build()?;
        Ok(Outbound { client: Some(client), grants, secrets })
    }

    /// The grants that allow this URL. There can be several, each with other secrets.
    fn grants(&self, url: &Url) -> Result<Vec<&HttpGrant>, HttpError> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(failed(5, format!("`{url}` names no host")));
        };
        let allowing = self.grants.iter().filter(|grant| allows(grant, url.scheme(), host, port));
        let allowing: Vec<_> = allowing.collect();
        if allowing.is_empty() {
            let scheme = url.scheme();
            return Err(failed(
                1,
                format!(
                    "egress.denied: no grant of this endpoint allows {scheme}://{host}:{port}; ask the operator to add one"
                ),
            ));
        }
        Ok(allowing)
    }

    fn secret(&self, grants: &[&HttpGrant], name: &str) -> Result<&str, HttpError> {
        let granted = grants.iter().any(|grant| grant.secrets.contains(name));
        let secret = self.secrets.get(name).filter(|_| granted);
        secret.map(String::as_str).ok_or_else(|| {
            let message =
                format!("egress.denied: the secret `{name}` is not granted towards this host");
            failed(1, message)
        })
    }

    /// Replaces each `{{secret:NAME}}`.
    fn reveal(&self, grants: &[&HttpGrant], text: &str) -> Result<String, HttpError> {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{secret:") {
            let Some((name, after)) = after.split_once("}}") else {
                return Err(failed(5, "a `{{secret:` without its `}}`"));
            };
            shown.push_str(before);
            shown.push_str(self.secret(grants, name)?);
            rest = after;
        }
        shown.push_str(rest);
        Ok(shown)
    }
}

/// The one answer to whether a request may go out.
fn allows(grant: &HttpGrant, scheme: &str, host: &str, port: u16) -> bool {
    let granted_scheme = match grant.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host_matches = match grant.host.strip_prefix("*.") {
        Some(suffix) => host
            .strip_suffix(suffix)
            .and_then(|below| below.strip_suffix('.'))
            .is_some_and(|below| !below.is_empty()),
        None => host == grant.host,
    };
    granted_scheme == scheme && host_matches && port == grant.port
}

fn failed(code: u16, message: impl Into<String>) -> HttpError {
    HttpError { code, message: message.into(), outcome_unknown: false }
}

impl CallState {
    fn prepare(&self, request: Request) -> Result<reqwest::Request, HttpError> {
        let url =
            Url::parse(&request.url).map_err(|e| failed(5, format!("`{}`: {e}", request.url)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed(5, "a URL may not carry credentials; use `credential`"));
        }
        let outbound = &self.scope.outbound;
        let grants = outbound.grants(&url)?;
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            failed(5, format!("`{}` is not a method", request.method.escape_debug()))
        })?;
        // CONNECT would be a tunnel past the grants, and TRACE echoes what the guest may not see: secrets.
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(failed(5, format!("{method} is not for adapters")));
        }
        if request.headers.len() > HEADER_COUNT_MAX {
            return Err(failed(4, format!("a request has at most {HEADER_COUNT_MAX} headers")));
        }
        let limits = &self.scope.limits;
        if request.body.len() > limits.http_body_bytes_max {
            let max = limits.http_body_bytes_max;
            return Err(failed(4, format!("a request body has at most {max} bytes")));
        }
        let mut prepared = reqwest::Request::new(method, url);
        for Header { name, value } in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                failed(5, format!("`{}` is not a header name", name.escape_debug()))
            })?;
            if OWN_HEADERS.contains(&name.as_str()) {
                return Err(failed(5, format!("the header `{name}` is set by the host")));
            }
            let mut value =
                HeaderValue::from_str(&outbound.reveal(&grants, value)?).map_err(|_| {
                    failed(5, format!("the value of the header `{name}` is not allowed in HTTP"))
                })?;
            value.set_sensitive(true);
            prepared.headers_mut().append(name, value);
        }
        let authorization = match &request.credential {
            Credential::None => None,
            Credential::Basic(name) => {
                Some(format!("Basic {}", BASE64_STANDARD.encode(outbound.secret(&grants, name)?)))
            }
            Credential::Bearer(name) => Some(format!("Bearer {}", outbound.secret(&grants, name)?)),
        };
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(&authorization)
                .map_err(|_| failed(5, "the secret cannot stand in a header"))?;
            value.set_sensitive(true);
            prepared.headers_mut().insert(reqwest::header::AUTHORIZATION, value);
        }
        *prepared.body_mut() = Some(request.body.into());
        Ok(prepared)
    }
}

/// What was wrong with an answer that came back and could not be read.
fn unreadable(error: &reqwest::Error) -> Option<&hyper::Error> {
    let first: Option<&dyn std::error::Error> = Some(error);
    std::iter::successors(first, |error| error.source())
        .filter_map(|error| error.downcast_ref::<hyper::Error>())
        .find(|error| error.is_parse())
}

async fn exchange(
    client: &Client,
    request: reqwest::Request,
    body_bytes_max: usize,
    effect: bool,
) -> Result<Response, HttpError> {
    let not_reached = |error: reqwest::Error| {
        let outcome_unknown = effect && !error.is_connect();
        let (code, what) = match unreadable(&error) {
            Some(error) if error.is_parse_too_large() => {
                (4, "the response's headers are too large")
            }
            Some(_) => (6, "the provider did not answer in HTTP"),
            None => (2, "the provider cannot be reached"),
        };
        let message = format!("{what}: {:#}", anyhow::Error::from(error));
        HttpError { code, message, outcome_unknown }
    };
    let mut answer = client.execute(request).await.map_err(not_reached)?;
    let status = answer.status().as_u16();
    if answer.headers().len() > HEADER_COUNT_MAX {
        let message = format!("the response has more than {HEADER_COUNT_MAX} headers");
        return Err(HttpError { code: 4, message, outcome_unknown: effect });
    }
    let headers = answer.headers().iter().map(|(name, value)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    });
    let headers = headers.collect();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(not_reached)? {
        if body.len() + chunk.len() > body_bytes_max {
            let message = format!("the response body has more than {body_bytes_max} bytes");
            return Err(HttpError { code: 4, message, outcome_unknown: effect });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}

impl Host for CallState {
    async fn send(&mut self, request: Request) -> Result<Response, HttpError> {
        let scope = self.scope.clone();
        self.http.requests += 1;
        let requests_max = scope.limits.http_request_count_max;
        if self.http.requests > requests_max {
            return Err(failed(7, format!("one call may send {requests_max} requests")));
        }
        let quiet = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let effect = request.effect.unwrap_or(!quiet);
        let wanted = request.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms.into()));
        let last = self.deadline - LAST_WORD_MAX.min(scope.limits.timeout / 10);
        let until = wanted.map_or(last, |wanted| wanted.min(last));
        let prepared = self.prepare(request)?;
        let Some(client) = &scope.outbound.client else {
            return Err(failed(
                1,
                "egress.denied: this endpoint has no grant; ask the operator to add one",
            ));
        };
        let exchange = exchange(client, prepared, scope.limits.http_body_bytes_max, effect);
        tokio::time::timeout_at(until, exchange).await.unwrap_or_else(|_| {
            let message = "the provider did not answer in time".to_owned();
            Err(HttpError { code: 3, message, outcome_unknown: effect })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(host: &str) -> HttpGrant {
        HttpGrant {
            scheme: Scheme::Https,
            host: host.into(),
            port: 443,
            secrets: Default::default(),
        }
    }

    #[test]
    fn a_grant_allows_its_host_scheme_and_port_and_nothing_else() {
        let exact = grant("api.example.com");
        assert!(allows(&exact, "https", "api.example.com", 443));
        assert!(!allows(&exact, "http", "api.example.com", 443));
        assert!(!allows(&exact, "https", "api.example.com", 8443));
        assert!(!allows(&exact, "https", "api.example.com.evil.com", 443));
        assert!(!allows(&exact, "https", "xapi.example.com", 443));
    }

    #[test]
    fn a_wildcard_allows_names_below_and_not_the_name_itself() {
        let below = grant("*.example.com");
        assert!(allows(&below, "https", "a.b.example.com", 443));
        assert!(!allows(&below, "https", "example.com", 443));
        assert!(!allows(&below, "https", ".example.com", 443));
        assert!(!allows(&below, "https", "badexample.com", 443));
    }
}
