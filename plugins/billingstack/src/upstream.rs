//! A request to either service, and what its answer means. BillingStack forbids with 500, neither knows idempotency
//! keys, and the credentials are never the customer's.

use crate::check::said;
use cnsp_sdk::Failure;
use cnsp_sdk::http::{HttpError, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How often something is asked for before it is given up.
const TRIES: u32 = 3;
/// How long a vendor may take to put right what only a vendor can.
const VENDOR_WAIT: Duration = Duration::from_secs(60);

/// What a request fails with whose answer is lost.
const LATE: u16 = 504;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    BillingStack,
    Keystone,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BillingStack => "BillingStack",
            Self::Keystone => "Keystone",
        }
    }
}

/// What a request came to.
pub(crate) enum Sent {
    /// It was done.
    Done(Response),
    /// Nothing was done.
    Refused(Refusal),
    /// It may have been done.
    Unknown(Failure),
}

/// Why nothing was done.
pub(crate) struct Refusal {
    /// What was answered; none: it was not sent, or not answered.
    pub(crate) status: Option<u16>,
    pub(crate) failure: Failure,
}

impl Refusal {
    /// What is not there, in the caller's words.
    pub(crate) fn or_missing(self, missing: impl FnOnce() -> Failure) -> Failure {
        match self.status {
            Some(404 | 410) => missing(),
            _ => self.failure,
        }
    }
}

/// Why something was not made.
pub(crate) struct Trouble {
    pub(crate) failure: Box<Failure>,
    /// What may have been made all the same, and nobody could tell.
    pub(crate) unsure: Option<String>,
    /// There is another one of that name.
    pub(crate) name_taken: bool,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble { failure: Box::new(failure), unsure: None, name_taken: false }
    }
}

/// A request that can be sent more than once.
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) request: Request,
    /// A password is in it: nothing of the answer is repeated, since it may be in there, too.
    pub(crate) secret: bool,
}

impl Call {
    pub(crate) fn send(&self) -> Sent {
        self.judge(self.request.clone().send())
    }

    /// Sends what changes nothing, and can be asked for again at will.
    pub(crate) fn ask(&self) -> Sent {
        let mut sent = self.send();
        for _ in 1..TRIES {
            match &sent {
                Sent::Unknown(_) => {}
                Sent::Refused(Refusal { status: None, failure }) if failure.retryable => {}
                _ => break,
            }
            sent = self.send();
        }
        sent
    }

    /// A read. None: there is no such thing.
    pub(crate) fn find<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        match self.ask() {
            Sent::Done(response) => match self.read(&response) {
                Ok(found) => Ok(Some(found)),
                Err(failure) => Err(failure),
            },
            Sent::Refused(Refusal { status: Some(404 | 410), .. }) => Ok(None),
            Sent::Refused(Refusal { failure, .. }) => Err(failure),
            // Nothing was asked to be changed.
            Sent::Unknown(failure) => Err(Failure { respcode: 502, ..failure }.retryable()),
        }
    }

    /// As [`Call::find`], of something that is always there.
    pub(crate) fn get<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let missing = || {
            let text = format!(
                "{} does not have a list that it has to have: the endpoint's vendor has to correct its settings.",
                self.service.name()
            );
            Failure::refused(502, text)
        };
        self.find()?.ok_or_else(missing)
    }

    /// Makes something, once: after an answer that is lost, or makes no sense, it is looked for. `ours` finds it by
    /// what only this operation calls it; `name` is for who has to look for it by hand.
    pub(crate) fn make<T: DeserializeOwned>(
        &self,
        name: &str,
        ours: impl Fn() -> Result<Option<T>, Failure>,
    ) -> Result<T, Trouble> {
        let mut last = None;
        for _ in 0..TRIES {
            let failure = match self.send() {
                Sent::Done(response) => match self.read(&response) {
                    Ok(made) => return Ok(made),
                    Err(failure) => failure,
                },
                // A run of this operation before may have made it.
                Sent::Refused(Refusal { status: Some(409), failure }) => {
                    return ours()?.ok_or_else(|| Trouble { name_taken: true, ..failure.into() });
                }
                Sent::Refused(Refusal { failure, .. }) => return Err(failure.into()),
                Sent::Unknown(failure) => failure,
            };
            match ours() {
                Ok(Some(made)) => return Ok(made),
                Ok(None) => last = Some(failure),
                Err(failure) => {
                    return Err(Trouble { unsure: Some(name.to_owned()), ..failure.into() });
                }
            }
        }
        let failure = last.unwrap_or_else(|| self.exhausted());
        // What has failed is over. What is only late may still come.
        let unsure = (failure.respcode == LATE).then(|| name.to_owned());
        Err(Trouble { unsure, ..failure.into() })
    }

    /// Does what says the same however often it is sent.
    pub(crate) fn set(&self) -> Result<Response, Refusal> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.send() {
                Sent::Done(response) => return Ok(response),
                Sent::Refused(refusal) => return Err(refusal),
                Sent::Unknown(failure) => last = Some(failure),
            }
        }
        let failure = last.unwrap_or_else(|| self.exhausted());
        Err(Refusal { status: None, failure })
    }

    /// Deletes. What is not there is gone. What gets no answer may be asked for again at any time, and has to be: an
    /// end that is given up half way leaves what nobody wants.
    pub(crate) fn delete(&self) -> Result<(), Failure> {
        match self.set() {
            Ok(_) | Err(Refusal { status: Some(404 | 410), .. }) => Ok(()),
            Err(Refusal { status: None, failure }) => Err(failure.retryable()),
            Err(refusal) => Err(refusal.failure),
        }
    }

    fn exhausted(&self) -> Failure {
        Failure::refused(500, format!("{} does not answer.", self.service.name()))
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, response: &Response) -> Result<T, Failure> {
        serde_json::from_slice(&response.body).map_err(|error| {
            let why = match self.secret {
                true => String::new(),
                false => format!(": {}", said(&error.to_string())),
            };
            let text = format!(
                "{} answered what makes no sense{why}. Its vendor has to look at it.",
                self.service.name()
            );
            Failure::refused(502, text)
        })
    }

    fn judge(&self, sent: Result<Response, HttpError>) -> Sent {
        let name = self.service.name();
        let response = match sent {
            Ok(response) => response,
            Err(error) => return self.not_answered(error),
        };
        let (kind, words) = if self.secret { Default::default() } else { words(&response.body) };
        let refused = |respcode, what: &str| {
            let said = if words.is_empty() {
                String::new()
            } else {
                format!(" It says: {}.", words.trim_end_matches('.'))
            };
            Failure::refused(respcode, format!("{name} {what}{said}"))
        };
        // BillingStack has one code for what is forbidden and for what has failed.
        let status = match response.status {
            500 if kind == "forbidden" => 403,
            status => status,
        };
        let failure = match status {
            200..=299 => return Sent::Done(response),
            // They are not the customer's, so the customer is not told 401.
            401 => refused(
                500,
                "did not accept the credentials of this endpoint. They are not yours: its vendor has to put them right.",
            )
            .after(VENDOR_WAIT),
            403 => refused(403, "does not let this endpoint do that: its vendor has to allow it."),
            404 | 410 => refused(404, "does not know what was asked about."),
            408 | 429 | 503 => {
                let failure = refused(503, "is busy. Ask again later.");
                match retry_after(&response) {
                    Some(wait) => failure.after(wait),
                    None => failure.retryable(),
                }
            }
            409 => refused(400, "has something of that name already."),
            300..=399 => {
                refused(502, "answered with a redirect: its vendor has to set the right address.")
            }
            500..=599 => {
                let what = format!("has failed, with {status}. Its vendor has to look at it.");
                return Sent::Unknown(refused(500, &what));
            }
            _ => refused(400, &format!("does not take this request, and answered {status}.")),
        };
        Sent::Refused(Refusal { status: Some(status), failure })
    }

    fn not_answered(&self, error: HttpError) -> Sent {
        let name = self.service.name();
        let why = error.message.trim_end_matches('.');
        if error.outcome_unknown {
            let text = format!("It is not known whether {name} has done what was asked: {why}.");
            return Sent::Unknown(Failure::refused(LATE, text));
        }
        let text = format!("{name} was not reached: {why}.");
        let failure = match error.code {
            // Not reachable, or it has asked to be left alone.
            2 | 8 => Failure::refused(503, text).retryable(),
            3 => Failure::refused(504, text).retryable(),
            // The grants do not let it through: not remembered, since the vendor can mend it.
            1 => Failure::refused(500, text).after(VENDOR_WAIT),
            _ => Failure::refused(502, text),
        };
        Sent::Refused(Refusal { status: None, failure })
    }
}

/// What an error says: Keystone has `error.message`, BillingStack `type` and `message`.
fn words(body: &[u8]) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Told {
        r#type: Value,
        message: Value,
        error: Value,
    }
    let told: Told = serde_json::from_slice(body).unwrap_or_default();
    let message = told.error.get("message").unwrap_or(&told.message);
    let text = |value: &Value| said(value.as_str().unwrap_or_default());
    (text(&told.r#type), text(message))
}

fn retry_after(response: &Response) -> Option<Duration> {
    // A date is rare, and as good as nothing here.
    response.header("Retry-After")?.trim().parse().ok().map(Duration::from_secs)
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
