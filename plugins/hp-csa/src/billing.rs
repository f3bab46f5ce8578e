//! Usage: what the snapshots have made billable, in the periods of the server's calendar. CSA is not asked: a bill of the
//! same window has to be the same tomorrow.

use crate::instance::{self, Instance};
use crate::meter::{Label, Owner};
use crate::parts::{Part, Rule};
use crate::snapshot::{self, Coverage};
use crate::time::{self, Zone};
use crate::{csa::Csa, ids, money, offering, organization, settings};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, kv};
use rust_decimal::Decimal;
use std::ops::Range;

const ITEMS_MAX: usize = 500;
/// How many instances one call looks through.
const INSTANCES_MAX: usize = 1_000;
const PAGE: u32 = 100;

pub(crate) fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
    let wrong = || Failure::invalid("The window's times are no times.");
    let start = time::parse(&window.start).ok_or_else(wrong)?;
    let end = time::parse(&window.end).ok_or_else(wrong)?;
    if start < time::now().saturating_sub(settings::keep_ms()?) {
        let text = "The window begins before what is kept of past intervals (`keep_days`): ask for a later one.";
        return Err(Failure::invalid(text));
    }
    let (organization, only) = match scope {
        BillingScope::Account(id) if ids::is_plain(&id) => (id, None),
        BillingScope::Account(_) => return Err(organization::missing()),
        BillingScope::Instance(id) => {
            let instance = instance::open(&id)?;
            (instance.organization.clone(), Some(instance))
        }
        BillingScope::Subscription(id) => {
            let instance = of_subscription(&id)?;
            (instance.organization.clone(), Some(instance))
        }
    };
    let coverage = match snapshot::coverage(&organization)? {
        Some(coverage) => coverage,
        None => unknown(&organization, only.is_some())?,
    };
    let mut feed = Feed::open(coverage, start..end, &page)?;
    let next = match &only {
        Some(instance) => feed.add(instance)?,
        None => feed.add_all(&organization)?,
    };
    feed.partial |= only.is_none() && feed.coverage.until < end;
    let mut other = OpenMap::new();
    if feed.coverage.unreadable > 0 {
        other.put("unreadable", feed.coverage.unreadable);
    }
    Ok(UsageFeed {
        accountid: Some(organization),
        usage_start_time: window.start,
        usage_end_time: window.end,
        usagefeed: feed.records,
        partial: feed.partial,
        next,
        other,
    })
}

fn of_subscription(id: &str) -> Result<Instance, Failure> {
    let missing = || Failure::refused(404, "There is no such subscription.");
    if !ids::is_plain(id) {
        return Err(missing());
    }
    let instance: Option<String> = kv::get_json(&ids::subscription_key(id))?;
    instance.map(|id| instance::open(&id)).transpose()?.ok_or_else(missing)
}

/// No snapshot was completed yet. Of an organization that there is not, this has to be said.
fn unknown(organization: &str, is_known: bool) -> Result<Coverage, Failure> {
    if !is_known {
        let csa = Csa::open()?;
        organization::open(&csa, &csa.admin()?, organization)?;
    }
    Ok(Coverage::default())
}

/// The records of a page.
struct Feed {
    zone: Zone,
    proration: settings::Proration,
    coverage: Coverage,
    window: Range<i64>,
    limit: usize,
    /// What the page before ended with.
    after: Option<Cursor>,
    records: Vec<UsageRecord>,
    partial: bool,
}

/// What records are sorted and continued after by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    instance: String,
    start: i64,
    charge: String,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (instance, start, charge) = (words.next()?, words.next()?, words.next()?);
        let cursor = Self {
            instance: instance.to_owned(),
            start: start.parse().ok()?,
            charge: charge.to_owned(),
        };
        (ids::is_plain(instance) && words.next().is_none()).then_some(cursor)
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.instance, self.start, self.charge)
    }
}

impl Feed {
    fn open(coverage: Coverage, window: Range<i64>, page: &Page) -> Result<Self, Failure> {
        let after = match &page.after {
            None => None,
            Some(text) => Some(
                Cursor::parse(text)
                    .ok_or_else(|| Failure::invalid("`after` is not a cursor of this list."))?,
            ),
        };
        Ok(Self {
            zone: Zone::of_server()?,
            proration: settings::proration()?,
            coverage,
            window,
            limit: page.limit.map_or(ITEMS_MAX, |limit| limit as usize).clamp(1, ITEMS_MAX),
            after,
            records: Vec::new(),
            partial: false,
        })
    }

    /// The records of every instance, and the last of them where there are more.
    fn add_all(&mut self, organization: &str) -> Result<Option<String>, Failure> {
        let mut after = self.after.as_ref().map(|cursor| cursor.instance.clone());
        // It may have more.
        if let Some(instance) = after.as_deref().map(instance::find).transpose()?.flatten()
            && instance.organization == organization
            && let Some(next) = self.add(&instance)?
        {
            return Ok(Some(next));
        }
        let mut looked = 0;
        loop {
            let (instances, next) = instance::part(organization, after.as_deref(), PAGE)?;
            for instance in instances {
                if let Some(next) = self.add(&instance)? {
                    return Ok(Some(next));
                }
                looked += 1;
                if looked >= INSTANCES_MAX {
                    let done =
                        Cursor { instance: instance.id, start: i64::MAX, charge: "-".to_owned() };
                    return Ok(Some(done.text()));
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// The records of one instance.
    fn add(&mut self, instance: &Instance) -> Result<Option<String>, Failure> {
        if instance.dropped.is_some_and(|dropped| self.window.start < dropped) {
            let text = format!(
                "The instance {} has changed too often: what it had before {} is not kept any more. Ask for a window from then on.",
                instance.id,
                time::instant(instance.dropped.unwrap_or_default())
            );
            return Err(Failure::invalid(text));
        }
        let meter = &instance.meter;
        let seen = meter.seen.unwrap_or(i64::MIN);
        // What is over is known until the last snapshot that did not see it again.
        let known = if meter.over.is_some() { seen.max(self.coverage.until) } else { seen };
        if instance.subscription.is_some() {
            self.partial |= known < self.window.end;
        }
        let intervals = instance.intervals()?;
        let rule = Rule { zone: &self.zone, proration: self.proration };
        let (parts, more) = rule.parts(&intervals, known, &self.window);
        self.partial |= more;
        let mut found: Vec<(Cursor, UsageRecord)> = Vec::new();
        let cursor = |start: i64, charge: &str| Cursor {
            instance: instance.id.clone(),
            start,
            charge: charge.to_owned(),
        };
        if let Some(record) = setup(instance, &self.window) {
            let start = meter.begun.as_ref().map_or(0, |begun| begun.at);
            found.push((cursor(start, offering::SETUP), record));
        }
        for part in &parts {
            let record = recurring(instance, part, self.proration);
            found.push((cursor(part.start, offering::RECURRING), record));
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found.retain(|(cursor, _)| self.after.as_ref().is_none_or(|after| cursor > after));
        let mut found = found.into_iter();
        let mut last = None;
        for (cursor, record) in found.by_ref().take(self.limit - self.records.len()) {
            self.records.push(record);
            last = Some(cursor);
        }
        // A page that is full says so, whether or not anything follows.
        let is_full = self.records.len() >= self.limit;
        Ok(last.filter(|_| is_full).map(|cursor| cursor.text()))
    }
}

fn base(instance: &Instance, label: &Label, charge: &str, name: &str) -> UsageRecord {
    let mut info = OpenMap::new();
    info.put("displayname", &label.name);
    match &label.owner {
        Some(Owner::Group(group)) => info.put("ownergroup", group),
        Some(Owner::Person(person)) => info.put("createdby", person),
        None => {}
    }
    if let Some(sku) = instance.sku() {
        info.put("sku", sku);
    }
    UsageRecord {
        subscriptionid: instance.subscription.clone(),
        instanceid: instance.id.clone(),
        chargeid: charge.to_owned(),
        usage_start_time: String::new(),
        usage_end_time: String::new(),
        object_type: "UsageRecord".to_owned(),
        meter_name: name.to_owned(),
        meter_region: None,
        meter_category: None,
        unit: String::new(),
        info_fields: info,
        quantity: "0".to_owned(),
        other: Vec::new(),
    }
}

/// What is paid once, where it began in the window.
fn setup(instance: &Instance, window: &Range<i64>) -> Option<UsageRecord> {
    let begun = instance.meter.begun.as_ref().filter(|begun| window.contains(&begun.at))?;
    let terms = begun.terms.as_ref()?;
    let amount = money::text(terms.setup?);
    let mut record = base(instance, &begun.label, offering::SETUP, "Setup");
    record.usage_start_time = time::instant(begun.at);
    record.usage_end_time = time::instant(begun.at);
    record.unit = "/once".to_owned();
    record.quantity = "1".to_owned();
    record.info_fields.put("price", &amount);
    record.info_fields.put("charge", &amount);
    record.info_fields.put("currency", &terms.currency);
    Some(record)
}

/// What is paid for a part of a period.
fn recurring(instance: &Instance, part: &Part<'_>, proration: settings::Proration) -> UsageRecord {
    let mut record = base(instance, &part.of.label, offering::RECURRING, "Recurring");
    record.usage_start_time = time::instant(part.start);
    record.usage_end_time = time::instant(part.end);
    record.unit = part.recurring.every.unit().to_owned();
    record.quantity = money::text(part.quantity);
    let info = &mut record.info_fields;
    info.put("price", money::text(part.recurring.price));
    info.put("charge", money::text(part.charge));
    if let Some(terms) = &part.of.terms {
        info.put("currency", &terms.currency);
    }
    info.put("proration", proration.name());
    if part.recurring.unit_price != Decimal::ZERO {
        info.put("unitprice", money::text(part.recurring.unit_price));
    }
    if !part.of.reservation.is_empty() {
        info.put("reservation", &part.of.reservation);
    }
    // A snapshot shows a change that was between it and the one before.
    if part.start == part.of.from && part.of.from_slack > 0 {
        info.put("startuncertaintyms", part.of.from_slack);
    }
    if part.of.to == Some(part.end) && part.of.to_slack > 0 {
        info.put("enduncertaintyms", part.of.to_slack);
    }
    record
}
