//! What the adapter says about itself and its broker: discovery and health.

use crate::broker::{Broker, Known};
use crate::catalog::Catalog;
use crate::instance::{self, Status, TYPE};
use crate::settings;
use crate::update::{REACTIVATE, SUSPEND};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, kv};

/// All that every broker can do. Usage is none of it.
const CAPABILITIES: [&str; 20] = [
    "discovery.describe",
    "catalog.list",
    "account.create",
    "account.update",
    "account.delete",
    "account.get",
    "account.list",
    "user.create",
    "user.update",
    "user.delete",
    "user.get",
    "user.list",
    "user.assign",
    "user.revoke",
    "resource.create",
    "resource.update",
    "resource.delete",
    "resource.get",
    "resource.list",
    "health.check",
];

/// More than this are not counted.
const ORPHANS_COUNTED_MAX: u32 = 100;

pub(crate) fn describe() -> Result<Description, Failure> {
    let catalog = Catalog::fetch(&Broker::open()?)?;
    let name = settings::suspend_parameter();
    let suspendable = catalog.all().any(|(_, plan)| plan.options().switch(&name).is_some());
    let mut states = vec!["pending", "active", "cancel"];
    let mut actions = vec!["create", "update", "delete", "assign", "revoke"];
    let mut capabilities = CAPABILITIES.to_vec();
    let mut other = OpenMap::new();
    if suspendable {
        states.push("suspended");
        actions.extend([SUSPEND, REACTIVATE]);
        capabilities.push("resource.act");
    } else {
        let text = format!(
            "No plan of the broker declares a boolean parameter `{name}`, so nothing can be suspended."
        );
        other.put("notsuspendable", text);
    }
    let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    Ok(Description {
        spversion: "OSB 2.17".to_owned(),
        resources: vec![Artifact {
            type_: TYPE.to_owned(),
            states: texts(states),
            actions: texts(actions),
            other,
        }],
        capabilities: texts(capabilities),
        other: Vec::new(),
    })
}

pub(crate) fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
    match providerinstanceid {
        None => of_broker(),
        Some(id) => of_instance(&id),
    }
}

fn check_of(name: &str, healthy: bool, detail: Option<String>) -> HealthCheck {
    HealthCheck { name: name.to_owned(), healthy, detail, other: Vec::new() }
}

fn report(status: &str, checks: Vec<HealthCheck>) -> HealthReport {
    HealthReport { status: status.to_owned(), checks, other: Vec::new() }
}

fn of_broker() -> Result<HealthReport, Failure> {
    let catalog = Catalog::fetch(&Broker::open()?);
    let well = catalog.is_ok();
    let mut checks =
        vec![check_of("catalog", well, catalog.err().map(|failure| failure.errormessage))];
    let orphans = kv::list("o/", None, ORPHANS_COUNTED_MAX)?.len();
    let detail = format!("{orphans} things are left at the broker that could not be deleted.");
    checks.push(check_of("orphans", orphans == 0, (orphans > 0).then_some(detail)));
    let status = match (well, orphans) {
        (false, _) => "down",
        (true, 0) => "ok",
        (true, _) => "degraded",
    };
    Ok(report(status, checks))
}

fn of_instance(id: &str) -> Result<HealthReport, Failure> {
    let instance = instance::open(id)?;
    let known = match instance.status {
        Status::Active | Status::Suspended => instance.fetch(&Broker::open()?),
        Status::Pending | Status::Cancel => None,
    };
    let detail = format!("The instance is {}.", instance.status.name());
    let active = instance.status == Status::Active && !instance.unusable;
    let mut checks = vec![check_of("instance", active, Some(detail))];
    let seen = match known {
        Some(Known::Is(_)) => Some((true, None)),
        Some(Known::Missing) => Some((false, Some("The broker does not know it.".to_owned()))),
        Some(Known::Unsaid(failure)) => Some((false, Some(failure.errormessage))),
        None => None,
    };
    let mut there = true;
    if let Some((healthy, detail)) = seen {
        there = healthy;
        checks.push(check_of("broker", healthy, detail));
    }
    let status = match (instance.status, active && there) {
        (Status::Cancel, _) => "down",
        (_, true) => "ok",
        (_, false) => "degraded",
    };
    Ok(report(status, checks))
}
