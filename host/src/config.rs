//! Every setting of the host, in one file with defaults, and the only reader of the environment.
//!
//! `config.default.toml` is compiled in and documents each key; a file, the environment and flags go over it
//! (see [`layers`]). What is wrong stops the host, naming the key and where its value came from.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod layers;
mod secret;

use self::layers::Layers;
pub(crate) use self::layers::{ConfigError, Source};
pub(crate) use self::secret::{SECRET_BYTES_MAX, SecretSource};
use crate::limits::{About, Limit};
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

    /// Bounds that a type cannot say. Upper ones are where a value is surely a slip of the unit.
    fn check(&self, layers: &Layers) -> Result<(), ConfigError> {
        const HOUR_MS: u64 = 3_600_000;
        const GIB: u64 = 1 << 30;
        // Pending work keeps its request in one record of the store, sealed.
        const STORED_BODY_BYTES_MAX: u64 = 20 << 10;
        let (http, auth, calls, operations) =
            (&self.http, &self.auth, &self.calls, &self.operations);
        let compile = &self.compile;
        let ranges: &[(&str, u64, u64, u64)] = &[
            ("http.header_bytes_max", http.header_bytes_max as u64, 8192, 1 << 20),
            ("http.header_count_max", http.header_count_max as u64, 16, 10_000),
            ("http.header_timeout_ms", http.header_timeout_ms, 1, HOUR_MS),
            ("http.body_bytes_max", http.body_bytes_max as u64, 1024, STORED_BODY_BYTES_MAX),
            ("http.body_timeout_ms", http.body_timeout_ms, 1, HOUR_MS),
            ("http.connection_count_max", http.connection_count_max as u64, 1, 1 << 20),
            ("http.shutdown_timeout_ms", http.shutdown_timeout_ms, 0, HOUR_MS),
            ("auth.cache_ttl_s", auth.cache_ttl_s, 0, 86_400),
            ("auth.verify_concurrency_max", auth.verify_concurrency_max as u64, 0, 1024),
            ("auth.verify_queue_max", auth.verify_queue_max as u64, 1, 100_000),
            ("auth.argon2_memory_kib", auth.argon2_memory_kib.into(), 8, 1 << 20),
            ("auth.argon2_passes", auth.argon2_passes.into(), 1, 64),
            ("auth.argon2_lanes", auth.argon2_lanes.into(), 1, 64),
            ("calls.concurrency_max", calls.concurrency_max as u64, 1, 10_000),
            ("calls.wait_ms_max", calls.wait_ms_max, 0, HOUR_MS),
            ("egress.connect_ms", self.egress.connect_ms, 1, HOUR_MS),
            ("breaker.failure_count", self.breaker.failure_count.into(), 1, u32::MAX.into()),
            ("breaker.pause_ms", self.breaker.pause_ms, 100, HOUR_MS),
            ("breaker.pause_ms_max", self.breaker.pause_ms_max, self.breaker.pause_ms, HOUR_MS),
            ("drift.check_s", self.drift.check_s, 0, DRIFT_CHECK_S_MAX),
            ("drift.pause_ms", self.drift.pause_ms, 0, 60_000),
            ("compile.concurrency_max", compile.concurrency_max as u64, 1, 64),
            ("compile.timeout_ms", compile.timeout_ms, 100, HOUR_MS),
            ("compile.cpu_s", compile.cpu_s, 1, 3600),
            // Under 2 GiB there is no room beside what the allocator reserves.
            ("compile.memory_bytes_max", compile.memory_bytes_max, 2 * GIB, 1 << 40),
            ("operations.replay_hours", operations.replay_hours, 1, 24 * 366),
            ("operations.audit_days", operations.audit_days, 1, 366 * 30),
            ("operations.conflict_attempts_max", operations.conflict_attempts_max.into(), 1, 1000),
            ("operations.account_queue_max", operations.account_queue_max as u64, 1, 100_000),
            ("operations.repeat_wait_ms_max", operations.repeat_wait_ms_max, 0, HOUR_MS),
            ("operations.pending_wait_ms", operations.pending_wait_ms, 0, HOUR_MS),
            ("operations.pending_s", operations.pending_s, 1, 366 * 86_400),
            ("calls.component_bytes_max", calls.component_bytes_max as u64, 1024, 64 << 20),
            ("calls.backtrace_frames_max", calls.backtrace_frames_max as u64, 1, 1000),
            ("store.cache_bytes", self.store.cache_bytes, 1 << 20, 1 << 40),
        ];
        let of_endpoints = Limit::ALL.map(|limit| {
            let About { setting, range, .. } = limit.about();
            (*setting, limit.ceiling(self), *range.start(), *range.end())
        });
        for (key, value, min, max) in ranges.iter().chain(&of_endpoints) {
            if value < min || value > max {
                return Err(layers.error(key, format!("is {value}; it must be {min} to {max}")));
            }
        }
        // An answer comes on top of the keys that the call has read and written.
        if calls.host_bytes_max < calls.answer_bytes_max.saturating_add(calls.kv_write_bytes_max) {
            let least = calls.answer_bytes_max.saturating_add(calls.kv_write_bytes_max);
            let problem = format!(
                "is {}; it must be at least calls.answer_bytes_max and calls.kv_write_bytes_max together, {least}",
                calls.host_bytes_max
            );
            return Err(layers.error("calls.host_bytes_max", problem));
        }
        let (memory, lanes) = (auth.argon2_memory_kib, auth.argon2_lanes);
        if memory < 8 * lanes {
            let problem = format!("is {memory}; argon2 takes at least 8 for each of {lanes} lanes");
            return Err(layers.error("auth.argon2_memory_kib", problem));
        }
        if !(0.0..=1.0).contains(&self.store.free_ratio_min) {
            let problem = format!("is {}; it must be 0 to 1", self.store.free_ratio_min);
            return Err(layers.error("store.free_ratio_min", problem));
        }
        if self.compile.program.as_ref().is_some_and(|program| !program.is_absolute()) {
            let problem = "is no absolute path".to_owned();
            return Err(layers.error("compile.program", problem));
        }
        let Secrets { key_file, key_variable } = &self.secrets;
        if key_file.as_ref().is_some_and(|file| !file.is_absolute()) {
            let problem = "is no absolute path".to_owned();
            return Err(layers.error("secrets.key_file", problem));
        }
        if key_file.is_some() && !key_variable.is_empty() {
            let problem = "is set beside secrets.key_file; keep the keys in one place".to_owned();
            return Err(layers.error("secrets.key_variable", problem));
        }
        self.log
            .parsed_filter()
            .map_err(|e| layers.error("log.filter", format!("is no filter: {e}")))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::path::Path;

    fn load(flags: Flags, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment: Vec<(OsString, OsString)> =
            environment.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect();
        Config::from_layers(&flags, environment).map_err(|e| e.to_string())
    }

    fn set(assignments: &[&str]) -> Flags {
        Flags { set: assignments.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() }
    }

    fn file(text: &str) -> (tempfile::TempDir, Flags) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.toml");
        std::fs::write(&path, text).unwrap();
        (folder, Flags { file: Some(path), ..Flags::default() })
    }

    #[test]
    fn defaults_load() {
        let config = load(Flags::default(), &[("PATH", "/bin")]).unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert!(config.auth.verify_concurrency_max >= 1);
        assert!(config.data.is_absolute());
    }

    #[test]
    fn later_layers_win() {
        let (_folder, mut flags) = file("[http]\nbody_bytes_max = 2000\nheader_count_max = 50\n");
        flags.set = vec!["http.body_bytes_max=4000".to_owned()];
        let config = load(flags, &[("CNSP_HTTP__BODY_BYTES_MAX", "3000")]).unwrap();
        assert_eq!((config.http.body_bytes_max, config.http.header_count_max), (4000, 50));
    }

    #[test]
    fn text_that_looks_like_a_number_stays_text() {
        let config = load(Flags::default(), &[("CNSP_DATA", "/1234")]).unwrap();
        assert_eq!(config.data, Path::new("/1234"));
    }

    #[test]
    fn unknown_keys_name_themselves_and_their_source() {
        let (folder, flags) = file("[http]\nbody_bytes = 2000\n");
        let path = folder.path().join("host.toml");
        let expected = format!("http.body_bytes (from {}) is no setting", path.display());
        assert!(load(flags, &[]).unwrap_err().starts_with(&expected));
        let error = load(Flags::default(), &[("CNSP_HTP__X", "1")]).unwrap_err();
        assert!(
            error.starts_with("htp.x (from the variable CNSP_HTP__X) is no setting"),
            "{error}"
        );
        let error = load(set(&["http=3"]), &[]).unwrap_err();
        assert!(error.starts_with("http (from --set) is a section"), "{error}");
    }

    #[test]
    fn wrong_values_name_their_key_and_source() {
        let error = load(Flags::default(), &[("CNSP_HTTP__BODY_BYTES_MAX", "1MB")]).unwrap_err();
        let expected = "http.body_bytes_max (from the variable CNSP_HTTP__BODY_BYTES_MAX) ";
        assert!(error.starts_with(expected), "{error}");
        let error = load(set(&["http.body_bytes_max=-1"]), &[]).unwrap_err();
        assert!(error.starts_with("http.body_bytes_max (from --set) "), "{error}");
        let error = load(set(&["log.format=xml"]), &[]).unwrap_err();
        assert!(error.contains("log.format") && error.contains("human"), "{error}");
        let error = load(set(&["calls.concurrency_max=0"]), &[]).unwrap_err();
        assert!(error.contains("must be 1 to 10000"), "{error}");
        let error = load(set(&["secrets.key_file=keys"]), &[]).unwrap_err();
        assert!(error.starts_with("secrets.key_file (from --set) is no absolute path"), "{error}");
        let both = set(&["secrets.key_file=/keys", "secrets.key_variable=KEYS"]);
        assert!(load(both, &[]).unwrap_err().contains("keep the keys in one place"));
        let (_folder, flags) = file("listen = 8080\n");
        assert!(load(flags, &[]).unwrap_err().starts_with("listen (from "));
        let (_folder, flags) = file("listen = \"localhost\"\n");
        assert!(load(flags, &[]).unwrap_err().contains("listen (from "));
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_named() {
        let flags = Flags { file: Some("/nowhere/host.toml".into()), ..Flags::default() };
        assert!(load(flags, &[]).unwrap_err().contains("/nowhere/host.toml"));
        let (_folder, flags) = file("[http\n");
        let error = load(flags, &[]).unwrap_err();
        assert!(error.contains("host.toml") && error.contains("line 1"), "{error}");
    }
}
