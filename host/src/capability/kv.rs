//! The import `kv`: the endpoint's own keys.
//!
//! Inside an operation writes are held back and every read is remembered with the version that it saw. Both
//! become the conditions and operations of one commit ([`Kv::into_effects`]), so that operations are
//! serializable: what an operation has read is still true when its writes appear.

mod quota;

#[cfg(test)]
mod tests;

use crate::limits::{Limit, Limits, fixed};
use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::kv::{Entry, Host, KvError};
use crate::store::{Condition, Key, Operation, Partition, Range, Space, StoreError, Versioned};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Bound;

const KEY_BYTES_MAX: usize = fixed::KV_KEY_BYTES.max;
const VALUE_BYTES_MAX: usize = fixed::KV_VALUE_BYTES.max;
/// A page is never cut short for it: who takes a short page for the last one would lose entries.
const LIST_BYTES_MAX: usize = fixed::KV_LIST_BYTES.max;
/// The most entries that are read at a time for a `list`: 1.5 MiB at the most.
const SCAN_COUNT_MAX: usize = 64;

/// What a call has read and wants written.
pub(crate) struct Kv {
    /// Outside of an operation nothing is remembered and nothing may be written.
    in_operation: bool,
    reads: HashMap<Key, Option<u64>>,
    ranges: Vec<(Range, u64)>,
    writes: BTreeMap<String, Option<Vec<u8>>>,
    write_bytes: usize,
    /// What the host remembers of the call's reads.
    read_bytes: usize,
    /// The sizes of keys in `writes` as they are stored, as far as the quota has asked.
    stored: HashMap<String, Option<usize>>,
    touched: usize,
}

/// What remembering one read costs beside its key.
const READ_OVERHEAD_BYTES: usize = 64;

fn key(endpoint: &str, partition: Partition, key: &str) -> Key {
    Key::new(Space::Kv, partition, &[endpoint, key])
}

fn refused(code: u16, message: impl Into<String>) -> KvError {
    KvError { code, message: message.into() }
}

fn unreachable_now(error: StoreError) -> KvError {
    tracing::error!(error = format!("{error:#}"), "a guest's key could not be read");
    refused(4, "the state cannot be reached now")
}

impl Kv {
    pub(crate) fn new(in_operation: bool) -> Kv {
        Kv {
            in_operation,
            reads: HashMap::new(),
            ranges: Vec::new(),
            writes: BTreeMap::new(),
            write_bytes: 0,
            read_bytes: 0,
            stored: HashMap::new(),
            touched: 0,
        }
    }

    /// What has to hold, and what is to be written, in the commit of the operation's outcome.
    pub(crate) fn into_effects(
        self,
        endpoint: &str,
        partition: Partition,
    ) -> (Vec<Condition>, Vec<Operation>) {
        let reads = self.reads.into_iter().map(|(key, version)| match version {
            Some(version) => Condition::Version(key, version),
            None => Condition::Absent(key),
        });
        let ranges = self
            .ranges
            .into_iter()
            .map(|(range, fingerprint)| Condition::Range(range, fingerprint));
        let writes = self.writes.into_iter().map(|(name, value)| {
            let key = key(endpoint, partition, &name);
            match value {
                Some(value) => Operation::Put(key, Bytes::from(value)),
                None => Operation::Delete(key),
            }
        });
        (reads.chain(ranges).collect(), writes.collect())
    }

    fn touch(&mut self, keys: usize, keys_max: usize) -> Result<(), KvError> {
        self.touched = self.touched.saturating_add(keys);
        if self.touched > keys_max {
            return Err(refused(
                5,
                format!("one call may read or write {keys_max} keys, counting repeats"),
            ));
        }
        Ok(())
    }

    /// What the host holds for the call here, until it commits.
    pub(super) fn held(&self) -> usize {
        self.write_bytes.saturating_add(self.read_bytes)
    }

    /// Remembers no more than what leaves room for an answer.
    fn hold(&mut self, key_bytes: usize, limits: &Limits) -> Result<(), KvError> {
        self.read_bytes = self.read_bytes.saturating_add(key_bytes + READ_OVERHEAD_BYTES);
        let (max, answer) = (limits.count(Limit::HostMemory), limits.count(Limit::AnswerBytes));
        if self.held() > max.saturating_sub(answer) {
            let text = "what the host holds for one call has a limit (host_bytes_max), and the keys that this one \
                        has read and written have reached it; read fewer";
            return Err(refused(5, text));
        }
        Ok(())
    }

    fn write(
        &mut self,
        key: String,
        value: Option<Vec<u8>>,
        limits: &Limits,
    ) -> Result<(), KvError> {
        if !self.in_operation {
            return Err(refused(
                3,
                "keys can be written in an operation only, not while answering a read",
            ));
        }
        let size =
            |key: &str, value: &Option<Vec<u8>>| key.len() + value.as_ref().map_or(0, Vec::len);
        let before = self.writes.get(&key).map_or(0, |value| size(&key, value));
        let bytes = (self.write_bytes - before).saturating_add(size(&key, &value));
        if bytes > limits.count(Limit::KvWriteBytes) {
            let max = limits.count(Limit::KvWriteBytes);
            return Err(refused(5, format!("one call may write {max} bytes of keys and values")));
        }
        if before == 0 && self.writes.len() == limits.count(Limit::KvWriteCount) {
            let max = limits.count(Limit::KvWriteCount);
            return Err(refused(5, format!("one call may write {max} keys")));
        }
        self.write_bytes = bytes;
        self.writes.insert(key, value);
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), KvError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(refused(
            1,
            format!("a key has 1 to {KEY_BYTES_MAX} bytes, this one {}", key.len()),
        ));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), KvError> {
    if value.len() > VALUE_BYTES_MAX {
        let length = value.len();
        return Err(refused(
            1,
            format!("a value has at most {VALUE_BYTES_MAX} bytes, this one {length}"),
        ));
    }
    Ok(())
}

impl CallState {
    /// What the store has, remembered inside an operation. A key that changes between two reads of one
    /// call keeps the version first seen: the commit then finds the conflict.
    async fn read(&mut self, name: &str) -> Result<Option<Versioned>, KvError> {
        let key = key(&self.scope.endpoint, self.scope.partition, name);
        let found = self.scope.store.get(&key).await.map_err(unreachable_now)?;
        if self.kv.in_operation {
            let version = found.as_ref().map(|found| found.version);
            if !self.kv.reads.contains_key(&key) {
                self.kv.hold(key.body.len(), &self.scope.limits)?;
                self.kv.reads.insert(key, version);
            }
        }
        Ok(found)
    }
}

impl Host for CallState {
    async fn get(&mut self, key: String) -> Result<Option<Entry>, KvError> {
        check_key(&key)?;
        self.kv.touch(1, self.scope.limits.count(Limit::KvOperations))?;
        if let Some(written) = self.kv.writes.get(&key) {
            return Ok(written.clone().map(|value| Entry { key, value, version: 0 }));
        }
        let found = self.read(&key).await?;
        Ok(found.map(|found| Entry { key, value: found.value.into(), version: found.version }))
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), KvError> {
        check_key(&key)?;
        check_value(&value)?;
        self.kv.touch(1, self.scope.limits.count(Limit::KvOperations))?;
        self.check_quota(&key, &value).await?;
        self.kv.write(key, Some(value), &self.scope.limits)
    }

    async fn delete(&mut self, key: String) -> Result<(), KvError> {
        check_key(&key)?;
        self.kv.touch(1, self.scope.limits.count(Limit::KvOperations))?;
        self.kv.write(key, None, &self.scope.limits)
    }

    async fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Entry>, KvError> {
        if prefix.len() > KEY_BYTES_MAX
            || after.as_ref().is_some_and(|after| after.len() > KEY_BYTES_MAX)
        {
            return Err(refused(1, format!("a prefix or a key has at most {KEY_BYTES_MAX} bytes")));
        }
        let limit = (limit as usize).clamp(1, fixed::KV_LIST_ENTRIES.max);
        let endpoint = self.scope.endpoint.clone();
        let stored_prefix = key(&endpoint, self.scope.partition, &prefix).body;
        let name_at = endpoint.len() + 1;
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut cursor = after.clone();
        loop {
            let range = Range {
                space: Space::Kv,
                partition: self.scope.partition,
                prefix: stored_prefix.clone(),
                after: cursor.as_ref().map(|name| key(&endpoint, self.scope.partition, name).body),
                limit: (limit - entries.len() + 1 + self.kv.writes.len()).min(SCAN_COUNT_MAX),
            };
            let page = self.scope.store.scan(&range).await;
            let page = page.map_err(unreachable_now)?;
            // What is scanned counts, not what is returned: the commit scans it all again.
            self.kv
                .touch(page.entries.len().max(1), self.scope.limits.count(Limit::KvOperations))?;
            if self.kv.in_operation {
                let after = range.after.as_ref().map_or(0, Bytes::len);
                self.kv.hold(range.prefix.len() + after, &self.scope.limits)?;
                self.kv.ranges.push((range, page.fingerprint()));
            }
            // The page reaches to its last key, or to the end of the prefix; own writes up to there join in.
            let mut found = BTreeMap::new();
            for (body, versioned) in page.entries {
                let Some(name) =
                    body.get(name_at..).and_then(|name| std::str::from_utf8(name).ok())
                else {
                    continue;
                };
                found.insert(name.to_owned(), (versioned.value.to_vec(), versioned.version));
            }
            let last = if page.more { found.keys().next_back().cloned() } else { None };
            let from = match &cursor {
                Some(cursor) => Bound::Excluded(cursor.clone()),
                None => Bound::Included(prefix.clone()),
            };
            let to = last.clone().map_or(Bound::Unbounded, Bound::Included);
            for (name, written) in self.kv.writes.range((from, to)) {
                if !name.starts_with(&prefix) {
                    continue;
                }
                match written {
                    Some(value) => found.insert(name.clone(), (value.clone(), 0)),
                    None => found.remove(name),
                };
            }
            let room = limit - entries.len();
            for (key, (value, version)) in found.into_iter().take(room) {
                bytes += key.len() + value.len();
                if bytes > LIST_BYTES_MAX {
                    let text = format!(
                        "the entries have more than {LIST_BYTES_MAX} bytes together: ask for fewer than {limit} at \
                         a time"
                    );
                    return Err(refused(6, text));
                }
                entries.push(Entry { key, value, version });
            }
            if entries.len() == limit || last.is_none() {
                break;
            }
            cursor = last;
        }
        Ok(entries)
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
    ) -> Result<bool, KvError> {
        check_key(&key)?;
        check_value(&value)?;
        self.kv.touch(1, self.scope.limits.count(Limit::KvOperations))?;
        let now = match self.kv.writes.get(&key) {
            Some(written) => written.as_ref().map(|_| 0),
            None => self.read(&key).await?.map(|found| found.version),
        };
        if now != expected {
            return Ok(false);
        }
        self.check_quota(&key, &value).await?;
        self.kv.write(key, Some(value), &self.scope.limits)?;
        Ok(true)
    }
}
