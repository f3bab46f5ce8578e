//! How often something may happen: the generic cell rate algorithm.

use std::time::Duration;
use tokio::time::Instant;

/// So often, and in bursts that are bounded.
pub(crate) struct Rate {
    /// The time that one takes at the full rate.
    interval: Duration,
    /// How far ahead of the rate it may run.
    burst: Duration,
    /// When the next one would be due at the full rate.
    due: Option<Instant>,
}

impl Rate {
    /// So many per second, and at once as many as are due in `burst`.
    pub(crate) fn new(per_second: u64, burst: Duration) -> Rate {
        let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
        Rate { interval: Duration::from_secs(1) / per_second.max(1), burst, due: None }
    }

    /// When the next one may happen. Its place is taken.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        let due = self.due.unwrap_or(now).max(now);
        self.due = Some(due + self.interval);
        // The last of a burst has to have its whole interval inside.
        now.max(due + self.interval - self.burst)
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
            let mut rate = Rate::new(per_second.into(), Duration::from_secs(1));
            let mut now = Instant::now();
            let mut sent = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                sent.push(rate.next(now));
            }
            sent.sort();
            for (first, start) in sent.iter().enumerate() {
                let second = sent.iter().skip(first).take_while(|at| **at < *start + Duration::from_secs(1));
                prop_assert!(second.count() <= 2 * per_second as usize);
            }
        }

        #[test]
        fn who_is_slower_than_the_rate_never_waits(per_second in 1u32..50, count in 1usize..100) {
            let mut rate = Rate::new(per_second.into(), Duration::from_secs(1));
            let mut now = Instant::now();
            for _ in 0..count {
                prop_assert_eq!(rate.next(now), now);
                now += Duration::from_secs(1) / per_second + Duration::from_nanos(1);
            }
        }
    }
}
