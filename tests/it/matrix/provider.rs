//! What the matrix has to know of an adapter: its provider, what it can be asked for, and how to look into it.

use super::operation::Operation;
use super::third::Third;
use cnsp_tests::bodies::{self, Account, resource};
use cnsp_tests::fault_proxy::{Exchange, FaultProxy};
use serde_json::{Value, json};
use std::path::Path;

/// A provider to be looked into, whose adapter is tried.
pub(crate) trait Provider: Send + Sync + Sized {
    /// What the count says.
    const NAME: &'static str;
    /// The adapter.
    const PLUGIN: &'static str;
    /// All that the adapter changes.
    const OPERATIONS: &'static [Operation];
    /// Ends that are neither all nor nothing, each with its reason.
    const THIRDS: &'static [Third] = &[];
    /// How many cells run beside each other.
    const LANES: usize = 16;
    /// Fewer cells than these are not the matrix.
    const CELLS_MIN: usize;

    fn start() -> Self;
    /// What is ordered.
    fn sku() -> String;
    /// What stands between it and the host.
    fn proxy(&self) -> FaultProxy;
    /// TOML of an endpoint that reaches it at these origins, and waits so long for an answer.
    fn endpoint(&self, origins: &[String], folder: &Path, timeout_ms: u32) -> String;
    /// Forgets everything.
    fn clear(&self);
    /// All that it has, without ids: equal texts are equal ends.
    fn has(&self) -> Vec<String>;

    /// Whether who answers this, and has done nothing, says what is not true.
    fn is_lie(_exchange: &Exchange, _status: u16) -> bool {
        false
    }

    /// An account that is there and is not to be made.
    fn found(&self, _accountid: &str) -> Option<Account> {
        None
    }

    /// `POST /account`, for whom there is all that the provider wants beforehand.
    fn account(&self, accountid: &str) -> Value {
        bodies::account(accountid, &format!("ada.{accountid}@example.com"))
    }

    /// `POST /resource`, of what the operation is tried on.
    fn order(&self, _operation: Operation, account: &Account, requestid: &str) -> Value {
        resource(account, requestid, &Self::sku(), 2)
    }

    /// The parameters of an update.
    fn update(&self) -> Value {
        json!({ "license": 5 })
    }

    /// Those of an action of the adapter's own.
    fn parameters(&self) -> Value {
        json!({})
    }

    /// What is to be known right before the operation.
    fn prepare(&self) {}
}

/// Writes a secret; how a set-up names it.
pub(crate) fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    format!("{{ file = {path:?} }}")
}
