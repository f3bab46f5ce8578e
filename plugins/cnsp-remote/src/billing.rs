//! Usage.

use crate::object::{Object, Wrong};
use crate::page::Wanted;
use crate::remote::{Remote, segment};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, log};
use jiff::Timestamp;

const PATH: &str = "/billing";

pub(crate) fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
    let remote = Remote::open()?;
    let wanted = Wanted::of(page)?;
    let (kind, id) = match &scope {
        BillingScope::Account(id) => ("account", id),
        BillingScope::Subscription(id) => ("subscription", id),
        BillingScope::Instance(id) => ("instance", id),
    };
    // CNSP 1.0 has no window. A remote that takes none answers its own.
    let query =
        [("kind", kind), ("usage_start_time", &*window.start), ("usage_end_time", &*window.end)];
    let mut answered = wanted.get(&remote, &format!("{PATH}/{}", segment(id)?), &query)?;
    let next = answered.next.take();
    Ok(feed(answered.response, &scope, window, wanted, next)?)
}

fn feed(
    mut response: Object,
    scope: &BillingScope,
    window: Window,
    wanted: Wanted,
    next: Option<String>,
) -> Result<UsageFeed, Wrong> {
    let asked =
        instant("usage_start_time", &window.start)?..instant("usage_end_time", &window.end)?;
    let covers = match (response.instant("usage_start_time"), response.instant("usage_end_time")) {
        (Some(start), Some(end)) => {
            instant("usage_start_time", &start)? <= asked.start
                && instant("usage_end_time", &end)? >= asked.end
        }
        // It says nothing about a window, so the records are all that there are.
        _ => true,
    };
    response.take("usage_start_time");
    response.take("usage_end_time");
    if !covers {
        log::warn(
            "The provider's usage is of another window than was asked for.",
            &[("start", &window.start), ("end", &window.end)],
        );
    }
    let listed = response.required_list("usagefeed")?;
    let mut records = Vec::with_capacity(listed.len());
    for object in listed {
        let record = record(object, scope)?;
        let start = instant("usagefeed.usage_start_time", &record.usage_start_time)?;
        if asked.contains(&start) && is_of(scope, &record) {
            records.push(record);
        }
    }
    let partial = response.flag("partial").unwrap_or_default();
    let (usagefeed, next) = wanted.cut(records, next);
    Ok(UsageFeed {
        accountid: response.text("accountid"),
        usage_start_time: window.start,
        usage_end_time: window.end,
        usagefeed,
        // What lies outside of the provider's window may be there, too: the books stay open.
        partial: partial || !covers,
        next,
        other: response.rest()?,
    })
}

fn instant(what: &str, text: &str) -> Result<Timestamp, Wrong> {
    text.parse().map_err(|_| Wrong(format!("`{what}` is no time as RFC 3339 has it")))
}

/// Whether a record is of what was asked for. A remote that takes an id for another thing's answers others, too.
fn is_of(scope: &BillingScope, record: &UsageRecord) -> bool {
    match scope {
        BillingScope::Account(_) => true,
        BillingScope::Subscription(id) => record.subscriptionid.as_ref().is_none_or(|of| of == id),
        BillingScope::Instance(id) => record.instanceid == *id,
    }
}

fn record(mut object: Object, scope: &BillingScope) -> Result<UsageRecord, Wrong> {
    let chargeid = object.required_text("chargeid")?;
    let time = |object: &mut Object, key: &str| {
        object.instant(key).ok_or_else(|| object.wrong(key, "a time as RFC 3339 has it"))
    };
    let instanceid = match (object.required_text("instanceid"), scope) {
        (Ok(id), _) => id,
        (Err(_), BillingScope::Instance(id)) => {
            object.take("instanceid");
            id.clone()
        }
        (Err(wrong), _) => return Err(wrong),
    };
    Ok(UsageRecord {
        subscriptionid: object.text("subscriptionid"),
        instanceid,
        usage_start_time: time(&mut object, "usage_start_time")?,
        usage_end_time: time(&mut object, "usage_end_time")?,
        object_type: object.text_or("object_type", "UsageRecord"),
        meter_name: object.text_or("meter_name", &chargeid),
        chargeid,
        meter_region: object.text("meter_region"),
        meter_category: object.text("meter_category"),
        unit: object.required_text("unit")?,
        info_fields: object.map("info_fields")?,
        quantity: object.required_decimal("quantity")?,
        other: object.rest()?,
    })
}
