//! Lists, a page at a time: both services answer all at once.

use cnsp_sdk::Failure;
use cnsp_sdk::types::Page;

/// As many as a page may have.
const ITEMS_MAX: u32 = 1000;

/// The items of this page, of a list in the order of its keys, and where the next one begins.
pub(crate) fn cut<T>(
    mut items: Vec<T>,
    page: &Page,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Failure> {
    if let Some(after) = &page.after {
        if after.is_empty() {
            return Err(Failure::invalid("`after` is not a cursor of this list."));
        }
        // What has gone in the meantime is no reason to begin again.
        items.retain(|item| key(item) > *after);
    }
    let limit = page.limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX) as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    Ok((items, next))
}
