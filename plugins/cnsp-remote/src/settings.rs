//! What the vendor sets for this endpoint.

use cnsp_sdk::{Failure, config};
use std::time::Duration;

/// The secret's name, when none is set.
const SECRET: &str = "remote";
const POLL_AFTER: Duration = Duration::from_secs(2);

/// For which requests the remote does a repeat with the same id only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// None: look before making anything.
    None,
    /// Those that have a `requestid` in CNSP 1.0.
    Resource,
    /// All, by the header `Idempotency-Key`.
    All,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// An account, a user or a seat.
    Account,
    /// An instance.
    Resource,
}

/// The endpoint's settings.
pub(crate) struct Settings {
    /// Without a slash at its end.
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) idempotency: Idempotency,
    pub(crate) timeout: Option<Duration>,
    pub(crate) poll_after: Duration,
}

impl Settings {
    pub(crate) fn read() -> Result<Settings, Failure> {
        let url = config::require("url")?;
        let idempotency = match config::get("idempotency").as_deref() {
            None | Some("none") => Idempotency::None,
            Some("resource") => Idempotency::Resource,
            Some("all") => Idempotency::All,
            Some(_) => return Err(wrong("idempotency", "`none`, `resource` or `all`")),
        };
        Ok(Settings {
            url: url.trim_end_matches('/').to_owned(),
            secret: config::get("secret").unwrap_or_else(|| SECRET.to_owned()),
            idempotency,
            timeout: milliseconds("timeout_ms")?,
            poll_after: milliseconds("poll_after_ms")?.unwrap_or(POLL_AFTER),
        })
    }

    /// Whether a repeat with the same id is harmless.
    pub(crate) fn does_once(&self, about: About) -> bool {
        match about {
            About::Account => self.idempotency == Idempotency::All,
            About::Resource => self.idempotency != Idempotency::None,
        }
    }
}

/// The actions of the remote's own, for one that has no discovery.
pub(crate) fn actions() -> Vec<String> {
    let actions = config::get("actions").unwrap_or_default();
    actions.split([',', ' ']).filter(|action| !action.is_empty()).map(str::to_owned).collect()
}

fn milliseconds(name: &str) -> Result<Option<Duration>, Failure> {
    let Some(text) = config::get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number @ 1..) => Ok(Some(Duration::from_millis(number))),
        _ => Err(wrong(name, "a number of milliseconds, from 1")),
    }
}

fn wrong(name: &str, what: &str) -> Failure {
    let text =
        format!("The endpoint's setting `{name}` has to be {what}; its vendor must mend it.");
    // Not remembered with the request: it works once the setting is right.
    Failure::refused(500, text).after(Duration::from_secs(60))
}
