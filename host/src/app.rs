//! Everything that a handler needs.

use crate::blobs::Blobs;
use crate::callers::Callers;
use crate::config::Config;
use crate::drift::Drift;
use crate::egress::Egress;
use crate::endpoints::Endpoints;
use crate::journal::Journal;
use crate::plugin::Plugins;
use crate::sealer::Sealer;
use crate::secrets::{Vault, take_over_references};
use crate::selftest;
use crate::store::setup::Records;
use crate::store::{SledStore, Store};
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// One host, running.
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Arc<SledStore>,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) callers: Callers,
    pub(crate) journal: Arc<Journal>,
    pub(crate) drift: Arc<Drift>,
    pub(crate) metrics: PrometheusHandle,
    /// Set once, when the host has begun to stop.
    pub(crate) stopping: AtomicBool,
}

impl App {
    /// Starts everything below the API, and takes over what is declared in the store.
    pub(crate) async fn start(
        config: Arc<Config>,
        store: Arc<SledStore>,
        blobs: Arc<Blobs>,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Arc<App>> {
        let vault = Arc::new(Vault::new(&config.secrets, blobs.clone()));
        let sealer = Sealer::new(blobs.state_key());
        let of_drift = Sealer::new(blobs.state_key());
        let plugins = Arc::new(Plugins::start(&config.calls, &config.compile, blobs)?);
        let shared: Arc<dyn Store> = store.clone();
        let egress = Egress::start(&config.egress)?;
        selftest::run(&plugins, &egress, shared.clone()).await?;
        let endpoints = Arc::new(Endpoints::new(plugins.clone(), shared.clone(), egress, &config));
        let drift = Drift::new(shared.clone(), endpoints.clone(), of_drift, config.drift.clone());
        let journal = Journal::new(shared, endpoints.clone(), sealer, config.operations.clone());
        let callers = Callers::new(&config.auth)?;
        let app = Arc::new(App {
            config,
            store,
            plugins,
            vault,
            endpoints,
            callers,
            journal,
            drift,
            metrics,
            stopping: AtomicBool::new(false),
        });
        take_over_references(&app.vault, &*app.store).await?;
        app.reload().await?;
        let pending = app.journal.resume().await.map_err(|error| {
            anyhow::anyhow!("{}", error.message)
                .context("what was pending cannot be taken up again")
        })?;
        let open = app.journal.resume_open().await.map_err(|error| {
            anyhow::anyhow!("{}", error.message)
                .context("what was begun and not ended cannot be taken up again")
        })?;
        app.drift.resume().await.map_err(|error| {
            anyhow::anyhow!("{}", error.message).context("the drift reports cannot be read")
        })?;
        app.journal.keep_pruned();
        app.drift.keep_checking();
        let endpoints = app.endpoints.all().len();
        tracing::info!(endpoints, pending, open, "ready");
        Ok(app)
    }

    /// Takes over vendors, callers and endpoints as the store has them now. Callers first: a changed password
    /// counts even where an endpoint cannot be taken over.
    pub(crate) async fn reload(&self) -> anyhow::Result<()> {
        let records = Records::load(&*self.store).await?;
        self.callers.replace(&records.callers);
        let (endpoints, vault) = (self.endpoints.clone(), self.vault.clone());
        // It loads plugins and reads keys, which takes a while.
        let replaced = tokio::task::spawn_blocking(move || endpoints.replace(vault.open(records)?));
        replaced.await?.context("an endpoint cannot be taken over")?;
        self.drift.endpoints_have_changed();
        Ok(())
    }
}
