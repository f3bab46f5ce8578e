//! The import `wasi:clocks/wall-clock`.

use crate::plugin::CallState;
use crate::plugin::bindings::wasi::clocks::wall_clock;
use std::time::{SystemTime, UNIX_EPOCH};
use wall_clock::Datetime;

impl wall_clock::Host for CallState {
    fn now(&mut self) -> Datetime {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
    }

    fn resolution(&mut self) -> Datetime {
        Datetime { seconds: 0, nanoseconds: 1 }
    }
}
