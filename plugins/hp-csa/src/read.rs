//! Reading instances: one of them live, all of an account as they were at the last snapshot.

use crate::csa::{Csa, encode};
use crate::instance::{self, Instance};
use crate::subscription::{self, Subscription, Subscriptions};
use crate::{check, ids, money, organization, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};

/// Below what `kv` lists at once, so that one more tells whether there is a next page.
const ITEMS_MAX: u32 = 200;

/// As it is now in CSA, as far as that has it.
pub(crate) fn get(id: &str) -> Result<ResourceInfo, Failure> {
    let mut instance = instance::open(id)?;
    let csa = Csa::open()?;
    let reader = Subscriptions::open()?;
    let mut more = OpenMap::new();
    if let Some(subscription) = instance.fetch(&csa, &reader)? {
        show(&csa, &instance, &subscription, &mut more)?;
        let stage = reader.stage(&subscription, time::now());
        instance.status = instance.status_at(stage, &subscription);
        instance.name.clone_from(&subscription.name);
        instance.start = subscription.start;
        instance.end = instance.meter.over.or(subscription.end);
    }
    let mut info = instance.into_info();
    info.additionalparameters.extend(more);
    Ok(info)
}

/// What CSA says of a subscription beside what CNSP has a place for.
fn show(
    csa: &Csa,
    instance: &Instance,
    subscription: &Subscription,
    map: &mut OpenMap,
) -> Result<(), Failure> {
    map.put("subscriptionstatus", check::said(&subscription.status));
    if let Some(state) = &subscription.state {
        map.put("instancestate", check::said(state));
    }
    match &subscription.terms {
        Ok(None) => {}
        Ok(Some(terms)) => {
            map.put("currency", &terms.currency);
            if let Some(setup) = terms.setup {
                map.put("setupprice", money::text(setup));
            }
            if let Some(recurring) = &terms.recurring {
                map.put("recurringprice", money::text(recurring.price));
                map.put("recurrenceperiod", recurring.every.name());
            }
        }
        Err(why) => map.put("problem", format!("What it costs cannot be told: {why}.")),
    }
    if let Some(reserved) = subscription::reservation(csa, &subscription.id, &instance.person)? {
        map.put("reservation", reserved);
    }
    if let Some(id) = &subscription.instance {
        map.put("serviceinstanceid", id);
        let path = format!(
            "/catalog/{}/instance/{}?userIdentifier={}",
            encode(&instance.catalog),
            encode(id),
            encode(&instance.person.id)
        );
        let root = csa.find(&path, "The service instance")?;
        let kind = root.as_ref().and_then(|root| root.text_at(&["serviceDesignerExperienceType"]));
        if let Some(kind) = kind {
            map.put("experiencetype", check::said(kind));
        }
    }
    Ok(())
}

/// As they were at the last snapshot, with all that was ordered here.
pub(crate) fn list(account: &str, page: Page) -> Result<ResourcePage, Failure> {
    if !ids::is_plain(account) {
        return Err(organization::missing());
    }
    if page.after.as_deref().is_some_and(|after| !ids::is_plain(after)) {
        return Err(Failure::invalid("`after` is not a cursor of this list."));
    }
    let limit = page.limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX);
    let (found, next) = instance::part(account, page.after.as_deref(), limit)?;
    if found.is_empty() && page.after.is_none() {
        // Of an organization that there is not, this has to be said.
        let csa = Csa::open()?;
        organization::open(&csa, &csa.admin()?, account)?;
    }
    Ok(ResourcePage { resources: found.into_iter().map(Instance::into_info).collect(), next })
}
