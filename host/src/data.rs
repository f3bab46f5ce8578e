//! The data folder of a host: the store, whose lock says that it is ours, and the files beside it.

use crate::blobs::Blobs;
use crate::config::Config;
use crate::store::{OpenError, SledOptions, SledStore, StoreError};
use std::sync::Arc;

/// An open data folder.
pub(crate) struct Data {
    pub(crate) store: Arc<SledStore>,
    pub(crate) blobs: Arc<Blobs>,
}

impl Data {
    /// Opens the folder, or makes it. The store comes first, for its lock; this blocks until it is recovered.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Data> {
        let mut options = SledOptions::new(config.data.join("store"));
        options.cache_bytes = config.store.cache_bytes;
        let store = Arc::new(SledStore::open(options)?);
        let blobs = Arc::new(Blobs::open(&config.data)?);
        Ok(Data { store, blobs })
    }
}

/// Whether an error says that the store is at fault, and not somebody who uses it.
pub(crate) fn is_store_failure(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let opening = cause.downcast_ref::<OpenError>();
        let running = cause.downcast_ref::<StoreError>();
        opening.is_some_and(|e| !matches!(e, OpenError::InUse { .. }))
            || running.is_some_and(|e| {
                matches!(e, StoreError::Stopped(_) | StoreError::Unknown | StoreError::Damaged(_))
            })
    })
}

/// Whether an error says that another process has the data folder.
pub(crate) fn is_in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(OpenError::InUse { .. })))
}
