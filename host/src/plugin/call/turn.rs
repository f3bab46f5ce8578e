//! Who computes for long computes in turns.
//!
//! A call that is done within a tick of the epoch never waits here. One that goes on needs a turn for each
//! further tick, and there are fewer turns than cores: what is short always finds a core that nobody
//! computes on for long, however many guests try to. Turns go round first come, first served.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of the process.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

/// The turn of one call, while it has one.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Turns {
    pub(crate) fn new() -> Turns {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Turns(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }

    /// Waits for the next turn of a call, behind everybody who waits already.
    pub(super) async fn next(self, turn: Turn) {
        tokio::task::yield_now().await;
        // Nobody closes it.
        turn.set(self.0.acquire_owned().await.ok());
    }
}

impl Turn {
    /// Lets the next one compute.
    pub(super) fn give_up(&self) {
        self.set(None);
    }

    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}
