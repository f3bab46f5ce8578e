//! How fast one endpoint may send: its rate, and what its provider has asked for.

use crate::limits::fixed;
use crate::rate::Rate;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

const PAUSE_MAX: Duration = Duration::from_secs(fixed::RETRY_AFTER_S.max as u64);
const PAUSED_HOST_COUNT_MAX: usize = fixed::PAUSED_HOSTS.max;

/// The pace of one endpoint.
pub(super) struct Pace {
    rate: Rate,
    paused: HashMap<String, Instant>,
}

impl Pace {
    /// So many requests per second, and as many at once.
    pub(super) fn new(per_second: u64) -> Pace {
        Pace { rate: Rate::new(per_second, Duration::from_secs(1)), paused: HashMap::new() }
    }

    /// When a request may go out. Its place is taken.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        self.rate.next(now)
    }

    /// How long a host has asked to be left alone.
    pub(super) fn paused(&self, host: &str, now: Instant) -> Option<Duration> {
        self.paused.get(host)?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Notes that a host has asked for a pause.
    pub(super) fn pause(&mut self, host: &str, wait: Duration, now: Instant) {
        if self.paused.len() >= PAUSED_HOST_COUNT_MAX {
            self.paused.retain(|_, until| *until > now);
        }
        if self.paused.len() < PAUSED_HOST_COUNT_MAX {
            self.paused.insert(host.to_owned(), now + wait.min(PAUSE_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_and_is_never_longer_than_its_limit() {
        let mut pace = Pace::new(1);
        let now = Instant::now();
        pace.pause("a", Duration::from_secs(10), now);
        pace.pause("b", Duration::MAX, now);
        assert_eq!(pace.paused("a", now), Some(Duration::from_secs(10)));
        assert_eq!(pace.paused("a", now + Duration::from_secs(10)), None);
        assert_eq!(pace.paused("b", now), Some(PAUSE_MAX));
        assert_eq!(pace.paused("c", now), None);
        for number in 0..1000 {
            pace.pause(&number.to_string(), Duration::from_secs(1), now);
        }
        assert_eq!(pace.paused.len(), PAUSED_HOST_COUNT_MAX);
        // Those that are over make room.
        let later = now + Duration::from_secs(20);
        pace.pause("d", Duration::from_secs(1), later);
        assert!(pace.paused("d", later).is_some());
    }
}
