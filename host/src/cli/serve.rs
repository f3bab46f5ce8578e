//! `cnsp serve`.

use super::{Failure, Settings, runtime, start_log};
use crate::server;
use clap::Args;

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
        let data = config.data.display().to_string();
        let ready =
            move |address| tracing::info!(url = %format!("http://{address}"), data, "serving");
        Ok(runtime()?.block_on(server::run(config, ready))?)
    }
}
