//! What the provider says about itself: discovery and health.

use crate::function::Function;
use crate::lifecycle::{REACTIVATE, RENAME, SUSPEND};
use crate::resource::{self, Status, TYPE};
use crate::{ids, misbehave};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, kv};

pub(crate) fn describe() -> Result<Description, Failure> {
    let told = misbehave::read(Function::Describe)?;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mut description = Description {
        spversion: env!("CARGO_PKG_VERSION").to_owned(),
        resources: vec![Artifact {
            type_: TYPE.to_owned(),
            states: texts(&["pending", "active", "suspended", "cancel"]),
            actions: texts(&[
                "create", "update", SUSPEND, REACTIVATE, RENAME, "delete", "assign", "revoke",
            ]),
            other: Vec::new(),
        }],
        capabilities: Function::ALL.iter().map(|function| function.name().to_owned()).collect(),
        other: Vec::new(),
    };
    told.spoil(&mut description.other);
    Ok(description)
}

pub(crate) fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
    let told = misbehave::read(Function::CheckHealth)?;
    let mut report = match providerinstanceid {
        Some(id) => of_instance(&id)?,
        None => of_provider(),
    };
    if let Some(status) = told.health() {
        report.status = status.to_owned();
        report.checks.push(check_of(
            "told",
            false,
            Some("The endpoint's settings say so.".to_owned()),
        ));
    }
    told.spoil(&mut report.other);
    Ok(report)
}

/// The provider is well when its state can be read.
fn of_provider() -> HealthReport {
    let state = kv::get(&ids::account_key("health"));
    let healthy = state.is_ok();
    let detail = state.err().map(|error| error.message);
    let checks = vec![check_of("api", true, None), check_of("state", healthy, detail)];
    HealthReport {
        status: if healthy { "ok" } else { "down" }.to_owned(),
        checks,
        other: Vec::new(),
    }
}

fn of_instance(id: &str) -> Result<HealthReport, Failure> {
    let function = Function::CheckHealth;
    let (resource, _) = resource::open(function, id)?;
    let status = match (resource.script().health, resource.status) {
        (Some(told), _) => told,
        (None, Status::Active) => "ok",
        (None, Status::Pending | Status::Suspended) => "degraded",
        (None, Status::Cancel) => "down",
    };
    let detail = format!("The subscription is {}.", resource.status);
    let checks = vec![check_of("instance", status == "ok", Some(detail))];
    Ok(HealthReport { status: status.to_owned(), checks, other: Vec::new() })
}

fn check_of(name: &str, healthy: bool, detail: Option<String>) -> HealthCheck {
    HealthCheck { name: name.to_owned(), healthy, detail, other: Vec::new() }
}
