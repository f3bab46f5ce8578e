//! Another key for what is sealed, in steps that can be killed at any point.
//!
//! Where the host owns the keys: the new key is durable before anything is sealed with it, and the old one goes
//! when nothing durable needs it. Whatever is left in between opens, and the next rotation ends what this one
//! began.

use super::{Keys, Place, RECORD_BYTES_MAX, Vault};
use crate::store::json::put;
use crate::store::setup::{Records, SecretRecord, secret_key};
use crate::store::{Condition, KEY_BODY_BYTES_MAX, Partition, Store, TX_BYTES_MAX, Tx};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many secrets one commit seals anew.
pub(super) const COMMIT_COUNT: usize = 32;
const EVENT_BYTES_MAX: usize = 4 << 10;
const _: () = assert!(
    COMMIT_COUNT * (RECORD_BYTES_MAX + KEY_BODY_BYTES_MAX) + EVENT_BYTES_MAX <= TX_BYTES_MAX
);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotated {
    /// The id of the key that everything is sealed with now.
    pub(crate) key: String,
    /// How many secrets there are.
    pub(crate) secrets: usize,
    /// How many of them were sealed with another key before.
    pub(crate) resealed: usize,
    /// The ids of keys that nothing needs any more.
    pub(crate) old_keys: Vec<String>,
    /// Where their owner can take those out. None: the host has.
    pub(crate) keys_in: Option<String>,
}

/// A secret that another key has sealed than the first.
pub(super) struct Stale {
    endpoint: String,
    name: String,
    version: u64,
    record: SecretRecord,
}

/// Seals everything with the first key, which is a new one where the host owns the keys. Nobody else may change
/// secrets meanwhile.
pub(crate) async fn rotate(vault: &Arc<Vault>, store: &dyn Store) -> anyhow::Result<Rotated> {
    let keys = begin(vault, store).await?;
    let stale = stale(&keys, store).await?;
    for some in stale.chunks(COMMIT_COUNT) {
        reseal(&keys, some, store).await?;
    }
    let left = self::stale(&keys, store).await?.len();
    if left > 0 {
        bail!("{left} secrets were changed meanwhile, and nothing is lost; rotate again");
    }
    let secrets = super::list(store, None).await?.len();
    let (key, old_keys) = (keys.first_id().to_owned(), keys.other_ids());
    let keys_in = match &vault.place {
        Place::Own(_) => None,
        Place::Given(source) => Some(source.to_string()),
    };
    end(vault, keys).await?;
    Ok(Rotated { key, secrets, resealed: stale.len(), old_keys, keys_in })
}

/// The keys to go on with: durable, and enough to open everything.
pub(super) async fn begin(vault: &Arc<Vault>, store: &dyn Store) -> anyhow::Result<Keys> {
    let records = Records::load(store).await?;
    let vault = vault.clone();
    let begun = tokio::task::spawn_blocking(move || {
        vault.open(records).context("nothing was changed")?;
        let keys = vault.keys()?;
        let Place::Own(blobs) = &vault.place else { return Ok(keys) };
        // Several: an earlier rotation was cut short, and its new key is not used up.
        if blobs.secret_keys()?.is_none() || !keys.other_ids().is_empty() {
            return Ok(keys);
        }
        let keys = keys.with_new_first()?;
        blobs.keep_secret_keys(&keys.text())?;
        Ok(keys)
    });
    begun.await?
}

pub(super) async fn stale(keys: &Keys, store: &dyn Store) -> anyhow::Result<Vec<Stale>> {
    let sealed = Records::load(store).await?.secrets;
    let all = sealed.into_iter().flat_map(|(endpoint, named)| {
        named.into_iter().map(move |(name, stored)| {
            let (endpoint, version, record) = (endpoint.clone(), stored.version, stored.record);
            Stale { endpoint, name, version, record }
        })
    });
    Ok(all.filter(|secret| secret.record.key != keys.first_id()).collect())
}

/// In one commit.
pub(super) async fn reseal(keys: &Keys, stale: &[Stale], store: &dyn Store) -> anyhow::Result<()> {
    let mut tx = Tx::new(Partition::SETUP);
    for Stale { endpoint, name, version, record } in stale {
        let key = secret_key(endpoint, name);
        let secret = keys.open(endpoint, name, record)?;
        tx.conditions.push(Condition::Version(key.clone(), *version));
        tx.operations.push(put(key, &keys.seal(endpoint, name, &secret)?)?);
    }
    let event = serde_json::json!({
        "at_s": jiff::Timestamp::now().as_second(),
        "operation": "rotate secrets",
        "record_count": stale.len(),
        "key": keys.first_id(),
    });
    tx.event = Some(event.to_string().into());
    let text = "not everything is sealed with the first key yet, and nothing is lost; rotate again";
    store.commit(tx).await.context(text)?;
    Ok(())
}

/// Forgets the host's own old keys. Everything that is durable has to be sealed with the first.
async fn end(vault: &Arc<Vault>, keys: Keys) -> anyhow::Result<()> {
    let vault = vault.clone();
    let ended = tokio::task::spawn_blocking(move || match &vault.place {
        Place::Own(blobs) if !keys.other_ids().is_empty() => {
            blobs.keep_secret_keys(&keys.only_first().text())
        }
        _ => Ok(()),
    });
    ended.await?.context("everything is sealed with the new key, and the old one is still there")
}
