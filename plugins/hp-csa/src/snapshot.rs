//! Snapshots: all subscriptions of an organization, taken in one after the other, so that what changed is billed from then
//! on. It is an action, since only an operation may write; whoever operates the marketplace lets it be called regularly.

use crate::csa::Csa;
use crate::instance::{self, Instance};
use crate::meter::Owner;
use crate::organization::{self, Members, Person};
use crate::subscription::{self, Stage, Subscription, Subscriptions};
use crate::{check, ids, request, settings, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, kv, log, operation, pending};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the next call waits for that goes on with a snapshot.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Keys that one call writes, and those that one subscription may take: an operation has 400.
const WRITES_MAX: u32 = 380;
const WRITES_EACH: u32 = 5;
/// How many persons are remembered that could not be read. Where there are more, nothing is taken for gone.
const UNREAD_MAX: usize = 8;
/// How many instances of an organization are kept. More would not fit into one answer of billing.
const INSTANCES_MAX: u32 = 5_000;
/// Intervals of one instance that a snapshot drops for their age.
const DROPPED_MAX: u32 = 3;
const PAGE: u32 = 200;

/// Until when all of an organization is known.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Coverage {
    pub(crate) until: i64,
    /// How many subscriptions could not be read, so that nothing of them is billed.
    pub(crate) unreadable: u32,
    instances: u32,
}

/// What is known of an organization.
pub(crate) fn coverage(organization: &str) -> Result<Option<Coverage>, Failure> {
    kv::get_json(&ids::organization_key(organization))
}

/// Where a snapshot stands, as its token says.
#[derive(Deserialize, Serialize)]
struct Run {
    began: i64,
    /// The last person who was read to the end.
    person: Option<String>,
    /// The last subscription of the person after that one.
    subscription: Option<String>,
    /// Whether all persons are read, and the last instance that was looked at since.
    finishing: bool,
    instance: Option<String>,
    unread: Vec<String>,
    is_unread_cut: bool,
    subscriptions: u32,
    unreadable: u32,
    /// How many instances there are, at least.
    instances: u32,
    /// Those that were looked at since all persons are read, and stay.
    settled: u32,
    #[serde(skip)]
    writes: u32,
}

pub(crate) fn take(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let organization = instance::organization_of(&request.requestor)?.to_owned();
    let id = request.instanceinfo.providerinstanceid;
    // An organization without an instance stands for itself.
    if id != organization {
        instance::of_requestor(&id, &request.requestor)?;
    }
    let mut run = match operation::token() {
        None => Run::new(&organization)?,
        Some(token) => serde_json::from_str(&token).map_err(|_| {
            Failure::refused(500, "The host has called with a token that is not this adapter's.")
        })?,
    };
    let reader = Subscriptions::open()?;
    let csa = Csa::open()?;
    if !run.finishing && !run.read(&csa, &reader, &organization)? || !run.finish(&organization)? {
        return pending(run.token()?, AT_ONCE);
    }
    let mut other = OpenMap::new();
    other.put("snapshottime", time::instant(run.began));
    other.put("subscriptions", run.subscriptions);
    other.put("unreadable", run.unreadable);
    other.put("personsnotread", &run.unread);
    done(ResourceIds { providerinstanceid: id, other })
}

impl Run {
    fn new(organization: &str) -> Result<Self, Failure> {
        if !ids::is_plain(organization) {
            return Err(organization::missing());
        }
        Ok(Self {
            began: time::now(),
            person: None,
            subscription: None,
            finishing: false,
            instance: None,
            unread: Vec::new(),
            is_unread_cut: false,
            subscriptions: 0,
            unreadable: 0,
            instances: coverage(organization)?.unwrap_or_default().instances,
            settled: 0,
            writes: 0,
        })
    }

    fn token(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|_| Failure::refused(500, "The snapshot's stage cannot be written as JSON."))
    }

    /// Whether this call has written about as much as it may.
    fn is_full(&self) -> bool {
        self.writes.saturating_add(WRITES_EACH) > WRITES_MAX
    }

    /// Reads on, person by person. False: the next call has to go on.
    fn read(
        &mut self,
        csa: &Csa,
        reader: &Subscriptions,
        organization: &str,
    ) -> Result<bool, Failure> {
        let members = organization::open(csa, &csa.admin()?, organization)?;
        for person in &members.persons {
            if self.person.as_ref().is_some_and(|last| person.id <= *last) {
                continue;
            }
            if csa.is_tired() {
                return Ok(false);
            }
            match reader.list(csa, person)? {
                None => self.miss(person),
                Some(listed) => {
                    if listed.is_cut {
                        self.miss(person);
                    }
                    for subscription in &listed.subscriptions {
                        let done = self.subscription.as_ref();
                        if done.is_some_and(|last| subscription.id <= *last) {
                            continue;
                        }
                        if csa.is_tired() || self.is_full() {
                            return Ok(false);
                        }
                        self.take(csa, reader, &members, person, subscription)?;
                        self.subscription = Some(subscription.id.clone());
                    }
                }
            }
            self.person = Some(person.id.clone());
            self.subscription = None;
        }
        self.finishing = true;
        Ok(true)
    }

    /// What this person has is not known, or not all of it.
    fn miss(&mut self, person: &Person) {
        log::warn("CSA does not list all subscriptions of a person.", &[("person", &person.id)]);
        match self.unread.len() < UNREAD_MAX {
            true => self.unread.push(person.id.clone()),
            false => self.is_unread_cut = true,
        }
    }

    fn take(
        &mut self,
        csa: &Csa,
        reader: &Subscriptions,
        members: &Members,
        person: &Person,
        subscription: &Subscription,
    ) -> Result<(), Failure> {
        let organization = &members.organization.id;
        let (mut instance, is_new) = match known(subscription)? {
            Some(instance) => (instance, false),
            None => (found(organization, person, subscription), true),
        };
        if instance.organization != *organization {
            log::error(
                "CSA lists a subscription for an organization that is another one's.",
                &[("subscription", &subscription.id), ("organization", organization)],
            );
            self.unreadable = self.unreadable.saturating_add(1);
            return Ok(());
        }
        // A group's is listed for each member, and is one all the same.
        if instance.listed.is_some_and(|listed| listed >= self.began) {
            return Ok(());
        }
        if is_new {
            self.count()?;
        }
        if !members.persons.iter().any(|one| one.id == instance.person.id) {
            instance.person = person.clone();
        }
        let now = time::now();
        instance.listed = Some(now);
        look(csa, reader, &mut instance, subscription, now).or_else(|trouble| {
            self.unreadable = self.unreadable.saturating_add(1);
            trouble.tell(&subscription.id)
        })?;
        self.subscriptions = self.subscriptions.saturating_add(1);
        self.writes = self.writes.saturating_add(WRITES_EACH);
        if instance.subscription.is_none() {
            instance.set_subscription(&subscription.id)?;
        }
        if is_new { instance.add() } else { instance.save() }
    }

    fn count(&mut self) -> Result<(), Failure> {
        if self.instances >= INSTANCES_MAX {
            let text = format!(
                "The organization has more than {INSTANCES_MAX} subscriptions, which is the most that this adapter keeps of one. Nothing of this snapshot counts: divide the organization, or shorten `keep_days`."
            );
            return Err(Failure::refused(400, text).code("TOO_MANY_SUBSCRIPTIONS"));
        }
        self.instances = self.instances.saturating_add(1);
        Ok(())
    }

    /// What was not seen is over, and what is too old goes. False: the next call has to go on.
    fn finish(&mut self, organization: &str) -> Result<bool, Failure> {
        if self.is_full() {
            return Ok(false);
        }
        let horizon = self.began.saturating_sub(settings::keep_ms()?);
        loop {
            let (instances, next) = instance::part(organization, self.instance.as_deref(), PAGE)?;
            for mut instance in instances {
                if self.is_full() {
                    return Ok(false);
                }
                self.instance = Some(instance.id.clone());
                self.settle(&mut instance, horizon)?;
            }
            match next {
                Some(next) => self.instance = Some(next),
                None => break,
            }
        }
        let coverage =
            Coverage { until: self.began, unreadable: self.unreadable, instances: self.instances };
        kv::set_json(&ids::organization_key(organization), &coverage)?;
        Ok(true)
    }

    fn settle(&mut self, instance: &mut Instance, horizon: i64) -> Result<(), Failure> {
        let mut changed = false;
        let was_listed = instance.listed.is_some_and(|listed| listed >= self.began);
        let is_unread = self.is_unread_cut || self.unread.contains(&instance.person.id);
        let goes_on = instance.subscription.is_some() && instance.meter.over.is_none();
        if goes_on && !was_listed && !is_unread {
            instance.vanish(self.began)?;
            changed = true;
        }
        for _ in 0..DROPPED_MAX {
            if !instance.drop_oldest(horizon)? {
                break;
            }
            changed = true;
        }
        // An order that came to nothing was never observed.
        let over = instance.meter.over.or(instance.end.filter(|_| instance.is_deleted));
        if over.is_some_and(|over| over < horizon) && instance.intervals()?.is_empty() {
            instance.forget()?;
            self.writes = self.writes.saturating_add(WRITES_EACH);
            return Ok(());
        }
        self.settled = self.settled.saturating_add(1);
        if changed {
            instance.save()?;
            self.writes = self.writes.saturating_add(WRITES_EACH);
        }
        Ok(())
    }
}

/// The instance of a subscription, where it is known.
fn known(subscription: &Subscription) -> Result<Option<Instance>, Failure> {
    let mut id: Option<String> = kv::get_json(&ids::subscription_key(&subscription.id))?;
    if let (None, Some(request)) = (&id, &subscription.request) {
        id = kv::get_json(&ids::request_key(request))?;
    }
    // An order whose answer nobody has seen yet.
    let id = id.or_else(|| subscription.marked().map(str::to_owned));
    match id {
        Some(id) => instance::find(&id),
        None => Ok(None),
    }
}

/// An instance that was not ordered here.
fn found(organization: &str, person: &Person, subscription: &Subscription) -> Instance {
    let id = subscription.request.clone().unwrap_or_else(|| subscription.id.clone());
    let catalog = subscription.catalog.clone().unwrap_or_default();
    let mut instance = Instance::new(id, organization.to_owned(), catalog, person.clone());
    instance.request.clone_from(&subscription.request);
    instance
}

/// Why an observation was not taken in.
pub(crate) enum Trouble {
    /// CSA could not be asked.
    Failed(Failure),
    /// What it says makes no sense.
    Unreadable(String),
}

impl Trouble {
    /// What makes no sense is logged and not billed; it must not keep the rest from being billed.
    fn tell(self, subscription: &str) -> Result<(), Failure> {
        match self {
            Self::Failed(failure) => Err(failure),
            Self::Unreadable(why) => {
                log::error(
                    "A subscription cannot be billed: what CSA says of it makes no sense.",
                    &[("subscription", subscription), ("why", &why)],
                );
                Ok(())
            }
        }
    }

    /// The failure, where one subscription is all that is looked at.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Unreadable(why) => {
                let text = format!(
                    "What CSA says of the subscription makes no sense: {}. Its vendor must look.",
                    check::said(&why)
                );
                Failure::refused(502, text)
            }
        }
    }
}

/// Takes in how a subscription is now, with who has ordered it and what is reserved for it.
pub(crate) fn look(
    csa: &Csa,
    reader: &Subscriptions,
    instance: &mut Instance,
    subscription: &Subscription,
    at: i64,
) -> Result<(), Trouble> {
    let person = instance.person.clone();
    let is_known = matches!(instance.owner, Some(Owner::Person(_)));
    if let (false, None, Some(request)) = (is_known, &subscription.group, &subscription.request) {
        let found = request::find(csa, &instance.catalog, request, &person);
        let found = found.map_err(Trouble::Failed)?;
        instance.owner = found.and_then(|request| request.created_by).map(Owner::Person);
    }
    let reservation = match reader.stage(subscription, at) {
        Stage::Deployed => {
            subscription::reservation(csa, &subscription.id, &person).map_err(Trouble::Failed)?
        }
        Stage::Before | Stage::Between | Stage::Over(_) => None,
    };
    instance.observe(reader, subscription, reservation.as_ref(), at).map_err(Trouble::Unreadable)
}
