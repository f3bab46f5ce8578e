//! The way to the remote and back: what a request came to.

use crate::body::Body;
use crate::envelope::{Envelope, clean};
use crate::object::{Object, Wrong};
use crate::page;
use crate::settings::{About, Settings};
use cnsp_sdk::http::{HttpError, Request, Response};
use cnsp_sdk::{Failure, log, operation};
use std::time::Duration;

/// How long a vendor may take to put right what only a vendor can.
const VENDOR_WAIT: Duration = Duration::from_secs(60);

/// The remote of this endpoint.
pub(crate) struct Remote {
    pub(crate) settings: Settings,
}

/// A success.
#[derive(Debug)]
pub(crate) struct Answered {
    /// `providerresponse`.
    pub(crate) response: Object,
    /// The query of the page that follows.
    pub(crate) next: Option<String>,
    /// How long to wait before asking how it stands.
    pub(crate) poll_after: Duration,
}

/// What a change came to.
pub(crate) enum Sent {
    /// The remote says that it is done, or that it is at it.
    Done(Answered),
    /// Nothing was done.
    Refused(Failure),
    /// It may have been done.
    Unknown(Failure),
}

/// A change to send.
pub(crate) struct Change {
    method: &'static str,
    path: &'static str,
    body: String,
    /// The operation's id: what makes a repeat recognisable.
    id: String,
    /// Whether a repeat is harmless.
    pub(crate) repeats: bool,
}

impl Remote {
    pub(crate) fn open() -> Result<Remote, Failure> {
        Ok(Remote { settings: Settings::read()? })
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, format!("{}{path}", self.settings.url))
            .basic(self.settings.secret.as_str())
            .header("Accept", "application/json");
        match self.settings.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        }
    }

    /// Asks for something. A read can be asked for again at will, so an unknown outcome is a failed one.
    pub(crate) fn get(&self, path: &str, query: &str) -> Result<Answered, Failure> {
        let mark = if query.is_empty() { "" } else { "?" };
        match self.judge(self.request("GET", &format!("{path}{mark}{query}")).send()) {
            Sent::Done(answered) => Ok(answered),
            Sent::Refused(failure) | Sent::Unknown(failure) => Err(missing(failure)),
        }
    }

    /// A change about this. One that says the same again whenever it is repeated `sets`, as most updates do.
    pub(crate) fn change(
        &self,
        about: About,
        method: &'static str,
        path: &'static str,
        body: Body,
        sets: bool,
    ) -> Result<Change, Failure> {
        let id = operation::require_id()?;
        let repeats = sets || self.settings.does_once(about);
        Ok(Change { method, path, body: body.render(), id, repeats })
    }

    /// Sends a change. Where its outcome is not known and a repeat is harmless, it is sent once more.
    pub(crate) fn send(&self, change: &Change) -> Sent {
        match self.send_once(change) {
            Sent::Unknown(_) if change.repeats => self.send_once(change),
            sent => sent,
        }
    }

    fn send_once(&self, change: &Change) -> Sent {
        let request = self
            .request(change.method, change.path)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", change.id.as_str())
            .body(change.body.as_str());
        match self.judge(request.send()) {
            // Only a deletion cares why there is nothing.
            Sent::Refused(failure) if change.method != "DELETE" => Sent::Refused(missing(failure)),
            sent => sent,
        }
    }

    fn judge(&self, sent: Result<Response, HttpError>) -> Sent {
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.outcome_unknown => return Sent::Unknown(unknown(&error.message)),
            Err(error) => return Sent::Refused(not_sent(error)),
        };
        if response.status == 401 {
            return Sent::Refused(self.credentials_refused());
        }
        let envelope = match Envelope::read(&response.text(), response.status) {
            Ok(envelope) => envelope,
            Err(wrong) => return by_status(&response, wrong),
        };
        let respcode = envelope.respcode;
        match envelope.success {
            true => Sent::Done(Answered {
                response: envelope.response,
                next: page::next(&response),
                poll_after: retry_after(&response).unwrap_or(self.settings.poll_after),
            }),
            // It is about this endpoint's credentials, not about the customer's.
            false if respcode == 401 => Sent::Refused(self.credentials_refused()),
            false => match envelope.into_failure() {
                Err(wrong) => by_status(&response, wrong),
                Ok(failure) => {
                    let failure = match retry_after(&response) {
                        Some(wait) => failure.after(wait),
                        None if matches!(respcode, 429 | 502..=504) => failure.retryable(),
                        None => failure,
                    };
                    match respcode {
                        // A CNSP host says so about a provider of its own, which may have acted.
                        502 | 504 => Sent::Unknown(failure),
                        _ => Sent::Refused(failure),
                    }
                }
            },
        }
    }

    fn credentials_refused(&self) -> Failure {
        let secret = self.settings.secret.as_str();
        log::error(
            "The provider did not accept the endpoint's credentials.",
            &[("secret", secret)],
        );
        let text = "The provider did not accept the credentials of this endpoint. They are not yours: its vendor has to put them right.";
        Failure::refused(500, text).after(VENDOR_WAIT)
    }
}

/// A failure after which it is open whether the provider has acted.
pub(crate) fn unknown(why: &str) -> Failure {
    let text = format!(
        "It is not known whether the provider has done what was asked: {}. Ask again with the same request id.",
        why.trim_end_matches('.')
    );
    Failure::refused(504, text).retryable()
}

/// What is gone is not there: CNSP 1.0 has 404 for both.
fn missing(failure: Failure) -> Failure {
    match failure.respcode {
        410 => Failure { respcode: 404, ..failure },
        _ => failure,
    }
}

/// Nothing was done.
fn not_sent(error: HttpError) -> Failure {
    let text = format!("The provider was not reached: {}.", error.message.trim_end_matches('.'));
    match error.code {
        // Not reachable, too slow, or asked to be left alone.
        2 | 8 => Failure::refused(503, text).retryable(),
        3 => Failure::refused(504, text).retryable(),
        // The grants do not let it through: not remembered with the request, since the vendor can mend it.
        1 => Failure::refused(500, text).after(VENDOR_WAIT),
        _ => Failure::refused(502, text),
    }
}

/// What is meant by an answer that is not CNSP's, from a proxy for example.
fn by_status(response: &Response, wrong: Wrong) -> Sent {
    let status = response.status;
    let refused = |respcode, what: &str| {
        let text = format!("The provider answered HTTP {status} without CNSP's envelope: {what}");
        Failure::refused(respcode, text)
    };
    let busy = |failure: Failure| match retry_after(response) {
        Some(wait) => failure.after(wait),
        None => failure.retryable(),
    };
    Sent::Refused(match status {
        300..=399 => refused(
            502,
            "a redirect. The vendor has to set `url` to where it leads, with `/apiv1` at the end.",
        ),
        403 => refused(403, "it does not let this endpoint do that. Ask its vendor."),
        404 | 410 => refused(status, "there is no such thing, or no such operation."),
        405 | 501 => refused(501, "it does not have this operation."),
        408 | 429 | 503 => busy(refused(503, "it is busy. Ask again later.")),
        400..=499 => refused(400, "it does not take this request."),
        500..=599 => {
            let text = format!("the provider answered HTTP {status} without CNSP's envelope");
            return Sent::Unknown(unknown(&text));
        }
        _ => {
            let text = format!(
                "the provider's answer is not what CNSP 1.0 says: {}",
                clean(&wrong.0, 300)
            );
            let failure = Failure { respcode: 502, ..unknown(&text) };
            return Sent::Unknown(failure);
        }
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    // A date is rare, and as good as nothing here.
    response.header("Retry-After")?.trim().parse().ok().map(Duration::from_secs)
}

/// An id as a part of a path.
pub(crate) fn segment(id: &str) -> Result<String, Failure> {
    // A URL cannot hold these two, however they are written.
    if matches!(id, "." | "..") {
        return Err(Failure::refused(404, format!("The provider has nothing with the id `{id}`.")));
    }
    Ok(encode(id))
}

/// Percent-encoding of everything that is not unreserved (RFC 3986, section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
