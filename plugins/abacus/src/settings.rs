//! What the vendor set for the endpoint.

use cnsp_sdk::{Failure, config};
use std::time::Duration;

/// The secret that signs in: `client:secret`, or a token.
pub(crate) const SECRET: &str = "abacus";
/// How long a vendor may take to put right what only a vendor can.
pub(crate) const VENDOR_WAIT: Duration = Duration::from_secs(60);
/// How long to wait before the same is asked for again.
const RETRY_MS: u64 = 5_000;
/// How long usage may take from the collector into the report.
const SETTLE_MS: u64 = 60_000;
/// What Abacus grants the usage of last month after its end, unless it is configured otherwise.
const SLACK_MINUTES: u64 = 10;
/// Which prices of a pricing plan are the catalog's.
const COUNTRY: &str = "USA";

/// The applications that Abacus is made of, as far as they are asked for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Collector,
    Sampler,
    Reporting,
    Plans,
    Accounts,
}

impl Service {
    /// The setting that says where it is.
    fn setting(self) -> &'static str {
        match self {
            Self::Collector => "collector_url",
            Self::Sampler => "sampler_url",
            Self::Reporting => "reporting_url",
            Self::Plans => "plans_url",
            Self::Accounts => "accounts_url",
        }
    }

    /// What Abacus's own manifests call it.
    fn application(self) -> &'static str {
        match self {
            Self::Collector => "abacus-usage-collector",
            Self::Sampler => "abacus-usage-sampler",
            Self::Reporting => "abacus-usage-reporting",
            Self::Plans => "abacus-provisioning-plugin",
            Self::Accounts => "abacus-account-plugin",
        }
    }

    /// Where it is, without a slash at its end.
    pub(crate) fn url(self) -> Result<String, Failure> {
        let name = self.setting();
        if let Some(url) = config::get(name) {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        match config::get("domain") {
            Some(domain) => Ok(format!("https://{}.{domain}", self.application())),
            None => {
                let text = format!(
                    "The endpoint has neither a setting `domain` nor `{name}`; its vendor must set one."
                );
                Err(vendors(text))
            }
        }
    }
}

/// How requests sign in.
pub(crate) enum SignIn {
    /// With a token that is fetched here, with the secret.
    ClientCredentials { token_url: String },
    /// With the secret as the token.
    Bearer,
    /// Not at all: an Abacus that is not secured.
    None,
}

pub(crate) fn sign_in() -> Result<SignIn, Failure> {
    match config::get("auth").as_deref() {
        None | Some("client_credentials") => config::get("token_url")
            .map(|token_url| SignIn::ClientCredentials { token_url })
            .ok_or_else(|| {
                vendors(
                    "The endpoint has no setting `token_url`; its vendor must set it.".to_owned(),
                )
            }),
        Some("bearer") => Ok(SignIn::Bearer),
        Some("none") => Ok(SignIn::None),
        Some(_) => Err(wrong("auth", "`client_credentials`, `bearer` or `none`")),
    }
}

/// The longest that one request may take. None: as long as the call has left.
pub(crate) fn timeout() -> Result<Option<Duration>, Failure> {
    Ok(number("timeout_ms")?.map(Duration::from_millis))
}

/// How long to wait before the same is asked for again.
pub(crate) fn retry() -> Result<Duration, Failure> {
    Ok(Duration::from_millis(number("retry_ms")?.unwrap_or(RETRY_MS)))
}

/// How long usage may take from the collector into the report.
pub(crate) fn settle() -> Result<Duration, Failure> {
    Ok(Duration::from_millis(number("settle_ms")?.unwrap_or(SETTLE_MS)))
}

/// How long Abacus takes the usage of last month after its end.
pub(crate) fn slack() -> Result<Duration, Failure> {
    let minutes = number("slack_minutes")?.unwrap_or(SLACK_MINUTES);
    Ok(Duration::from_secs(minutes.saturating_mul(60)))
}

/// What Abacus calls a country, and the currency of its prices: `EUR` is one of its countries.
pub(crate) fn market() -> Result<(String, String), Failure> {
    let country = config::get("country").unwrap_or_else(|| COUNTRY.to_owned());
    let known = match country.as_str() {
        "USA" => Some("usd"),
        "EUR" => Some("eur"),
        "CAN" => Some("cad"),
        _ => None,
    };
    let currency = config::get("currency").or_else(|| known.map(str::to_owned));
    match currency {
        Some(currency)
            if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_alphabetic()) =>
        {
            Ok((country, currency.to_ascii_lowercase()))
        }
        Some(_) => Err(wrong("currency", "three letters, for example `usd`")),
        None => Err(vendors(format!(
            "The endpoint has no setting `currency`, and what is paid in `{country}` is not known; its vendor must set it."
        ))),
    }
}

fn number(name: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = config::get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(wrong(name, "a whole number above 0")),
    }
}

pub(crate) fn wrong(name: &str, expected: &str) -> Failure {
    vendors(format!(
        "The endpoint's setting `{name}` is not {expected}; its vendor must correct it."
    ))
}

/// Not remembered with the request: it works once the vendor has put it right.
fn vendors(text: String) -> Failure {
    Failure::refused(500, text).after(VENDOR_WAIT)
}
