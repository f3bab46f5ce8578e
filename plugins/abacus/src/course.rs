//! The course of an operation that begins or ends metering: which of its events is next, and at what time all of them
//! are. It lies in the operation's token, so that it goes on where it was.

use crate::abacus::Abacus;
use crate::sampler::{self, Event, Verdict};
use crate::target::Target;
use crate::{ids, settings, time};
use cnsp_sdk::{Failure, log, operation};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an event is sent again that gets no answer.
const REPEAT_MS_MAX: i64 = 24 * 3600 * 1000;
/// What an operation that ends at its next call waits for it.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Course {
    /// The time of each of its events: what ends and what begins anew do so at the same moment.
    pub(crate) at: i64,
    pub(crate) step: Step,
    /// Whether a step before this one is done.
    begun: bool,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Step {
    Stop,
    Start,
    /// What was stopped is started again as it was.
    Restore(Why),
    /// Nothing is metered any more; this call is only there to keep that.
    Lost(Why),
}

/// Why metering did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Why {
    Taken,
    Time,
    Refused,
    Unanswered,
}

/// What a step has come to.
pub(crate) enum Reached {
    Done,
    /// Nothing was there to stop, or the time was not one that Abacus takes.
    Unprocessable,
    /// Call again after this.
    Wait(Duration),
    Not(Why, Failure),
}

impl Why {
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::Taken => {
                let text = "Abacus is already metering something else of this organization for the same consumer, resource and plan (409), and that is not this marketplace's. Have it stopped, or name another consumer, and ask again with a new request id.";
                Failure::refused(409, text).code("ALREADY_METERED")
            }
            Self::Time => {
                let text = "Abacus does not take the time of now (422): its clock is another. Its vendor must look.";
                Failure::refused(502, text).code("OUT_OF_SLACK")
            }
            Self::Refused => Failure::refused(
                502,
                "Abacus has refused to begin metering. The plugin's log says why: its vendor must look.",
            ),
            Self::Unanswered => Failure::refused(
                504,
                "Abacus was asked for a day, and nobody knows what it meters now. Its vendor must look.",
            ),
        }
    }
}

impl Course {
    /// The course of this operation, from where it was, or from its first step.
    pub(crate) fn resume(first: Step, not_before: i64) -> Result<Self, Failure> {
        match operation::token() {
            // An end before its beginning would be refused, and clocks are set back.
            None => Ok(Self { at: time::now().max(not_before), step: first, begun: false }),
            Some(token) => serde_json::from_str(&token).map_err(|_| {
                Failure::refused(
                    500,
                    "The host has called with a token that is not this adapter's.",
                )
            }),
        }
    }

    /// What the next call resumes.
    pub(crate) fn token(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|_| Failure::refused(500, "The course cannot be written as JSON."))
    }

    /// Sends this step's event.
    pub(crate) fn send(
        &self,
        abacus: &Abacus,
        target: &Target,
        event: &Event<'_>,
    ) -> Result<Reached, Failure> {
        let name = match self.step {
            Step::Stop => "stop",
            Step::Start => "start",
            Step::Restore(_) => "restore",
            Step::Lost(_) => return Ok(Reached::Done),
        };
        let id = ids::of_operation(name)?;
        Ok(match sampler::send(abacus, &id, self.at, target, event)? {
            Verdict::Done => Reached::Done,
            Verdict::Taken => Reached::Not(Why::Taken, Why::Taken.failure()),
            Verdict::Unprocessable => Reached::Unprocessable,
            Verdict::Refused(failure) => {
                log::warn(
                    "Abacus has refused an event.",
                    &[("event", name), ("why", &failure.errormessage)],
                );
                Reached::Not(Why::Refused, failure)
            }
            Verdict::Again { .. } if time::now().saturating_sub(self.at) > REPEAT_MS_MAX => {
                Reached::Not(Why::Unanswered, Why::Unanswered.failure())
            }
            // Nothing has happened yet, and the caller may be told so.
            Verdict::Again { failure, unknown: false, .. }
                if operation::token().is_none() && !self.begun =>
            {
                return Err(failure);
            }
            Verdict::Again { wait, .. } => Reached::Wait(wait.unwrap_or(settings::retry()?)),
        })
    }

    /// The step before is done.
    pub(crate) fn advance(&mut self, next: Step) {
        self.step = next;
        self.begun = true;
    }

    /// Whether what is written now is kept beside a failure. If not, this is how long to wait for a call where it is.
    pub(crate) fn before_failing() -> Option<Duration> {
        operation::token().is_none().then_some(AT_ONCE)
    }
}
