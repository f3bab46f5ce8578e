//! The broker's catalog, and its rules. One that breaks them is not imported at all: half of a price list is worse than
//! yesterday's.

use crate::broker::Broker;
use crate::schema::Options;
use crate::{check, verdict};
use cnsp_sdk::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// A catalog, whose rules hold.
#[derive(Debug, Deserialize)]
pub(crate) struct Catalog {
    pub(crate) services: Vec<Service>,
}

/// A service offering.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    bindable: bool,
    /// Spelled like this on purpose: OSB keeps the slip for those who rely on it.
    #[serde(default)]
    plan_updateable: bool,
    #[serde(default)]
    pub(crate) instances_retrievable: bool,
    #[serde(default)]
    pub(crate) bindings_retrievable: bool,
    #[serde(default)]
    pub(crate) tags: Option<Vec<String>>,
    /// What the platform would have to give its applications.
    #[serde(default)]
    requires: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) plans: Vec<Plan>,
}

/// A service plan.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    free: Option<bool>,
    #[serde(default)]
    bindable: Option<bool>,
    #[serde(default)]
    plan_updateable: Option<bool>,
    #[serde(default)]
    pub(crate) maximum_polling_duration: Option<u64>,
    #[serde(default)]
    maintenance_info: Option<MaintenanceInfo>,
    #[serde(default)]
    pub(crate) metadata: Option<Map<String, Value>>,
    #[serde(default)]
    schemas: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct MaintenanceInfo {
    version: String,
}

impl Plan {
    /// OSB: the plan's word counts, else its service's. Who wants a route or a log drain can have neither here, so
    /// there is nothing to bind to.
    pub(crate) fn is_bindable(&self, service: &Service) -> bool {
        let possible = service.requires.as_ref().is_none_or(Vec::is_empty);
        possible && self.bindable.unwrap_or(service.bindable)
    }

    /// Whether an instance of it can have another plan.
    pub(crate) fn is_updateable(&self, service: &Service) -> bool {
        self.plan_updateable.unwrap_or(service.plan_updateable)
    }

    /// OSB: free, unless it says that it is not.
    pub(crate) fn is_free(&self) -> bool {
        self.free.unwrap_or(true)
    }

    pub(crate) fn maintenance_version(&self) -> Option<String> {
        let version = &self.maintenance_info.as_ref()?.version;
        check::is_id(version).then(|| version.clone())
    }

    /// What its schemas let a customer choose.
    pub(crate) fn options(&self) -> Options {
        Options::read(self.schemas.as_ref())
    }

    /// What it is called for people.
    pub(crate) fn display_name(&self, service: &Service) -> String {
        let named = |metadata: &Option<Map<String, Value>>| {
            let name = metadata.as_ref()?.get("displayName")?.as_str()?;
            let name = check::said(name);
            (!name.is_empty()).then_some(name)
        };
        let service_name = named(&service.metadata).unwrap_or_else(|| service.name.clone());
        let plan_name = named(&self.metadata).unwrap_or_else(|| self.name.clone());
        format!("{service_name} {plan_name}")
    }
}

impl Catalog {
    /// The catalog as it is now.
    pub(crate) fn fetch(broker: &Broker) -> Result<Self, Failure> {
        let answer = broker.catalog()?;
        let catalog: Self = verdict::read(&answer).map_err(|why| refused(&why))?;
        catalog.check().map_err(|why| refused(&why))?;
        Ok(catalog)
    }

    /// The plan with this id, and its service.
    pub(crate) fn plan(&self, plan_id: &str) -> Option<(&Service, &Plan)> {
        self.all().find(|(_, plan)| plan.id == plan_id)
    }

    /// Every plan with its service, in the broker's order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Service, &Plan)> {
        self.services
            .iter()
            .flat_map(|service| service.plans.iter().map(move |plan| (service, plan)))
    }

    fn check(&self) -> Result<(), String> {
        let mut ids = HashSet::new();
        let mut names = HashSet::new();
        for service in &self.services {
            is_named("service", &service.id, &service.name)?;
            if !ids.insert(service.id.as_str()) {
                return Err(format!("two things have the id `{}`", service.id));
            }
            if !names.insert(service.name.as_str()) {
                return Err(format!("two services have the name `{}`", service.name));
            }
            if service.plans.is_empty() {
                return Err(format!("the service `{}` has no plan", service.name));
            }
            let mut plan_names = HashSet::new();
            for plan in &service.plans {
                is_named("plan", &plan.id, &plan.name)?;
                if !ids.insert(plan.id.as_str()) {
                    return Err(format!("two things have the id `{}`", plan.id));
                }
                if !plan_names.insert(plan.name.as_str()) {
                    return Err(format!(
                        "two plans of the service `{}` have the name `{}`",
                        service.name, plan.name
                    ));
                }
            }
        }
        Ok(())
    }
}

fn is_named(what: &str, id: &str, name: &str) -> Result<(), String> {
    match (check::is_id(id), check::is_id(name)) {
        (true, true) => Ok(()),
        (false, _) => Err(format!(
            "a {what} has an id that is empty, longer than {} bytes or has control characters",
            check::ID_BYTES_MAX
        )),
        (true, false) => Err(format!("the {what} `{id}` has no proper name")),
    }
}

fn refused(why: &str) -> Failure {
    let text = format!(
        "The broker's catalog breaks the rules of OSB: {}. Its vendor must correct it.",
        check::said(why)
    );
    Failure::refused(502, text)
}
