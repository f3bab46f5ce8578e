//! What the benchmarks need of the inside: a whole host in their own process, with a bare route beside the API,
//! and its parts one by one. No part of the product.

use crate::api;
use crate::app::App;
use crate::blobs::Blobs;
use crate::config::{Config, Flags};
use crate::heavy;
use crate::model::OperationKind;
use crate::plugin::Plugins;
use crate::secrets::Vault;
use crate::server;
use crate::setup::{ApplyError, Setup};
use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The niceness of the threads that serve a busy endpoint.
pub const HEAVY_NICENESS: i32 = heavy::NICENESS;

/// The threads that a host has.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    server::runtime()
}

/// A host that runs in this process.
pub struct Host {
    /// Where it listens.
    pub address: SocketAddr,
    app: Arc<App>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

fn config(data: &Path, settings: &[&str]) -> anyhow::Result<Arc<Config>> {
    // This process is no `cnsp` that could compile: the one that was built beside it does.
    let executable = std::env::current_exe().context("this program does not know where it lies")?;
    let program = format!("compile.program={}", executable.with_file_name("cnsp").display());
    let set = settings.iter().map(|setting| (*setting).to_owned()).chain([program]).collect();
    let flags = Flags {
        listen: Some("127.0.0.1:0".to_owned()),
        data: Some(data.to_owned()),
        set,
        ..Flags::default()
    };
    Ok(Arc::new(Config::load(&flags)?))
}

/// Applies a folder of declarations to a data folder that no host has open.
pub async fn apply(data: &Path, settings: &[&str], declarations: &Path) -> anyhow::Result<()> {
    let config = config(data, settings)?;
    let store = server::open_store(&config)?;
    let blobs = Arc::new(Blobs::open(&config.data)?);
    let plugins = Plugins::start(&config.calls, &config.compile, blobs.clone())?;
    let vault = Arc::new(Vault::new(&config.secrets, blobs.clone()));
    let setup = Setup {
        config,
        store: store.clone(),
        blobs,
        accept: Arc::new(move |bytes| plugins.accept(bytes).map(|plugin| plugin.digest)),
        vault,
    };
    let applied = setup.apply_folder(declarations.to_owned(), false).await;
    store.close();
    match applied {
        Ok(_) => Ok(()),
        Err(ApplyError::Failed(error)) => Err(error),
        Err(ApplyError::Problems(problems)) => Err(anyhow!("{problems:?}")),
    }
}

impl Host {
    /// Starts one on a data folder. Returns when every endpoint can be called.
    pub async fn start(data: &Path, settings: &[&str]) -> anyhow::Result<Host> {
        let config = config(data, settings)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = stopped.map(|_| ());
            server::run_until(
                config,
                api::bare(),
                |app, address| drop(ready.send((app.clone(), address))),
                stopped,
            )
            .await
        });
        match started.await {
            Ok((app, address)) => Ok(Host { address, app, stop, task }),
            Err(_) => Err(task.await?.err().unwrap_or_else(|| anyhow!("the host did not start"))),
        }
    }

    /// Stops it, in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop((self.stop, self.app));
        self.task.await?
    }

    /// How long each of `count` calls of `account.get` takes without HTTP, admission included; sorted.
    pub async fn calls(
        &self,
        endpoint: &str,
        account: &str,
        count: usize,
    ) -> anyhow::Result<Vec<Duration>> {
        let endpoint = self.app.endpoints.get(endpoint).context("no such endpoint")?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            let account = account.to_owned();
            let called = endpoint
                .call(OperationKind::GetAccount, None, |adapter, store| {
                    async move { adapter.account(&mut *store)?.call_get(store, &account).await }
                        .boxed()
                })
                .await;
            let called = called.map_err(|error| anyhow!("{error:?}"))?;
            called.answer.map_err(|failure| anyhow!("refused: {}", failure.errormessage))?;
            times.push(began.elapsed());
        }
        times.sort();
        Ok(times)
    }

    /// As [`Host::calls`], making the instance and calling none of its functions.
    pub async fn instances(&self, endpoint: &str, count: usize) -> anyhow::Result<Vec<Duration>> {
        let endpoint = self.app.endpoints.get(endpoint).context("no such endpoint")?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            let made =
                endpoint.call(OperationKind::GetAccount, None, |_, _| async { Ok(Ok(())) }.boxed());
            made.await.map_err(|error| anyhow!("{error:?}"))?;
            times.push(began.elapsed());
        }
        times.sort();
        Ok(times)
    }
}
