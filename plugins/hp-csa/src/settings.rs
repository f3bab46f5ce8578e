//! What the vendor set for the endpoint.

use crate::time::Zone;
use cnsp_sdk::{Failure, config};
use std::time::Duration;

/// The secret that signs in: `user:password`.
pub(crate) const SECRET: &str = "csa";
/// How long a vendor may take to put right what only a vendor can.
pub(crate) const VENDOR_WAIT: Duration = Duration::from_secs(60);
/// How long to wait before the same is looked at again: approvals are people's work.
const POLL_INTERVAL_MS: u64 = 30_000;
/// How long a request that nobody has answered may take to show in CSA's lists.
const SETTLE_MS: u64 = 60_000;
/// Somewhat more than a year, so that a year can be looked back upon.
const KEEP_DAYS: u64 = 400;
/// The spelling of the white paper; the API reference has MODIFY_SUBCRIPTION in one place.
const MODIFY_ACTION: &str = "MODIFY_SUBSCRIPTION";
const DEPLOYED_STATES: &str = "DEPLOYED";

/// How a part of a period is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proration {
    /// A period that is begun is paid as a whole, whatever its length.
    Full,
    /// By its share of the period as it is in the calendar: February costs what July costs.
    Actual,
    /// By its share of a period of nominal length, a month of 30 days: February costs less than July.
    Nominal,
}

impl Proration {
    /// As the setting and the records name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Actual => "actual",
            Self::Nominal => "nominal",
        }
    }
}

pub(crate) fn proration() -> Result<Proration, Failure> {
    match config::get("proration").as_deref() {
        None | Some("actual") => Ok(Proration::Actual),
        Some("full") => Ok(Proration::Full),
        Some("nominal") => Ok(Proration::Nominal),
        Some(_) => Err(wrong("proration", "`actual`, `full` or `nominal`")),
    }
}

/// Whether a price is still to be multiplied by the pricing model's `priceAdjustmentMultiplier`.
pub(crate) fn is_adjusted() -> Result<bool, Failure> {
    match config::get("price_adjustment").as_deref() {
        None | Some("apply") => Ok(true),
        Some("included") => Ok(false),
        Some(_) => Err(wrong("price_adjustment", "`apply` or `included`")),
    }
}

/// Where CSA's REST API is, without a slash at its end.
pub(crate) fn url() -> Result<String, Failure> {
    match config::get("url") {
        Some(url) if !url.contains(['?', '#']) => Ok(url.trim_end_matches('/').to_owned()),
        Some(_) => Err(wrong("url", "a URL that ends in a path, for example `/csa/rest`")),
        None => Err(missing("url")),
    }
}

/// The organization and the name of the user whose rights every call has that is nobody else's.
pub(crate) fn user() -> Result<(String, String), Failure> {
    let of = |name| config::get(name).filter(|text: &String| !text.is_empty());
    let organization = of("organization").ok_or_else(|| missing("organization"))?;
    let user = of("user").ok_or_else(|| missing("user"))?;
    Ok((organization, user))
}

/// Who orders where a request names nobody, in every organization.
pub(crate) fn buyer() -> Option<String> {
    config::get("buyer").filter(|name| !name.is_empty())
}

/// The zone in which CSA's server tells the time.
pub(crate) fn zone() -> Result<Zone, Failure> {
    let Some(name) = config::get("time_zone") else { return Err(missing("time_zone")) };
    Zone::named(&name).ok_or_else(|| {
        wrong("time_zone", "a zone, for example `Europe/Berlin`, or an offset such as `-07:00`")
    })
}

/// The states of an instance in which it is fully deployed.
pub(crate) fn deployed_states() -> Vec<String> {
    let names = config::get("deployed_states").unwrap_or_else(|| DEPLOYED_STATES.to_owned());
    names.split(',').map(|name| name.trim().to_ascii_uppercase()).collect()
}

/// What CSA calls a request that modifies a subscription.
pub(crate) fn modify_action() -> String {
    config::get("modify_action").unwrap_or_else(|| MODIFY_ACTION.to_owned())
}

/// The longest that one request may take. None: as long as the call has left.
pub(crate) fn timeout() -> Result<Option<Duration>, Failure> {
    Ok(number("timeout_ms")?.map(Duration::from_millis))
}

/// How long to wait before CSA's work is looked at again.
pub(crate) fn poll_interval() -> Result<Duration, Failure> {
    Ok(Duration::from_millis(number("poll_interval_ms")?.unwrap_or(POLL_INTERVAL_MS)))
}

/// How long a request that nobody has answered may take to show.
pub(crate) fn settle() -> Result<Duration, Failure> {
    Ok(Duration::from_millis(number("settle_ms")?.unwrap_or(SETTLE_MS)))
}

/// How long what was billable is kept, in milliseconds.
pub(crate) fn keep_ms() -> Result<i64, Failure> {
    let days = number("keep_days")?.unwrap_or(KEEP_DAYS);
    Ok(i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24 * 3600 * 1000))
}

fn number(name: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = config::get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(wrong(name, "a whole number above 0")),
    }
}

fn missing(name: &str) -> Failure {
    vendors(format!("The endpoint has no setting `{name}`; its vendor must set it."))
}

fn wrong(name: &str, expected: &str) -> Failure {
    vendors(format!(
        "The endpoint's setting `{name}` is not {expected}; its vendor must correct it."
    ))
}

/// Not remembered with the request: it works once the vendor has put it right.
fn vendors(text: String) -> Failure {
    Failure::refused(500, text).after(VENDOR_WAIT)
}
