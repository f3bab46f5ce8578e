//! When endpoints are checked by themselves: each at its own moment of the interval, which follows from its name.
//!
//! So the endpoints spread over the interval however often the host is started, and one that was missed while no
//! host ran is made up for. One that failed is made again sooner: a provider may be mended at that same moment every night.

use super::Drift;
use crate::endpoints::Endpoint;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// How long the host sleeps at most before it looks again: the clock may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// After which part of the interval a check that failed is made again.
const AGAIN_AFTER: u64 = 8;

/// The last check of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// When it began, in seconds since 1970.
    pub(super) at_s: u64,
    /// Whether another one may come to its end.
    pub(super) failed: bool,
}

/// When an endpoint is due next. None: never.
fn due_s(endpoint: &str, interval_s: u64, last: Last) -> Option<u64> {
    let due = moment_after(endpoint, interval_s, last.at_s)?;
    let again = last.at_s.saturating_add((interval_s / AGAIN_AFTER).max(1));
    Some(if last.failed { due.min(again) } else { due })
}

/// The next moment of an endpoint after a time.
fn moment_after(endpoint: &str, interval_s: u64, last_s: u64) -> Option<u64> {
    let moment = xxh3_64(endpoint.as_bytes()).checked_rem(interval_s)?;
    let since = last_s.saturating_sub(moment);
    let passed = match last_s < moment {
        true => 0,
        false => since / interval_s + 1,
    };
    Some(moment.saturating_add(passed.saturating_mul(interval_s)))
}

impl Drift {
    /// How often an endpoint is checked by itself, in seconds.
    pub(super) fn check_s(&self, endpoint: &Endpoint) -> u64 {
        endpoint.record.drift_check_s.unwrap_or(self.settings.check_s)
    }

    /// When it is checked next.
    pub(super) fn next_s(&self, endpoint: &Endpoint) -> Option<u64> {
        due_s(endpoint.id(), self.check_s(endpoint), self.last_of(endpoint.id()))
    }

    /// Checks each endpoint when it is due, until the host stops.
    pub(crate) fn keep_checking(self: &Arc<Self>) {
        let drift = self.clone();
        self.tasks.spawn(async move {
            loop {
                let now = now_s();
                let mut sleep = LOOK_AGAIN;
                for endpoint in drift.endpoints.all().values() {
                    if drift.next_s(endpoint).is_some_and(|due| due <= now) {
                        drift.check(endpoint);
                    }
                    // One that is due and still running is looked at again soon.
                    let next = drift.next_s(endpoint).map(|due| due.saturating_sub(now).max(1));
                    sleep = next.map_or(sleep, |next| sleep.min(Duration::from_secs(next)));
                }
                tokio::select! {
                    () = tokio::time::sleep(sleep) => {}
                    () = drift.endpoints_changed.notified() => {}
                    () = drift.stopping.cancelled() => return,
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn endpoints_are_spread_over_the_interval() {
        const DAY: u64 = 86_400;
        let mut of_hours = [0_u32; 24];
        for number in 0..2400 {
            let last = Last { at_s: 100 * DAY, failed: false };
            let due = due_s(&format!("endpoint-{number}"), DAY, last).unwrap();
            of_hours[((due - 100 * DAY) / 3600).min(23) as usize] += 1;
        }
        assert!(of_hours.iter().all(|count| (50..200).contains(count)), "{of_hours:?}");
        assert_eq!(due_s("acme", 0, Last { at_s: 5, failed: true }), None);
    }

    proptest! {
        /// It is due once in each interval, at the same moment of it, whenever it was checked in between.
        #[test]
        fn it_is_due_within_an_interval(
            name in "[a-z]{1,10}",
            interval in 1_u64..10_000_000,
            last in 0_u64..4_000_000_000,
        ) {
            let due_s = |at_s, failed| due_s(&name, interval, Last { at_s, failed });
            let due = due_s(last, false).unwrap();
            prop_assert!(due > last && due - last <= interval);
            prop_assert_eq!(due_s(due, false).unwrap(), due + interval);
            prop_assert_eq!(due_s(due - 1, false).unwrap(), due);
            // One that failed is made again within an eighth of it, and never at once.
            let again = due_s(last, true).unwrap();
            prop_assert!(again > last && again <= due && again - last <= (interval / 8).max(1));
        }
    }
}
