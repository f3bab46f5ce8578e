//! One check: what the host has before and after, what the provider lists in between, and how they differ.
//!
//! Whatever changes here meanwhile cannot be compared: its provider was asked at another moment.

use super::asking::Asking;
use super::busy::Busy;
use super::compare::{Ours, PENDING, Theirs, compare};
use super::kept::{Ignored, fit};
use super::list::Listing;
use super::ours::{self, Accounts, Versions};
use super::report::{Difference, DriftReport, Kind};
use super::running::Running;
use super::stop::Stop;
use crate::endpoints::Endpoint;
use crate::model::shown;
use crate::sealer::Sealer;
use crate::store::Store;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

/// What a check works with.
pub(super) struct Check<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) sealer: &'a Sealer,
    pub(super) endpoint: &'a Endpoint,
    pub(super) running: &'a Running,
    pub(super) pause: Duration,
}

/// What it has found, and what of the ignored differences is still there.
pub(super) struct Found {
    pub(super) report: DriftReport,
    pub(super) still_ignored: BTreeSet<String>,
}

/// Both sides, and what is in the way of comparing them.
struct Sides {
    ours: BTreeMap<String, Ours>,
    before: Versions,
    after: Versions,
    listing: Listing,
    refused: HashSet<String>,
    busy: Busy,
    accounts: Accounts,
}

impl Check<'_> {
    pub(super) async fn run(&self) -> Result<Found, Stop> {
        let asking = Asking { endpoint: self.endpoint, running: self.running, pause: self.pause };
        let known = Accounts::read(self.store, self.endpoint).await?;
        let (_, before) = ours::all(self.store, self.endpoint, &known).await?;
        let busy = Busy::read(self.store, self.sealer, self.endpoint).await?;
        let listing = asking.all(&known).await?;
        let accounts = Accounts::read(self.store, self.endpoint).await?;
        // Before what the host has now: an operation that ends in between is in the one or the other.
        let busy = busy.and(Busy::read(self.store, self.sealer, self.endpoint).await?);
        let (ours, after) = ours::all(self.store, self.endpoint, &accounts).await?;
        let refused = listing.refused.iter().map(|(account, _)| account.clone()).collect();
        let mut sides = Sides { ours, before, after, listing, refused, busy, accounts };
        let mut found = self.compare_all(&mut sides).await?;
        self.confirm(&asking, &mut sides, &mut found).await?;
        let report = &mut found.report;
        report.began_at = self.running.began_at();
        report.ended_at = Timestamp::now().to_string();
        report.listed = sides.listing.listed.clone();
        report.listed.pages = self.running.pages();
        report.notes = std::mem::take(&mut sides.listing.notes);
        let unknown = sides.unknown_quantities();
        if unknown > 0 {
            report.notes.push(format!(
                "The host does not know the quantity of {unknown} resources, which were ordered without one: theirs is not compared."
            ));
        }
        report.sort();
        fit(report)?;
        Ok(found)
    }

    async fn compare_all(&self, sides: &mut Sides) -> Result<Found, Stop> {
        let (ignored, _) = Ignored::read(self.store, self.endpoint.id()).await?;
        let mut found = Found { report: DriftReport::default(), still_ignored: BTreeSet::new() };
        for (account, why) in &sides.listing.refused {
            found.report.skip(&format!("account {account}"), why.clone());
        }
        let theirs = sides.listing.resources.keys().filter(|id| !sides.ours.contains_key(*id));
        let mut instances: BTreeSet<String> = theirs.cloned().collect();
        instances.extend(sides.ours.keys().cloned());
        for (instance, number) in instances.into_iter().zip(1_usize..) {
            self.compare_one(&instance, sides, &ignored, &mut found).await?;
            if number.is_multiple_of(1000) {
                tokio::task::yield_now().await;
            }
        }
        Ok(found)
    }

    async fn compare_one(
        &self,
        instance: &str,
        sides: &mut Sides,
        ignored: &Ignored,
        found: &mut Found,
    ) -> Result<(), Stop> {
        self.same_users(instance, sides).await?;
        let (ours, theirs) = (sides.ours.get(instance), sides.listing.resources.get(instance));
        let mut differences = compare(instance, ours, theirs);
        // An account whose list was refused is told once, and not for each of its resources.
        let told = ours.and_then(|ours| ours.provideraccountid.as_ref());
        if theirs.is_none() && told.is_some_and(|account| sides.refused.contains(account)) {
            return Ok(());
        }
        if let Some(why) = sides.why_not(instance, !differences.is_empty()) {
            found.report.skip(instance, why);
            return Ok(());
        }
        if ours.is_some() {
            found.report.compared += 1;
        }
        for difference in &mut differences {
            if difference.accountid.is_none()
                && let Some(account) = &difference.provideraccountid
            {
                difference.accountid = sides.accounts.by_provider.get(account).cloned();
            }
        }
        found.take(differences, ignored);
        Ok(())
    }

    /// Gives users one name each, where the provider says who has a seat.
    async fn same_users(&self, instance: &str, sides: &mut Sides) -> Result<(), Stop> {
        let Some(ours) = sides.ours.get_mut(instance) else { return Ok(()) };
        let Some(theirs) = sides.listing.resources.get_mut(instance) else { return Ok(()) };
        if let Some(users) = &theirs.users {
            theirs.users = Some(ours::provider_users(self.store, self.endpoint, users).await?);
            ours.users = ours::provider_users(self.store, self.endpoint, &ours.users).await?;
        }
        Ok(())
    }

    /// What is missing from the list is asked for by itself: a list that shifts while it is read leaves some out,
    /// and so does one that was never whole.
    async fn confirm(
        &self,
        asking: &Asking<'_>,
        sides: &mut Sides,
        found: &mut Found,
    ) -> Result<(), Stop> {
        let is_missing = |difference: &&Difference| difference.kind == Kind::Missing;
        let missing = found.report.differences.iter().filter(is_missing);
        let missing: Vec<String> = missing.map(|one| one.providerinstanceid.clone()).collect();
        let (ignored, _) = Ignored::read(self.store, self.endpoint.id()).await?;
        for instance in missing {
            let gone =
                |one: &Difference| one.kind == Kind::Missing && one.providerinstanceid == instance;
            match asking.one(&instance).await? {
                Err(failure) if matches!(failure.respcode, 404 | 410 | 501) => {}
                Err(failure) => {
                    found.report.remove(gone);
                    let text = shown(&failure.errormessage);
                    let why = format!(
                        "it is in no list, and asked for it by itself the provider's adapter answers {}: {text}",
                        failure.respcode
                    );
                    found.report.skip(&instance, why);
                    found.report.compared = found.report.compared.saturating_sub(1);
                }
                Ok(theirs) => {
                    found.report.remove(gone);
                    found.report.compared = found.report.compared.saturating_sub(1);
                    sides.listing.listed.unlisted += 1;
                    sides.listing.resources.insert(instance.clone(), theirs);
                    self.compare_one(&instance, sides, &ignored, found).await?;
                }
            }
        }
        Ok(())
    }
}

impl Found {
    fn take(&mut self, differences: Vec<Difference>, ignored: &Ignored) {
        for difference in differences {
            match ignored.marks.contains_key(&difference.fingerprint) {
                true => {
                    self.report.ignored += 1;
                    self.still_ignored.insert(difference.fingerprint);
                }
                false => self.report.add(difference),
            }
        }
    }
}

impl Sides {
    /// Why a resource cannot be compared. One that is the same on both sides is, whatever is under way.
    fn why_not(&self, instance: &str, differs: bool) -> Option<String> {
        let (ours, theirs) = (self.ours.get(instance), self.listing.resources.get(instance));
        let here = ours.and_then(|ours| ours.provideraccountid.as_deref());
        let there = theirs.and_then(|theirs| theirs.account.as_deref());
        if let (Some(here), Some(there)) = (here, there)
            && here != there
        {
            let text = format!(
                "the provider lists it for account `{}`, and the host has it for `{}`",
                shown(there),
                shown(here)
            );
            return Some(text);
        }
        if !differs {
            return None;
        }
        let marketplaces = ours.and_then(|ours| ours.accountid.as_deref());
        let of_theirs = there.and_then(|id| self.accounts.by_provider.get(id)).map(String::as_str);
        let accounts = [here, there, marketplaces, of_theirs];
        if let Some(why) = self.busy.why(instance, &accounts, ours.is_none()) {
            return Some(why.to_owned());
        }
        if self.before.get(instance) != self.after.get(instance) {
            return Some("it was changed while it was checked".to_owned());
        }
        let is_pending = |theirs: &Theirs| theirs.status.as_deref() == Some(PENDING);
        if theirs.is_some_and(is_pending) {
            return Some("the provider says that it is pending".to_owned());
        }
        None
    }

    fn unknown_quantities(&self) -> usize {
        let unknown = |(instance, ours): &(&String, &Ours)| {
            let theirs = self.listing.resources.get(*instance);
            ours.record.license.is_none() && theirs.is_some_and(|theirs| theirs.license.is_some())
        };
        self.ours.iter().filter(unknown).count()
    }
}
