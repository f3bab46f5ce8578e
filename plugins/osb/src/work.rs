//! Work that the broker has accepted and not finished, and deletions that go on until they succeed. It is kept from
//! one call of an operation to the next.

use crate::broker::{Broker, Target};
use crate::instance::now;
use crate::progress::Progress;
use crate::settings;
use crate::verdict::{Trouble, Verdict};
use cnsp_sdk::types::{OpenMap, Pending};
use cnsp_sdk::{Failure, Outcome, kv, operation};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a request is repeated that has to succeed in the end.
const REPEAT_S_MAX: i64 = 24 * 3600;
/// The longest wait between two of them.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// What an operation that ends at its next call waits for it.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Where one operation stands.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Work {
    pub(crate) phase: Phase,
    /// Why what was made is being deleted again.
    pub(crate) cleaning: Option<Why>,
    /// Until when the broker's own operation may go on, in seconds since 1970.
    until: i64,
    /// Until when requests are repeated.
    end: i64,
    repeats: u32,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Phase {
    /// The request is to be sent, for the first time or again.
    Send,
    /// The broker is at it.
    Poll { operation: Option<String> },
    /// It is done, and its result is still to be asked for.
    Fetch,
    /// It has failed; this call is only there to keep what is known since.
    End(Why),
}

/// A failure that is answered later.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Why {
    respcode: u16,
    text: String,
    code: Option<String>,
    other: OpenMap,
}

impl Why {
    /// The failure, once what may have been made is gone.
    pub(crate) fn cleaned(mut self) -> Failure {
        self.text += " What it may have made is deleted again: ask anew, with a new request id.";
        self.into()
    }

    /// The failure, when that could not be had.
    pub(crate) fn left(mut self) -> Failure {
        self.text += " What it may have made could not be deleted: its vendor must look.";
        self.into()
    }
}

impl From<Failure> for Why {
    fn from(failure: Failure) -> Self {
        Self {
            respcode: failure.respcode,
            text: failure.errormessage,
            code: failure.errorcode,
            other: failure.other,
        }
    }
}

impl From<Why> for Failure {
    fn from(why: Why) -> Self {
        let failure = Failure { other: why.other, ..Failure::refused(why.respcode, why.text) };
        match why.code {
            Some(code) => failure.code(code),
            None => failure,
        }
    }
}

/// What a call has come to that did not fail.
#[derive(Debug)]
pub(crate) enum Step<T> {
    Done(T),
    /// Call again after this.
    Wait(Duration),
}

impl<T> Step<T> {
    /// As the outcome of every operation but the creation of an instance.
    pub(crate) fn outcome<O: Outcome<Pending = Pending>>(
        self,
        done: impl FnOnce(T) -> O::Done,
    ) -> Result<O, Failure> {
        match self {
            Self::Done(value) => cnsp_sdk::done(done(value)),
            Self::Wait(wait) => cnsp_sdk::pending(TOKEN, wait),
        }
    }
}

/// All there is to know is in the store.
pub(crate) const TOKEN: &str = "work";

/// What a deletion has come to.
pub(crate) enum Removal {
    Gone,
    Wait(Duration),
    Not(Trouble),
}

fn key() -> Result<String, Failure> {
    Ok(format!("w/{}", operation::require_id()?))
}

impl Work {
    /// The work that this operation has begun in an earlier call.
    pub(crate) fn load() -> Result<Option<Self>, Failure> {
        kv::get_json(&key()?)
    }

    pub(crate) fn new() -> Self {
        let end = now().saturating_add(REPEAT_S_MAX);
        Self { phase: Phase::Send, cleaning: None, until: end, end, repeats: 0 }
    }

    /// Keeps it for the next call, which is to be after this.
    pub(crate) fn wait<T>(&self, wait: Duration) -> Result<Step<T>, Failure> {
        kv::set_json(&key()?, self)?;
        Ok(Step::Wait(wait))
    }

    /// There is no next call.
    pub(crate) fn end() -> Result<(), Failure> {
        Ok(kv::delete(&key()?)?)
    }

    /// The broker is at it, for so many seconds at most.
    pub(crate) fn poll(&mut self, operation: Option<String>, seconds_max: i64) {
        self.phase = Phase::Poll { operation };
        self.until = now().saturating_add(seconds_max);
    }

    /// Whether the broker has been at it for too long.
    pub(crate) fn is_overdue(&self) -> bool {
        now() >= self.until
    }

    /// Whether a request has been repeated for long enough.
    pub(crate) fn is_exhausted(&self) -> bool {
        now() >= self.end
    }

    /// What was made may be there, in part or as a whole: it has to be deleted.
    pub(crate) fn clean(&mut self, why: Failure) {
        *self = Self { cleaning: Some(why.into()), ..Self::new() };
    }

    /// How long to wait before the next repeat.
    pub(crate) fn backoff(&mut self, interval: Duration) -> Duration {
        let wait = interval.saturating_mul(1 << self.repeats.min(16));
        self.repeats = self.repeats.saturating_add(1);
        wait.min(BACKOFF_MAX)
    }

    /// Fails with what this call has written kept: the host keeps it only at the end of what was pending.
    pub(crate) fn fail<T>(mut self, failure: Failure) -> Result<Step<T>, Failure> {
        if operation::token().is_some() {
            Self::end()?;
            return Err(Failure { retryable: false, ..failure });
        }
        self.phase = Phase::End(failure.into());
        self.wait(AT_ONCE)
    }

    /// Asks for the end of something until it is gone: one step. With `insist`, also when the broker says no.
    pub(crate) fn remove(
        &mut self,
        broker: &Broker,
        target: Target<'_>,
        insist: bool,
    ) -> Result<Removal, Failure> {
        if let Phase::Poll { operation } = &self.phase {
            return Ok(match broker.last_operation(target, operation.as_deref()) {
                Progress::Succeeded | Progress::Gone => Removal::Gone,
                Progress::Waiting(_) if self.is_overdue() => Removal::Not(too_long()),
                Progress::Waiting(wait) => Removal::Wait(wait),
                Progress::Failed(trouble) if self.is_exhausted() => Removal::Not(trouble),
                // What is left is nobody's: the broker is asked until it is gone.
                Progress::Failed(_) => {
                    self.phase = Phase::Send;
                    Removal::Wait(self.backoff(broker.interval))
                }
            });
        }
        Ok(match broker.remove(target) {
            Verdict::Done(_) | Verdict::Gone => Removal::Gone,
            Verdict::Accepted { operation, wait } => {
                self.poll(operation, settings::polling_s_max(target.instance.polling_s_max)?);
                Removal::Wait(wait)
            }
            Verdict::Busy(_) if self.is_exhausted() => Removal::Not(too_long()),
            Verdict::Busy(wait) => Removal::Wait(wait),
            Verdict::Not(trouble) if (insist || trouble.orphan) && !self.is_exhausted() => {
                Removal::Wait(self.backoff(broker.interval))
            }
            Verdict::Not(trouble) => Removal::Not(trouble),
        })
    }
}

/// The broker was at it for longer than it may be.
pub(crate) fn too_long() -> Trouble {
    let text = "The broker did not finish within the time that its plan and this endpoint allow.";
    Trouble { failure: Failure::refused(504, text), orphan: false, unknown: false, unusable: false }
}

/// Remembers what could not be deleted at the broker, for who looks after it.
pub(crate) fn orphan(target: Target<'_>, why: &Why) -> Result<(), Failure> {
    let id = target.binding.unwrap_or(&target.instance.id);
    cnsp_sdk::log::error(
        "Something is left at the broker that could not be deleted.",
        &[("id", id), ("instance", &target.instance.id), ("why", &why.text)],
    );
    let orphan = serde_json::json!({
        "instance": target.instance.id,
        "binding": target.binding,
        "since": now(),
        "why": why.text,
    });
    kv::set_json(&format!("o/{id}"), &orphan)
}
