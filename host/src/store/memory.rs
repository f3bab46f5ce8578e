//! The model: what a store is, in the fewest words. Every engine is compared with it.

use super::{
    Condition, Event, Key, KvUse, Operation, Page, Partition, Range, Space, Store, StoreError, Tx,
    Versioned, kv_owner,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A [`Store`] in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    version: u64,
    records: BTreeMap<Key, Versioned>,
}

impl State {
    fn scan(&self, range: &Range) -> Page {
        let limit = range.limit.max(1);
        let mut entries: Vec<(Bytes, Versioned)> = self
            .records
            .iter()
            .filter(|(key, _)| {
                key.space == range.space
                    && key.partition == range.partition
                    && key.body.starts_with(&range.prefix)
                    && range.after.as_ref().is_none_or(|after| key.body > *after)
            })
            .map(|(key, versioned)| (key.body.clone(), versioned.clone()))
            .collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        Page { entries, more }
    }

    fn commit(&mut self, tx: Tx) -> Result<u64, StoreError> {
        tx.check()?;
        for condition in &tx.conditions {
            let (holds, key) = match condition {
                Condition::Absent(key) => (!self.records.contains_key(key), key.clone()),
                Condition::Version(key, version) => {
                    let found = self.records.get(key);
                    (found.is_some_and(|found| found.version == *version), key.clone())
                }
                Condition::Range(range, fingerprint) => {
                    let body = range.prefix.clone();
                    let key = Key { space: range.space, partition: range.partition, body };
                    (self.scan(range).fingerprint() == *fingerprint, key)
                }
            };
            if !holds {
                return Err(StoreError::Conflict(key));
            }
        }
        if tx.operations.is_empty() && tx.event.is_none() {
            return Ok(self.version);
        }
        self.version += 1;
        let version = self.version;
        for operation in tx.operations {
            match operation {
                Operation::Put(key, value) => {
                    self.records.insert(key, Versioned { version, value });
                }
                Operation::Delete(key) => {
                    self.records.remove(&key);
                }
            }
        }
        if let Some(value) = tx.event {
            let body = Bytes::copy_from_slice(&version.to_be_bytes());
            let key = Key { space: Space::Event, partition: tx.partition, body };
            self.records.insert(key, Versioned { version, value });
        }
        Ok(version)
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        Box::pin(ready(Ok(self.state.lock().unwrap().records.get(key).cloned())))
    }

    fn scan<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(ready(Ok(self.state.lock().unwrap().scan(range))))
    }

    fn commit(&self, tx: Tx) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(ready(self.state.lock().unwrap().commit(tx)))
    }

    fn changes(
        &self,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        let after = Some(Bytes::copy_from_slice(&after.to_be_bytes()));
        let range = Range { space: Space::Event, partition, prefix: Bytes::new(), after, limit };
        let page = self.state.lock().unwrap().scan(&range);
        let event =
            |(_, found): (Bytes, Versioned)| Event { version: found.version, value: found.value };
        Box::pin(ready(Ok(page.entries.into_iter().map(event).collect())))
    }

    fn kv_use(&self, endpoint: &str) -> KvUse {
        let state = self.state.lock().unwrap();
        let mut found = KvUse::default();
        for (key, versioned) in state.records.iter().filter(|(key, _)| key.space == Space::Kv) {
            let (owner, name) = kv_owner(&key.body);
            if owner == endpoint.as_bytes() {
                found.bytes += (name.len() + versioned.value.len()) as u64;
                found.count += 1;
            }
        }
        found
    }
}
