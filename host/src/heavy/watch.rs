//! Who takes what of the quick threads, and who has to leave them.
//!
//! Endpoints may take a part of the machine there, so that whoever is quick finds a core. When all of them together take
//! more, those have to leave who take more than a fair part of it: the room that the others leave, in equal parts. Where
//! they go they may take all that is left.

use super::weight::Weight;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the quick threads are watched before somebody has to leave. For so long everybody waits who is quick: that
/// is less than a hundredth of [`AWAY`], so the slowest hundredth of their calls does not have it.
const EVERY: Duration = Duration::from_millis(25);
/// How long who took too much stays away.
const AWAY: Duration = Duration::from_secs(10);
/// What endpoints may take of the machine, as a divisor of its cores. With two cores that is one of them.
const ROOM: u64 = 2;

/// Who overlaps for less than so much of its time is one caller, whose last connection ends while the next one begins.
/// As a divisor of the time.
const PARALLEL: u64 = 8;

/// Of the quick threads of this process.
pub(super) static QUICK: LazyLock<Watch> = LazyLock::new(|| {
    Watch::new(std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64))
});

pub(super) struct Watch {
    /// Moments are nanoseconds since then.
    began: Instant,
    /// When to look next.
    next: AtomicU64,
    /// Those who have taken something since the last look.
    takers: Mutex<Vec<Arc<Weight>>>,
    cores: u64,
}

/// What one endpoint takes of them.
#[derive(Default)]
pub(super) struct Taken {
    /// Nanoseconds, since the last look.
    since: AtomicU64,
    /// When its last stint ended.
    ended: AtomicU64,
    /// For how long its stints have overlapped, since the last look. One call at a time fills one thread, of several, and
    /// nobody waits for it: a single caller is not to be taken for a flood.
    overlapped: AtomicU64,
    /// The moment until which it is away.
    away: AtomicU64,
}

impl Taken {
    pub(super) fn is_away(&self, now: u64) -> bool {
        self.away.load(Ordering::Relaxed) > now
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Watch {
    fn new(cores: u64) -> Watch {
        let next = AtomicU64::new(nanos(EVERY));
        Watch { began: Instant::now(), next, takers: Mutex::default(), cores }
    }

    pub(super) fn moment(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.began))
    }

    /// Takes down a stint on the quick threads that began then and is over now.
    pub(super) fn add(&self, weight: &Arc<Weight>, stint: Duration, began: u64, now: u64) {
        let taken = &weight.taken;
        let overlapped = taken.ended.fetch_max(now, Ordering::Relaxed).saturating_sub(began);
        taken.overlapped.fetch_add(overlapped.min(nanos(stint)), Ordering::Relaxed);
        // Whoever empties the list takes this with it, and the next one puts it there again.
        if taken.since.fetch_add(nanos(stint).max(1), Ordering::Relaxed) == 0 {
            self.takers.lock().unwrap_or_else(PoisonError::into_inner).push(weight.clone());
        }
        let due = self.next.load(Ordering::Relaxed);
        if now < due {
            return;
        }
        let next = now.saturating_add(nanos(EVERY));
        // One of them looks.
        if self.next.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.look(now, (now - due).saturating_add(nanos(EVERY)));
        }
    }

    /// Sends away who took too much in this time.
    fn look(&self, now: u64, time: u64) {
        let takers =
            std::mem::take(&mut *self.takers.lock().unwrap_or_else(PoisonError::into_inner));
        let taken = takers.into_iter().map(|taker| {
            let Taken { since, overlapped, .. } = &taker.taken;
            let took = since.swap(0, Ordering::Relaxed);
            let parallel = overlapped.swap(0, Ordering::Relaxed) > took / PARALLEL;
            (took, (taker, parallel))
        });
        let room = time.saturating_mul(self.cores) / ROOM;
        for (taker, parallel) in too_much(taken.collect(), room) {
            if parallel {
                taker.taken.away.store(now.saturating_add(nanos(AWAY)), Ordering::Relaxed);
            }
        }
    }
}

/// Those who have taken more than a fair part of the room: the max-min fair allocation's ones that are not satisfied.
fn too_much<T>(mut taken: Vec<(u64, T)>, room: u64) -> impl Iterator<Item = T> {
    taken.sort_unstable_by_key(|(taken, _)| *taken);
    let (mut left, mut others) = (room, taken.len() as u64);
    let fit = taken.iter().take_while(|(taken, _)| {
        let fits = *taken <= left / others;
        left = left.saturating_sub(*taken);
        others -= 1;
        fits
    });
    let fit = fit.count();
    taken.into_iter().skip(fit).map(|(_, taker)| taker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights<const N: usize>() -> [Arc<Weight>; N] {
        std::array::from_fn(|_| Arc::default())
    }

    /// What one does all the time that a watch of two cores lasts: so much of a core each.
    fn work(watch: &Watch, from: Duration, to: Duration, of_a_core: &[(&Arc<Weight>, f64)]) {
        const STEP: Duration = Duration::from_micros(500);
        let mut at = from;
        while at < to {
            at += STEP;
            for (weight, of_a_core) in of_a_core {
                let stint = STEP.mul_f64(*of_a_core);
                watch.add(weight, stint, nanos(at.saturating_sub(stint)), nanos(at));
            }
        }
    }

    fn is_away(weight: &Weight, at: Duration) -> bool {
        weight.taken.is_away(nanos(at))
    }

    #[test]
    fn who_takes_most_leaves_and_who_takes_less_stays() {
        let watch = Watch::new(2);
        let [flood, good, idle] = weights();
        let end = Duration::from_millis(60);
        work(&watch, Duration::ZERO, end, &[(&flood, 1.2), (&good, 0.3), (&idle, 0.01)]);
        assert_eq!([&flood, &good, &idle].map(|one| is_away(one, end)), [true, false, false]);
        // It comes back, and if it is as before, it leaves at once.
        let back = end + AWAY;
        assert!(!is_away(&flood, back));
        let end = back + 2 * EVERY;
        work(&watch, back, end, &[(&flood, 1.2)]);
        assert!(is_away(&flood, end));
    }

    #[test]
    fn what_all_take_together_is_no_ones_fault_while_there_is_room() {
        let watch = Watch::new(2);
        let [one, other] = weights();
        let end = Duration::from_secs(1);
        work(&watch, Duration::ZERO, end, &[(&one, 0.8), (&other, 0.15)]);
        assert_eq!([&one, &other].map(|one| is_away(one, end)), [false, false]);
        // A burst after an idle while is looked at with that while.
        let later = end + Duration::from_secs(1);
        watch.add(
            &one,
            Duration::from_millis(50),
            nanos(later - Duration::from_millis(50)),
            nanos(later),
        );
        assert!(!is_away(&one, later));
    }

    #[test]
    fn one_call_at_a_time_is_no_flood() {
        let watch = Watch::new(2);
        let [one, flood] = weights();
        let end = Duration::from_millis(100);
        work(&watch, Duration::ZERO, end, &[(&one, 1.0), (&flood, 1.5)]);
        assert_eq!([&one, &flood].map(|one| is_away(one, end)), [false, true]);
    }

    proptest! {
        #[test]
        fn those_who_stay_have_room_and_nobody_stays_who_took_more_than_one_that_left(
            taken in prop::collection::vec(0_u64..1000, 0..20),
            room in 0_u64..3000,
        ) {
            let all: Vec<(u64, u64)> = taken.iter().map(|taken| (*taken, *taken)).collect();
            let mut left: Vec<u64> = too_much(all, room).collect();
            left.sort_unstable();
            let stays = taken.iter().sum::<u64>() - left.iter().sum::<u64>();
            prop_assert!(stays <= room);
            prop_assert_eq!(left.is_empty(), taken.iter().sum::<u64>() <= room);
            // What is left to each of those who left is less than it took.
            if let Some(least) = left.first() {
                prop_assert!(*least > (room - stays) / left.len() as u64);
                prop_assert!(taken.iter().filter(|one| *one > least).count() < left.len());
            }
        }
    }
}
