//! `cnsp serve`.

use super::{Failure, Settings, start_log};
use crate::blobs::make_data_folder;
use crate::config::Config;
use crate::server;
use crate::server::runtime;
use clap::Args;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Run a host.
///
/// Serves the API for what is set up in the data folder, until SIGTERM or SIGINT: then it takes no more
/// calls, finishes those that run, and ends. Settings come from the defaults, the file of --config, the
/// environment (CNSP_SECTION__KEY) and flags, in this order; `cnsp config` lists them all. The log goes to
/// stderr.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cnsp serve --config /etc/cnsp.toml\n  \
    CNSP_LOG__FORMAT=json cnsp serve --listen 0.0.0.0:8080 --data /var/lib/cnsp")]
pub(super) struct Serve {
    /// Where the API is served [default: the setting `listen`]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load(self.listen)?;
        start_log(&config.log)?;
        make_data_folder(&config.data)?;
        let data = config.data.display().to_string();
        let ready =
            move |address| tracing::info!(url = %format!("http://{address}"), data, "serving");
        host(runtime()?, config, ready)
    }
}

/// How long work that is of no more use may keep the process from ending.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a host until it is told to stop.
pub(super) fn host(
    runtime: Runtime,
    config: Arc<Config>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let served = runtime.block_on(server::run(config, ready));
    runtime.shutdown_timeout(EXIT_TIMEOUT);
    served.map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "the host has ended");
        Failure::Logged(error)
    })
}
