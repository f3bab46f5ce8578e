//! What the vendor set for the endpoint.

use cnsp_sdk::http::Credential;
use cnsp_sdk::{Failure, config};
use std::time::Duration;

/// The secret that signs in to the broker.
const SECRET: &str = "broker";
/// How long to wait between two polls when the broker does not say.
const POLL_INTERVAL_MS: u64 = 10_000;
/// How long an operation of the broker may take when its plan does not say: the host waits no longer either.
const POLLING_S_MAX: u64 = 72 * 3600;

/// The broker's address, without a slash at its end.
pub(crate) fn broker_url() -> Result<String, Failure> {
    let url = config::require("broker_url")?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// How requests sign in.
pub(crate) fn credential() -> Result<Credential, Failure> {
    match config::get("auth").as_deref() {
        None | Some("basic") => Ok(Credential::Basic(SECRET.to_owned())),
        Some("bearer") => Ok(Credential::Bearer(SECRET.to_owned())),
        Some("none") => Ok(Credential::None),
        Some(_) => Err(wrong("auth", "`basic`, `bearer` or `none`")),
    }
}

/// The longest that one request may take. None: as long as the call has left.
pub(crate) fn timeout() -> Result<Option<Duration>, Failure> {
    Ok(number("timeout_ms")?.map(Duration::from_millis))
}

/// How long to wait between two polls when the broker does not say.
pub(crate) fn poll_interval() -> Result<Duration, Failure> {
    Ok(Duration::from_millis(number("poll_interval_ms")?.unwrap_or(POLL_INTERVAL_MS)))
}

/// How many seconds an operation of the broker may take: the plan's maximum, but no more than ours.
pub(crate) fn polling_s_max(plan: Option<u64>) -> Result<i64, Failure> {
    let ours = number("polling_max_s")?.unwrap_or(POLLING_S_MAX);
    let least = plan.map_or(ours, |plan| plan.min(ours));
    Ok(i64::try_from(least).unwrap_or(i64::MAX))
}

/// The currency that offerings are priced in, where the broker states several.
pub(crate) fn currency() -> String {
    config::get("currency").unwrap_or_else(|| "usd".to_owned()).to_ascii_lowercase()
}

/// The parameter that takes the number of licences, where a plan's schema declares it.
pub(crate) fn licence_parameter() -> String {
    config::get("licence_parameter").unwrap_or_else(|| "license".to_owned())
}

/// The parameter that suspends an instance, where a plan's schema declares it as a boolean.
pub(crate) fn suspend_parameter() -> String {
    config::get("suspend_parameter").unwrap_or_else(|| "suspended".to_owned())
}

/// What the guids of organizations are made of, beside the accountid: another one per marketplace that shares the
/// broker.
pub(crate) fn marketplace() -> String {
    config::get("marketplace").unwrap_or_else(|| "cnsp".to_owned())
}

fn number(name: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = config::get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(wrong(name, "a whole number above 0")),
    }
}

fn wrong(name: &str, expected: &str) -> Failure {
    let text =
        format!("The endpoint's setting `{name}` is not {expected}; its vendor must correct it.");
    Failure::refused(500, text)
}
