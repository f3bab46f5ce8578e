//! Unpredictable bytes, as the host draws them: inside an operation they are the same in every replay.

#[cfg(target_family = "wasm")]
use crate::bindings::wasi::random::random as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::random as host;

/// This many bytes.
pub fn bytes(count: u64) -> Vec<u8> {
    host::get_random_bytes(count)
}

/// A number, each as likely as any other.
pub fn number() -> u64 {
    host::get_random_u64()
}
