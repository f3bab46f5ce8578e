//! The import `http`: what the guest asks of the way out (`egress`), and what it is told.
//!
//! Secrets are put in here, after the grant has been found, and only towards hosts that the grant gives
//! them to; and they are taken out of what comes back.

use crate::egress::{Denied, Outbound};
use crate::limits::{Limit, fixed};
use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::http::{
    Credential, Header, Host, HttpError, Request, Response,
};
use crate::store::setup::HttpGrant;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use std::time::Duration;
use tokio::time::Instant;

const HEADER_COUNT_MAX: usize = fixed::HTTP_HEADERS.max;
/// What a call keeps of its time, after a provider that did not answer, to say so. A tenth of it at most.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);
/// Headers that frame the message or belong to one hop: they are the host's to set.
const OWN_HEADERS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "proxy-authorization",
];

/// What a call has sent so far.
#[derive(Default)]
pub(crate) struct HttpUse {
    requests: usize,
    /// Of all bodies, sent and received.
    bytes: usize,
}

impl HttpUse {
    /// How many requests the guest has asked for.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }
}

/// What one response's body may have, and why no more.
struct Room {
    bytes: usize,
    why: &'static str,
}

/// A provider that says how long to wait says it in seconds or as a date (RFC 9110, 10.2.3); a date is rare,
/// and gets this.
const RETRY_AFTER_DATE: Duration = Duration::from_secs(5);
/// Shorter secrets are not taken out of answers: they would be found everywhere.
const REDACTED_BYTES_MIN: usize = 6;

fn failed(code: u16, message: impl Into<String>) -> HttpError {
    HttpError { code, message: message.into(), outcome_unknown: false }
}

impl From<Denied> for HttpError {
    fn from(denied: Denied) -> HttpError {
        let code = match denied {
            Denied::Paused { .. } => 8,
            _ => 1,
        };
        failed(code, denied.to_string())
    }
}

/// Replaces each `{{secret:NAME}}`.
fn reveal(outbound: &Outbound, grants: &[&HttpGrant], text: &str) -> Result<String, HttpError> {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{secret:") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err(failed(5, "a `{{secret:` without its `}}`"));
        };
        shown.push_str(before);
        shown.push_str(outbound.secret(grants, name)?);
        rest = after;
    }
    shown.push_str(rest);
    Ok(shown)
}

impl CallState {
    /// What there is room for in a response, beside a request's body of so many bytes.
    fn room(&self, sent: usize) -> Result<Room, HttpError> {
        let limits = &self.scope.limits;
        let of = |limit, taken: usize, why| {
            let left =
                limits.count(limit).checked_sub(taken).and_then(|left| left.checked_sub(sent));
            left.map(|bytes| Room { bytes, why }).ok_or_else(|| {
                failed(4, format!("there is no room for a request body of {sent} bytes: {why}"))
            })
        };
        let total = of(
            Limit::HttpBytes,
            self.http.bytes,
            "since all bodies of a call have a limit together (http_bytes_max)",
        )?;
        let taken_down = self.operation.as_ref().map_or(0, |operation| operation.steps.held());
        let held = of(
            Limit::HostMemory,
            self.kv.held().saturating_add(taken_down),
            "since all that the host holds for a call has a limit (host_bytes_max)",
        )?;
        let one = Room {
            bytes: limits.count(Limit::HttpBodyBytes),
            why: "which is the most for one (http_body_bytes_max)",
        };
        Ok([total, held].into_iter().fold(
            one,
            |least, room| {
                if room.bytes < least.bytes { room } else { least }
            },
        ))
    }

    fn prepare(&self, request: &Request) -> Result<(Client, reqwest::Request), HttpError> {
        let url =
            Url::parse(&request.url).map_err(|e| failed(5, format!("`{}`: {e}", request.url)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed(5, "a URL may not carry credentials; use `credential`"));
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            failed(5, format!("`{}` is not a method", request.method.escape_debug()))
        })?;
        // CONNECT would be a tunnel past the grants, and TRACE echoes what the guest may not see: secrets.
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(failed(5, format!("{method} is not for adapters")));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(failed(5, format!("`{url}` names no host")));
        }
        let outbound = &self.scope.outbound;
        let (client, grants) = outbound.admit(&method, &url)?;
        if request.headers.len() > HEADER_COUNT_MAX {
            return Err(failed(4, format!("a request has at most {HEADER_COUNT_MAX} headers")));
        }
        let limits = &self.scope.limits;
        if request.body.len() > limits.count(Limit::HttpBodyBytes) {
            let max = limits.count(Limit::HttpBodyBytes);
            return Err(failed(
                4,
                format!("a request body has at most {max} bytes (http_body_bytes_max)"),
            ));
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
                HeaderValue::from_str(&reveal(outbound, &grants, value)?).map_err(|_| {
                    failed(5, format!("the value of the header `{name}` is not allowed in HTTP"))
                })?;
            value.set_sensitive(true);
            prepared.headers_mut().append(name, value);
        }
        let authorization = match &request.credential {
            Credential::None => None,
            Credential::Basic(name) => Some(basic(outbound.secret(&grants, name)?)),
            Credential::Bearer(name) => Some(format!("Bearer {}", outbound.secret(&grants, name)?)),
        };
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(&authorization)
                .map_err(|_| failed(5, "the secret cannot stand in a header"))?;
            value.set_sensitive(true);
            prepared.headers_mut().insert(reqwest::header::AUTHORIZATION, value);
        }
        *prepared.body_mut() = Some(request.body.clone().into());
        Ok((client.clone(), prepared))
    }
}

fn basic(secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(secret))
}

/// How long a provider has asked to be left alone.
fn wanted_pause(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let wait = headers.get(reqwest::header::RETRY_AFTER).filter(|_| busy.contains(&status))?;
    let seconds = wait.to_str().ok().and_then(|wait| wait.trim().parse().ok());
    Some(seconds.map_or(RETRY_AFTER_DATE, Duration::from_secs))
}

/// What stands in the place of a secret. Shorter than any that is taken out.
const REDACTED: &[u8] = b"***";

/// Takes the endpoint's secrets out of what a provider has sent back: one that echoes its requests must not
/// tell the guest what it may not see.
fn redact(outbound: &Outbound, response: &mut Response) {
    for secret in outbound.secrets().values().filter(|secret| secret.len() >= REDACTED_BYTES_MIN) {
        for form in [secret.to_owned(), BASE64_STANDARD.encode(secret)] {
            for header in &mut response.headers {
                if header.value.contains(&form) {
                    header.value = header.value.replace(&form, "***");
                }
            }
            remove(form.as_bytes(), &mut response.body);
        }
    }
}

/// In place: a body may be as large as the host lets it be.
fn remove(secret: &[u8], body: &mut Vec<u8>) {
    let (mut read, mut written) = (0, 0);
    while let Some(at) = body.get(read..).and_then(|rest| memchr::memmem::find(rest, secret)) {
        body.copy_within(read..read + at, written);
        written += at;
        if let Some(place) = body.get_mut(written..written + REDACTED.len()) {
            place.copy_from_slice(REDACTED);
        }
        written += REDACTED.len();
        read += at + secret.len();
    }
    if read > 0 {
        body.copy_within(read.., written);
        body.truncate(written + body.len() - read);
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
    client: Client,
    outbound: &Outbound,
    request: reqwest::Request,
    room: Room,
    effect: bool,
    received: &mut usize,
) -> Result<Response, HttpError> {
    let url = request.url().clone();
    let _turn = outbound.turn(&url).await?;
    let not_reached = |error: reqwest::Error| {
        if let Some(denied) = outbound.denied(&error) {
            return HttpError::from(denied);
        }
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
    let first_byte_max = outbound.first_byte_max();
    let answer = tokio::time::timeout(first_byte_max, client.execute(request)).await;
    let mut answer = answer
        .map_err(|_| {
            let message = format!("the provider did not begin to answer within {first_byte_max:?}");
            HttpError { code: 3, message, outcome_unknown: effect }
        })?
        .map_err(not_reached)?;
    if let Some(wait) = wanted_pause(answer.status(), answer.headers()) {
        outbound.pause(&url, wait);
    }
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
        *received += chunk.len();
        if *received > room.bytes {
            let Room { bytes, why } = room;
            let message = format!("the response body has more than {bytes} bytes, {why}");
            return Err(HttpError { code: 4, message, outcome_unknown: effect });
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response { status, headers, body };
    redact(outbound, &mut response);
    Ok(response)
}

impl Host for CallState {
    async fn send(&mut self, request: Request) -> Result<Response, HttpError> {
        let scope = self.scope.clone();
        self.http.requests += 1;
        let requests_max = scope.limits.count(Limit::HttpRequests);
        if self.http.requests > requests_max {
            return Err(failed(7, format!("one call may send {requests_max} requests")));
        }
        let quiet = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let effect = request.effect.unwrap_or(!quiet);
        let sent = request.body.len();
        if let Some(operation) = &mut self.operation
            && let Some(answer) = operation.steps.recorded(&request, effect).await
        {
            let received = answer.as_ref().map_or(0, |response| response.body.len());
            self.http.bytes = self.http.bytes.saturating_add(sent).saturating_add(received);
            return answer;
        }
        if let Some(operation) = &mut self.operation
            && let Some(refused) = operation.steps.refused(&request, effect)
        {
            return Err(refused);
        }
        let answer = self.send_now(&request, effect).await;
        let Some(operation) = &mut self.operation else { return answer.into_inner() };
        match answer {
            Sent::Intended(answer) => operation.steps.answered(answer).await,
            Sent::Quietly(answer) => {
                operation.steps.read(&request, effect, &answer);
                answer
            }
        }
    }
}

/// What came of a request.
enum Sent {
    /// It was taken down that it would be sent.
    Intended(Result<Response, HttpError>),
    /// It changes nothing, or was not sent.
    Quietly(Result<Response, HttpError>),
}

impl Sent {
    fn into_inner(self) -> Result<Response, HttpError> {
        match self {
            Sent::Intended(answer) | Sent::Quietly(answer) => answer,
        }
    }
}

impl CallState {
    async fn send_now(&mut self, request: &Request, effect: bool) -> Sent {
        let scope = self.scope.clone();
        let wanted = request.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms.into()));
        let last = self.deadline - LAST_WORD_MAX.min(scope.limits.time(Limit::CallTimeout) / 10);
        let until = wanted.map_or(last, |wanted| wanted.min(last));
        let sent = request.body.len();
        let prepared = self.room(sent).and_then(|room| Ok((room, self.prepare(request)?)));
        let (room, (client, prepared)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Sent::Quietly(Err(error)),
        };
        let intended = match &mut self.operation {
            Some(operation) if effect => {
                if let Err(error) = operation.steps.intend(request).await {
                    return Sent::Quietly(Err(error));
                }
                true
            }
            _ => false,
        };
        let outbound = &scope.outbound;
        let mut received = 0;
        let exchange = exchange(client, outbound, prepared, room, effect, &mut received);
        let answer = tokio::time::timeout_at(until, exchange).await.unwrap_or_else(|_| {
            let message = "the provider did not answer in time".to_owned();
            Err(HttpError { code: 3, message, outcome_unknown: effect })
        });
        self.http.bytes = self.http.bytes.saturating_add(sent).saturating_add(received);
        outbound.count(match &answer {
            Ok(_) => "answered",
            Err(HttpError { code: 1 | 8, .. }) => "denied",
            Err(HttpError { code: 3, .. }) => "timeout",
            Err(_) => "failed",
        });
        if intended { Sent::Intended(answer) } else { Sent::Quietly(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_secret_is_removed_wherever_it_is(parts in proptest::collection::vec("[abs]{0,5}", 1..8)) {
            let mut body = parts.join("secret").into_bytes();
            let expected = String::from_utf8(body.clone()).unwrap().replace("secret", "***");
            remove(b"secret", &mut body);
            proptest::prop_assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
    }

    #[test]
    fn a_pause_is_for_those_who_are_busy() {
        let pause = |status: u16, wait: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_static(wait));
            wanted_pause(StatusCode::from_u16(status).unwrap(), &headers)
        };
        assert_eq!(pause(429, "7"), Some(Duration::from_secs(7)));
        assert_eq!(pause(503, " 7 "), Some(Duration::from_secs(7)));
        assert_eq!(pause(503, "Fri, 31 Dec 1999 23:59:59 GMT"), Some(RETRY_AFTER_DATE));
        assert_eq!(pause(429, "-1"), Some(RETRY_AFTER_DATE));
        assert_eq!(pause(200, "7"), None);
        assert_eq!(wanted_pause(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new()), None);
    }
}
