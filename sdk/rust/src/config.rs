//! What the vendor set for this endpoint. Not for secrets.

#[cfg(target_family = "wasm")]
use crate::bindings::cnsp::adapter::config as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::config as host;
use crate::types::Failure;

/// The setting of this name.
pub fn get(name: &str) -> Option<String> {
    host::get(name)
}

/// The setting of this name, or the failure that says that the vendor has to set it.
pub fn require(name: &str) -> Result<String, Failure> {
    get(name).ok_or_else(|| {
        Failure::refused(
            500,
            format!("The endpoint has no setting `{name}`; its vendor must set it."),
        )
    })
}
