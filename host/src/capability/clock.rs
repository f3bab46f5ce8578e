//! The imports `wasi:clocks/wall-clock` and `monotonic-clock`.

use crate::plugin::CallState;
use crate::plugin::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wall_clock::Datetime;

impl wall_clock::Host for CallState {
    fn now(&mut self) -> Datetime {
        let now = match &mut self.operation {
            // It stands still between two requests: else no run of an operation would be like another.
            Some(operation) => Duration::from_millis(operation.steps.now_ms()),
            None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        };
        Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
    }

    fn resolution(&mut self) -> Datetime {
        Datetime { seconds: 0, nanoseconds: 1 }
    }
}

/// What a monotonic clock counts from means nothing; the first look at it will do.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl monotonic_clock::Host for CallState {
    fn now(&mut self) -> u64 {
        match &mut self.operation {
            Some(operation) => operation.steps.now_ms().saturating_mul(1_000_000),
            None => u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    fn resolution(&mut self) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use std::sync::Arc;

    #[test]
    fn the_monotonic_clock_does_not_go_back_and_the_other_tells_the_time() {
        let mut state = CallState::for_test(Arc::new(MemoryStore::default()), false);
        let first = monotonic_clock::Host::now(&mut state);
        assert!(monotonic_clock::Host::now(&mut state) >= first);
        let now = wall_clock::Host::now(&mut state);
        assert!(now.seconds > 1_700_000_000 && now.nanoseconds < 1_000_000_000);
    }
}
