//! One resource, as the host has it and as its provider has it.

use super::report::{Difference, Kind, Side, cut};
use crate::store::customer::ResourceRecord;
use std::collections::BTreeSet;

/// What deleting leaves, here and at many providers.
pub(super) const GONE: &str = "cancel";
/// What is on its way.
pub(super) const PENDING: &str = "pending";
/// How many users of each side a report names.
const USERS_SHOWN_MAX: usize = 5;

/// What the host has of a resource.
#[derive(Clone, Debug)]
pub(super) struct Ours {
    pub(super) version: u64,
    pub(super) record: ResourceRecord,
    /// Who has a seat.
    pub(super) users: BTreeSet<String>,
    pub(super) accountid: Option<String>,
    pub(super) provideraccountid: Option<String>,
}

/// What the provider has of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Theirs {
    /// Whose list it was in. None: it was asked for by itself.
    pub(super) account: Option<String>,
    pub(super) sku: Option<String>,
    pub(super) subscriptionid: Option<String>,
    pub(super) license: Option<u64>,
    pub(super) status: Option<String>,
    /// Who has a seat, where the provider says so.
    pub(super) users: Option<BTreeSet<String>>,
}

impl Theirs {
    fn is_gone(&self) -> bool {
        self.status.as_deref() == Some(GONE)
    }

    fn side(&self) -> Side {
        Side {
            sku: self.sku.as_deref().map(cut),
            subscriptionid: self.subscriptionid.as_deref().map(cut),
            status: self.status.as_deref().map(cut),
            license: self.license,
            seats: self.users.as_ref().map(BTreeSet::len),
            users_only_here: Vec::new(),
        }
    }
}

impl Ours {
    fn side(&self) -> Side {
        let record = &self.record;
        Side {
            sku: Some(cut(&record.sku)),
            subscriptionid: record.subscriptionid.as_deref().map(cut),
            status: Some(cut(&record.status)),
            license: record.license,
            seats: Some(self.users.len()),
            users_only_here: Vec::new(),
        }
    }
}

/// How they differ. Only what both sides know is compared.
pub(super) fn compare(
    instance: &str,
    ours: Option<&Ours>,
    theirs: Option<&Theirs>,
) -> Vec<Difference> {
    let one = |kind, what: &[&str]| vec![difference(instance, kind, ours, theirs, what)];
    match (ours, theirs) {
        (None, None) => Vec::new(),
        (Some(ours), None) if ours.record.status == GONE => Vec::new(),
        (Some(ours), None) => one(Kind::Missing, &[&ours.record.status]),
        (None, Some(theirs)) if theirs.is_gone() => Vec::new(),
        (None, Some(theirs)) => one(Kind::Extra, &[theirs.status.as_deref().unwrap_or_default()]),
        (Some(have), Some(has)) => {
            let mut found = Vec::new();
            if let Some(status) = &has.status
                && *status != have.record.status
            {
                found.extend(one(Kind::State, &[&have.record.status, status]));
            }
            // Of what is gone on one side, the rest says nothing.
            if have.record.status == GONE || has.is_gone() {
                return found;
            }
            if let (Some(license), Some(other)) = (have.record.license, has.license)
                && license != other
            {
                let what = [license.to_string(), other.to_string()];
                found.extend(one(Kind::Quantity, &[&what[0], &what[1]]));
            }
            found.extend(seats(instance, have, has));
            found
        }
    }
}

/// Who has a seat, where the provider says so; else only whether there are more seats than licences.
fn seats(instance: &str, ours: &Ours, theirs: &Theirs) -> Option<Difference> {
    let given = ours.users.len();
    let what = match (&theirs.users, theirs.license) {
        (Some(users), _) if *users != ours.users => {
            [digest(ours.users.iter()), digest(users.iter())]
        }
        (None, Some(license)) if u64::try_from(given).is_ok_and(|given| given > license) => {
            [given.to_string(), format!("of {license}")]
        }
        _ => return None,
    };
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    let mut found = difference(instance, Kind::Seats, Some(ours), Some(theirs), &what);
    if let (Some(users), Some(here), Some(there)) =
        (&theirs.users, &mut found.ours, &mut found.provider)
    {
        let only = |a: &BTreeSet<String>, b| {
            a.difference(b).take(USERS_SHOWN_MAX).map(|user| cut(user)).collect()
        };
        here.users_only_here = only(&ours.users, users);
        there.users_only_here = only(users, &ours.users);
    }
    Some(found)
}

/// `what`: the two values that differ.
fn difference(
    instance: &str,
    kind: Kind,
    ours: Option<&Ours>,
    theirs: Option<&Theirs>,
    what: &[&str],
) -> Difference {
    let parts = [kind.name(), instance].into_iter().chain(what.iter().copied());
    let theirs_of = theirs.and_then(|theirs| theirs.account.clone());
    Difference {
        name: format!("{kind}/{instance}"),
        kind,
        providerinstanceid: instance.to_owned(),
        accountid: ours.and_then(|ours| ours.accountid.clone()),
        provideraccountid: ours.and_then(|ours| ours.provideraccountid.clone()).or(theirs_of),
        ours: ours.map(Ours::side),
        provider: theirs.map(Theirs::side),
        since: String::new(),
        fingerprint: digest(parts),
        record_version: ours.map(|ours| ours.version),
    }
}

/// Of texts, with their ends.
fn digest(texts: impl Iterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        let text = text.as_ref();
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text);
    }
    hasher.finalize().to_hex().as_str().chars().take(32).collect()
}

#[cfg(test)]
mod tests;
