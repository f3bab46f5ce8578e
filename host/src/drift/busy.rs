//! What is under way at an endpoint: what its operations touch cannot be compared now.

use super::scan::scan;
use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::model::Change;
use crate::sealer::{Sealer, place};
use crate::store::json::parse;
use crate::store::operation::{HELD, OpenRecord, PendingRecord};
use crate::store::{Key, Space, Store};
use std::collections::HashMap;

/// What operations that have no outcome yet are about, with which they are.
#[derive(Default)]
pub(super) struct Busy {
    instances: HashMap<String, String>,
    /// Accounts that are being changed as a whole.
    accounts: HashMap<String, String>,
    /// Accounts that are getting a resource whose id nobody knows yet.
    ordering: HashMap<String, String>,
}

impl Busy {
    pub(super) async fn read(
        store: &dyn Store,
        sealer: &Sealer,
        endpoint: &Endpoint,
    ) -> Result<Busy> {
        let mut busy = Busy::default();
        scan(store, endpoint, Space::Pending, |key, subject, found| {
            let record: PendingRecord = parse(key, found)?;
            let why = format!("{} is pending: operation {}", record.change, record.operation);
            let subject = subject.strip_prefix(HELD).unwrap_or(subject);
            match subject.split_once('/') {
                Some(("instance", id)) => drop(busy.instances.insert(id.to_owned(), why)),
                Some(("account", id)) => drop(busy.accounts.insert(id.to_owned(), why)),
                _ => {}
            }
            Ok(())
        })
        .await?;
        scan(store, endpoint, Space::Open, |key, operation, found| {
            let open: OpenRecord = parse(key, found)?;
            busy.open(sealer, endpoint.id(), key, operation, &open)
        })
        .await?;
        Ok(busy)
    }

    fn open(
        &mut self,
        sealer: &Sealer,
        endpoint: &str,
        key: &Key,
        operation: &str,
        open: &OpenRecord,
    ) -> Result<()> {
        // Nothing goes on with an orphan: what is left of it at the provider is what a check is to find.
        if open.told {
            return Ok(());
        }
        let sealed_at = place(endpoint, "open", operation);
        let body = sealer.open(&sealed_at, &open.body).map_err(|error| {
            Error::internal(error.context(format!("the open operation at {key:?}")))
        })?;
        let change = Change::parse(&open.change, &body)?;
        let why = match &open.stuck {
            Some(_) => format!("{} is stuck: operation {operation}", open.change),
            None => format!("{} is under way: operation {operation}", open.change),
        };
        if let Some(instance) = change.instance() {
            self.instances.insert(instance.to_owned(), why);
            return Ok(());
        }
        let accounts = match &change {
            Change::CreateResource(_) => &mut self.ordering,
            Change::DeleteAccount(_) => &mut self.accounts,
            _ => return Ok(()),
        };
        for id in change.requestor().into_iter().flat_map(|requestor| requestor.accounts()) {
            accounts.insert(id.to_owned(), why.clone());
        }
        Ok(())
    }

    /// With what was under way at another time.
    pub(super) fn and(mut self, other: Busy) -> Busy {
        self.instances.extend(other.instances);
        self.accounts.extend(other.accounts);
        self.ordering.extend(other.ordering);
        self
    }

    /// What is in the way of comparing a resource of one of these accounts. `is_new`: the host does not have it.
    pub(super) fn why(
        &self,
        instance: &str,
        accounts: &[Option<&str>],
        is_new: bool,
    ) -> Option<&str> {
        let mut accounts = accounts.iter().flatten();
        let by_account = accounts.find_map(|account| {
            let ordering = self.ordering.get(*account).filter(|_| is_new);
            self.accounts.get(*account).or(ordering)
        });
        self.instances.get(instance).or(by_account).map(String::as_str)
    }
}
