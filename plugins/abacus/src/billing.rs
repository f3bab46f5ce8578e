//! Usage: the months of Abacus's report, for what was sold here.

use crate::abacus::Abacus;
use crate::account::{self, Account};
use crate::instance::{self, Instance};
use crate::plan::Metering;
use crate::report::{self, Figure, Found, Report};
use crate::time::{self, Month};
use crate::{check, number, settings, target};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, log};
use std::collections::BTreeMap;

/// Each takes up to two reports, and a call may send 64 requests.
const MONTHS_MAX: usize = 12;
const ITEMS_MAX: usize = 500;

pub(crate) fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
    let (account, only) = match scope {
        BillingScope::Account(id) => (account::open(&id)?, None),
        BillingScope::Instance(id) => {
            let instance = instance::open(&id)?;
            (account::open(&instance.target.organization)?, Some(id))
        }
        BillingScope::Subscription(_) => {
            let text = "Abacus has no subscriptions: ask for an account or an instance.";
            return Err(Failure::refused(404, text));
        }
    };
    let now = time::now();
    let months = months(&window, now)?;
    let mut feed = Feed::of(&account)?;
    feed.partial = time::parse(&window.end).is_none_or(|end| end > now);
    for month in months {
        feed.add(month, now)?;
    }
    feed.answer(&account, only.as_deref(), window, &page)
}

/// The months whose first moment is in the window, up to this one.
fn months(window: &Window, now: i64) -> Result<Vec<Month>, Failure> {
    let wrong = || Failure::invalid("The window's times are no times.");
    let start = time::parse(&window.start).ok_or_else(wrong)?;
    let end = time::parse(&window.end).ok_or_else(wrong)?.min(now.saturating_add(1));
    let mut months = Vec::new();
    let mut month = Month::of(start).ok_or_else(wrong)?;
    while month.start() < end {
        if month.start() >= start {
            months.push(month);
        }
        if months.len() > MONTHS_MAX {
            let text =
                format!("The window has more than {MONTHS_MAX} months: ask for a shorter one.");
            return Err(Failure::invalid(text));
        }
        month = month.next();
    }
    Ok(months)
}

/// The records of an account's months.
struct Feed {
    abacus: Abacus,
    organization: String,
    instances: Vec<Instance>,
    /// By what makes each of them unique: its month, instance and charge.
    records: BTreeMap<String, UsageRecord>,
    /// The metering plans that were asked for, for their units.
    plans: BTreeMap<String, Option<Metering>>,
    partial: bool,
    /// How many figures are of something that was not sold here.
    elsewhere: u32,
    asked: usize,
    missing: usize,
}

impl Feed {
    fn of(account: &Account) -> Result<Self, Failure> {
        Ok(Self {
            abacus: Abacus::open()?,
            organization: account.organization.clone(),
            instances: instance::all_of(&account.organization)?,
            records: BTreeMap::new(),
            plans: BTreeMap::new(),
            partial: false,
            elsewhere: 0,
            asked: 0,
            missing: 0,
        })
    }

    fn add(&mut self, month: Month, now: i64) -> Result<(), Failure> {
        let slack = i64::try_from(settings::slack()?.as_millis()).unwrap_or(i64::MAX);
        // More comes for as long as Abacus takes more.
        self.partial |= now < month.next().start().saturating_add(slack);
        self.asked += 1;
        match self.fetch(month, now)? {
            None => self.missing += 1,
            Some(found) => {
                self.partial |= found.partial;
                self.read(&found.report, month)?;
            }
        }
        Ok(())
    }

    /// The report that knows most of a month: what came after its end is only in one of the month after.
    fn fetch(&self, month: Month, now: i64) -> Result<Option<Found>, Failure> {
        let fetch = |at: i64| report::fetch(&self.abacus, &self.organization, at);
        let end = month.next();
        if now < end.start() {
            return fetch(now);
        }
        match fetch(end.next().start().saturating_sub(1).min(now))? {
            Some(found) if found.report.covers(month) => Ok(Some(found)),
            later => {
                let found = fetch(end.start().saturating_sub(1))?;
                // An answer that has nothing of it is still an answer.
                Ok(found.or(later))
            }
        }
    }

    fn read(&mut self, report: &Report, month: Month) -> Result<(), Failure> {
        for figure in report.figures(month) {
            let used = figure.cell.used().and_then(number::decimal);
            let Some(quantity) = used.filter(|_| check::is_id(figure.metric)) else {
                let metric = check::said(figure.metric);
                log::warn("A figure of Abacus's report is no quantity.", &[("metric", &metric)]);
                self.partial = true;
                continue;
            };
            let owners = self.owners(month, &figure);
            let Some((instance, plan)) = owners.first() else {
                self.elsewhere += 1;
                continue;
            };
            let plan = figure.plan.metering_plan_id.as_ref().unwrap_or(plan);
            let record = UsageRecord {
                subscriptionid: None,
                instanceid: instance.clone(),
                chargeid: figure.metric.to_owned(),
                usage_start_time: time::instant(month.start()),
                usage_end_time: time::instant(month.next().start()),
                object_type: "UsageRecord".to_owned(),
                meter_name: figure.metric.to_owned(),
                meter_region: None,
                meter_category: Some(check::said(figure.resource_id)),
                unit: self.unit(plan, figure.metric)?,
                info_fields: info(&figure, &owners),
                quantity,
                other: Vec::new(),
            };
            self.records.insert(key(&record), record);
        }
        Ok(())
    }

    /// Whose a figure is, with their metering plans: the oldest instance that lived in the month comes first. A
    /// younger one would take it away from that, and a record may not change its instance.
    fn owners(&self, month: Month, figure: &Figure<'_>) -> Vec<(String, String)> {
        let (begin, end) = (month.start(), month.next().start());
        let lived = self.instances.iter().filter(|instance| instance.lived_between(begin, end));
        let mut owners: Vec<&Instance> = lived.filter(|of| figure.is_of(&of.target)).collect();
        owners.sort_by_key(|instance| (instance.start, &instance.id));
        owners.into_iter().map(|of| (of.id.clone(), of.metering_plan.clone())).collect()
    }

    fn unit(&mut self, plan: &str, metric: &str) -> Result<String, Failure> {
        if !self.plans.contains_key(plan) {
            let fetched = Metering::fetch(&self.abacus, plan)?;
            self.plans.insert(plan.to_owned(), fetched);
        }
        let plan = self.plans.get(plan).and_then(Option::as_ref);
        Ok(plan.and_then(|plan| plan.unit(metric)).map_or_else(|| metric.to_owned(), check::said))
    }

    fn answer(
        self,
        account: &Account,
        only: Option<&str>,
        window: Window,
        page: &Page,
    ) -> Result<UsageFeed, Failure> {
        if self.asked > 0 && self.asked == self.missing {
            let text = format!(
                "Abacus has no usage of the organization `{}` in this window.",
                self.organization
            );
            return Err(Failure::refused(404, text));
        }
        let limit = page.limit.map_or(ITEMS_MAX, |limit| limit as usize).clamp(1, ITEMS_MAX);
        let wanted = |record: &UsageRecord| only.is_none_or(|id| record.instanceid == id);
        let mut rest = self.records.into_iter().filter(|(key, record)| {
            wanted(record) && page.after.as_ref().is_none_or(|after| key > after)
        });
        let mut usagefeed = Vec::new();
        let mut last = None;
        for (key, record) in rest.by_ref().take(limit) {
            usagefeed.push(record);
            last = Some(key);
        }
        let next = last.filter(|_| rest.next().is_some());
        let mut other = OpenMap::new();
        if self.elsewhere > 0 && only.is_none() {
            other.put("elsewhere", self.elsewhere);
        }
        Ok(UsageFeed {
            accountid: Some(account.accountid().to_owned()),
            usage_start_time: window.start,
            usage_end_time: window.end,
            usagefeed,
            partial: self.partial,
            next,
            other,
        })
    }
}

/// What there is to know of a record beside its quantity. Abacus's word for "none" is not passed on.
fn info(figure: &Figure<'_>, owners: &[(String, String)]) -> OpenMap {
    let mut info = OpenMap::new();
    info.put("window", "month");
    if let Some(charge) = &figure.cell.charge {
        info.put("charge", charge);
    }
    let ids = [("spaceid", figure.space_id), ("consumerid", figure.consumer_id)];
    for (key, id) in ids.into_iter().filter(|(_, id)| !target::is_none(id)) {
        info.put(key, check::said(id));
    }
    info.put("planid", check::said(figure.plan.plan_id()));
    if owners.len() > 1 {
        let all: Vec<&str> = owners.iter().map(|(id, _)| id.as_str()).collect();
        info.put("instances", all);
    }
    info
}

/// What a record is sorted and continued after by.
fn key(record: &UsageRecord) -> String {
    format!("{} {} {}", record.usage_start_time, record.instanceid, record.chargeid)
}
