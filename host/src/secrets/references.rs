//! What a host before this one kept: references to secrets, in the records of their endpoints.

use super::Vault;
use crate::store::json::put;
use crate::store::setup::{EndpointRecord, Records, endpoint_key, secret_key};
use crate::store::{Condition, Operation, Partition, Store, Tx};
use anyhow::Context;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads each of them once, and keeps the secret in its place. Killed in between, the next start goes on: the
/// references go last.
pub(crate) async fn take_over_references(
    vault: &Arc<Vault>,
    store: &dyn Store,
) -> anyhow::Result<()> {
    let Records { endpoints, secrets, .. } = Records::load(store).await?;
    for (id, stored) in endpoints {
        if stored.record.secret_references.is_empty() {
            continue;
        }
        let unchanged = Condition::Version(endpoint_key(&id), stored.version);
        let kept = secrets.get(&id).map(|named| named.keys().cloned().collect());
        let (vault, record) = (vault.clone(), stored.record.clone());
        let sealing = move || seal(&vault, &record, &kept.unwrap_or_default());
        let sealed = tokio::task::spawn_blocking(sealing).await??;
        let count = sealed.len();
        // One at a time: all of an endpoint may be too much for one transaction.
        for operation in sealed {
            let mut tx = Tx::new(Partition::SETUP);
            tx.conditions.push(unchanged.clone());
            tx.operations.push(operation);
            store.commit(tx).await?;
        }
        let record = EndpointRecord { secret_references: Default::default(), ..stored.record };
        let mut tx = Tx::new(Partition::SETUP);
        tx.conditions.push(unchanged);
        tx.operations.push(put(endpoint_key(&id), &record)?);
        let event = serde_json::json!({
            "at_s": jiff::Timestamp::now().as_second(),
            "operation": "take over secrets",
            "record_count": count,
            "changed": [format!("endpoint {id}")],
        });
        tx.event = Some(event.to_string().into());
        store.commit(tx).await?;
        tracing::info!(
            endpoint = id,
            count,
            "its secrets are kept now, and no longer read at each start"
        );
    }
    Ok(())
}

fn seal(
    vault: &Vault,
    record: &EndpointRecord,
    kept: &BTreeSet<String>,
) -> anyhow::Result<Vec<Operation>> {
    let keys = vault.keys()?;
    let id = &record.id;
    let missing = record.secret_references.iter().filter(|(name, _)| !kept.contains(*name));
    let sealed = missing.map(|(name, source)| {
        let secret = source.read().with_context(|| {
            format!(
                "the secret `{name}` of endpoint `{id}` has to be read once more, and kept from then on, or \
                 handed over with `cnsp apply` while no host runs"
            )
        })?;
        Ok(put(secret_key(id, name), &keys.seal(id, name, &secret)?)?)
    });
    let sealed: Vec<Operation> = sealed.collect::<anyhow::Result<_>>()?;
    vault.keep(&keys)?;
    Ok(sealed)
}
