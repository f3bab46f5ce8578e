//! What the adapter says about itself and Abacus: discovery and health.

use crate::abacus::Abacus;
use crate::instance::{self, Status, TYPE};
use crate::plan::Metering;
use crate::settings::Service;
use crate::{offering, time};
use cnsp_sdk::Failure;
use cnsp_sdk::types::*;

pub(crate) const SUSPEND: &str = "update.suspend";
pub(crate) const REACTIVATE: &str = "update.reactivate";
pub(crate) const PUSH: &str = "usage.push";

/// All that Abacus can do. Users are none of it.
const CAPABILITIES: [&str; 15] = [
    "discovery.describe",
    "catalog.list",
    "account.create",
    "account.update",
    "account.delete",
    "account.get",
    "account.list",
    "resource.create",
    "resource.update",
    "resource.act",
    "resource.delete",
    "resource.get",
    "resource.list",
    "billing.usage",
    "health.check",
];

/// How many metering plans are looked at for the health.
const PLANS_MAX: usize = 20;

pub(crate) fn describe() -> Result<Description, Failure> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Ok(Description {
        spversion: "Abacus v1".to_owned(),
        resources: vec![Artifact {
            type_: TYPE.to_owned(),
            states: texts(&["pending", "active", "suspended", "cancel"]),
            actions: texts(&["create", "update", SUSPEND, REACTIVATE, PUSH, "delete"]),
            other: Vec::new(),
        }],
        capabilities: texts(&CAPABILITIES),
        other: Vec::new(),
    })
}

pub(crate) fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
    match providerinstanceid {
        None => Ok(of_abacus()),
        Some(id) => of_instance(&id),
    }
}

fn check_of(name: &str, result: Result<(), String>) -> HealthCheck {
    let healthy = result.is_ok();
    HealthCheck { name: name.to_owned(), healthy, detail: result.err(), other: Vec::new() }
}

fn report(status: &str, checks: Vec<HealthCheck>) -> HealthReport {
    HealthReport { status: status.to_owned(), checks, other: Vec::new() }
}

/// What can be asked without changing anything. The sampler takes nothing but events, so it is not among it.
fn of_abacus() -> HealthReport {
    let abacus = match Abacus::open() {
        Ok(abacus) => abacus,
        Err(failure) => {
            return report("down", vec![check_of("authorization", Err(failure.errormessage))]);
        }
    };
    let checks = vec![
        check_of("authorization", Ok(())),
        check_of("plans", plans(&abacus)),
        // There is no such thing, and whoever says so is well.
        check_of(
            "collector",
            seen(&abacus, Service::Collector, "/v1/metering/collected/usage/none"),
        ),
        check_of("accounts", seen(&abacus, Service::Accounts, "/v1/organizations/none/account/0")),
        check_of(
            "reporting",
            seen(&abacus, Service::Reporting, "/v1/metering/organizations/none/aggregated/usage/0"),
        ),
    ];
    let well = checks.iter().filter(|check| check.healthy).count();
    let status = match well {
        1 => "down",
        all if all == checks.len() => "ok",
        _ => "degraded",
    };
    report(status, checks)
}

fn seen(abacus: &Abacus, service: Service, path: &str) -> Result<(), String> {
    abacus.get(service, path, "what does not exist").map(|_| ()).map_err(|why| why.errormessage)
}

fn plans(abacus: &Abacus) -> Result<(), String> {
    let offerings = offering::all().map_err(|failure| failure.errormessage)?;
    for offering in offerings.iter().take(PLANS_MAX) {
        let plan = Metering::fetch(abacus, &offering.metering);
        if plan.map_err(|failure| failure.errormessage)?.is_none() {
            return Err(format!("Abacus does not have the metering plan `{}`.", offering.metering));
        }
    }
    Ok(())
}

fn of_instance(id: &str) -> Result<HealthReport, Failure> {
    let instance = instance::open(id)?;
    let active = match instance.status {
        Status::Active => Ok(()),
        status => Err(format!("The instance is {}.", status.name())),
    };
    let metering = instance.gap.map_or(Ok(()), |gap| {
        Err(format!("At {} Abacus was not metering what it should have.", time::instant(gap)))
    });
    let status = match (instance.status, active.is_ok() && metering.is_ok()) {
        (Status::Cancel, _) => "down",
        (_, true) => "ok",
        (_, false) => "degraded",
    };
    Ok(report(status, vec![check_of("instance", active), check_of("metering", metering)]))
}
