//! What the adapter says about itself and CSA: discovery and health.

use crate::csa::Csa;
use crate::instance::{self, TYPE};
use crate::organization;
use crate::subscription::{Stage, Subscriptions};
use crate::time;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};

pub(crate) const SNAPSHOT: &str = "usage.snapshot";

/// All that CSA can do. Accounts and users are LDAP's, and seats it has none.
const CAPABILITIES: [&str; 14] = [
    "discovery.describe",
    "catalog.list",
    "account.get",
    "account.list",
    "user.get",
    "user.list",
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
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mut other = OpenMap::new();
    other.put("accounts", "managed in LDAP: read only");
    other.put("users", "managed in LDAP: read only");
    Ok(Description {
        spversion: "HP CSA 4".to_owned(),
        resources: vec![Artifact {
            type_: TYPE.to_owned(),
            states: texts(&["pending", "active", "suspended", "cancel"]),
            actions: texts(&["create", "update", SNAPSHOT, "delete"]),
            other: Vec::new(),
        }],
        capabilities: texts(&CAPABILITIES),
        other,
    })
}

pub(crate) fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
    match providerinstanceid {
        None => Ok(of_csa()),
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

fn of_csa() -> HealthReport {
    let opened = Subscriptions::open().and_then(|_| Csa::open());
    let signed_in = opened.and_then(|csa| csa.admin().map(|admin| (csa, admin)));
    let (csa, admin) = match signed_in {
        Ok(signed_in) => signed_in,
        Err(failure) => {
            return report("down", vec![check_of("login", Err(failure.errormessage))]);
        }
    };
    let organizations = organization::list(&csa, &admin);
    let organizations = organizations.map(|_| ()).map_err(|failure| failure.errormessage);
    let status = if organizations.is_ok() { "ok" } else { "degraded" };
    report(status, vec![check_of("login", Ok(())), check_of("organizations", organizations)])
}

fn of_instance(id: &str) -> Result<HealthReport, Failure> {
    let instance = instance::open(id)?;
    let reader = Subscriptions::open()?;
    let subscription = instance.fetch(&Csa::open()?, &reader)?;
    let Some(subscription) = subscription else {
        let text = match instance.subscription {
            Some(_) => "CSA does not have the subscription any more.",
            None => "The order has no subscription yet.",
        };
        return Ok(report("down", vec![check_of("subscription", Err(text.to_owned()))]));
    };
    let said = |what: &str, word: &str| Err(format!("CSA says that the {what} is {word}."));
    let deployed = match reader.stage(&subscription, time::now()) {
        Stage::Deployed => Ok(()),
        Stage::Before | Stage::Between | Stage::Over(_) => {
            said("instance", subscription.state.as_deref().unwrap_or("not there"))
        }
    };
    let active = match subscription.status.as_str() {
        "ACTIVE" => Ok(()),
        status => said("subscription", status),
    };
    let priced = subscription
        .terms
        .as_ref()
        .map(|_| ())
        .map_err(|why| format!("What it costs cannot be told: {why}."));
    let status = match (&active, &deployed, &priced) {
        (Ok(()), Ok(()), Ok(())) => "ok",
        (_, Err(_), _) => "down",
        _ => "degraded",
    };
    let checks = vec![
        check_of("subscription", active),
        check_of("instance", deployed),
        check_of("price", priced),
    ];
    Ok(report(status, checks))
}
