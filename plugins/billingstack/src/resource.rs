//! Instances as they are: BillingStack has the subscription, Keystone the tenant, and the adapter the rest.

use crate::billingstack::{BillingStack, Subscription};
use crate::id::Id;
use crate::keystone::Keystone;
use crate::page;
use crate::record::{Account, Instance};
use crate::settings::Settings;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};

/// The only type there is.
pub(crate) const TYPE: &str = "saas";
/// More than this, each with a request of its own, no call can look at.
const LISTED_MAX: u32 = 50;

pub(crate) fn check_type(kind: Option<&ResourceKind>) -> Result<(), Failure> {
    match kind {
        Some(kind) if kind.type_ != TYPE => {
            let text = format!("`resource.type` is not one of this provider's: it has `{TYPE}`.");
            Err(Failure::invalid(text))
        }
        _ => Ok(()),
    }
}

/// What CNSP calls the state of an instance. BillingStack has none, so it is the tenant's.
pub(crate) enum Status {
    Active,
    Suspended,
    Cancel,
}

impl Status {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Cancel => "cancel",
        }
    }

    pub(crate) fn of(settings: &Settings, instance: &Instance) -> Result<Status, Failure> {
        if instance.ended.is_some() {
            return Ok(Self::Cancel);
        }
        Ok(match (Keystone { settings }).tenant(&instance.tenant)? {
            Some(tenant) if tenant.enabled => Self::Active,
            Some(_) => Self::Suspended,
            // Somebody has deleted it at the provider.
            None => Self::Cancel,
        })
    }
}

pub(crate) fn get(id: &str) -> Result<ResourceInfo, Failure> {
    let settings = Settings::read()?;
    let instance = Instance::find(id)?.ok_or_else(|| Instance::missing(id))?;
    let mut status = Status::of(&settings, &instance)?;
    let subscription = match instance.ended {
        Some(_) => None,
        None => BillingStack { settings: &settings }.subscription(&instance.subscription)?,
    };
    if subscription.is_none() {
        status = Status::Cancel;
    }
    Ok(info(instance, status, subscription.as_ref()))
}

pub(crate) fn list(account: &str, page: Page) -> Result<ResourcePage, Failure> {
    let settings = Settings::read()?;
    let account = Account::find(account)?.ok_or_else(Account::missing)?;
    let mut subscriptions =
        BillingStack { settings: &settings }.subscriptions_of(&account.customer)?;
    subscriptions.sort_by(|a, b| a.resource_id.cmp(&b.resource_id));
    // A placeholder is an order that is on its way. What somebody has made at BillingStack has no record.
    subscriptions.retain(|subscription| Id::parse(&subscription.resource_id).is_some());
    let limit = page.limit.unwrap_or(LISTED_MAX).min(LISTED_MAX);
    let page = Page { limit: Some(limit), ..page };
    let (subscriptions, next) =
        page::cut(subscriptions, &page, |subscription| subscription.resource_id.clone())?;
    let mut resources = Vec::with_capacity(subscriptions.len());
    for subscription in subscriptions {
        if let Some(instance) = Instance::find(&subscription.resource_id)? {
            let status = Status::of(&settings, &instance)?;
            resources.push(info(instance, status, Some(&subscription)));
        }
    }
    Ok(ResourcePage { resources, next })
}

fn info(instance: Instance, status: Status, subscription: Option<&Subscription>) -> ResourceInfo {
    // Somebody may have changed the plan at BillingStack.
    let plan = subscription.map_or(&instance.plan, |subscription| &subscription.plan_id);
    let mut other = instance.params;
    other.put("subscriptionid", instance.subscription.as_str());
    ResourceInfo {
        resource: ResourceKind { type_: TYPE.to_owned(), other: Vec::new() },
        parameters: ResourceParameters {
            providerinstanceid: instance.tenant.to_string(),
            instancename: Some(instance.name),
            sku: Some(plan.to_string()),
            license: Some(instance.licence),
            status: Some(status.name().to_owned()),
            startdate: Some(instance.started),
            enddate: instance.ended,
            other,
        },
        additionalparameters: instance.extra,
        other: Vec::new(),
    }
}
