//! Lists, a page at a time.

use cnsp_sdk::types::Page;
use cnsp_sdk::{Failure, kv};
use serde::de::DeserializeOwned;

/// Below what `kv` lists at once, so that one item more tells whether there is a next page.
const ITEMS_MAX: u32 = 500;

/// One page of the records whose keys begin with `prefix`, and what the page after it begins with.
pub(crate) fn read<T: DeserializeOwned>(
    prefix: &str,
    page: &Page,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let limit = limit(page);
    let after = match &page.after {
        // A cursor is a part of an id: what is longer was not ours.
        Some(cursor) if cursor.len() > 64 => {
            return Err(Failure::invalid("`after` is not a cursor of this list."));
        }
        Some(cursor) => Some(format!("{prefix}{cursor}")),
        None => None,
    };
    let wanted = u32::try_from(limit).unwrap_or(ITEMS_MAX).saturating_add(1);
    let mut found = kv::list_json::<T>(prefix, after.as_deref(), wanted)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = match found.last() {
        Some((key, _)) if more => key.strip_prefix(prefix).map(str::to_owned),
        _ => None,
    };
    Ok((found.into_iter().map(|(_, item)| item).collect(), next))
}

/// How many items a page has at most.
pub(crate) fn limit(page: &Page) -> usize {
    page.limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX) as usize
}
