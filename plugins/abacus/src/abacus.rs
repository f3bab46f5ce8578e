//! The way to Abacus and back: signing in, sending, and what is common to all of its answers.

use crate::check;
use crate::settings::{self, SECRET, Service, SignIn, VENDOR_WAIT};
use cnsp_sdk::http::{HttpError, Request, Response};
use cnsp_sdk::{Failure, log};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::time::Duration;

/// A longer token fits into no header.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How often one request gets a new token. A run that goes over an earlier one's answers begins with that one's token,
/// which may have ended by now.
const RENEWALS_MAX: u32 = 3;
/// The longest wait that a busy Abacus is granted.
const WAIT_S_MAX: u64 = 3600;

/// Abacus, signed in to for one call. The token is kept nowhere else.
pub(crate) struct Abacus {
    token: Token,
    timeout: Option<Duration>,
}

enum Token {
    /// Fetched for this call, from there.
    Fetched {
        url: String,
        token: RefCell<String>,
    },
    /// The secret itself, which the host puts in.
    Secret,
    None,
}

/// What came of a request that changes something.
pub(crate) enum Sent {
    Answer(Response),
    /// Abacus never saw it.
    Not(Failure),
    /// Abacus may have acted. The text says why nobody knows.
    Unknown(&'static str),
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

impl Abacus {
    /// Signs in.
    pub(crate) fn open() -> Result<Self, Failure> {
        let timeout = settings::timeout()?;
        let token = match settings::sign_in()? {
            SignIn::ClientCredentials { token_url: url } => {
                let token = RefCell::new(fetch(&url, timeout)?);
                Token::Fetched { url, token }
            }
            SignIn::Bearer => Token::Secret,
            SignIn::None => Token::None,
        };
        Ok(Self { token, timeout })
    }

    fn request(&self, method: &str, service: Service, path: &str) -> Result<Request, Failure> {
        let request = Request::new(method, format!("{}{path}", service.url()?))
            .header("Accept", "application/json");
        let request = match &self.token {
            Token::Fetched { token, .. } => {
                request.header("Authorization", format!("Bearer {}", token.borrow()))
            }
            Token::Secret => request.bearer(SECRET),
            Token::None => request,
        };
        Ok(within(request, self.timeout))
    }

    /// Reads something. `what` stands after "Abacus was asked for".
    pub(crate) fn get(
        &self,
        service: Service,
        path: &str,
        what: &str,
    ) -> Result<Response, Failure> {
        let answer = self.request("GET", service, path)?.send().map_err(|error| unsent(&error))?;
        match answer.status {
            200..=299 | 404 => Ok(answer),
            _ => Err(self.refusal(&format!("for {what}"), &answer)),
        }
    }

    /// Sends something that changes what Abacus has.
    pub(crate) fn post(
        &self,
        service: Service,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Sent, Failure> {
        let send = || -> Result<_, Failure> {
            Ok(self.request("POST", service, path)?.json(body)?.send())
        };
        let mut sent = send()?;
        for _ in 0..RENEWALS_MAX {
            let ended = matches!(&sent, Ok(answer) if answer.status == 401);
            let Token::Fetched { url, token } = &self.token else { break };
            if !ended {
                break;
            }
            let renewed = fetch(url, self.timeout)?;
            token.replace(renewed);
            sent = send()?;
        }
        Ok(match sent {
            Ok(answer) if is_ambiguous(answer.status) => {
                log::warn(
                    "Abacus failed at something that it may have done all the same.",
                    &[("status", &answer.status.to_string()), ("path", path)],
                );
                Sent::Unknown("it failed while it was at it")
            }
            Ok(answer) => Sent::Answer(answer),
            Err(error) if error.outcome_unknown => {
                unsent(&error);
                Sent::Unknown("it did not answer")
            }
            Err(error) => Sent::Not(unsent(&error)),
        })
    }

    /// The failure for an answer that is no success. `goal` stands after "Abacus was asked".
    pub(crate) fn refusal(&self, goal: &str, answer: &Response) -> Failure {
        let said = self.said(answer);
        let status = answer.status;
        match status {
            401 | 403 => credentials(status),
            404 | 410 => Failure::refused(
                404,
                format!("Abacus was asked {goal}, and does not know it ({status}){said}."),
            ),
            408 | 429 | 503 => {
                let text = format!(
                    "Abacus was asked {goal}, and has too much to do ({status}){said}. Try again later."
                );
                Failure::refused(503, text).after(wait(answer))
            }
            451 => {
                let text = format!(
                    "Abacus was asked {goal}, and takes none of organizations with this kind of licence (451){said}. Ask its operator for another licence."
                );
                Failure::refused(403, text).code("LICENCE_NOT_SUPPORTED")
            }
            400..=499 => Failure::refused(
                400,
                format!(
                    "Abacus was asked {goal}, and refused ({status}){said}. Correct that, and ask again with a new request id."
                ),
            ),
            500..=599 => Failure::refused(
                502,
                format!("Abacus was asked {goal}, and failed ({status}){said}. Try again later."),
            )
            .retryable(),
            _ => Failure::refused(
                502,
                format!(
                    "Abacus was asked {goal}, and answered {status}, which is no answer to that. Its vendor must look."
                ),
            ),
        }
    }

    /// What an error's body says, for the end of a sentence. The token is taken out: an answer may repeat it.
    fn said(&self, answer: &Response) -> String {
        let body: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let texts = ["message", "reason", "error"].map(|key| body.get(key).and_then(Value::as_str));
        let Some(text) = texts.into_iter().flatten().find(|text| !text.trim().is_empty()) else {
            return String::new();
        };
        let text = match &self.token {
            Token::Fetched { token, .. } => text.replace(token.borrow().as_str(), "***"),
            Token::Secret | Token::None => text.to_owned(),
        };
        format!(": “{}”", check::said(&text).trim_end_matches('.'))
    }
}

/// A proxy in front of Abacus answers 502 and 504, and any of its applications 500, wherever they are in their work.
/// Only 503 says that it has not begun.
fn is_ambiguous(status: u16) -> bool {
    (500..600).contains(&status) && status != 503
}

/// An answer's body. `what` begins a sentence: `The metering plan`.
pub(crate) fn read<T: DeserializeOwned>(what: &str, answer: &Response) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        let text = format!(
            "{what} that Abacus answered is not what it should be: {}. Its vendor must look.",
            check::said(&error.to_string())
        );
        Failure::refused(502, text)
    })
}

/// How long a busy Abacus asks to be left alone.
fn wait(answer: &Response) -> Duration {
    let seconds = answer.header("Retry-After").and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).min(WAIT_S_MAX))
}

/// As a part of a path (RFC 3986, "unreserved").
pub(crate) fn segment(text: &str) -> Result<String, Failure> {
    // A URL cannot hold these two, however they are written.
    if matches!(text, "." | "..") {
        return Err(Failure::invalid(format!("`{text}` cannot be an id of Abacus's.")));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    Ok(text.bytes().map(encoded).collect())
}

fn within(request: Request, timeout: Option<Duration>) -> Request {
    match timeout {
        Some(timeout) => request.timeout(timeout),
        None => request,
    }
}

/// A token for this call (RFC 6749, section 4.4).
fn fetch(url: &str, timeout: Option<Duration>) -> Result<String, Failure> {
    let request = Request::post(url)
        .basic(SECRET)
        .header("Accept", "application/json")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        // Nothing changes: it may be asked for any number of times.
        .effect(false);
    let answer = within(request, timeout).send().map_err(|error| unsent(&error))?;
    match answer.status {
        200 => {}
        400 | 401 | 403 => return Err(credentials(answer.status)),
        408 | 429 | 503 => {
            let text = "Abacus's authorization server has too much to do. Try again later.";
            return Err(Failure::refused(503, text).after(wait(&answer)));
        }
        status => {
            let text = format!(
                "Abacus's authorization server was asked for a token, and answered {status}. Try again later."
            );
            return Err(Failure::refused(502, text).retryable());
        }
    }
    // Not with `read`, whose text could repeat a piece of it.
    let granted: Option<Granted> = serde_json::from_slice(&answer.body).ok();
    let token = granted.map(|granted| granted.access_token).unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_graphic();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(fits) {
        let text = "Abacus's authorization server answered without an `access_token`. Its vendor must look.";
        return Err(Failure::refused(502, text).retryable());
    }
    Ok(token)
}

/// It is about this endpoint's credentials, not about the customer's.
fn credentials(status: u16) -> Failure {
    log::error(
        "Abacus did not accept the endpoint's credentials.",
        &[("secret", SECRET), ("status", &status.to_string())],
    );
    let text = format!(
        "Abacus answered {status} to this endpoint's own credentials. They are not yours: its vendor has to put right the secret `{SECRET}`, or what it may do."
    );
    Failure::refused(500, text).after(VENDOR_WAIT)
}

/// The failure for a request that Abacus never saw, or that changes nothing. Why is for the vendor.
fn unsent(error: &HttpError) -> Failure {
    let unknown = if error.outcome_unknown { "yes" } else { "no" };
    log::warn(
        "A request to Abacus got no answer.",
        &[("why", &error.message), ("unknown", unknown)],
    );
    match error.code {
        // Not let through by the grants: not remembered with the request, since the vendor can mend it.
        1 => {
            let text = "Abacus cannot be asked: the endpoint's grants do not let the request through. Its vendor must correct them.";
            Failure::refused(500, text).after(VENDOR_WAIT)
        }
        2 => Failure::refused(502, "Abacus cannot be reached. Try again later.").retryable(),
        3 => Failure::refused(504, "Abacus did not answer in time. Try again later.").retryable(),
        8 => {
            let text = "Abacus has asked to be left alone for a while. Try again later.";
            Failure::refused(503, text).retryable()
        }
        _ => {
            let text = "Abacus cannot be asked. The plugin's log says why: its vendor must look.";
            Failure::refused(502, text)
        }
    }
}
