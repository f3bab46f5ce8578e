//! Applying a set-up in this process, where no host runs on the data folder.

use crate::blobs::{Blobs, make_data_folder};
use crate::config::Config;
use crate::plugin::Plugins;
use crate::secrets::Vault;
use crate::server;
use crate::setup::Setup;
use crate::store::{OpenError, SledStore};
use anyhow::Context;
use std::sync::Arc;

/// A data folder that this process has opened, and what it takes to apply a set-up to it.
pub(super) struct Local {
    pub(super) setup: Setup,
    store: Arc<SledStore>,
}

impl Local {
    /// Opens the folder, or makes it.
    pub(super) fn open(config: &Arc<Config>) -> anyhow::Result<Local> {
        make_data_folder(&config.data)?;
        let store = server::open_store(config).map_err(|error| {
            if error.chain().any(|e| matches!(e.downcast_ref(), Some(OpenError::InUse { .. }))) {
                let why =
                    "a host or another `cnsp apply` is just starting or ending there; try again";
                return error.context(why);
            }
            error
        })?;
        let blobs = Arc::new(Blobs::open(&config.data)?);
        let plugins = Plugins::start(&config.calls, &config.compile, blobs.clone())
            .context("the engine that checks plugins cannot start")?;
        let vault = Arc::new(Vault::new(&config.secrets, blobs.clone()));
        let setup = Setup {
            config: config.clone(),
            store: store.clone(),
            blobs,
            accept: Arc::new(move |bytes| Ok(plugins.accept(bytes)?.digest)),
            vault,
        };
        Ok(Local { setup, store })
    }

    /// Ends in order: what is committed is on disk anyway, but the next one opens faster.
    pub(super) fn close(self) {
        self.store.close();
    }
}
