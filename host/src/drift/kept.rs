//! What is kept of an endpoint's checks: the last report, why the last check failed, and what is ignored.

use super::report::{Difference, DriftReport, FailedCheck};
use crate::error::Result;
use crate::limits::fixed;
use crate::store::drift::{ignored_key, part_key, parts};
use crate::store::json::{parse, put, read, unchanged};
use crate::store::{Key, Operation, Partition, Store, StoreError, Tx, commit_patiently};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much of the differences goes into one record of the store.
const PART_BYTES_MAX: usize = 20 << 10;

/// Everything that is kept but what is ignored. On disk the differences are records of their own.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// When the check began that has not ended yet.
    pub(super) begun_at: Option<String>,
    /// When the last check began, in seconds since 1970.
    pub(super) began_s: Option<u64>,
    pub(super) failed: Option<FailedCheck>,
    pub(super) report: Option<DriftReport>,
}

/// The same, as it was read.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) kept: Kept,
    version: Option<u64>,
    part_count: usize,
}

/// Differences that are ignored, by their fingerprints, with when that was said.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Ignored {
    pub(super) marks: BTreeMap<String, String>,
}

impl Loaded {
    pub(super) async fn read(store: &dyn Store, endpoint: &str) -> Result<Loaded> {
        let range = parts(endpoint);
        // All at one point in time.
        let page = store.scan(&range).await?;
        let mut loaded = Loaded { part_count: page.entries.len(), ..Loaded::default() };
        for (number, (body, found)) in page.entries.iter().enumerate() {
            let key = Key { body: body.clone(), ..part_key(endpoint, number) };
            if number == 0 {
                loaded.kept = parse(&key, found)?;
                loaded.version = Some(found.version);
            } else if let Some(report) = &mut loaded.kept.report {
                report.differences.extend(parse::<Vec<Difference>>(&key, found)?);
            }
        }
        Ok(loaded)
    }

    /// Adds to a transaction that this is replaced: it fails if it was replaced by somebody else meanwhile.
    pub(super) fn replace(&self, endpoint: &str, kept: Kept, tx: &mut Tx) -> Result<()> {
        let mut kept = kept;
        let differences =
            kept.report.as_mut().map(|report| std::mem::take(&mut report.differences));
        let mut parts: Vec<Vec<Difference>> = Vec::new();
        let mut bytes = 0;
        for difference in differences.unwrap_or_default() {
            let length = length(&difference)?;
            bytes += length;
            match parts.last_mut() {
                Some(part) if bytes <= PART_BYTES_MAX => part.push(difference),
                _ => {
                    bytes = length;
                    parts.push(vec![difference]);
                }
            }
        }
        let head = part_key(endpoint, 0);
        tx.conditions.push(unchanged(head.clone(), self.version));
        tx.operations.push(put(head, &kept)?);
        for (part, number) in parts.iter().zip(1..) {
            tx.operations.push(put(part_key(endpoint, number), part)?);
        }
        let left = (parts.len() + 1)..self.part_count;
        tx.operations.extend(left.map(|number| Operation::Delete(part_key(endpoint, number))));
        Ok(())
    }
}

impl Ignored {
    pub(super) async fn read(store: &dyn Store, endpoint: &str) -> Result<(Ignored, Option<u64>)> {
        let found = read::<Ignored>(store, &ignored_key(endpoint)).await?;
        Ok(found.map_or_else(Default::default, |(ignored, version)| (ignored, Some(version))))
    }

    pub(super) fn replace(
        &self,
        endpoint: &str,
        version: Option<u64>,
        tx: &mut Tx,
    ) -> Result<(), StoreError> {
        let key = ignored_key(endpoint);
        tx.conditions.push(unchanged(key.clone(), version));
        tx.operations.push(put(key, self)?);
        Ok(())
    }
}

/// Changes what is kept, as often as it takes: others may change it at the same time.
pub(super) async fn change(
    store: &dyn Store,
    endpoint: &str,
    mut edit: impl FnMut(&mut Kept),
) -> Result<Kept> {
    loop {
        let loaded = Loaded::read(store, endpoint).await?;
        let mut kept = loaded.kept.clone();
        edit(&mut kept);
        let mut tx = Tx::new(Partition::of(endpoint));
        loaded.replace(endpoint, kept.clone(), &mut tx)?;
        match commit_patiently(store, tx).await {
            Err(StoreError::Conflict(_)) => {}
            committed => return Ok(committed.map(|_| kept)?),
        }
    }
}

/// What a difference takes in the store.
pub(super) fn length(difference: &Difference) -> Result<usize> {
    let text = serde_json::to_vec(difference).map_err(crate::error::Error::internal)?;
    Ok(text.len() + 1)
}

/// Keeps a report to the size that it may have: what does not fit is counted.
pub(super) fn fit(report: &mut DriftReport) -> Result<()> {
    let mut bytes = 0;
    let mut kept = 0;
    for difference in &report.differences {
        bytes += length(difference)?;
        if bytes > fixed::DRIFT_REPORT_BYTES.max {
            break;
        }
        kept += 1;
    }
    report.left_out += report.differences.len() - kept;
    report.differences.truncate(kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::{Kind, Side, Skipped};
    use super::*;
    use crate::store::memory::MemoryStore;

    /// As long as a provider can make it.
    fn worst(number: usize) -> Difference {
        let text = || "\\\"".repeat(100);
        let id = format!("{number:04}{}", "\"".repeat(196));
        let side = || Side {
            sku: Some(text()),
            subscriptionid: Some(text()),
            status: Some(text()),
            license: Some(u64::MAX),
            seats: Some(usize::MAX),
            users_only_here: vec![text(); 5],
        };
        Difference {
            name: format!("quantity/{id}"),
            kind: Kind::Quantity,
            providerinstanceid: id,
            accountid: Some(text()),
            provideraccountid: Some(text()),
            ours: Some(side()),
            provider: Some(side()),
            since: "2026-03-01T00:00:00.123456789Z".to_owned(),
            fingerprint: "f".repeat(32),
            record_version: Some(u64::MAX),
        }
    }

    #[tokio::test]
    async fn the_longest_report_is_kept_and_read_again() {
        let store = MemoryStore::default();
        let mut report = DriftReport::default();
        (0..700).for_each(|number| report.add(worst(number)));
        (0..50).for_each(|_| report.skip(&"\"".repeat(500), "\"".repeat(5000)));
        fit(&mut report).unwrap();
        assert_eq!(report.differences.len() + report.left_out, 700);
        assert!(report.differences.len() > 50, "{}", report.differences.len());
        assert_eq!((report.skipped.len(), report.skipped_left_out), (20, 30));
        let reason = "\"".repeat(800);
        let failed = FailedCheck { reason, ..FailedCheck::default() };
        change(&store, "e", |kept| {
            kept.report = Some(report.clone());
            kept.failed = Some(failed.clone());
        })
        .await
        .unwrap();
        let loaded = Loaded::read(&store, "e").await.unwrap();
        assert_eq!(loaded.kept.report.as_ref(), Some(&report));
        // A shorter one leaves nothing of it.
        let short = DriftReport { skipped: vec![Skipped::new("a", "b")], ..DriftReport::default() };
        change(&store, "e", |kept| kept.report = Some(short.clone())).await.unwrap();
        let loaded = Loaded::read(&store, "e").await.unwrap();
        assert_eq!((loaded.kept.report, loaded.part_count), (Some(short), 1));
    }

    #[tokio::test]
    async fn as_many_as_may_be_ignored_fit_into_one_record() {
        let store = MemoryStore::default();
        let mut ignored = Ignored::default();
        for number in 0..fixed::DRIFT_IGNORED.max {
            let at = "2026-03-01T00:00:00.123456789Z".to_owned();
            ignored.marks.insert(format!("{number:032}"), at);
        }
        let mut tx = Tx::new(Partition::of("e"));
        ignored.replace("e", None, &mut tx).unwrap();
        store.commit(tx).await.unwrap();
        let (read, version) = Ignored::read(&store, "e").await.unwrap();
        assert!(read.marks == ignored.marks && version.is_some());
    }
}
