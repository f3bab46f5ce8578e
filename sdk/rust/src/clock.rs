//! The time of day, as the host tells it: inside an operation it is the same again in every replay.

#[cfg(target_family = "wasm")]
use crate::bindings::wasi::clocks::wall_clock as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::wall_clock as host;
use std::time::Duration;

/// Since 1970-01-01T00:00:00Z, leap seconds left out.
pub fn now() -> Duration {
    let now = host::now();
    Duration::new(now.seconds, now.nanoseconds)
}
