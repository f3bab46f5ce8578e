//! The operation that this call is part of.

#[cfg(target_family = "wasm")]
use crate::bindings::cnsp::adapter::operation as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::operation as host;
use crate::types::Failure;

/// The same for every run of one operation, and different for every other. None outside of one.
pub fn id() -> Option<String> {
    host::id()
}

/// As [`id`], where the host always runs an operation: in every function that changes something.
pub fn require_id() -> Result<String, Failure> {
    id().ok_or_else(|| Failure::refused(500, "The host ran a change outside of an operation."))
}

/// 1 for the first run of the function, and one more for each run after it.
pub fn attempt() -> u32 {
    host::attempt()
}

/// The token of the pending that the call before answered. None at the first call.
pub fn token() -> Option<String> {
    host::token()
}
