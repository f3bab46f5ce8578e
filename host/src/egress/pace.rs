//! How fast one endpoint may send: its rate, and what its provider has asked for.

use crate::limits::fixed;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

const PAUSE_MAX: Duration = Duration::from_secs(fixed::RETRY_AFTER_S.max as u64);
const PAUSED_HOST_COUNT_MAX: usize = fixed::PAUSED_HOSTS.max;

/// The pace of one endpoint.
pub(super) struct Pace {
    /// The time that one request takes at the full rate.
    interval: Duration,
    /// How far ahead of the rate requests may run.
    burst: Duration,
    /// When the next request would be due at the full rate: the generic cell rate algorithm.
    due: Option<Instant>,
    paused: HashMap<String, Instant>,
}

impl Pace {
    /// So many requests per second, and as many at once.
    pub(super) fn new(per_second: u64) -> Pace {
        let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
        let burst = Duration::from_secs(1);
        Pace { interval: burst / per_second.max(1), burst, due: None, paused: HashMap::new() }
    }

    /// When a request may go out. Its place is taken.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let due = self.due.unwrap_or(now).max(now);
        self.due = Some(due + self.interval);
        // The last of a burst has to have its whole interval inside.
        now.max(due + self.interval - self.burst)
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_second_has_more_than_a_burst_and_the_rate(
            per_second in 1u32..50,
            gaps in prop::collection::vec(0u64..200, 1..200),
        ) {
            let mut pace = Pace::new(per_second.into());
            let mut now = Instant::now();
            let mut sent = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                sent.push(pace.next(now));
            }
            sent.sort();
            for (first, start) in sent.iter().enumerate() {
                let second = sent.iter().skip(first).take_while(|at| **at < *start + Duration::from_secs(1));
                prop_assert!(second.count() <= 2 * per_second as usize);
            }
        }

        #[test]
        fn who_is_slower_than_the_rate_never_waits(per_second in 1u32..50, count in 1usize..100) {
            let mut pace = Pace::new(per_second.into());
            let mut now = Instant::now();
            for _ in 0..count {
                prop_assert_eq!(pace.next(now), now);
                now += Duration::from_secs(1) / per_second + Duration::from_nanos(1);
            }
        }
    }

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
