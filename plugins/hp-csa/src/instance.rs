//! Instances: what was ordered here, and what was found in CSA. They are kept with what is billable of them, and read
//! live.

use crate::csa::Csa;
use crate::meter::{Interval, Label, Meter, Observation, Owner, Reservation};
use crate::organization::Person;
use crate::subscription::{Stage, Subscription, Subscriptions};
use crate::{check, ids, offering, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, kv};
use serde::{Deserialize, Serialize};

/// The only type of artifact.
pub(crate) const TYPE: &str = "saas";
/// Intervals of one instance: more than two changes a day, for as long as they are kept.
const INTERVALS_MAX: u32 = 1000;

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pending,
    Active,
    Suspended,
    Cancel,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Cancel => "cancel",
        }
    }
}

/// An instance, as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// The account.
    pub(crate) organization: String,
    pub(crate) catalog: String,
    /// Absent where CSA does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offering: Option<String>,
    /// Through whom it is read, and changed.
    pub(crate) person: Person,
    pub(crate) name: String,
    /// CSA's, which began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subscription: Option<String>,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<i64>,
    /// When CSA last listed it, in a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listed: Option<i64>,
    #[serde(default)]
    pub(crate) meter: Meter,
    /// How many intervals are kept.
    #[serde(default)]
    intervals: u32,
    /// What began before this is not kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dropped: Option<i64>,
    /// Whether it was deleted here.
    #[serde(default)]
    pub(crate) is_deleted: bool,
    /// Every `customparamN`, as it was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) params: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra: OpenMap,
}

impl Instance {
    pub(crate) fn new(id: String, organization: String, catalog: String, person: Person) -> Self {
        Self {
            id,
            organization,
            catalog,
            person,
            offering: None,
            name: String::new(),
            request: None,
            subscription: None,
            status: Status::Pending,
            owner: None,
            start: None,
            end: None,
            listed: None,
            meter: Meter::default(),
            intervals: 0,
            dropped: None,
            is_deleted: false,
            params: Vec::new(),
            extra: Vec::new(),
        }
    }

    pub(crate) fn sku(&self) -> Option<String> {
        self.offering.as_ref().map(|offering| offering::sku(&self.catalog, offering))
    }

    /// Keeps it.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        check::record("The instance", self)?;
        kv::set_json(&ids::instance_key(&self.id), self)
    }

    /// Keeps it for the first time, with what finds it.
    pub(crate) fn add(&self) -> Result<(), Failure> {
        kv::set(&format!("{}{}", ids::instances_of(&self.organization), self.id), b"{}")?;
        self.save()
    }

    /// Remembers CSA's request.
    pub(crate) fn set_request(&mut self, request: String) -> Result<(), Failure> {
        kv::set_json(&ids::request_key(&request), &self.id)?;
        self.request = Some(request);
        Ok(())
    }

    /// Remembers CSA's subscription.
    pub(crate) fn set_subscription(&mut self, subscription: &str) -> Result<(), Failure> {
        kv::set_json(&ids::subscription_key(subscription), &self.id)?;
        self.subscription = Some(subscription.to_owned());
        Ok(())
    }

    /// Takes in how the subscription is now. What ended with that is kept by itself.
    pub(crate) fn observe(
        &mut self,
        reader: &Subscriptions,
        subscription: &Subscription,
        reservation: Option<&Reservation>,
        at: i64,
    ) -> Result<(), String> {
        let terms = subscription.terms.as_ref().map_err(Clone::clone)?;
        let stage = reader.stage(subscription, at);
        match (&subscription.group, &self.owner) {
            (Some(group), _) => self.owner = Some(Owner::Group(group.clone())),
            (None, Some(Owner::Group(_))) => self.owner = None,
            (None, Some(Owner::Person(_)) | None) => {}
        }
        let label = Label { name: subscription.name.clone(), owner: self.owner.clone() };
        let ended = self.meter.observe(&Observation {
            at,
            stage,
            start: subscription.start,
            label: &label,
            terms: terms.as_ref(),
            reservation,
        });
        self.status = self.status_at(stage, subscription);
        self.name.clone_from(&subscription.name);
        self.start = subscription.start;
        self.end = self.meter.over.or(subscription.end);
        if self.offering.is_none() {
            self.offering.clone_from(&subscription.offering);
        }
        match ended {
            Some(interval) => self.keep(&interval).map_err(|failure| failure.errormessage),
            None => Ok(()),
        }
    }

    /// CSA does not have it any more.
    pub(crate) fn vanish(&mut self, at: i64) -> Result<(), Failure> {
        let ended = self.meter.vanish(at);
        self.status = Status::Cancel;
        self.end = self.meter.over.or(Some(at));
        if let Some(interval) = ended {
            self.keep(&interval)?;
        }
        Ok(())
    }

    pub(crate) fn status_at(&self, stage: Stage, subscription: &Subscription) -> Status {
        match stage {
            Stage::Over(_) => Status::Cancel,
            Stage::Before => Status::Pending,
            Stage::Deployed | Stage::Between if subscription.status == "PAUSED" => {
                Status::Suspended
            }
            Stage::Deployed => Status::Active,
            Stage::Between if self.meter.open.is_some() => Status::Active,
            Stage::Between => Status::Pending,
        }
    }

    /// Keeps an interval that is over. The oldest goes where there are too many.
    fn keep(&mut self, interval: &Interval) -> Result<(), Failure> {
        if self.intervals >= INTERVALS_MAX {
            self.drop_oldest(i64::MAX)?;
        }
        kv::set_json(&ids::span_key(&self.id, interval.from), interval)?;
        self.intervals = self.intervals.saturating_add(1);
        Ok(())
    }

    /// Drops the oldest interval, if it was over by then. False: it was not, or there is none.
    pub(crate) fn drop_oldest(&mut self, horizon: i64) -> Result<bool, Failure> {
        let oldest = kv::list_json::<Interval>(&ids::spans_of(&self.id), None, 1)?;
        let Some((key, interval)) = oldest.into_iter().next() else { return Ok(false) };
        match interval.to.filter(|to| *to <= horizon) {
            None => Ok(false),
            Some(to) => {
                kv::delete(&key)?;
                self.intervals = self.intervals.saturating_sub(1);
                self.dropped = Some(to);
                Ok(true)
            }
        }
    }

    /// Every interval that is kept, in their order.
    pub(crate) fn intervals(&self) -> Result<Vec<Interval>, Failure> {
        let kept = kv::list_json::<Interval>(&ids::spans_of(&self.id), None, INTERVALS_MAX)?;
        let kept = kept.into_iter().map(|(_, interval)| interval);
        Ok(kept.chain(self.meter.open.clone()).collect())
    }

    /// Takes it out, with what finds it. Its intervals have gone before.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        if let Some(request) = &self.request {
            kv::delete(&ids::request_key(request))?;
        }
        if let Some(subscription) = &self.subscription {
            kv::delete(&ids::subscription_key(subscription))?;
        }
        kv::delete(&format!("{}{}", ids::instances_of(&self.organization), self.id))?;
        Ok(kv::delete(&ids::instance_key(&self.id))?)
    }

    /// Only what is there can change.
    pub(crate) fn check_live(&self) -> Result<(), Failure> {
        let text = match self.status {
            Status::Active | Status::Suspended => return Ok(()),
            Status::Pending => "The instance is still pending: wait until it is active.",
            Status::Cancel => "The instance is deleted.",
        };
        Err(Failure::refused(409, text).with("providerinstanceid", &self.id))
    }

    /// How its subscription is now, while CSA has it.
    pub(crate) fn fetch(
        &self,
        csa: &Csa,
        reader: &Subscriptions,
    ) -> Result<Option<Subscription>, Failure> {
        let Some(subscription) = &self.subscription else { return Ok(None) };
        reader.find(csa, &self.catalog, subscription, &self.person)
    }

    pub(crate) fn into_info(self) -> ResourceInfo {
        let mut extra = self.extra;
        match &self.owner {
            Some(Owner::Group(group)) => extra.put("ownergroup", group),
            Some(Owner::Person(person)) => extra.put("createdby", person),
            None => {}
        }
        if let Some(subscription) = &self.subscription {
            extra.put("subscriptionid", subscription);
        }
        if let Some(seen) = self.meter.seen {
            extra.put("lastsnapshot", time::instant(seen));
        }
        let sku = self.offering.as_ref().map(|offering| offering::sku(&self.catalog, offering));
        ResourceInfo {
            resource: ResourceKind { type_: TYPE.to_owned(), other: Vec::new() },
            parameters: ResourceParameters {
                providerinstanceid: self.id,
                instancename: Some(self.name).filter(|name| !name.is_empty()),
                sku,
                license: Some(1),
                status: Some(self.status.name().to_owned()),
                startdate: self.start.map(time::instant),
                enddate: self.end.map(time::instant),
                other: self.params,
            },
            additionalparameters: extra,
            other: Vec::new(),
        }
    }
}

/// The instance with this id.
pub(crate) fn find(id: &str) -> Result<Option<Instance>, Failure> {
    if ids::is_plain(id) { kv::get_json(&ids::instance_key(id)) } else { Ok(None) }
}

/// As [`find`], or the failure that says that there is none.
pub(crate) fn open(id: &str) -> Result<Instance, Failure> {
    find(id)?
        .ok_or_else(|| Failure::refused(404, "Resource not found").with("providerinstanceid", id))
}

/// The account that a requestor speaks for.
pub(crate) fn organization_of(requestor: &Requestor) -> Result<&str, Failure> {
    let id = requestor.provideraccountid.as_deref().or(requestor.accountid.as_deref());
    id.ok_or_else(|| {
        Failure::invalid("`requestor` names no account: it needs a provideraccountid.")
    })
}

/// As [`open`], when the requestor speaks for it.
pub(crate) fn of_requestor(id: &str, requestor: &Requestor) -> Result<Instance, Failure> {
    let instance = open(id)?;
    match organization_of(requestor)? == instance.organization {
        true => Ok(instance),
        false => {
            Err(Failure::refused(403, "The user is not authorized to perform this operation."))
        }
    }
}

/// A request may name the type again; it has to be ours.
pub(crate) fn check_type(kind: Option<&ResourceKind>) -> Result<(), Failure> {
    match kind {
        Some(kind) if kind.type_ != TYPE => {
            Err(Failure::invalid(format!("`resource.type` has to be `{TYPE}`.")))
        }
        _ => Ok(()),
    }
}

/// Some of the instances of an organization, in the order of their ids, and the last of them where there are more.
pub(crate) fn part(
    organization: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<(Vec<Instance>, Option<String>), Failure> {
    let prefix = ids::instances_of(organization);
    let after = after.map(|id| format!("{prefix}{id}"));
    let entries = kv::list(&prefix, after.as_deref(), limit.saturating_add(1))?;
    let more = entries.len() > limit as usize;
    let mut found = Vec::new();
    let mut last = None;
    for entry in entries.iter().take(limit as usize) {
        let id = entry.key.strip_prefix(&prefix).unwrap_or_default();
        found.extend(find(id)?);
        last = Some(id.to_owned());
    }
    Ok((found, last.filter(|_| more)))
}
