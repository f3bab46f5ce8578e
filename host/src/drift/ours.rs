//! What the host itself has of an endpoint's resources.

use super::compare::Ours;
use super::scan::scan;
use super::stop::Stop;
use crate::endpoints::Endpoint;
use crate::error::Result;
use crate::limits::fixed;
use crate::store::customer::{
    AccountRecord, IdRecord, ResourceRecord, account_key, id_key, resource_key, seat_key,
};
use crate::store::json::{parse, read};
use crate::store::{Key, Range, Space, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use xxhash_rust::xxh3::xxh3_64;

/// The accounts that the host knows: the provider's id to the marketplace's.
#[derive(Default)]
pub(super) struct Accounts {
    pub(super) by_provider: BTreeMap<String, String>,
    by_marketplace: HashMap<String, String>,
}

impl Accounts {
    pub(super) async fn read(store: &dyn Store, endpoint: &Endpoint) -> Result<Accounts, Stop> {
        let mut accounts = Accounts::default();
        let mut count = 0_usize;
        scan(store, endpoint, Space::Account, |key, id, found| {
            let record: AccountRecord = parse(key, found)?;
            count += 1;
            if count <= fixed::DRIFT_RESOURCES.max {
                accounts.by_marketplace.insert(record.accountid.clone(), id.to_owned());
                accounts.by_provider.insert(id.to_owned(), record.accountid);
            }
            Ok(())
        })
        .await?;
        match count > fixed::DRIFT_RESOURCES.max {
            true => Err(Stop::too_long("accounts that the host has", count)),
            false => Ok(accounts),
        }
    }

    /// The account that one of its ids stands for: the marketplace's and the provider's id, as far as known.
    pub(super) fn ids(&self, id: &str) -> (Option<String>, Option<String>) {
        if let Some(accountid) = self.by_provider.get(id) {
            return (Some(accountid.clone()), Some(id.to_owned()));
        }
        match self.by_marketplace.get(id) {
            Some(provider) => (Some(id.to_owned()), Some(provider.clone())),
            // Whoever ordered named it so; whose id it is, the host was not told.
            None => (None, Some(id.to_owned())),
        }
    }
}

/// How the records of each resource, with its seats, stand: changes with each of their changes.
pub(super) type Versions = HashMap<String, (u64, u64)>;

/// Everything that the host has of the resources of an endpoint.
pub(super) async fn all(
    store: &dyn Store,
    endpoint: &Endpoint,
    accounts: &Accounts,
) -> Result<(BTreeMap<String, Ours>, Versions), Stop> {
    let (mut ours, mut versions) = (BTreeMap::new(), Versions::new());
    let (mut count, mut bytes) = (0_usize, 0_usize);
    scan(store, endpoint, Space::Resource, |key, instance, found| {
        count += 1;
        if count > fixed::DRIFT_RESOURCES.max {
            return Ok(());
        }
        let record: ResourceRecord = parse(key, found)?;
        versions.insert(instance.to_owned(), (found.version, 0));
        bytes += found.value.len();
        ours.insert(instance.to_owned(), with_accounts(record, found.version, accounts));
        Ok(())
    })
    .await?;
    if count > fixed::DRIFT_RESOURCES.max {
        return Err(Stop::too_long("resources that the host has", count));
    }
    scan(store, endpoint, Space::Seat, |_, name, found| {
        let Some((instance, user)) = name.split_once('\0') else { return Ok(()) };
        let Some(resource) = ours.get_mut(instance) else { return Ok(()) };
        bytes += user.len();
        if bytes <= fixed::DRIFT_LIST_BYTES.max {
            resource.users.insert(user.to_owned());
        }
        if let Some((_, seats)) = versions.get_mut(instance) {
            let seat = [user.as_bytes(), &found.version.to_le_bytes()].concat();
            // In whatever order.
            *seats ^= xxh3_64(&seat);
        }
        Ok(())
    })
    .await?;
    match bytes > fixed::DRIFT_LIST_BYTES.max {
        true => Err(Stop::too_long("bytes of resources and seats that the host has", bytes)),
        false => Ok((ours, versions)),
    }
}

fn with_accounts(record: ResourceRecord, version: u64, accounts: &Accounts) -> Ours {
    let (accountid, provideraccountid) =
        record.account.as_deref().map_or((None, None), |id| accounts.ids(id));
    Ours { version, record, users: BTreeSet::new(), accountid, provideraccountid }
}

/// As [`all`], of one resource. Beside it: its seats' keys, by user, with their versions.
pub(super) async fn one(
    store: &dyn Store,
    endpoint: &Endpoint,
    instance: &str,
) -> Result<Option<(Ours, BTreeMap<String, (Key, u64)>)>> {
    let key = resource_key(endpoint.id(), instance);
    let Some((record, version)) = read::<ResourceRecord>(store, &key).await? else {
        return Ok(None);
    };
    let mut accounts = Accounts::default();
    if let Some(id) = &record.account
        && let Some((known, _)) = read::<IdRecord>(store, &id_key(endpoint.id(), id)).await?
        && let Some(provider) = known.account
        && let Some((account, _)) =
            read::<AccountRecord>(store, &account_key(endpoint.id(), &provider)).await?
    {
        accounts.by_marketplace.insert(account.accountid.clone(), provider.clone());
        accounts.by_provider.insert(provider, account.accountid);
    }
    let mut ours = with_accounts(record, version, &accounts);
    let mut seats = BTreeMap::new();
    let Key { space, partition, body: prefix } = seat_key(endpoint.id(), instance, "");
    let limit = fixed::DRIFT_SEATS_ADOPTED.max + 1;
    let range = Range { space, partition, prefix, after: None, limit };
    for (body, found) in store.scan(&range).await?.entries {
        let user = body.get(range.prefix.len()..).unwrap_or_default();
        let user = String::from_utf8_lossy(user).into_owned();
        ours.users.insert(user.clone());
        seats.insert(user, (Key { space, partition, body }, found.version));
    }
    Ok(Some((ours, seats)))
}

/// Users by the provider's own ids, as far as the host knows them.
pub(super) async fn provider_users(
    store: &dyn Store,
    endpoint: &Endpoint,
    users: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for user in users {
        known.insert(provider_user(store, endpoint, user).await?);
    }
    Ok(known)
}

/// A user by the provider's own id, if the host knows it.
pub(super) async fn provider_user(
    store: &dyn Store,
    endpoint: &Endpoint,
    user: &str,
) -> Result<String> {
    let found = read::<IdRecord>(store, &id_key(endpoint.id(), user)).await?;
    Ok(found.and_then(|(record, _)| record.user).unwrap_or_else(|| user.to_owned()))
}
