//! Where the last drift report of an endpoint lies, in parts, and the differences that are ignored.

use super::{Key, Partition, Range, Space};

/// The most records that one report has. The store writes them as one transaction.
const PART_COUNT_MAX: usize = 100;

/// One part of a report. The first has everything but the differences.
pub(crate) fn part_key(endpoint: &str, number: usize) -> Key {
    Key::new(Space::Drift, Partition::of(endpoint), &[endpoint, "report", &format!("{number:03}")])
}

/// All parts of a report, in order.
pub(crate) fn parts(endpoint: &str) -> Range {
    let Key { space, partition, body } =
        Key::new(Space::Drift, Partition::of(endpoint), &[endpoint, "report", ""]);
    Range { space, partition, prefix: body, after: None, limit: PART_COUNT_MAX }
}

/// The differences that are ignored.
pub(crate) fn ignored_key(endpoint: &str) -> Key {
    Key::new(Space::Drift, Partition::of(endpoint), &[endpoint, "ignored"])
}
