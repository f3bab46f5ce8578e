//! Usage: BillingStack's records, narrowed down here, since its filter for times is broken.

use crate::billingstack::{BillingStack, Used};
use crate::catalog::{self, Products};
use crate::id::Id;
use crate::record::{Account, Instance};
use crate::settings::Settings;
use crate::{check, page, price};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::collections::BTreeMap;

/// A record, with what it is sorted and paged by. BillingStack's own has no unique key but its id.
struct Row {
    start: Timestamp,
    end: Timestamp,
    tenant: Id,
    used: Used,
}

impl Row {
    fn key(&self) -> String {
        format!("{}/{}", fixed(self.start), self.used.id)
    }
}

/// All of the same length, so that the order of the texts is that of the times.
fn fixed(time: Timestamp) -> String {
    format!("{time:.9}")
}

pub(crate) fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
    let settings = Settings::read()?;
    let billingstack = BillingStack { settings: &settings };
    let bounds = asked("usage_start_time", &window.start)?..asked("usage_end_time", &window.end)?;
    if bounds.end <= bounds.start {
        return Err(Failure::invalid("The window ends before it begins."));
    }
    // The tenant of each subscription that is meant.
    let mut wanted: BTreeMap<Id, Id> = BTreeMap::new();
    let mut of = |instance: &Instance| {
        wanted.insert(instance.subscription.clone(), instance.tenant.clone());
    };
    let account = match &scope {
        BillingScope::Account(id) => {
            let account = Account::find(id)?.ok_or_else(Account::missing)?;
            // Those that have ended, too: what they used stays used.
            Instance::of_customer(&account.customer)?.iter().for_each(&mut of);
            Some(account)
        }
        BillingScope::Subscription(id) => {
            let missing = || Failure::refused(404, "The subscription doesn't exist.");
            let instance = Instance::of_subscription(id)?.ok_or_else(missing)?;
            of(&instance);
            Account::of_customer(&instance.customer)?
        }
        BillingScope::Instance(id) => {
            let instance = Instance::find(id)?.ok_or_else(|| Instance::missing(id))?;
            of(&instance);
            Account::of_customer(&instance.customer)?
        }
    };
    let mut rows = Vec::new();
    for used in billingstack.usage()? {
        let Some(tenant) = wanted.get(&used.subscription_id).cloned() else { continue };
        let start = told(&used, &used.start_timestamp)?;
        let end = told(&used, &used.end_timestamp)?;
        if bounds.contains(&start) {
            rows.push(Row { start, end, tenant, used });
        }
    }
    rows.sort_by_key(Row::key);
    let (rows, next) = page::cut(rows, &page, Row::key)?;
    let products =
        if rows.is_empty() { Products::new() } else { catalog::products(&billingstack)? };
    let is_of_instance = matches!(scope, BillingScope::Instance(_));
    let mut usagefeed = Vec::with_capacity(rows.len());
    for row in rows {
        usagefeed.push(record(row, &products, is_of_instance)?);
    }
    let now = check::now()?;
    Ok(UsageFeed {
        accountid: account.map(|account| account.accountid),
        usage_start_time: window.start,
        usage_end_time: window.end,
        usagefeed,
        // What is still to come in this window is not known yet.
        partial: bounds.end > now,
        next,
        other: OpenMap::new(),
    })
}

fn asked(name: &str, text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|_| Failure::invalid(format!("`{name}` is no time as RFC 3339 has it.")))
}

/// A time of BillingStack's, which is UTC where it does not say.
fn told(used: &Used, text: &str) -> Result<Timestamp, Failure> {
    let zoned: Result<Timestamp, _> = text.parse();
    let utc = || text.parse::<DateTime>().and_then(|time| Offset::UTC.to_timestamp(time));
    zoned.or_else(|_| utc()).map_err(|_| senseless(used, "a time that is none"))
}

/// Left out, it would never be billed.
fn senseless(used: &Used, what: &str) -> Failure {
    let text = format!(
        "BillingStack's usage record {} has {what}: its vendor has to correct it. Until then no usage of the \
         subscription {} can be told.",
        used.id, used.subscription_id
    );
    Failure::refused(502, text)
}

fn record(row: Row, products: &Products, is_of_instance: bool) -> Result<UsageRecord, Failure> {
    let Row { start, end, tenant, used } = row;
    let quantity = price::decimal(&used.value)
        .ok_or_else(|| senseless(&used, "a value that is no decimal"))?;
    if end < start {
        return Err(senseless(&used, "an end before its start"));
    }
    let mut info_fields = OpenMap::new();
    info_fields.put("usageid", used.id.as_str());
    for (name, number) in [("price", &used.price), ("total", &used.total)] {
        if let Some(number) = number {
            info_fields.put(name, number);
        }
    }
    let product = products.get(&used.product_id);
    let name = product.map_or(used.product_id.as_str(), |product| &product.name);
    let kind = product.and_then(|product| product.property("type"));
    Ok(UsageRecord {
        subscriptionid: (!is_of_instance).then(|| used.subscription_id.to_string()),
        instanceid: tenant.to_string(),
        chargeid: used.product_id.to_string(),
        usage_start_time: start.to_string(),
        usage_end_time: end.to_string(),
        object_type: "UsageRecord".to_owned(),
        meter_name: check::said(name),
        meter_region: None,
        meter_category: kind.map(check::said),
        unit: check::said(&used.measure),
        info_fields,
        quantity: quantity.to_string(),
        other: OpenMap::new(),
    })
}
