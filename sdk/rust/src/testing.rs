//! An in-memory host for unit tests: what the imports answer when the adapter is built for an ordinary
//! target. Each thread has its own, so tests do not see each other.
//!
//! ```
//! use cnsp_sdk::{Failure, kv, testing};
//!
//! testing::set_config("region", "eu");
//! let failed = testing::operation("op-1", || {
//!     kv::set("a", b"1")?;
//!     Err::<(), _>(Failure::refused(403, "no"))
//! });
//! assert!(failed.is_err());
//! assert!(kv::get("a").unwrap().is_none(), "an operation that fails keeps nothing");
//! ```

mod imports;

pub(crate) use imports::{config, http, kv, log, operation, random, wall_clock};

use crate::bindings::cnsp::adapter::http::{HttpError, Request, Response};
use crate::bindings::cnsp::adapter::log::Level;
use crate::outcome::Outcome;
use crate::types::{Failure, Pending, PendingResource};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// More polls than this, and the adapter never gets done.
const POLLS_MAX: u32 = 10_000;

/// One line of the plugin's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What happened.
    pub message: String,
    /// With what.
    pub fields: Vec<(String, String)>,
}

type Handler = Box<dyn FnMut(&Request) -> Result<Response, HttpError>>;

#[derive(Clone, Default)]
struct Running {
    id: String,
    attempt: u32,
    token: Option<String>,
}

#[derive(Default)]
struct Fake {
    kv: BTreeMap<String, (Vec<u8>, u64)>,
    /// What the running operation has written; none: deleted.
    written: BTreeMap<String, Option<Vec<u8>>>,
    version: u64,
    config: BTreeMap<String, String>,
    running: Option<Running>,
    now: Duration,
    seed: u64,
    handler: Option<Handler>,
    lines: Vec<Line>,
}

thread_local! {
    static FAKE: RefCell<Fake> = RefCell::new(Fake {
        // 2025-01-01T00:00:00Z
        now: Duration::from_secs(1_735_689_600),
        ..Fake::default()
    });
}

fn with<T>(f: impl FnOnce(&mut Fake) -> T) -> T {
    FAKE.with_borrow_mut(f)
}

/// Sets one of the endpoint's settings.
pub fn set_config(name: &str, value: &str) {
    with(|fake| fake.config.insert(name.to_owned(), value.to_owned()));
}

/// Takes one of the endpoint's settings away.
pub fn unset_config(name: &str) {
    with(|fake| fake.config.remove(name));
}

/// Sets the time of day, counted from 1970-01-01T00:00:00Z.
pub fn set_clock(now: Duration) {
    with(|fake| fake.now = now);
}

/// Lets time pass.
pub fn advance_clock(by: Duration) {
    with(|fake| fake.now += by);
}

/// Sets where the random numbers begin. The same seed draws the same numbers.
pub fn set_seed(seed: u64) {
    with(|fake| fake.seed = seed);
}

/// Answers every HTTP request from now on. Without a handler each is denied.
pub fn on_http(handler: impl FnMut(&Request) -> Result<Response, HttpError> + 'static) {
    with(|fake| fake.handler = Some(Box::new(handler)));
}

/// Takes what the adapter has written into its log so far.
pub fn take_log() -> Vec<Line> {
    with(|fake| std::mem::take(&mut fake.lines))
}

/// Every key that is kept now, in order.
pub fn keys() -> Vec<String> {
    with(|fake| fake.kv.keys().cloned().collect())
}

/// Runs a change the way the host does: what it writes is kept when it succeeds.
pub fn operation<T>(id: &str, change: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    run(id, 1, None, change)
}

/// As [`operation`], for a later run of it: its attempt, and the token of the pending before. With a token a
/// failure that is not retryable keeps what was written too: it is the end of work that the adapter knows of.
pub fn run<T>(
    id: &str,
    attempt: u32,
    token: Option<&str>,
    change: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let running = Running { id: id.to_owned(), attempt, token: token.map(str::to_owned) };
    with(|fake| {
        fake.written.clear();
        fake.running = Some(running);
    });
    let result = change();
    with(|fake| {
        fake.running = None;
        let written = std::mem::take(&mut fake.written);
        let kept = match &result {
            Ok(_) => true,
            Err(failure) => token.is_some() && !failure.retryable,
        };
        if kept {
            for (key, value) in written {
                fake.version += 1;
                match value {
                    Some(value) => fake.kv.insert(key, (value, fake.version)),
                    None => fake.kv.remove(&key),
                };
            }
        }
    });
    result
}

/// As [`operation`], and runs the change again for as long as it is pending. Time passes as it asks.
pub fn finish<O: Outcome>(
    id: &str,
    mut change: impl FnMut() -> Result<O, Failure>,
) -> Result<O::Done, Failure>
where
    O::Pending: Poll,
{
    let mut token: Option<String> = None;
    for attempt in 1..=POLLS_MAX {
        match run(id, attempt, token.as_deref(), &mut change)?.into_result() {
            Ok(done) => return Ok(done),
            Err(pending) => {
                advance_clock(Duration::from_millis(pending.poll_after_ms().into()));
                token = Some(pending.token().to_owned());
            }
        }
    }
    Err(Failure::refused(500, format!("The change is still pending after {POLLS_MAX} calls.")))
}

/// When to call again, and with what.
pub trait Poll {
    /// The adapter's note of where the work stands.
    fn token(&self) -> &str;
    /// How long to wait.
    fn poll_after_ms(&self) -> u32;
}

impl Poll for Pending {
    fn token(&self) -> &str {
        &self.token
    }

    fn poll_after_ms(&self) -> u32 {
        self.poll_after_ms
    }
}

impl Poll for PendingResource {
    fn token(&self) -> &str {
        &self.token
    }

    fn poll_after_ms(&self) -> u32 {
        self.poll_after_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv;

    #[test]
    fn writes_are_seen_inside_and_kept_only_on_success() {
        operation("op-1", || {
            kv::set("a/1", b"x")?;
            assert_eq!(kv::get("a/1")?.unwrap().version, 0);
            kv::set("a/2", b"y")?;
            kv::delete("a/2")?;
            Ok(())
        })
        .unwrap();
        assert_eq!(keys(), ["a/1"]);
        let version = kv::get("a/1").unwrap().unwrap().version;
        assert_ne!(version, 0);

        let refused = operation("op-2", || {
            assert!(!kv::compare_and_set("a/1", None, b"z")?);
            assert!(kv::compare_and_set("a/1", Some(version), b"z")?);
            assert_eq!(kv::list("a/", None, 10)?.len(), 1);
            Err::<(), _>(Failure::refused(403, "no"))
        });
        assert_eq!(refused.unwrap_err().respcode, 403);
        assert_eq!(kv::get("a/1").unwrap().unwrap().value, b"x");
        assert_eq!(kv::set("a/1", b"z").unwrap_err().code, 3);
    }

    #[test]
    fn a_failure_that_ends_pending_work_keeps_what_it_wrote() {
        let fail = |token, failure: Failure| {
            let failed = run("op", 2, token, || {
                kv::set("end", b"1")?;
                Err::<(), _>(failure)
            });
            assert!(failed.is_err());
        };
        fail(None, Failure::refused(403, "no"));
        fail(Some("1"), Failure::refused(503, "later").retryable());
        assert!(keys().is_empty());
        fail(Some("1"), Failure::refused(403, "no"));
        assert_eq!(keys(), ["end"]);
    }

    #[test]
    fn lists_are_in_order_and_bounded() {
        operation("op", || {
            for key in ["a/3", "a/1", "b/1", "a/2"] {
                kv::set(key, b"1")?;
            }
            Ok(())
        })
        .unwrap();
        let found = |after, limit| -> Vec<String> {
            kv::list("a/", after, limit).unwrap().into_iter().map(|entry| entry.key).collect()
        };
        assert_eq!(found(None, 10), ["a/1", "a/2", "a/3"]);
        assert_eq!(found(Some("a/1"), 1), ["a/2"]);
    }

    #[test]
    fn a_list_that_is_too_large_at_once_comes_as_a_whole() {
        let key = |number: usize| format!("{number:03}");
        operation("op", || {
            for number in 0..100 {
                kv::set(&key(number), &vec![0; (number % 25) * 1024])?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(imports::kv::list("", None, 1000).unwrap_err().code, 6);
        for (limit, count) in [(1000, 100), (100, 100), (99, 99), (0, 1)] {
            let listed = kv::list("", None, limit).unwrap();
            let listed: Vec<_> = listed.into_iter().map(|entry| entry.key).collect();
            assert_eq!(listed, (0..count).map(key).collect::<Vec<_>>());
        }
    }

    #[test]
    fn finish_calls_until_done() {
        let mut tokens = Vec::new();
        let done = finish("op", || {
            tokens.push(crate::operation::token());
            match crate::operation::attempt() {
                3 => crate::done::<crate::types::DeleteUserOutcome>(Default::default()),
                n => crate::pending(n.to_string(), Duration::from_secs(1)),
            }
        });
        assert!(done.is_ok());
        assert_eq!(tokens, [None, Some("1".to_owned()), Some("2".to_owned())]);
    }
}
