//! Records as JSON values.

use super::{Condition, Key, Operation, Store, StoreError, Versioned};
use serde::{Serialize, de::DeserializeOwned};

/// The record at a key, with its version.
pub(crate) async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    key: &Key,
) -> Result<Option<(T, u64)>, StoreError> {
    match store.get(key).await? {
        None => Ok(None),
        Some(found) => parse(key, &found).map(|record| Some((record, found.version))),
    }
}

/// A value that was read, as its record.
pub(crate) fn parse<T: DeserializeOwned>(key: &Key, found: &Versioned) -> Result<T, StoreError> {
    serde_json::from_slice(&found.value).map_err(|error| {
        tracing::error!(?key, %error, "a record is not what this version of the host writes");
        StoreError::Damaged(key.clone())
    })
}

/// Writes a record.
pub(crate) fn put<T: Serialize>(key: Key, record: &T) -> Result<Operation, StoreError> {
    let value = serde_json::to_vec(record).map_err(|e| StoreError::TooLarge(e.to_string()))?;
    Ok(Operation::Put(key, value.into()))
}

/// That a key is still as it was read.
pub(crate) fn unchanged(key: Key, version: Option<u64>) -> Condition {
    match version {
        Some(version) => Condition::Version(key, version),
        None => Condition::Absent(key),
    }
}
