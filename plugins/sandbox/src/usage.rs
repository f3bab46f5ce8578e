//! Usage, worked out from what was provisioned. `README.md` has the formulas.
//!
//! Every record is fixed for good once it appears: a later call adds records and changes none, so what
//! was billed stays right.

use crate::account::{self, Account};
use crate::catalog::{self, Charge, Kind};
use crate::function::Function;
use crate::ids::InstanceId;
use crate::instant::{self, DAY};
use crate::misbehave::Told;
use crate::resource::{self, Change, Resource};
use crate::{misbehave, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};

/// How many quantities make one: six digits after the point.
const MILLIONTHS: u128 = 1_000_000;

/// The window, in seconds, half open, and the time of the call.
#[derive(Clone, Copy)]
struct Bounds {
    start: i64,
    end: i64,
    now: i64,
}

impl Bounds {
    fn hold(self, second: i64) -> bool {
        self.start <= second && second < self.end
    }
}

/// What one record says, before it is written.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    /// When the record appeared: the order of the records.
    known: i64,
    start: i64,
    end: i64,
    /// Of how many licences.
    licences: u64,
    millionths: u128,
}

pub(crate) fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
    let function = Function::Usage { subscription: matches!(scope, BillingScope::Subscription(_)) };
    let told = misbehave::read(function)?;
    let bounds = Bounds {
        start: instant::parse("usage_start_time", &window.start)?,
        end: instant::parse("usage_end_time", &window.end)?,
        now: instant::now(),
    };
    if bounds.end <= bounds.start {
        return Err(Failure::invalid("The window ends before it begins."));
    }
    let mut feed = UsageFeed {
        usage_start_time: window.start,
        usage_end_time: window.end,
        // What is still to come in this window is not known yet.
        partial: bounds.end > bounds.now,
        ..UsageFeed::default()
    };
    let mut cursor = Cursor::parse(&page)?;
    let limit = page::limit(&page);
    match scope {
        BillingScope::Account(id) => {
            let account = account::find_ever(&id)?.ok_or_else(|| function.no_account())?;
            account.admit(function)?;
            add_account(&mut feed, &account, bounds, &told, &mut cursor, limit)?;
            feed.accountid = Some(account.accountid);
        }
        BillingScope::Subscription(id) => {
            let instance = InstanceId::parse_subscription(&id).map(InstanceId::id);
            let missing = || function.refuse(404, "The subscription doesn't exist.");
            add_one(
                &mut feed,
                function,
                &instance.ok_or_else(missing)?,
                bounds,
                &told,
                cursor,
                limit,
            )?;
        }
        BillingScope::Instance(id) => {
            add_one(&mut feed, function, &id, bounds, &told, cursor, limit)?;
            for record in &mut feed.usagefeed {
                record.subscriptionid = None;
            }
        }
    }
    Ok(feed)
}

fn add_one(
    feed: &mut UsageFeed,
    function: Function,
    id: &str,
    bounds: Bounds,
    told: &Told,
    mut cursor: Cursor,
    limit: usize,
) -> Result<(), Failure> {
    let (resource, account) = resource::open(function, id)?;
    feed.accountid = Some(account.accountid);
    add(feed, &resource, bounds, told, &mut cursor, limit);
    Ok(())
}

/// Instance after instance, until the page is full.
fn add_account(
    feed: &mut UsageFeed,
    account: &Account,
    bounds: Bounds,
    told: &Told,
    cursor: &mut Cursor,
    limit: usize,
) -> Result<(), Failure> {
    let prefix = format!("r/{}/", account.part());
    // The instance that the page before ended in is read first, then those after it.
    if !cursor.instance.is_empty() {
        let id = InstanceId { account: account.part(), own: &cursor.instance }.id();
        if let Some(resource) = resource::find(&id)? {
            add(feed, &resource, bounds, told, cursor, limit);
        }
    }
    let after = Some(cursor.instance.clone()).filter(|instance| !instance.is_empty());
    let mut instances = Page { limit: None, after };
    while feed.next.is_none() {
        let (resources, next) = page::read::<Resource>(&prefix, &instances)?;
        for resource in &resources {
            if feed.next.is_some() {
                break;
            }
            *cursor = Cursor::default();
            add(feed, resource, bounds, told, cursor, limit);
        }
        match next {
            Some(_) => instances.after = next,
            None => break,
        }
    }
    Ok(())
}

/// Where a page ended: in which instance, after how many of its records.
#[derive(Default)]
struct Cursor {
    instance: String,
    records: usize,
}

impl Cursor {
    fn parse(page: &Page) -> Result<Self, Failure> {
        let Some(text) = &page.after else { return Ok(Self::default()) };
        let wrong = || Failure::invalid("`after` is not a cursor of this list.");
        let (instance, records) = text.split_once('.').ok_or_else(wrong)?;
        if instance.len() > 64 {
            return Err(wrong());
        }
        Ok(Self { instance: instance.to_owned(), records: records.parse().map_err(|_| wrong())? })
    }
}

/// Adds the records of one instance, from the cursor on, as far as the page has room.
fn add(
    feed: &mut UsageFeed,
    resource: &Resource,
    bounds: Bounds,
    told: &Told,
    cursor: &mut Cursor,
    limit: usize,
) {
    let (Some(id), Some(offering)) = (resource.parts(), catalog::find(&resource.sku)) else {
        return;
    };
    let script = resource.script();
    let mut used: Vec<(&Charge, Used)> = Vec::new();
    for charge in offering.charges {
        let records = match charge.kind {
            Kind::Setup => setup(&resource.history, bounds),
            Kind::Recurring => recurring(&resource.history, bounds),
            Kind::Metered { thousandths } => metered(&resource.history, thousandths, bounds),
        };
        used.extend(records.into_iter().map(|used| (charge, used)));
    }
    // Stable: what becomes known later comes later, so a cursor stays right.
    used.sort_by_key(|(_, used)| used.known);
    for (charge, used) in used.iter().skip(cursor.records) {
        if feed.usagefeed.len() >= limit {
            feed.next = Some(format!("{}.{}", id.own, cursor.records));
            return;
        }
        cursor.records += 1;
        let mut info_fields = OpenMap::new();
        info_fields.put("sku", offering.sku);
        info_fields.put("licences", used.licences);
        let mut quantity = decimal(used.millionths);
        told.spoil_quantity(&script, &mut quantity);
        feed.usagefeed.push(UsageRecord {
            subscriptionid: Some(id.subscription()),
            instanceid: resource.id.clone(),
            chargeid: charge.id.to_owned(),
            usage_start_time: instant::to_text(used.start),
            usage_end_time: instant::to_text(used.end),
            object_type: "UsageRecord".to_owned(),
            meter_name: charge.name.to_owned(),
            meter_region: Some("global".to_owned()),
            meter_category: Some(offering.category.to_owned()),
            unit: charge.unit().to_owned(),
            info_fields,
            quantity,
            other: Vec::new(),
        });
    }
}

/// One, in the second in which the instance starts.
fn setup(history: &[Change], bounds: Bounds) -> Vec<Used> {
    let Some(&Change(start, licences)) = history.first() else { return Vec::new() };
    if !bounds.hold(start) || start > bounds.now {
        return Vec::new();
    }
    vec![Used { known: start, start, end: start + 1, licences, millionths: MILLIONTHS }]
}

/// Licences, paid in advance to the end of the calendar month. Within a month only licences above the
/// most that were paid for already add a record, so going down, suspending and coming back cost nothing.
fn recurring(history: &[Change], bounds: Bounds) -> Vec<Used> {
    let mut found = Vec::new();
    let Some(&Change(start, _)) = history.first() else { return found };
    let (mut first, mut next) = instant::month(start.max(bounds.start));
    while first < bounds.end && first <= bounds.now && first < next {
        let mut paid = 0;
        // A change in the month's first second counts from then on, and takes nothing back: a record
        // for that second may be out already.
        let begin = Change(first, licences_at(history, first - 1));
        let within = history.iter().copied().filter(|change| first <= change.0 && change.0 < next);
        for Change(at, licences) in std::iter::once(begin).chain(within) {
            if licences <= paid {
                continue;
            }
            let more = licences - paid;
            paid = licences;
            if bounds.hold(at) && at <= bounds.now {
                let millionths = part(more, next - at, next - first);
                found.push(Used { known: at, start: at, end: next, licences: more, millionths });
            }
        }
        (first, next) = instant::month(next);
    }
    found
}

/// So much for each licence of each day in UTC that the instance was active to the end of.
fn metered(history: &[Change], thousandths: u64, bounds: Bounds) -> Vec<Used> {
    let mut found = Vec::new();
    let Some(&Change(start, _)) = history.first() else { return found };
    let mut day = start.max(bounds.start).div_euclid(DAY) * DAY;
    while day < bounds.end && day + DAY <= bounds.now {
        let licences = licences_at(history, day + DAY - 1);
        if licences > 0 && bounds.hold(day) {
            let millionths = u128::from(licences) * u128::from(thousandths) * (MILLIONTHS / 1000);
            found.push(Used { known: day + DAY, start: day, end: day + DAY, licences, millionths });
        }
        // After its last change to nothing, an instance never has anything again.
        if licences == 0 && history.last().is_none_or(|last| last.0 < day) {
            break;
        }
        day += DAY;
    }
    found
}

/// How many licences are paid for in this second.
fn licences_at(history: &[Change], second: i64) -> u64 {
    history.iter().rev().find(|change| change.0 <= second).map_or(0, |change| change.1)
}

/// `licences` times `seconds` of `whole`, in millionths, half of one rounded up.
fn part(licences: u64, seconds: i64, whole: i64) -> u128 {
    let (seconds, whole) = (u128::from(seconds.unsigned_abs()), u128::from(whole.unsigned_abs()));
    let doubled = 2 * u128::from(licences) * seconds * MILLIONTHS + whole;
    doubled.checked_div(2 * whole).unwrap_or(0)
}

/// `1500000` is `1.5`.
fn decimal(millionths: u128) -> String {
    let (whole, rest) = (millionths / MILLIONTHS, millionths % MILLIONTHS);
    if rest == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests;
