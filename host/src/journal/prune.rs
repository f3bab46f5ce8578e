//! Forgets outcomes that no replay may ask for any more, and audit rows that are old enough.

use super::{Journal, now_s};
use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::steps::{PART_DIGITS, now_ms};
use crate::store::json::parse;
use crate::store::operation::{OperationRecord, StepRecord, open_key, operation_key};
use crate::store::{Condition, Key, Operation, Partition, Range, Space, Store, StoreError, Tx};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(3600);
/// How many records are looked at, and at most deleted, at a time.
const AT_A_TIME: usize = 200;

/// The one field of an audit row that matters here.
#[derive(serde::Deserialize)]
struct At {
    at_s: u64,
}

impl Journal {
    /// Prunes from now on, until the host stops.
    pub(crate) fn keep_pruned(self: &Arc<Self>) {
        let journal = self.clone();
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = journal.stopping.cancelled() => return,
                }
                for endpoint in journal.endpoints.all().values() {
                    let oldest = now_s().saturating_sub(journal.settings.audit_days * 86_400);
                    let pruned = async {
                        let outcomes = journal.prune_outcomes(endpoint).await?;
                        let steps = journal.prune_steps(endpoint).await?;
                        Ok::<_, Error>((
                            outcomes,
                            steps,
                            prune_audit(&*journal.store, endpoint.partition, oldest).await?,
                        ))
                    };
                    match pruned.await {
                        Ok((outcomes, steps, audit_rows)) => {
                            tracing::info!(
                                endpoint = endpoint.id(),
                                outcomes,
                                steps,
                                audit_rows,
                                "pruned"
                            );
                        }
                        Err(error) => {
                            tracing::warn!(
                                endpoint = endpoint.id(),
                                ?error,
                                "not pruned; it is tried again"
                            );
                        }
                    }
                }
            }
        });
    }

    /// Forgets what operations have asked their provider for, once nobody can ask for their outcome any more.
    /// Those that are open keep everything.
    async fn prune_steps(&self, endpoint: &Endpoint) -> Result<usize> {
        let seconds = self.settings.replay_hours * 3600 + self.settings.pending_s;
        let oldest = now_ms().saturating_sub(seconds * 1000);
        let mut range = Range {
            space: Space::Step,
            partition: endpoint.partition,
            prefix: Bytes::from(format!("{}\0", endpoint.id()).into_bytes()),
            after: None,
            limit: AT_A_TIME,
        };
        let mut pruned = 0;
        // The parts of a row go with its first; which row that was, and whether it goes.
        let mut last: Option<(Bytes, bool)> = None;
        loop {
            let page = self.store.scan(&range).await?;
            let mut tx = Tx::new(endpoint.partition);
            for (body, found) in &page.entries {
                let key =
                    Key { space: Space::Step, partition: endpoint.partition, body: body.clone() };
                let Some((row, operation, first)) = step_of(&range.prefix, body) else { continue };
                if last.as_ref().is_none_or(|(of, _)| *of != row) {
                    let open = open_key(endpoint.id(), operation);
                    let ended = self.store.get(&open).await?.is_none();
                    let at_ms = match first {
                        true => Some(parse::<StepRecord>(&key, found)?.at_ms),
                        // The first was taken back, or comes last: no operation that began so long ago still writes.
                        false => began_ms(&row),
                    };
                    let old = at_ms.is_some_and(|at_ms| at_ms < oldest);
                    last = Some((row, ended && old));
                }
                if last.as_ref().is_some_and(|(_, goes)| *goes) {
                    tx.operations.push(Operation::Delete(key));
                }
            }
            pruned += delete(&*self.store, tx).await?;
            match page.entries.last() {
                Some((body, _)) if page.more => range.after = Some(body.clone()),
                _ => return Ok(pruned),
            }
        }
    }

    async fn prune_outcomes(&self, endpoint: &Endpoint) -> Result<usize> {
        let oldest = now_s().saturating_sub(self.settings.replay_hours * 3600);
        let mut range = Range {
            space: Space::Operation,
            partition: endpoint.partition,
            prefix: Bytes::from(format!("{}\0", endpoint.id()).into_bytes()),
            after: None,
            limit: AT_A_TIME,
        };
        let mut pruned = 0;
        loop {
            let page = self.store.scan(&range).await?;
            let mut tx = Tx::new(endpoint.partition);
            for (body, found) in &page.entries {
                let key = Key { body: body.clone(), ..operation_key(endpoint.id(), "", "") };
                let record: OperationRecord = parse(&key, found)?;
                if record.at_s < oldest {
                    tx.conditions.push(Condition::Version(key.clone(), found.version));
                    tx.operations.push(Operation::Delete(key));
                }
            }
            pruned += delete(&*self.store, tx).await?;
            match page.entries.last() {
                Some((body, _)) if page.more => range.after = Some(body.clone()),
                _ => return Ok(pruned),
            }
        }
    }
}

/// Which row a step's key is of, of which operation, and whether it is the first part of it.
fn step_of<'a>(prefix: &[u8], body: &'a Bytes) -> Option<(Bytes, &'a str, bool)> {
    let (row, part) = body.split_at_checked(body.len().checked_sub(PART_DIGITS)?)?;
    let operation = body.get(prefix.len()..)?.split(|byte| *byte == 0).next()?;
    let first = part.iter().all(|digit| *digit == b'0');
    Some((body.slice(..row.len()), std::str::from_utf8(operation).ok()?, first))
}

/// When the operation of a row began, in milliseconds since 1970: before the call's number and the row's.
fn began_ms(row: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(row.get(row.len().checked_sub(32)?..)?).ok()?;
    u64::from_str_radix(text.get(..16)?, 16).ok()
}

/// Deletes the audit rows that are older than `oldest`, in seconds since 1970.
async fn prune_audit(store: &dyn Store, partition: Partition, oldest: u64) -> Result<usize> {
    let (mut pruned, mut after) = (0, 0);
    loop {
        let events = store.changes(partition, after, AT_A_TIME).await?;
        let Some(last) = events.last() else { return Ok(pruned) };
        after = last.version;
        let mut tx = Tx::new(partition);
        let mut young = false;
        for event in &events {
            // A row that cannot be read is kept, and stands in nobody's way.
            let Ok(row) = serde_json::from_slice::<At>(&event.value) else { continue };
            if row.at_s >= oldest {
                young = true;
                break;
            }
            let body = Bytes::copy_from_slice(&event.version.to_be_bytes());
            let key = Key { space: Space::Event, partition, body };
            tx.operations.push(Operation::Delete(key));
        }
        pruned += delete(store, tx).await?;
        if young {
            return Ok(pruned);
        }
    }
}

async fn delete(store: &dyn Store, tx: Tx) -> Result<usize> {
    let count = tx.operations.len();
    if count == 0 {
        return Ok(0);
    }
    match store.commit(tx).await {
        Ok(_) => Ok(count),
        // Used again meanwhile: next time.
        Err(StoreError::Conflict(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[test]
    fn a_row_says_which_operation_it_is_of_and_since_when() {
        let key = crate::store::operation::step_key(
            "e",
            "op-1",
            &format!("{:016x}{:08x}{:08x}{:08x}", 7_000, 2, 3, 0),
        );
        let (row, operation, first) = step_of(b"e\0", &key.body).unwrap();
        assert_eq!((operation, first, began_ms(&row)), ("op-1", true, Some(7_000)));
        assert_eq!(began_ms(b"short"), None);
    }

    #[tokio::test]
    async fn old_rows_go_and_one_that_cannot_be_read_is_in_nobodys_way() {
        let store = MemoryStore::default();
        let partition = Partition::of("e");
        let old = (0..300)
            .map(|number| if number == 7 { "?".to_owned() } else { r#"{"at_s":10}"#.to_owned() });
        for row in old.chain([r#"{"at_s":20}"#.to_owned(), r#"{"at_s":30}"#.to_owned()]) {
            let mut tx = Tx::new(partition);
            tx.event = Some(row.into());
            store.commit(tx).await.unwrap();
        }
        assert_eq!(prune_audit(&store, partition, 20).await.unwrap(), 299);
        let left = store.changes(partition, 0, 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|event| event.value.as_ref()).collect();
        assert_eq!(left, [&b"?"[..], br#"{"at_s":20}"#, br#"{"at_s":30}"#]);
    }
}
