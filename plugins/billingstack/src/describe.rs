//! Discovery and health.

use crate::billingstack::BillingStack;
use crate::keystone::Keystone;
use crate::lifecycle::{REACTIVATE, SUSPEND};
use crate::record::Instance;
use crate::resource::{Status, TYPE};
use crate::settings::Settings;
use cnsp_sdk::Failure;
use cnsp_sdk::types::*;

const VERSION: &str = "BillingStack v2, Keystone v2.0";
const STATES: [&str; 3] = ["active", "suspended", "cancel"];
const ACTIONS: [&str; 7] = ["create", "update", SUSPEND, REACTIVATE, "delete", "assign", "revoke"];
const CAPABILITIES: [&str; 22] = [
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
    "resource.act",
    "resource.delete",
    "resource.get",
    "resource.list",
    "billing.usage",
    "health.check",
];

pub(crate) fn describe() -> Result<Description, Failure> {
    // Settings that are wrong are found out when the endpoint is registered.
    Settings::read()?;
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Ok(Description {
        spversion: VERSION.to_owned(),
        resources: vec![Artifact {
            type_: TYPE.to_owned(),
            states: all(&STATES),
            actions: all(&ACTIONS),
            other: Vec::new(),
        }],
        capabilities: all(&CAPABILITIES),
        other: Vec::new(),
    })
}

pub(crate) fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
    let settings = Settings::read()?;
    match providerinstanceid {
        None => Ok(of_services(&settings)),
        Some(id) => of_instance(&settings, &id),
    }
}

/// A service that does not answer is down, which is an answer. The roles are prerequisites that somebody has to make.
fn of_services(settings: &Settings) -> HealthReport {
    let mut checks = vec![match (BillingStack { settings }).plans() {
        Ok(_) => passed("billingstack"),
        Err(failure) => failed("billingstack", failure.errormessage),
    }];
    let roles = [
        (&settings.roles.openstack_admin, "openstack_admin_role"),
        (&settings.roles.billingstack_admin, "billingstack_admin_role"),
        (&settings.roles.member, "member_role"),
    ];
    match (Keystone { settings }).roles() {
        Ok(known) => {
            checks.push(passed("keystone"));
            for (role, setting) in roles {
                checks.push(match known.contains(role) {
                    true => passed(setting),
                    false => {
                        let text =
                            format!("Keystone has no role {role}: create it, and set its id.");
                        failed(setting, text)
                    }
                });
            }
        }
        Err(failure) => checks.push(failed("keystone", failure.errormessage)),
    }
    let is_down = |check: &HealthCheck| {
        !check.healthy && matches!(check.name.as_str(), "billingstack" | "keystone")
    };
    let status = match (checks.iter().any(is_down), checks.iter().all(|check| check.healthy)) {
        (true, _) => "down",
        (false, true) => "ok",
        (false, false) => "degraded",
    };
    HealthReport { status: status.to_owned(), checks, other: Vec::new() }
}

fn of_instance(settings: &Settings, id: &str) -> Result<HealthReport, Failure> {
    let instance = Instance::find(id)?.ok_or_else(|| Instance::missing(id))?;
    let tenant = Status::of(settings, &instance)?;
    let subscription = match instance.ended {
        Some(_) => None,
        None => (BillingStack { settings }).subscription(&instance.subscription)?,
    };
    let billed = match subscription {
        Some(_) => passed("subscription"),
        None => failed("subscription", "BillingStack does not have it.".to_owned()),
    };
    let status = match (&tenant, billed.healthy) {
        (Status::Active, true) => "ok",
        (Status::Suspended, true) => "degraded",
        _ => "down",
    };
    let checks = vec![
        billed,
        match tenant {
            Status::Active => passed("tenant"),
            Status::Suspended => failed("tenant", "It is disabled.".to_owned()),
            Status::Cancel => failed("tenant", "Keystone does not have it.".to_owned()),
        },
    ];
    Ok(HealthReport { status: status.to_owned(), checks, other: Vec::new() })
}

fn passed(name: &str) -> HealthCheck {
    HealthCheck { name: name.to_owned(), healthy: true, detail: None, other: Vec::new() }
}

fn failed(name: &str, detail: String) -> HealthCheck {
    HealthCheck { healthy: false, detail: Some(detail), ..passed(name) }
}
