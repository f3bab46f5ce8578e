//! The last calls that an endpoint's plugin failed, for its vendor.
//!
//! In memory only: the log has them all. What is here is bounded, and holds nothing that a caller sent.

use crate::blobs::Digest;
use crate::limits::fixed;
use crate::plugin::{CallError, Stopped};
use crate::store::setup::EndpointRecord;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;

/// Each takes at most some 6 KiB: see `plugin/call/backtrace.rs`.
const KEPT_MAX: usize = fixed::FAILURES_KEPT.max;

/// The last calls that an endpoint's plugin failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FailedCalls {
    pub(super) endpoint: String,
    /// Whether the host does not call the endpoint for now, since its plugin keeps failing.
    pub(super) unavailable: bool,
    /// The last one first.
    pub(super) failures: Vec<FailedCall>,
}

/// One call that a plugin failed: it trapped, took too long or went over a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FailedCall {
    /// When it ended, RFC 3339.
    at: String,
    /// `interface.function` of the contract.
    operation: &'static str,
    /// What `operation.id` told the plugin. Only of a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_id: Option<String>,
    /// `trap`, `limit` or `timeout`.
    outcome: &'static str,
    /// Which limit was hit: `wall clock`, `CPU time`, `memory` or `answer size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    /// In the words of the engine, or of the import that stopped it.
    reason: String,
    /// The functions that the plugin was in, the innermost first. Empty where it waited or had ended.
    backtrace: Vec<String>,
    plugin: FailedPlugin,
}

/// Which plugin it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FailedPlugin {
    /// The name of the file that it came from.
    name: String,
    /// The version that it says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// SHA-256 of its bytes.
    digest: String,
}

/// The last ones, of whatever plugin the endpoint had.
#[derive(Debug, Default)]
pub(super) struct Failures {
    kept: Mutex<VecDeque<FailedCall>>,
}

impl FailedCall {
    /// None: the error is none of the plugin's.
    pub(super) fn new(
        record: &EndpointRecord,
        digest: Digest,
        operation: &'static str,
        operation_id: Option<String>,
        error: &CallError,
    ) -> Option<FailedCall> {
        let stopped = |stopped: &Stopped| (stopped.reason.clone(), stopped.backtrace.clone());
        let (outcome, limit, (reason, backtrace)) = match error {
            CallError::Timeout(_) => {
                ("timeout", Some("wall clock"), (error.to_string(), Vec::new()))
            }
            CallError::Limit(limit, why) => ("limit", Some(*limit), stopped(why)),
            CallError::Trap(why) => ("trap", None, stopped(why)),
            CallError::Full(_) => return None,
        };
        let plugin = FailedPlugin {
            name: record.plugin_name.clone(),
            version: record.plugin_version.clone(),
            digest: digest.to_string(),
        };
        let at = Timestamp::now().to_string();
        Some(FailedCall { at, operation, operation_id, outcome, limit, reason, backtrace, plugin })
    }

    /// What happened, for callers, as the end of "the last time because it …".
    pub(super) fn for_callers(&self) -> String {
        let operation = self.operation;
        match (self.outcome, self.limit) {
            ("timeout", _) => format!("did not answer {operation} in time"),
            (_, Some(limit)) => format!("went over its {limit} limit in {operation}"),
            (_, None) => format!("failed in {operation}"),
        }
    }
}

impl Failures {
    pub(super) fn add(&self, failed: FailedCall) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_back();
        }
        kept.push_front(failed);
    }

    /// The last one first.
    pub(super) fn all(&self) -> Vec<FailedCall> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept() {
        let failures = Failures::default();
        let failed = |number: usize| FailedCall {
            at: number.to_string(),
            operation: "account.get",
            operation_id: None,
            outcome: "trap",
            limit: None,
            reason: String::new(),
            backtrace: Vec::new(),
            plugin: FailedPlugin { name: String::new(), version: None, digest: String::new() },
        };
        (0..KEPT_MAX + 5).for_each(|number| failures.add(failed(number)));
        let kept: Vec<String> = failures.all().iter().map(|one| one.at.clone()).collect();
        let expected: Vec<String> = (5..KEPT_MAX + 5).rev().map(|at| at.to_string()).collect();
        assert_eq!(kept, expected);
    }
}
