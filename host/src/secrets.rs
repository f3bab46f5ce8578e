//! The secrets of endpoints: handed over once, when a set-up is applied, and kept sealed in the store.
//!
//! Each is sealed for its place, the endpoint and the name, with the first of the vault's keys; its record says
//! which. Nothing here prints a secret, and [`Secrets`] cannot be printed.

mod keys;
mod references;
mod rotate;
#[cfg(test)]
mod tests;

pub(crate) use self::keys::Keys;
pub(crate) use self::references::take_over_references;
pub(crate) use self::rotate::{Rotated, rotate};
use crate::blobs::Blobs;
use crate::config::{self, SECRET_BYTES_MAX, SecretSource};
use crate::store::setup::{EndpointRecord, Records};
use crate::store::{Store, VALUE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a record of a sealed secret has beside the secret: the names of two fields and the id of a key.
const RECORD_OVERHEAD_BYTES: usize = 128;
const RECORD_BYTES_MAX: usize =
    crate::cipher::sealed_bytes(SECRET_BYTES_MAX) + RECORD_OVERHEAD_BYTES;
const _: () = assert!(RECORD_BYTES_MAX <= VALUE_BYTES_MAX);

/// The secrets of one endpoint in clear, by name. Not to be printed, and wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secrets(BTreeMap<String, Zeroizing<String>>);

impl Secrets {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|secret| secret.as_str())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|secret| secret.as_str())
    }
}

/// Where the keys are, which are read anew each time: their owner may have changed them.
pub(crate) struct Vault {
    place: Place,
}

enum Place {
    /// The host's own file, in the data folder.
    Own(Arc<Blobs>),
    /// The operator's.
    Given(SecretSource),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Own(blobs) => write!(f, "the file {}", blobs.secret_keys_path().display()),
            Place::Given(source) => source.fmt(f),
        }
    }
}

/// A kept secret, without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) endpoint: String,
    pub(crate) name: String,
    /// The id of the key that it is sealed with.
    pub(crate) key: String,
}

/// Every secret that is kept, or those of one endpoint.
pub(crate) async fn list(store: &dyn Store, endpoint: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    let Records { endpoints, secrets, .. } = Records::load(store).await?;
    if let Some(id) = endpoint.filter(|id| !endpoints.contains_key(*id)) {
        anyhow::bail!("there is no endpoint `{}`", id.escape_debug());
    }
    let wanted = secrets.into_iter().filter(|(id, _)| endpoint.is_none_or(|wanted| wanted == id));
    let listed = wanted.flat_map(|(endpoint, named)| {
        named.into_iter().map(move |(name, stored)| Listed {
            endpoint: endpoint.clone(),
            name,
            key: stored.record.key,
        })
    });
    Ok(listed.collect())
}

impl Vault {
    pub(crate) fn new(config: &config::Secrets, blobs: Arc<Blobs>) -> Vault {
        let place = config.keys().map_or(Place::Own(blobs), Place::Given);
        Vault { place }
    }

    /// The keys as they are now. Where the host owns them and has none, they are new, and on no disk until
    /// [`Vault::keep`]. Blocks.
    pub(crate) fn keys(&self) -> anyhow::Result<Keys> {
        let text = match &self.place {
            Place::Given(source) => source.read(),
            Place::Own(blobs) => match blobs.secret_keys() {
                Ok(Some(text)) => Ok(text),
                Ok(None) => return Keys::generate(&self.place),
                Err(error) => Err(error),
            },
        };
        let parsed = text.and_then(|text| Keys::parse(&self.place, &text));
        parsed.map_err(|error| error.context("the keys of the endpoints' secrets cannot be used"))
    }

    /// Makes keys durable that are the host's own and new: before anything that is sealed with them. Blocks.
    pub(crate) fn keep(&self, keys: &Keys) -> anyhow::Result<()> {
        match &self.place {
            Place::Own(blobs) if blobs.secret_keys()?.is_none() => {
                blobs.keep_secret_keys(&keys.text())
            }
            _ => Ok(()),
        }
    }

    /// Every endpoint with its secrets in clear. Blocks.
    pub(crate) fn open(&self, records: Records) -> anyhow::Result<Vec<(EndpointRecord, Secrets)>> {
        let keys = self.keys()?;
        let Records { endpoints, mut secrets, .. } = records;
        let opened = endpoints.into_iter().map(|(id, stored)| {
            let sealed = secrets.remove(&id).unwrap_or_default();
            let open = sealed.into_iter().map(|(name, sealed)| {
                let secret = keys.open(&id, &name, &sealed.record)?;
                Ok((name, secret))
            });
            Ok((stored.record, Secrets(open.collect::<anyhow::Result<_>>()?)))
        });
        opened.collect()
    }
}
