//! Health. CNSP 1.0 names it and leaves its shape open, so many remotes have none: those are probed.

use crate::discovery::is_absent;
use crate::envelope::clean;
use crate::object::{Object, Wrong};
use crate::remote::{Remote, segment};
use crate::{catalog, resource};
use cnsp_sdk::Failure;
use cnsp_sdk::types::*;

const PATH: &str = "/health";
const DETAIL_CHARS_MAX: usize = 500;

pub(crate) fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
    let remote = Remote::open()?;
    match providerinstanceid {
        None => of_remote(&remote),
        Some(id) => of_instance(&remote, &id),
    }
}

/// A remote that does not answer is down, which is an answer.
fn of_remote(remote: &Remote) -> Result<HealthReport, Failure> {
    let failure = match remote.get(PATH, "") {
        Ok(mut answered) => match answered.response.peek("status") {
            Some(_) => return Ok(report(answered.response)?),
            // One of another shape: it is there, and what it says is passed on.
            None => {
                let checks = vec![check_of("health", true, None)];
                answered.response.take("checks");
                let other = answered.response.rest()?;
                return Ok(HealthReport { status: "ok".to_owned(), checks, other });
            }
        },
        Err(failure) => failure,
    };
    if !is_absent(&failure) {
        return Ok(down("health", &failure, Vec::new()));
    }
    let absent = check_of("health", true, Some("The provider has no /health.".to_owned()));
    match remote.get(catalog::PATH, "") {
        Ok(_) => {
            let checks = vec![absent, check_of("catalog", true, None)];
            Ok(HealthReport { status: "ok".to_owned(), checks, other: OpenMap::new() })
        }
        // It speaks CNSP and does not show us a catalogue.
        Err(failure) if !failure.retryable && matches!(failure.respcode, 403 | 501) => {
            let detail = Some(clean(&failure.errormessage, DETAIL_CHARS_MAX));
            let checks = vec![absent, check_of("catalog", false, detail)];
            Ok(HealthReport { status: "degraded".to_owned(), checks, other: OpenMap::new() })
        }
        Err(failure) => Ok(down("catalog", &failure, vec![absent])),
    }
}

fn down(name: &str, failure: &Failure, mut checks: Vec<HealthCheck>) -> HealthReport {
    checks.push(check_of(name, false, Some(clean(&failure.errormessage, DETAIL_CHARS_MAX))));
    HealthReport { status: "down".to_owned(), checks, other: OpenMap::new() }
}

/// CNSP 1.0 has no health of an instance. A remote that is a host of CNSP has one; else its status is what there
/// is to know.
fn of_instance(remote: &Remote, id: &str) -> Result<HealthReport, Failure> {
    match remote.get(&format!("{PATH}/{}", segment(id)?), "") {
        Ok(answered) if answered.response.peek("status").is_some() => {
            return Ok(report(answered.response)?);
        }
        Ok(_) => {}
        Err(failure) if is_absent(&failure) => {}
        Err(failure) => return Err(failure),
    }
    let said = resource::get(id)?.parameters.status;
    let status = match said.as_deref() {
        None | Some("active") => "ok",
        Some("cancel") => "down",
        Some(_) => "degraded",
    };
    let detail = match said {
        Some(said) => format!("The subscription is {}.", clean(&said, DETAIL_CHARS_MAX)),
        None => "The provider has it, and does not say how it is.".to_owned(),
    };
    let checks = vec![check_of("instance", status == "ok", Some(detail))];
    Ok(HealthReport { status: status.to_owned(), checks, other: OpenMap::new() })
}

fn report(mut response: Object) -> Result<HealthReport, Wrong> {
    let said = response.text_or("status", "");
    let status = match said.to_ascii_lowercase().as_str() {
        "ok" | "up" | "healthy" | "pass" | "green" => "ok",
        "down" | "unhealthy" | "fail" | "red" => "down",
        _ => "degraded",
    };
    let mut checks = Vec::new();
    for mut check in response.list("checks")?.unwrap_or_default() {
        checks.push(HealthCheck {
            name: check.required_text("name")?,
            healthy: check.flag("healthy").unwrap_or_else(|| {
                check.take("healthy");
                status == "ok"
            }),
            detail: check.text("detail"),
            other: check.rest()?,
        });
    }
    if status == "degraded" && !said.eq_ignore_ascii_case(status) {
        let detail = format!("The provider says `{}`.", clean(&said, DETAIL_CHARS_MAX));
        checks.push(check_of("status", false, Some(detail)));
    }
    Ok(HealthReport { status: status.to_owned(), checks, other: response.rest()? })
}

fn check_of(name: &str, healthy: bool, detail: Option<String>) -> HealthCheck {
    HealthCheck { name: name.to_owned(), healthy, detail, other: OpenMap::new() }
}
