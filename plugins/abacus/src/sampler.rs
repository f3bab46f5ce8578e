//! The sampler: events that begin and end the metering of something that lasts.
//!
//! It knows an event by its id, so that one that is sent again is done once and answered the same.

use crate::abacus::{Abacus, Sent};
use crate::settings::Service;
use crate::target::Target;
use cnsp_sdk::{Failure, log, operation};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What happens.
pub(crate) enum Event<'a> {
    /// So many of this measure begin.
    Start { measure: &'a str, quantity: u64 },
    /// It ends.
    Stop,
}

/// What came of it.
pub(crate) enum Verdict {
    /// It is as it was sent, now or before.
    Done,
    /// Something else is being metered there, that is not ours.
    Taken,
    /// For a stop: nothing is being metered there. For a start: its time is not one that Abacus takes.
    Unprocessable,
    /// Abacus says no to it, and nothing has changed.
    Refused(Failure),
    /// Ask again. `unknown` says that it may be done already.
    Again { failure: Failure, unknown: bool, wait: Option<Duration> },
}

impl Event<'_> {
    fn path(&self) -> &'static str {
        match self {
            Self::Start { .. } => "/v1/events/start",
            Self::Stop => "/v1/events/stop",
        }
    }

    fn goal(&self) -> &'static str {
        match self {
            Self::Start { .. } => "to begin metering",
            Self::Stop => "to end metering",
        }
    }

    fn body(&self, id: &str, at: i64, target: &Target) -> Value {
        let mut body = Map::new();
        body.insert("id".to_owned(), json!(id));
        body.insert("timestamp".to_owned(), json!(at));
        body.extend(target.members());
        if let Self::Start { measure, quantity } = self {
            let measured = json!([{ "measure": measure, "quantity": quantity }]);
            body.insert("measured_usage".to_owned(), measured);
        }
        Value::Object(body)
    }
}

/// Sends an event; once more when nobody knows whether it arrived.
pub(crate) fn send(
    abacus: &Abacus,
    id: &str,
    at: i64,
    target: &Target,
    event: &Event<'_>,
) -> Result<Verdict, Failure> {
    let body = event.body(id, at, target);
    let send = || abacus.post(Service::Sampler, event.path(), &body);
    let (sent, again) = match send()? {
        Sent::Unknown(_) => (send()?, true),
        // What is pending was asked for before, and is only pending because nobody knows.
        sent => (sent, operation::token().is_some()),
    };
    let goal = event.goal();
    let answer = match sent {
        Sent::Answer(answer) => answer,
        // That it was not sent again does not tell what became of the first.
        Sent::Not(failure) if failure.retryable || again => {
            return Ok(Verdict::Again { failure, unknown: again, wait: None });
        }
        Sent::Not(failure) => return Ok(Verdict::Refused(failure)),
        Sent::Unknown(why) => {
            let text = format!(
                "Abacus was asked {goal}, and nobody knows whether it did: {why}. It is asked again."
            );
            let failure = Failure::refused(504, text).retryable();
            return Ok(Verdict::Again { failure, unknown: true, wait: None });
        }
    };
    Ok(match (answer.status, event) {
        (200..=299, _) => Verdict::Done,
        (409, Event::Start { .. }) => Verdict::Taken,
        // Another end has come between. What became of it the next answer tells.
        (409, Event::Stop) => {
            let failure = abacus.refusal(goal, &answer);
            Verdict::Again { failure, unknown: true, wait: None }
        }
        (422, _) => {
            log::error(
                "Abacus has refused an event with 422.",
                &[("event", event.path()), ("at", &at.to_string()), ("id", id)],
            );
            Verdict::Unprocessable
        }
        _ => match abacus.refusal(goal, &answer) {
            // Only what is wrong with the event itself was wrong with it before, too.
            failure if failure.retryable || (again && !matches!(answer.status, 400 | 415)) => {
                let wait = failure.retry_after_ms.map(|ms| Duration::from_millis(ms.into()));
                Verdict::Again { failure, unknown: again, wait }
            }
            failure => Verdict::Refused(failure),
        },
    })
}
