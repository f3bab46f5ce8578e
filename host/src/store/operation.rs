//! Operations: what a request id answered, and what is still awaited from the provider.

use super::{Key, Partition, Space};
use serde::{Deserialize, Serialize};

/// What came of a request id, kept for replays. `answer` may hold a password: it is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct OperationRecord {
    /// Of the canonical body.
    pub(crate) fingerprint: String,
    /// When it was recorded, in seconds since 1970.
    pub(crate) at_s: u64,
    /// A sealed [`super::super::journal::Answer`], in base64.
    pub(crate) answer: String,
}

/// Work that the provider has accepted and not finished, by what it is done to.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PendingRecord {
    /// The operation's id, as the guest sees it.
    pub(crate) operation: String,
    /// Which change it is, as `OperationKind` names it.
    pub(crate) change: String,
    /// What the caller sent, sealed, in base64.
    pub(crate) body: String,
    /// The key of the [`OperationRecord`] that is waiting for the outcome, after the endpoint.
    pub(crate) request_id: Option<String>,
    pub(crate) fingerprint: String,
    /// The instance that is being created.
    pub(crate) instance: Option<String>,
    pub(crate) caller: String,
    /// What the plugin noted.
    pub(crate) token: String,
    /// The digest of the plugin that began it, and ends it. None: it began when that was not kept.
    #[serde(default)]
    pub(crate) plugin: Option<String>,
    /// Of the last call.
    pub(crate) attempt: u32,
    /// When it began and when it is to be asked for, in milliseconds since 1970.
    pub(crate) began_ms: u64,
    pub(crate) due_ms: u64,
    /// Why the host does not ask for it any more by itself.
    #[serde(default)]
    pub(crate) stuck: Option<String>,
}

/// An operation that has asked the provider for something and has no outcome yet. It is run until it has one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OpenRecord {
    /// Which change it is, as `OperationKind` names it.
    pub(crate) change: String,
    /// What the caller sent, sealed, in base64.
    pub(crate) body: String,
    pub(crate) request_id: Option<String>,
    pub(crate) fingerprint: String,
    pub(crate) caller: String,
    /// The digest of the plugin that began it, and ends it.
    pub(crate) plugin: String,
    /// In milliseconds since 1970.
    pub(crate) began_ms: u64,
    /// The instance that was being created, where it is known.
    #[serde(default)]
    pub(crate) instance: Option<String>,
    /// How many runs there were at least: what they have asked for need not all be kept.
    #[serde(default)]
    pub(crate) runs: u32,
    /// Why the host does not run it any more by itself.
    pub(crate) stuck: Option<String>,
    /// From when its age counts, where somebody has set it going again.
    #[serde(default)]
    pub(crate) since_ms: Option<u64>,
    /// Whether its next request that changes something fails, so that its plugin undoes what it did.
    #[serde(default)]
    pub(crate) given_up: bool,
    /// Whether its caller was told that it failed: what is left of it is at the provider.
    #[serde(default)]
    pub(crate) told: bool,
}

/// One request of an operation to the provider, and its answer: the first part of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct StepRecord {
    /// When it was made, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// How many further parts there are, each of them nothing but more of `sealed`.
    pub(crate) parts: u32,
    pub(crate) sealed: String,
}

impl OpenRecord {
    /// How long it has been open, in milliseconds, as far as it matters for its age.
    pub(crate) fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms.unwrap_or(self.began_ms))
    }
}

pub(crate) fn open_key(endpoint: &str, operation: &str) -> Key {
    Key::new(Space::Open, Partition::of(endpoint), &[endpoint, operation])
}

pub(crate) fn step_key(endpoint: &str, operation: &str, number: &str) -> Key {
    Key::new(Space::Step, Partition::of(endpoint), &[endpoint, operation, number])
}

pub(crate) fn operation_key(endpoint: &str, change: &str, request_id: &str) -> Key {
    Key::new(Space::Operation, Partition::of(endpoint), &[endpoint, change, request_id])
}

/// What the subject of a creation begins with while a deletion is pending in its place.
pub(crate) const HELD: &str = "held/";

/// Where a creation lies while a deletion is pending in its place.
pub(crate) fn held_key(endpoint: &str, subject: &str) -> Key {
    pending_key(endpoint, &format!("{HELD}{subject}"))
}

pub(crate) fn pending_key(endpoint: &str, subject: &str) -> Key {
    Key::new(Space::Pending, Partition::of(endpoint), &[endpoint, subject])
}
