//! The provider's state, taken over into the host's records: one durable commit for each resource.
//!
//! What is taken over is what the report says. The resource is asked for again and the record read again: where
//! either is not what was compared, nothing is done.

use super::asking::Asking;
use super::busy::Busy;
use super::compare::{GONE, Ours, Theirs, compare};
use super::ours;
use super::report::{Difference, Kind, Skipped};
use super::stop::Stop;
use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::limits::fixed;
use crate::model::shown;
use crate::sealer::Sealer;
use crate::store::customer::{
    IdRecord, ResourceRecord, SeatRecord, account_key, id_key, resource_key, seat_key,
};
use crate::store::json::{put, read, unchanged};
use crate::store::operation::pending_key;
use crate::store::{Condition, Key, Operation, Store, StoreError, Tx, commit_patiently};
use serde_json::json;
use std::collections::BTreeMap;

/// The states that a resource can have. (CNSP 1.0, Get Resource/instance details.)
const STATUSES: [&str; 3] = ["active", "suspended", GONE];

/// Whoever adopts, and from where.
pub(super) struct Adopting<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) sealer: &'a Sealer,
    pub(super) endpoint: &'a Endpoint,
    pub(super) asking: Asking<'a>,
    pub(super) caller: &'a str,
    pub(super) dry_run: bool,
}

/// A resource as it is now, on both sides.
struct Now {
    ours: Option<Ours>,
    /// By user.
    seats: BTreeMap<String, (Key, u64)>,
    theirs: Option<Theirs>,
}

/// Why nothing was done, in words for whoever asked.
enum Not {
    Skipped(String),
    Failed(Error),
}

impl From<Error> for Not {
    fn from(error: Error) -> Not {
        Not::Failed(error)
    }
}

impl From<StoreError> for Not {
    fn from(error: StoreError) -> Not {
        match error {
            StoreError::Conflict(_) => {
                Not::Skipped("its records were changed at this moment: check again".to_owned())
            }
            error => Not::Failed(error.into()),
        }
    }
}

impl From<Stop> for Not {
    fn from(stop: Stop) -> Not {
        Not::Skipped(stop.reason)
    }
}

impl Adopting<'_> {
    /// Takes over what differs in one resource: all of these, or none. Answers what was not done.
    pub(super) async fn adopt(&self, differences: &[Difference]) -> Result<Vec<Skipped>> {
        let skipped = |why: String| {
            differences.iter().map(|one| Skipped::new(&one.name, why.clone())).collect()
        };
        match self.try_adopt(differences).await {
            Ok(()) => Ok(Vec::new()),
            Err(Not::Skipped(why)) => Ok(skipped(why)),
            Err(Not::Failed(error)) => Err(error),
        }
    }

    async fn try_adopt(&self, differences: &[Difference]) -> Result<(), Not> {
        let Some(first) = differences.first() else { return Ok(()) };
        let instance = first.providerinstanceid.as_str();
        let account = first.provideraccountid.as_deref();
        // Behind the changes of its account that are running. Those that name it otherwise meet the conditions.
        let turn = self.endpoint.turn(account.unwrap_or(instance));
        let turn = tokio::time::timeout(self.endpoint.call_timeout(), turn).await;
        let Ok(Ok(_turn)) = turn else {
            let why = "other changes of its account are in the way: try again".to_owned();
            return Err(Not::Skipped(why));
        };
        let accounts = [account, first.accountid.as_deref()];
        let busy = Busy::read(self.store, self.sealer, self.endpoint).await?;
        if let Some(why) = busy.why(instance, &accounts, first.kind == Kind::Extra) {
            return Err(Not::Skipped(why.to_owned()));
        }
        let now = self.now(instance, first).await?;
        let mut tx = Tx::new(self.endpoint.partition);
        // Nothing may have become pending either.
        tx.conditions.push(Condition::Absent(pending_key(
            self.endpoint.id(),
            &format!("instance/{instance}"),
        )));
        self.check_same(differences, &now)?;
        self.write(differences, &now, &mut tx).await?;
        if self.dry_run {
            return Ok(());
        }
        let names: Vec<&str> = differences.iter().map(|one| one.kind.name()).collect();
        let event = json!({
            "at_s": jiff::Timestamp::now().as_second(),
            "endpoint": self.endpoint.id(),
            "caller": self.caller,
            "operation": "drift.adopt",
            "plugin": self.endpoint.record.plugin,
            "instance": instance,
            "kinds": names,
            "before": first.ours,
            "after": first.provider,
        });
        tx.event = Some(event.to_string().into());
        commit_patiently(self.store, tx).await?;
        let kinds = names.join(", ");
        tracing::info!(
            endpoint = self.endpoint.id(),
            caller = self.caller,
            instance,
            kinds,
            "adopted the provider's state"
        );
        Ok(())
    }

    async fn now(&self, instance: &str, first: &Difference) -> Result<Now, Not> {
        let found = ours::one(self.store, self.endpoint, instance).await?;
        let (mut ours, seats) =
            found.map_or_else(Default::default, |(one, seats)| (Some(one), seats));
        let mut theirs = match self.asking.one(instance).await? {
            Ok(theirs) => Some(theirs),
            Err(failure) if matches!(failure.respcode, 404 | 410) => None,
            Err(failure) => {
                let text = shown(&failure.errormessage);
                let why = format!("the provider's adapter answers {}: {text}", failure.respcode);
                return Err(Not::Skipped(why));
            }
        };
        if let (Some(ours), Some(theirs)) = (&mut ours, &mut theirs)
            && let Some(users) = &theirs.users
        {
            let known = ours::provider_users(self.store, self.endpoint, users).await?;
            theirs.users = Some(known);
            ours.users = ours::provider_users(self.store, self.endpoint, &ours.users).await?;
        }
        if let Some(theirs) = &mut theirs {
            theirs.account = first.provideraccountid.clone();
        }
        Ok(Now { ours, seats, theirs })
    }

    fn check_same(&self, differences: &[Difference], now: &Now) -> Result<(), Not> {
        for difference in differences {
            let instance = &difference.providerinstanceid;
            let version = now.ours.as_ref().map(|ours| ours.version);
            if version != difference.record_version {
                let why = "the host's record was changed since the check: check again";
                return Err(Not::Skipped(why.to_owned()));
            }
            let found = compare(instance, now.ours.as_ref(), now.theirs.as_ref());
            if !found.iter().any(|one| one.fingerprint == difference.fingerprint) {
                let why = "it differs in another way by now, or not any more: check again";
                return Err(Not::Skipped(why.to_owned()));
            }
        }
        Ok(())
    }

    async fn write(&self, differences: &[Difference], now: &Now, tx: &mut Tx) -> Result<(), Not> {
        let Some(first) = differences.first() else { return Ok(()) };
        let (endpoint, instance) = (self.endpoint.id(), first.providerinstanceid.as_str());
        let mut record = match (&now.ours, &now.theirs) {
            (Some(ours), _) => ours.record.clone(),
            (None, Some(theirs)) => self.new_record(instance, theirs, tx).await?,
            (None, None) => return Ok(()),
        };
        for difference in differences {
            match (difference.kind, &now.theirs) {
                (Kind::Extra, _) => {}
                (Kind::Missing, _) => record.status = GONE.to_owned(),
                (Kind::State, Some(theirs)) => record.status = status(theirs)?,
                (Kind::Quantity, Some(theirs)) => record.license = theirs.license,
                (Kind::Seats, Some(theirs)) => self.write_seats(instance, now, theirs, tx).await?,
                (Kind::State | Kind::Quantity | Kind::Seats, None) => {}
            }
        }
        let key = resource_key(endpoint, instance);
        tx.conditions.push(unchanged(key.clone(), now.ours.as_ref().map(|ours| ours.version)));
        tx.operations.push(put(key, &record)?);
        Ok(())
    }

    /// A resource that the host does not have yet.
    async fn new_record(
        &self,
        instance: &str,
        theirs: &Theirs,
        tx: &mut Tx,
    ) -> Result<ResourceRecord, Not> {
        let skip = |why: &str| Err(Not::Skipped(why.to_owned()));
        let Some(account) = &theirs.account else {
            return skip("the provider does not tell its account");
        };
        let Some(sku) = &theirs.sku else { return skip("the provider does not tell its sku") };
        let account_at = account_key(self.endpoint.id(), account);
        let Some(known) = self.store.get(&account_at).await? else {
            let why = format!(
                "the host does not know its account `{}`: it has to be created here first",
                shown(account)
            );
            return Err(Not::Skipped(why));
        };
        tx.conditions.push(Condition::Version(account_at, known.version));
        let mut ids: BTreeMap<&str, IdRecord> = BTreeMap::new();
        ids.entry(instance).or_default().instance = Some(instance.to_owned());
        if let Some(id) = &theirs.subscriptionid {
            ids.entry(id).or_default().subscription = Some(id.clone());
        }
        for (id, new) in ids {
            let key = id_key(self.endpoint.id(), id);
            let found = read::<IdRecord>(self.store, &key).await?;
            let (known, version) =
                found.map_or_else(Default::default, |(known, version)| (known, Some(version)));
            let record = IdRecord {
                instance: new.instance.or(known.instance),
                subscription: new.subscription.or(known.subscription),
                ..known
            };
            tx.conditions.push(unchanged(key.clone(), version));
            tx.operations.push(put(key, &record)?);
        }
        Ok(ResourceRecord {
            sku: sku.clone(),
            account: Some(account.clone()),
            subscriptionid: theirs.subscriptionid.clone(),
            license: theirs.license,
            status: status(theirs)?,
        })
    }

    async fn write_seats(
        &self,
        instance: &str,
        now: &Now,
        theirs: &Theirs,
        tx: &mut Tx,
    ) -> Result<(), Not> {
        let Some(users) = &theirs.users else {
            let why = "the provider does not tell who has a seat: revoke seats, or buy licences";
            return Err(Not::Skipped(why.to_owned()));
        };
        let max = fixed::DRIFT_SEATS_ADOPTED.max;
        if users.len().max(now.seats.len()) > max {
            let why = format!("it has more than the {max} seats that are adopted at once");
            return Err(Not::Skipped(why));
        }
        let mut kept = Vec::new();
        for (user, (key, version)) in &now.seats {
            let id = ours::provider_user(self.store, self.endpoint, user).await?;
            tx.conditions.push(Condition::Version(key.clone(), *version));
            match users.contains(&id) {
                true => kept.push(id),
                false => tx.operations.push(Operation::Delete(key.clone())),
            }
        }
        let account = now.ours.as_ref().and_then(|ours| ours.record.account.clone());
        for user in users.iter().filter(|user| !kept.contains(user)) {
            let key = seat_key(self.endpoint.id(), instance, user);
            tx.conditions.push(Condition::Absent(key.clone()));
            tx.operations.push(put(key, &SeatRecord { account: account.clone() })?);
        }
        Ok(())
    }
}

fn status(theirs: &Theirs) -> Result<String, Not> {
    match theirs.status.as_deref().and_then(|status| STATUSES.into_iter().find(|s| *s == status)) {
        Some(status) => Ok(status.to_owned()),
        None => {
            let status = shown(theirs.status.as_deref().unwrap_or_default()).to_string();
            let why = format!("its status `{status}` is none of {}", STATUSES.join(", "));
            Err(Not::Skipped(why))
        }
    }
}
