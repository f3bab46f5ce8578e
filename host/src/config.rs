//! Every setting of the host, in one file with defaults, and the only reader of the environment.
//!
//! `config.default.toml` is compiled in and documents each key; a file, the environment and flags go over it
//! (see [`layers`]). What is wrong stops the host, naming the key and where its value came from.

mod check;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod layers;
mod secret;

use self::layers::Layers;
pub(crate) use self::layers::{ConfigError, Source};
pub(crate) use self::secret::{SECRET_BYTES_MAX, SecretSource};
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use tracing_subscriber::EnvFilter;

/// The longest time between two drift checks of an endpoint: more is surely a slip of the unit.
pub(crate) const DRIFT_CHECK_S_MAX: u64 = 30 * 86_400;

/// The defaults, which are also the documentation of every key.
pub(crate) const DEFAULT: &str = include_str!("../config.default.toml");

/// Every setting. Read once, at the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) log: Log,
    pub(crate) http: Http,
    pub(crate) auth: Auth,
    pub(crate) secrets: Secrets,
    pub(crate) calls: Calls,
    pub(crate) egress: Egress,
    pub(crate) breaker: Breaker,
    pub(crate) drift: Drift,
    pub(crate) compile: Compile,
    pub(crate) operations: Operations,
    pub(crate) store: Store,
}

/// How the log looks and what is in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

impl Log {
    /// Its values are no regular expressions: one of some hundred bytes can take half a minute to compile.
    pub(crate) fn parsed_filter(&self) -> anyhow::Result<EnvFilter> {
        Ok(EnvFilter::builder().with_regex(false).parse(&self.filter)?)
    }
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Human,
    Json,
}

/// What a client may send, and how fast.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) header_bytes_max: usize,
    pub(crate) header_count_max: usize,
    pub(crate) header_timeout_ms: u64,
    pub(crate) body_bytes_max: usize,
    pub(crate) body_timeout_ms: u64,
    pub(crate) connection_count_max: usize,
    pub(crate) shutdown_timeout_ms: u64,
}

/// What the verification of passwords costs, and how long it is remembered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    pub(crate) cache_ttl_s: u64,
    /// After loading: at least 1.
    pub(crate) verify_concurrency_max: usize,
    pub(crate) verify_queue_max: usize,
    pub(crate) argon2_memory_kib: u32,
    pub(crate) argon2_passes: u32,
    pub(crate) argon2_lanes: u32,
}

/// The keys that the endpoints' secrets are sealed with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// After loading: absolute.
    #[serde(deserialize_with = "path_or_none")]
    key_file: Option<PathBuf>,
    /// Empty: none.
    key_variable: String,
}

impl Secrets {
    /// Where the operator keeps them. None: the host has its own.
    pub(crate) fn keys(&self) -> Option<SecretSource> {
        let variable = Some(&self.key_variable).filter(|name| !name.is_empty());
        let file = self.key_file.clone().map(SecretSource::File);
        file.or_else(|| variable.cloned().map(SecretSource::Env))
    }
}

/// What one call of a plugin, and all of them together, may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calls {
    pub(crate) concurrency_max: usize,
    pub(crate) endpoint_concurrency_max: usize,
    pub(crate) wait_ms_max: u64,
    pub(crate) timeout_ms: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) memory_bytes_max: usize,
    pub(crate) host_bytes_max: usize,
    pub(crate) component_bytes_max: usize,
    pub(crate) backtrace_frames_max: usize,
    pub(crate) answer_bytes_max: usize,
    pub(crate) log_lines_max: usize,
    pub(crate) log_bytes_max: usize,
    pub(crate) http_requests_max: usize,
    pub(crate) http_body_bytes_max: usize,
    pub(crate) http_bytes_max: usize,
    pub(crate) kv_operation_count_max: usize,
    pub(crate) kv_write_bytes_max: usize,
    pub(crate) kv_write_count_max: usize,
    pub(crate) kv_quota_bytes_max: u64,
    pub(crate) kv_quota_count_max: u64,
}

/// How requests go out to providers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Egress {
    #[serde(deserialize_with = "addresses")]
    pub(crate) nameservers: Vec<SocketAddr>,
    pub(crate) connect_ms: u64,
    pub(crate) first_byte_ms: u64,
    pub(crate) concurrency_max: usize,
    pub(crate) requests_per_s_max: u32,
}

/// When the calls of an endpoint are refused, and for how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breaker {
    pub(crate) failure_count: u32,
    pub(crate) pause_ms: u64,
    pub(crate) pause_ms_max: u64,
}

/// How often an endpoint's resources are compared with its provider's, and how slowly.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drift {
    pub(crate) check_s: u64,
    pub(crate) pause_ms: u64,
}

/// What compiling one component may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compile {
    /// After loading: none for the program that runs.
    #[serde(deserialize_with = "path_or_none")]
    pub(crate) program: Option<PathBuf>,
    pub(crate) concurrency_max: usize,
    pub(crate) timeout_ms: u64,
    pub(crate) cpu_s: u64,
    pub(crate) memory_bytes_max: u64,
}

fn path_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok(Some(path).filter(|path| !path.as_os_str().is_empty()))
}

/// How mutating calls are repeated, queued and followed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operations {
    pub(crate) replay_hours: u64,
    pub(crate) audit_days: u64,
    pub(crate) conflict_attempts_max: u32,
    pub(crate) account_queue_max: usize,
    pub(crate) repeat_wait_ms_max: u64,
    pub(crate) pending_wait_ms: u64,
    pub(crate) pending_s: u64,
}

/// How the embedded store runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) cache_bytes: u64,
    pub(crate) free_ratio_min: f64,
}

/// `ADDRESS:PORT, …`, as one text: a variable and a flag have no lists.
fn addresses<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items
        .map(|item| {
            item.parse().map_err(|_| {
                serde::de::Error::custom(format!("`{item}` is no ADDRESS:PORT, like 192.0.2.1:53"))
            })
        })
        .collect()
}

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// `--listen`.
    pub(crate) listen: Option<String>,
    /// `--data`.
    pub(crate) data: Option<PathBuf>,
    /// `--set KEY=VALUE`, in order.
    pub(crate) set: Vec<String>,
}

impl Config {
    /// The settings of this process.
    pub(crate) fn load(flags: &Flags) -> Result<Config, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the room that reads the environment")]
        let environment = std::env::vars_os();
        Config::from_layers(flags, environment)
    }

    fn from_layers(
        flags: &Flags,
        environment: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Config, ConfigError> {
        let mut layers = Layers::new(DEFAULT)?;
        if let Some(path) = &flags.file {
            layers.add_file(path)?;
        }
        for (name, value) in environment {
            layers.add_variable(&name, &value)?;
        }
        if let Some(listen) = &flags.listen {
            layers.set_text("listen", listen, Source::Flag("--listen"))?;
        }
        if let Some(data) = &flags.data {
            let Some(text) = data.to_str() else {
                let problem = "is not valid UTF-8; give a path that is".to_owned();
                return Err(ConfigError::new("data", Source::Flag("--data"), problem));
            };
            layers.set_text("data", text, Source::Flag("--data"))?;
        }
        for assignment in &flags.set {
            layers.add_assignment(assignment)?;
        }
        Config::from(&layers)
    }

    fn from(layers: &Layers) -> Result<Config, ConfigError> {
        let mut config: Config = layers.read()?;
        config.check(layers)?;
        if config.auth.verify_concurrency_max == 0 {
            config.auth.verify_concurrency_max = available_parallelism().map_or(1, usize::from);
        }
        if config.data.as_os_str().is_empty() {
            return Err(layers.error("data", "is empty; name a folder".to_owned()));
        }
        if config.data.is_relative() {
            config.data = std::path::absolute(&config.data)
                .map_err(|e| layers.error("data", format!("cannot be made absolute: {e}")))?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
