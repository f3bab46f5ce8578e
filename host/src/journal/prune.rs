//! Forgets outcomes that no replay may ask for any more, and audit rows that are old enough.

use super::{Journal, now_s};
use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::store::json::parse;
use crate::store::operation::{OperationRecord, operation_key};
use crate::store::{Condition, Key, Operation, Range, Space, StoreError, Tx};
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
                    let pruned = async {
                        let outcomes = journal.prune_outcomes(endpoint).await?;
                        Ok::<_, Error>((outcomes, journal.prune_audit(endpoint).await?))
                    };
                    match pruned.await {
                        Ok((outcomes, audit_rows)) => {
                            tracing::info!(
                                endpoint = endpoint.id(),
                                outcomes,
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
            pruned += self.delete(tx).await?;
            match page.entries.last() {
                Some((body, _)) if page.more => range.after = Some(body.clone()),
                _ => return Ok(pruned),
            }
        }
    }

    async fn prune_audit(&self, endpoint: &Endpoint) -> Result<usize> {
        let oldest = now_s().saturating_sub(self.settings.audit_days * 86_400);
        let mut pruned = 0;
        loop {
            let mut tx = Tx::new(endpoint.partition);
            for event in self.store.changes(endpoint.partition, 0, AT_A_TIME).await? {
                let old =
                    serde_json::from_slice::<At>(&event.value).is_ok_and(|row| row.at_s < oldest);
                if old {
                    let body = Bytes::copy_from_slice(&event.version.to_be_bytes());
                    let key = Key { space: Space::Event, partition: endpoint.partition, body };
                    tx.operations.push(Operation::Delete(key));
                }
            }
            let deleted = self.delete(tx).await?;
            pruned += deleted;
            if deleted < AT_A_TIME {
                return Ok(pruned);
            }
        }
    }

    async fn delete(&self, tx: Tx) -> Result<usize> {
        let count = tx.operations.len();
        if count == 0 {
            return Ok(0);
        }
        match self.store.commit(tx).await {
            Ok(_) => Ok(count),
            // Used again meanwhile: next time.
            Err(StoreError::Conflict(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
