//! What a guest may do beyond computing: one file per import of the contract, each with its own denial.

mod clock;
mod http;
mod kv;
mod log;
mod operation;
mod random;
mod settings;

pub(crate) use self::http::HttpUse;
pub(crate) use self::kv::Kv;
pub(crate) use self::log::LogUse;

use crate::egress::Outbound;
use crate::store::{Partition, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the guest of one endpoint may touch, made once and shared by its calls.
pub(crate) struct Scope {
    /// The endpoint's id.
    pub(crate) endpoint: String,
    /// Where its keys lie.
    pub(crate) partition: Partition,
    /// What `config.get` answers.
    pub(crate) config: BTreeMap<String, String>,
    /// What `http.send` goes through.
    pub(crate) outbound: Outbound,
    /// Where `kv` reads.
    pub(crate) store: Arc<dyn Store>,
    /// What each call may use.
    pub(crate) limits: CallLimits,
}

/// What one call may use. Effective: the endpoint's own settings within the operator's.
#[derive(Clone, Debug)]
pub(crate) struct CallLimits {
    /// Wall clock, host calls included.
    pub(crate) timeout: Duration,
    /// Computing, in steps of the epoch tick.
    pub(crate) cpu: Duration,
    /// All memories and tables together.
    pub(crate) memory_bytes_max: usize,
    /// What one call may make the host copy out of the guest.
    pub(crate) answer_bytes_max: usize,
    pub(crate) log_line_count_max: usize,
    /// All lines together.
    pub(crate) log_bytes_max: usize,
    pub(crate) http_request_count_max: usize,
    pub(crate) http_body_bytes_max: usize,
    /// Keys that one call may read, list or write, counting repeats.
    pub(crate) kv_key_count_max: usize,
    /// Keys and values that one call may write.
    pub(crate) kv_write_bytes_max: usize,
    pub(crate) kv_write_count_max: usize,
}
