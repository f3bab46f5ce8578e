//! Whether an endpoint's calls are heavy.

use super::LONG;
use super::watch::{QUICK, Taken};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the long stints of one endpoint may take of the quick threads in a while: others have their slowest hundredth
/// of calls then, and not more. As a divisor of the time.
const PART: u32 = 100;
/// What they may take at once, before the endpoint counts as heavy. Now and then a call that is quick has a stint of up
/// to 15 ms, where this was measured, on a virtual machine: that alone is not to send anybody away, since over there,
/// beside who computes long, every stint becomes longer.
const BURST: Duration = Duration::from_millis(25);
/// What is held against it at most: it is no longer heavy after [`PART`] times that much, less the burst, which is 10 s.
const HELD_MAX: Duration = Duration::from_millis(125);

/// What an endpoint takes of the processor.
#[derive(Default)]
pub(crate) struct Weight {
    long: Mutex<Option<Level>>,
    pub(super) taken: Taken,
}

/// A bucket that long stints fill and time drains.
#[derive(Clone, Copy)]
struct Level {
    at: Instant,
    held: Duration,
}

impl Weight {
    /// Takes down when a stint of one of its calls began and how long it was, and whether it was on the quick threads.
    pub(super) fn add(self: &Arc<Self>, began: Instant, stint: Duration, quick: bool) {
        let now = Instant::now();
        if quick {
            QUICK.add(self, stint, QUICK.moment(began), QUICK.moment(now));
        }
        if stint < LONG {
            return;
        }
        let mut level = self.long.lock().unwrap_or_else(PoisonError::into_inner);
        let held = level.map_or(Duration::ZERO, |level| level.after(now));
        *level = Some(Level { at: now, held: held.saturating_add(stint).min(HELD_MAX) });
    }

    /// Whether its calls have to begin on the heavy threads.
    pub(crate) fn is_heavy(&self) -> bool {
        let level = *self.long.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        level.is_some_and(|level| level.after(now) > BURST) || self.taken.is_away(QUICK.moment(now))
    }
}

#[cfg(test)]
impl Weight {
    /// How long from now on it would take until nothing is held any more.
    pub(super) fn held_for(&self) -> Duration {
        let level = *self.long.lock().unwrap();
        level.map_or(Duration::ZERO, |level| level.after(Instant::now()) * PART)
    }
}

impl Level {
    fn after(self, now: Instant) -> Duration {
        self.held.saturating_sub(now.saturating_duration_since(self.at) / PART)
    }
}
