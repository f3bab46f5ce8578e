//! The CPU clock of one call: it runs while the call is polled, and stands while it waits.

use crate::heavy::{self, Stint, Weight};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shared by the call, which runs inside its store, and by what polls it.
#[derive(Clone)]
pub(super) struct Clock(Arc<Mutex<Computing>>);

struct Computing {
    /// In all stints that are over.
    before: Duration,
    /// None: it waits.
    stint: Option<Stint>,
}

/// What a clock shows.
pub(super) struct Shown {
    /// What the call has computed altogether.
    pub(super) total: Duration,
    /// Of that, what it has in one go until now.
    pub(super) stint: Duration,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock(Arc::new(Mutex::new(Computing { before: Duration::ZERO, stint: None })))
    }

    pub(super) fn show(&self) -> Shown {
        let computing = self.lock();
        let stint = computing.stint.map_or(Duration::ZERO, Stint::computed);
        Shown { total: computing.before + stint, stint }
    }

    /// Runs the call, and adds its stints to `weight`: to copy all memory is one instruction, and to read a long answer
    /// is not the guest's doing.
    pub(super) async fn time<F: Future>(&self, weight: &Arc<Weight>, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.lock().stint = Some(Stint::begin());
            let polled = call.as_mut().poll(context);
            let mut computing = self.lock();
            if let Some(stint) = computing.stint.take() {
                let computed = stint.computed();
                computing.before += computed;
                heavy::add(weight, stint.began(), computed);
            }
            polled
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Computing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
