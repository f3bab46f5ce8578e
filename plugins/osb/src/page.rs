//! Lists, a page at a time.

use crate::ids;
use cnsp_sdk::types::Page;
use cnsp_sdk::{Failure, kv};
use serde::de::DeserializeOwned;

/// Below what `kv` lists at once, so that one more tells whether there is a next page.
const ITEMS_MAX: u32 = 200;

/// How many items a page has at most.
pub(crate) fn limit(page: &Page) -> u32 {
    page.limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX)
}

/// The guids at the end of the keys with this prefix, and what the page after them begins with.
pub(crate) fn guids(prefix: &str, page: &Page) -> Result<(Vec<String>, Option<String>), Failure> {
    let after = match page.after.as_deref() {
        Some(cursor) if ids::is_guid(cursor) => Some(format!("{prefix}{cursor}")),
        Some(_) => return Err(Failure::invalid("`after` is not a cursor of this list.")),
        None => None,
    };
    let limit = limit(page);
    let entries = kv::list(prefix, after.as_deref(), limit.saturating_add(1))?;
    let more = entries.len() > limit as usize;
    let guids: Vec<String> = entries
        .iter()
        .take(limit as usize)
        .filter_map(|entry| entry.key.strip_prefix(prefix).map(str::to_owned))
        .collect();
    let next = guids.last().filter(|_| more).cloned();
    Ok((guids, next))
}

/// The records of those guids; `key` says where each lies.
pub(crate) fn records<T: DeserializeOwned>(
    prefix: &str,
    page: &Page,
    key: fn(&str) -> String,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let (guids, next) = guids(prefix, page)?;
    let mut found = Vec::with_capacity(guids.len());
    for guid in guids {
        found.extend(kv::get_json::<T>(&key(&guid))?);
    }
    Ok((found, next))
}
