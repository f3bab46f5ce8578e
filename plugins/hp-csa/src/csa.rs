//! The way to CSA and back: signing in, sending, and what is common to all of its answers.

use crate::settings::{self, SECRET, VENDOR_WAIT};
use crate::xml::{self, Element};
use cnsp_sdk::http::{HttpError, Request, Response};
use cnsp_sdk::{Failure, log, operation};
use std::cell::Cell;
use std::time::Duration;

/// A call may send 64 requests, and one step of what takes many may need three.
const REQUESTS_MAX: usize = 60;
/// What one call takes in before it goes on at the next: what a few answers with attachments have.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest wait that a busy CSA is granted.
const WAIT_S_MAX: u64 = 3600;

/// The `errorcode` of what fails because somebody has given the operation up.
const GIVEN_UP: &str = "GIVEN_UP";

/// Whether that is why something failed. What is asked for after it goes through, so that it can be taken back.
pub(crate) fn is_given_up(failure: &Failure) -> bool {
    failure.errorcode.as_deref() == Some(GIVEN_UP)
}

/// CSA, for one call.
pub(crate) struct Csa {
    url: String,
    timeout: Option<Duration>,
    requests: Cell<usize>,
    bytes: Cell<usize>,
}

/// What came of a request that changes something.
pub(crate) enum Sent {
    Answer(Response),
    /// CSA never saw it, or said no.
    Not(Failure),
    /// CSA may have acted.
    Unknown,
}

impl Csa {
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self {
            url: settings::url()?,
            timeout: settings::timeout()?,
            requests: Cell::new(0),
            bytes: Cell::new(0),
        })
    }

    /// Whether this call has done enough, so that the next has to go on.
    pub(crate) fn is_tired(&self) -> bool {
        self.requests.get().saturating_add(4) > REQUESTS_MAX || self.bytes.get() > BYTES_MAX
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, format!("{}{path}", self.url))
            .basic(SECRET)
            .header("Accept", "application/xml");
        match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        }
    }

    fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.requests.set(self.requests.get().saturating_add(1));
        let answer = request.send()?;
        self.bytes.set(self.bytes.get().saturating_add(answer.body.len()));
        Ok(answer)
    }

    /// Reads something. None when CSA does not have it. `what` begins a sentence: `The list of organizations`.
    pub(crate) fn find(&self, path: &str, what: &str) -> Result<Option<Element>, Failure> {
        let read = || {
            let answer = self.send(self.request("GET", path)).map_err(|error| unsent(&error))?;
            match answer.status {
                200..=299 => xml::parse(what, &answer.body).map(Some),
                404 | 410 => Ok(None),
                _ => Err(refusal(what, &answer)),
            }
        };
        read().or_else(|failure: Failure| match operation::token() {
            // What is at work goes on, whatever is answered to one look at it.
            Some(_) if !failure.retryable && !is_given_up(&failure) => {
                Err(failure.after(settings::poll_interval()?))
            }
            _ => Err(failure),
        })
    }

    /// As [`Csa::find`], of what has to be there.
    pub(crate) fn get(&self, path: &str, what: &str) -> Result<Element, Failure> {
        self.find(path, what)?.ok_or_else(|| {
            Failure::refused(404, format!("{what} was asked for, and CSA does not have it (404)."))
        })
    }

    /// Asks CSA to change something, which it also does for a GET. `goal` stands after "CSA was asked".
    pub(crate) fn change(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        goal: &str,
    ) -> Sent {
        let mut request = self.request(method, path).effect(true);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/xml").body(body);
        }
        match self.send(request) {
            Ok(answer) if answer.ok() => Sent::Answer(answer),
            // A Java application behind a proxy: any of these may come in the middle of the work. Only 503 says that
            // it has not begun.
            Ok(answer) if (500..600).contains(&answer.status) && answer.status != 503 => {
                log::warn(
                    "CSA failed at something that it may have done all the same.",
                    &[("goal", goal), ("status", &answer.status.to_string())],
                );
                Sent::Unknown
            }
            Ok(answer) => Sent::Not(refusal(&format!("Asked {goal}, CSA"), &answer)),
            Err(error) if error.outcome_unknown => {
                unsent(&error);
                Sent::Unknown
            }
            Err(error) => Sent::Not(unsent(&error)),
        }
    }

    /// The id of a user of an organization, which is made at the first time. None when there is no such user.
    pub(crate) fn login(&self, organization: &str, user: &str) -> Result<Option<String>, Failure> {
        let organization = encode(organization);
        let path = match user.contains(['/', '\\']) {
            true => format!("/login/{organization}/userLookup?userName={}", encode(user)),
            // Without its slash, CSA cuts a name at its last full stop.
            false => format!("/login/{organization}/{}/", encode(user)),
        };
        let what = "The user that was signed in";
        let Some(person) = self.find(&path, what)? else { return Ok(None) };
        match person.text_at(&["id"]).filter(|id| crate::ids::is_plain(id)) {
            Some(id) => Ok(Some(id.to_owned())),
            None => {
                let text = format!("{what} has no id in CSA's answer. Its vendor must look.");
                Err(Failure::refused(502, text))
            }
        }
    }

    /// The id of the endpoint's own user.
    pub(crate) fn admin(&self) -> Result<String, Failure> {
        let (organization, user) = settings::user()?;
        self.login(&organization, &user)?.ok_or_else(|| {
            let text = "CSA does not know the endpoint's own user: its vendor has to put right the settings `organization` and `user`.";
            Failure::refused(500, text).after(VENDOR_WAIT)
        })
    }
}

/// The failure for an answer that is no success. `what` begins a sentence.
fn refusal(what: &str, answer: &Response) -> Failure {
    let status = answer.status;
    match status {
        401 | 403 => {
            log::error(
                "CSA did not accept the endpoint's credentials.",
                &[("secret", SECRET), ("status", &status.to_string())],
            );
            let text = format!(
                "CSA answered {status} to this endpoint's own credentials. They are not yours: its vendor has to put right the secret `{SECRET}`, or what its user may do."
            );
            Failure::refused(500, text).after(VENDOR_WAIT)
        }
        404 | 410 => Failure::refused(404, format!("{what}: CSA does not have it ({status}).")),
        408 | 429 | 503 => {
            let text = format!("{what}: CSA has too much to do ({status}). Try again later.");
            Failure::refused(503, text).after(wait(answer))
        }
        400..=499 => Failure::refused(
            400,
            format!(
                "{what}: CSA refused ({status}). Correct the request, and ask again with a new request id."
            ),
        ),
        500..=599 => {
            Failure::refused(502, format!("{what}: CSA failed ({status}). Try again later."))
                .retryable()
        }
        _ => Failure::refused(
            502,
            format!(
                "{what}: CSA answered {status}, which is no answer to that. Its vendor must look."
            ),
        ),
    }
}

/// How long a busy CSA asks to be left alone.
fn wait(answer: &Response) -> Duration {
    let seconds = answer.header("Retry-After").and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).min(WAIT_S_MAX))
}

/// As a part of a path or of a query (RFC 3986, "unreserved").
pub(crate) fn encode(text: &str) -> String {
    // A URL cannot hold these two as a part of its path, however they are written. CSA then finds nothing.
    if matches!(text, "." | "..") {
        return text.replace('.', "%252E");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// The failure for a request that CSA never saw, or that changes nothing. Why is for the vendor.
fn unsent(error: &HttpError) -> Failure {
    let unknown = if error.outcome_unknown { "yes" } else { "no" };
    log::warn("A request to CSA got no answer.", &[("why", &error.message), ("unknown", unknown)]);
    match error.code {
        // Not let through by the grants: not remembered with the request, since the vendor can mend it.
        1 => {
            let text = "CSA cannot be asked: the endpoint's grants do not let the request through. Its vendor must correct them.";
            Failure::refused(500, text).after(VENDOR_WAIT)
        }
        2 => Failure::refused(502, "CSA cannot be reached. Try again later.").retryable(),
        3 => Failure::refused(504, "CSA did not answer in time. Try again later.").retryable(),
        4 => {
            let text = "CSA's answer is larger than the host takes in. CSA 4.00 puts attachments into its answers, and its patch 4.01 takes them out: have it installed, or ask the host's operator for a larger `http_body_bytes_max`.";
            Failure::refused(502, text).code("ANSWER_TOO_LARGE")
        }
        8 => {
            let text = "CSA has asked to be left alone for a while. Try again later.";
            Failure::refused(503, text).retryable()
        }
        9 => {
            let text = "Somebody has given this operation up.";
            Failure::refused(409, text).code(GIVEN_UP)
        }
        _ => {
            let text = "CSA cannot be asked. The plugin's log says why: its vendor must look.";
            Failure::refused(502, text)
        }
    }
}
