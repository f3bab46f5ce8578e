//! What an answer of the broker means: OSB's table of orphan mitigation, in one function.

use crate::check;
use cnsp_sdk::http::{HttpError, Response};
use cnsp_sdk::{Failure, log};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Duration;

/// OSB's bound on `operation`.
const OPERATION_CHARS_MAX: usize = 10_000;
/// And ours, as JSON: a value of the store has 24 KiB.
const OPERATION_BYTES_MAX: usize = 20 * 1024;
/// A longer address is nobody's dashboard.
const URL_BYTES_MAX: usize = 2048;
/// The longest that the host waits between two calls.
const WAIT_S_MAX: u64 = 3600;

/// A request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Provision,
    Update,
    Deprovision,
    Bind,
    Unbind,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is done.
    Done(Body),
    /// The broker is at it: ask for the last operation, with this.
    Accepted { operation: Option<String>, wait: Duration },
    /// What was to be deleted is not there.
    Gone,
    /// The broker is at something else for this instance: the same request again, later. Never a reason to clean up.
    Busy(Duration),
    /// It did not succeed.
    Not(Trouble),
}

/// Why a request did not succeed, and what is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    /// Whether something may be left at the broker that nobody knows of: it has to be deleted.
    pub(crate) orphan: bool,
    /// Whether the broker has to be asked what it has: it may have acted, or there is nothing to act upon.
    pub(crate) unknown: bool,
    /// Whether the instance cannot be used any more.
    pub(crate) unusable: bool,
}

/// The members of an answer that mean something here. Whatever else there is, is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Body {
    #[serde(default)]
    pub(crate) dashboard_url: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    pub(crate) credentials: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: Value,
    #[serde(default)]
    description: Value,
    #[serde(default)]
    instance_usable: Value,
    #[serde(default)]
    update_repeatable: Value,
}

impl Kind {
    fn deletes(self) -> bool {
        matches!(self, Self::Deprovision | Self::Unbind)
    }

    fn creates(self) -> bool {
        matches!(self, Self::Provision | Self::Bind)
    }

    /// For "The broker … ".
    fn goal(self) -> &'static str {
        match self {
            Self::Provision => "to provision the instance",
            Self::Update => "to update the instance",
            Self::Deprovision => "to deprovision the instance",
            Self::Bind => "to bind the seat",
            Self::Unbind => "to unbind the seat",
        }
    }
}

impl Trouble {
    /// The broker said no, and nothing has changed.
    pub(crate) fn refused(failure: Failure) -> Self {
        Self { failure, orphan: false, unknown: false, unusable: false }
    }

    fn failed(failure: Failure, orphan: bool) -> Self {
        Self { orphan, ..Self::refused(failure) }
    }
}

/// The verdict on a request's answer.
pub(crate) fn judge(
    kind: Kind,
    answer: Result<Response, HttpError>,
    interval: Duration,
) -> Verdict {
    let goal = kind.goal();
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if !error.outcome_unknown => {
            return Verdict::Not(Trouble::refused(unsent(&error)));
        }
        Err(error) => {
            log_unanswered(&error);
            let text = format!(
                "The broker was asked {goal}, and nobody knows whether it did: it did not answer."
            );
            let failure = Failure::refused(if error.code == 3 { 504 } else { 502 }, text);
            let failure = if kind.creates() { failure } else { failure.retryable() };
            let trouble = Trouble::failed(failure, kind.creates());
            return Verdict::Not(Trouble { unknown: true, ..trouble });
        }
    };
    let wait = retry_after(&answer).unwrap_or(interval);
    let status = answer.status;
    match status {
        200..=202 => match read::<Body>(&answer).and_then(Body::check) {
            Ok(body) if status == 202 => Verdict::Accepted { operation: body.operation, wait },
            Ok(body) => Verdict::Done(body),
            Err(why) => {
                let text = format!(
                    "The broker was asked {goal}; it answered {status}, and {why}. Its vendor must look."
                );
                Verdict::Not(Trouble::failed(
                    Failure::refused(502, text),
                    status != 200 && kind.creates(),
                ))
            }
        },
        203..=299 => {
            let text = format!(
                "The broker was asked {goal}; it answered {status}, which means nothing here."
            );
            Verdict::Not(Trouble::failed(Failure::refused(502, text), kind != Kind::Update))
        }
        410 if kind.deletes() => Verdict::Gone,
        422 if is_concurrency_error(&answer) => Verdict::Busy(wait),
        500..=599 => {
            let mut trouble = told(kind, &answer, wait);
            trouble.orphan = kind != Kind::Update;
            Verdict::Not(trouble)
        }
        _ => Verdict::Not(told(kind, &answer, wait)),
    }
}

impl Body {
    fn check(mut self) -> Result<Self, String> {
        if let Some(operation) = &self.operation {
            let bytes = serde_json::to_string(operation).map_or(usize::MAX, |json| json.len());
            if operation.chars().count() > OPERATION_CHARS_MAX || bytes > OPERATION_BYTES_MAX {
                return Err(format!("`operation` has more than {OPERATION_CHARS_MAX} characters"));
            }
        }
        // Shown to customers as a link; anything else is none.
        self.dashboard_url = self.dashboard_url.filter(|url| is_web_address(url));
        Ok(self)
    }
}

pub(crate) fn is_web_address(url: &str) -> bool {
    let scheme = url.starts_with("https://") || url.starts_with("http://");
    scheme && url.len() <= URL_BYTES_MAX && !url.chars().any(|c| c.is_control() || c == ' ')
}

/// A JSON object of this shape; else what is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(answer: &Response) -> Result<T, String> {
    let body: Map<String, Value> = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("the body is no JSON object: {error}"))?;
    serde_json::from_value(Value::Object(body))
        .map_err(|error| format!("the body is wrong: {error}"))
}

/// How long the broker asks to wait, where it says so in seconds.
pub(crate) fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds: u64 = answer.header("Retry-After")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(WAIT_S_MAX)))
}

/// What an error's body says, as far as it is what OSB lays down.
fn error_body(answer: &Response) -> ErrorBody {
    read(answer).unwrap_or_default()
}

/// The `error` of a body, when it is a word that can be passed on.
fn error_code(body: &ErrorBody) -> Option<String> {
    let code = body.error.as_str()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!code.is_empty() && code.len() <= 64 && code.bytes().all(plain)).then(|| code.to_owned())
}

/// Whether the broker says that it is at something else for this instance.
pub(crate) fn is_concurrency_error(answer: &Response) -> bool {
    answer.status == 422 && error_body(answer).error == "ConcurrencyError"
}

/// What a refusal says, in our words and the broker's.
fn told(kind: Kind, answer: &Response, wait: Duration) -> Trouble {
    let body = error_body(answer);
    let failure = refusal(kind.goal(), answer.status, &body, wait);
    let own = matches!(kind, Kind::Update | Kind::Deprovision);
    let failure = match (kind, answer.status) {
        (Kind::Update, 500..=599) if body.update_repeatable != false => failure.retryable(),
        _ => failure,
    };
    Trouble {
        // OSB says 410 for what is not there. A broker that says 404 is asked what it has.
        unknown: kind.deletes() && answer.status == 404,
        unusable: own && body.instance_usable == false,
        ..Trouble::refused(failure)
    }
}

/// The failure for an answer that is no success.
fn refusal(goal: &str, status: u16, body: &ErrorBody, wait: Duration) -> Failure {
    let said = check::said(body.description.as_str().unwrap_or_default());
    let said =
        if said.is_empty() { "it does not say why".to_owned() } else { format!("“{said}”") };
    let failure = match status {
        401 | 403 => Failure::refused(
            502,
            format!("The broker answered {status} to this endpoint's own credentials: its vendor must correct the secret `broker`."),
        ),
        404 | 410 => Failure::refused(404, format!("The broker was asked {goal}, and does not know it ({status}): {said}.")),
        408 => Failure::refused(504, format!("The broker was asked {goal}, and did not get the request in time. Try again.")).retryable(),
        412 => Failure::refused(502, format!("The broker does not speak OSB 2.17 (412): {said}. Its vendor must look.")),
        429 => Failure::refused(503, format!("The broker was asked {goal}, and has too much to do ({status}): {said}. Try again later.")).after(wait),
        503 => Failure::refused(503, format!("The broker was asked {goal}, and is not there now (503): {said}. Try again later.")),
        500..=599 => Failure::refused(502, format!("The broker was asked {goal}, and failed ({status}): {said}.")),
        400..=499 => Failure::refused(400, format!("The broker was asked {goal}, and refused ({status}): {said}. Correct that, and ask again with a new request id.")),
        _ => Failure::refused(502, format!("The broker was asked {goal}, and answered {status}, which is no answer to that.")),
    };
    match error_code(body) {
        Some(code) => failure.code(code),
        None => failure,
    }
}

/// The failure for a read that was answered with this.
pub(crate) fn unreadable(goal: &str, answer: &Response) -> Failure {
    let body = error_body(answer);
    refusal(goal, answer.status, &body, retry_after(answer).unwrap_or(Duration::from_secs(1)))
}

/// The failure for a request that the broker never saw, or that changes nothing. Why is for the vendor.
pub(crate) fn unsent(error: &HttpError) -> Failure {
    log_unanswered(error);
    match error.code {
        2 => Failure::refused(502, "The broker cannot be reached. Try again later.").retryable(),
        3 => {
            Failure::refused(504, "The broker did not answer in time. Try again later.").retryable()
        }
        4 => {
            let text = "The broker answers more than this endpoint may take: its vendor must look.";
            Failure::refused(502, text)
        }
        6 => Failure::refused(502, "The broker does not answer in HTTP: its vendor must look."),
        8 => {
            let text = "The broker has asked to be left alone for a while. Try again later.";
            Failure::refused(503, text).retryable()
        }
        _ => {
            let text =
                "The broker cannot be asked. The plugin's log says why: its vendor must look.";
            Failure::refused(502, text)
        }
    }
}

fn log_unanswered(error: &HttpError) {
    let unknown = if error.outcome_unknown { "yes" } else { "no" };
    log::warn(
        "A request to the broker got no answer.",
        &[("why", &error.message), ("unknown", unknown)],
    );
}
