//! What the adapter keeps, private to its endpoint.
//!
//! Writes are for operations only, and become durable together when the operation succeeds. Two
//! operations at a time disturb each other only where one reads what the other writes, so a key for each
//! thing is faster than one key for many.

#[cfg(target_family = "wasm")]
use crate::bindings::cnsp::adapter::kv as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::kv as host;
use crate::types::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::cnsp::adapter::kv::{Entry, KvError};

/// The most entries that the host lists at once.
const LIST_COUNT_MAX: u32 = 1000;
/// The code of its refusal to list so many bytes at once.
const TOO_MUCH_AT_ONCE: u16 = 6;

/// The entry of this key.
pub fn get(key: &str) -> Result<Option<Entry>, KvError> {
    host::get(key)
}

/// Sets the key to this value.
pub fn set(key: &str, value: &[u8]) -> Result<(), KvError> {
    host::set(key, value)
}

/// Takes the key out. No error when there was none.
pub fn delete(key: &str) -> Result<(), KvError> {
    host::delete(key)
}

/// At most `limit` entries, 1 to 1,000, whose key begins with `prefix` and is greater than `after`, in
/// the order of their keys. Fewer than `limit` are all that there are. What is too large to be listed at once is
/// asked for in parts.
pub fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, KvError> {
    let limit = limit.clamp(1, LIST_COUNT_MAX);
    let mut found: Vec<Entry> = Vec::new();
    let mut at_once = limit;
    loop {
        let wanted = at_once.min(limit - found.len() as u32);
        let after = found.last().map(|entry| entry.key.as_str()).or(after);
        match host::list(prefix, after, wanted) {
            Ok(part) => {
                let is_last = part.len() < wanted as usize;
                found.extend(part);
                if is_last || found.len() == limit as usize {
                    return Ok(found);
                }
            }
            Err(error) if error.code == TOO_MUCH_AT_ONCE && wanted > 1 => at_once = wanted / 2,
            Err(error) => return Err(error),
        }
    }
}

/// Sets the key only when its version is `expected`; none: only when there is no such key. False: it
/// was not, and nothing was written.
pub fn compare_and_set(key: &str, expected: Option<u64>, value: &[u8]) -> Result<bool, KvError> {
    host::compare_and_set(key, expected, value)
}

/// The value of this key, written by [`set_json`].
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Failure> {
    get(key)?.map(|entry| parse(&entry)).transpose()
}

/// Sets the key to this value's JSON.
pub fn set_json(key: &str, value: &impl Serialize) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        Failure::refused(500, format!("The adapter cannot write its state as JSON: {error}."))
    })?;
    Ok(set(key, &bytes)?)
}

/// As [`list`], of values that [`set_json`] wrote, each with its key.
pub fn list_json<T: DeserializeOwned>(
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, T)>, Failure> {
    let entries = list(prefix, after, limit)?;
    entries.into_iter().map(|entry| parse(&entry).map(|value| (entry.key, value))).collect()
}

fn parse<T: DeserializeOwned>(entry: &Entry) -> Result<T, Failure> {
    serde_json::from_slice(&entry.value).map_err(|error| {
        crate::log::error(
            "A stored value is not what this version of the adapter writes.",
            &[("key", &entry.key), ("error", &error.to_string())],
        );
        Failure::refused(500, "The adapter cannot read its own state; its log says more.")
    })
}

impl From<KvError> for Failure {
    /// State that cannot be reached now, or that there is no room for now, is worth another try.
    fn from(error: KvError) -> Self {
        match error.code {
            2 | 4 => Failure::refused(503, error.message).retryable(),
            _ => Failure::refused(500, error.message),
        }
    }
}
