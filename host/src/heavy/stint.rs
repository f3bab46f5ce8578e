//! How long a thread computes in one go.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often a thread's own clock is read at most. To read it is a system call, which took half a microsecond where
/// this was measured; the wall clock takes none.
const READ_EVERY: Duration = Duration::from_micros(250);

thread_local! {
    /// When this thread's clock was read last, and what it said.
    static READ: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// From when on a thread computes.
#[derive(Clone, Copy)]
pub(crate) struct Stint {
    began: Instant,
    /// What the thread's clock said, at most [`READ_EVERY`] before.
    clock: Duration,
}

/// What this thread has computed so far.
fn clock() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec.try_into().unwrap_or(0), tv_nsec.try_into().unwrap_or(0))
}

impl Stint {
    /// One that begins now.
    pub(crate) fn begin() -> Stint {
        let began = Instant::now();
        let read = READ.get().filter(|(at, _)| began.duration_since(*at) < READ_EVERY);
        let (_, clock) = read.unwrap_or_else(|| {
            let read = (began, clock());
            READ.set(Some(read));
            read
        });
        Stint { began, clock }
    }

    pub(crate) fn began(self) -> Instant {
        self.began
    }

    /// How long this very thread has computed since. Where the kernel let others run meanwhile, that is not counted,
    /// once it is so much that it matters; the result may then be [`READ_EVERY`] too much.
    pub(crate) fn computed(self) -> Duration {
        let passed = self.began.elapsed();
        if passed < READ_EVERY {
            return passed;
        }
        passed.min(clock().saturating_sub(self.clock))
    }
}
