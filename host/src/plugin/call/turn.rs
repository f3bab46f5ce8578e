//! Who computes for long computes in turns.
//!
//! A call that is done within a tick of the epoch never waits here. One that goes on needs a turn for each
//! further tick, and there are fewer turns than cores: what is short always finds a core that nobody
//! computes on for long, however many guests try to. Turns go round first come, first served.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of the process.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

/// The turn of one call, while it has one.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<Mutex<Computing>>);

#[derive(Default)]
struct Computing {
    _permit: Option<OwnedSemaphorePermit>,
    /// Since when. None: it waits for something.
    since: Option<Instant>,
}

impl Turns {
    pub(crate) fn new() -> Turns {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Turns(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }

    /// Waits for the next turn of a call, behind everybody who waits already.
    pub(super) async fn next(self, turn: Turn) {
        tokio::task::yield_now().await;
        // Nobody closes it.
        let permit = self.0.acquire_owned().await.ok();
        turn.set(Computing { _permit: permit, since: Some(Instant::now()) });
    }
}

impl Turn {
    /// Of a call that begins to compute now, and needs no turn for its first tick.
    pub(super) fn begin() -> Turn {
        Turn(Arc::new(Mutex::new(Computing { _permit: None, since: Some(Instant::now()) })))
    }

    /// Lets the next one compute. Answers how long this one has since its last pause.
    pub(super) fn give_up(&self) -> Duration {
        self.set(Computing::default()).elapsed()
    }

    /// Stops its clock, and keeps the turn. Answers the same.
    pub(super) fn pause(&self) -> Duration {
        self.lock().since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Starts its clock.
    pub(super) fn resume(&self) {
        self.lock().since = Some(Instant::now());
    }

    fn set(&self, computing: Computing) -> Computing {
        std::mem::replace(&mut *self.lock(), computing)
    }

    fn lock(&self) -> MutexGuard<'_, Computing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Computing {
    fn elapsed(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
