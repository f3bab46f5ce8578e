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
use crate::heavy::Weight;
use crate::limits::Limits;
use crate::plugin::Growths;
use crate::store::{Partition, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    pub(crate) limits: Limits,
    /// Whether its calls are heavy.
    pub(crate) weight: Arc<Weight>,
    /// How often its guests make their memories larger.
    pub(crate) growths: Growths,
}
