//! One step: a request, as far as it has to be known again, and its answer.

use crate::plugin::bindings::cnsp::adapter::http::{
    Credential, Header, HttpError, Request, Response,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// How much of a URL is told.
const URL_CHARS_MAX: usize = 300;
/// A provider could not be reached, as the contract counts.
pub(super) const NOT_REACHED: u16 = 2;
/// The operation was given up, as the contract counts.
pub(super) const GIVEN_UP: u16 = 9;

/// One request and its answer.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Row {
    /// Method and URL, for people.
    pub(super) what: String,
    /// Of all that the plugin asked for.
    pub(super) digest: String,
    pub(super) effect: bool,
    /// What the clock said.
    pub(super) at_ms: u64,
    /// In which run it was asked for.
    pub(super) run: u32,
    /// None: it is not known.
    pub(super) answer: Option<Kept>,
}

/// An answer as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Kept {
    Answered { status: u16, headers: Vec<(String, String)>, body: String },
    Failed { code: u16, message: String, outcome_unknown: bool },
}

impl Row {
    /// Whether the provider may have done what it was asked, though this is a failure.
    pub(super) fn may_have_acted(&self) -> bool {
        match &self.answer {
            None => true,
            Some(Kept::Failed { outcome_unknown, .. }) => *outcome_unknown,
            // 501 and 503 say that it was not even begun.
            Some(Kept::Answered { status, .. }) => *status >= 500 && !matches!(status, 501 | 503),
        }
    }
}

pub(super) fn digest(request: &Request, effect: bool) -> String {
    let mut hash = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(request.method.as_bytes());
    add(request.url.as_bytes());
    for Header { name, value } in &request.headers {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    add(match &request.credential {
        Credential::None => b"",
        Credential::Basic(name) | Credential::Bearer(name) => name.as_bytes(),
    });
    add(&[u8::from(effect)]);
    add(&request.body);
    hash.finalize().to_hex().to_string()
}

pub(super) fn what(request: &Request) -> String {
    let shown: String = request.url.chars().take(URL_CHARS_MAX).collect();
    format!("{} {}", request.method.escape_debug(), shown.escape_debug())
}

impl From<&Result<Response, HttpError>> for Kept {
    fn from(answer: &Result<Response, HttpError>) -> Kept {
        match answer {
            Ok(Response { status, headers, body }) => Kept::Answered {
                status: *status,
                headers: headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect(),
                body: BASE64_STANDARD.encode(body),
            },
            Err(HttpError { code, message, outcome_unknown }) => Kept::Failed {
                code: *code,
                message: message.clone(),
                outcome_unknown: *outcome_unknown,
            },
        }
    }
}

impl Kept {
    pub(super) fn answer(&self) -> Result<Response, HttpError> {
        match self {
            Kept::Answered { status, headers, body } => Ok(Response {
                status: *status,
                headers: headers
                    .iter()
                    .map(|(name, value)| Header { name: name.clone(), value: value.clone() })
                    .collect(),
                body: BASE64_STANDARD.decode(body).map_err(|error| lost(&error.to_string()))?,
            }),
            Kept::Failed { code, message, outcome_unknown } => Err(HttpError {
                code: *code,
                message: message.clone(),
                outcome_unknown: *outcome_unknown,
            }),
        }
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Kept::Answered { headers, body, .. } => {
                let headers = headers.iter().map(|(name, value)| name.len() + value.len());
                body.len() + headers.sum::<usize>()
            }
            Kept::Failed { message, .. } => message.len(),
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        matches!(self, Kept::Failed { code: GIVEN_UP, .. })
    }

    pub(super) fn is_failure(&self) -> bool {
        match self {
            Kept::Answered { status, .. } => *status >= 400,
            Kept::Failed { .. } => true,
        }
    }
}

/// What the plugin is told where the journal itself fails. The call comes to nothing anyway.
pub(super) fn lost(why: &str) -> HttpError {
    let message = format!("the host cannot keep what is asked for: {why}");
    HttpError { code: NOT_REACHED, message, outcome_unknown: true }
}
