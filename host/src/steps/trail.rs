//! What a call leaves behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the journal has to know of a call after it, also when the call ends without a word.
#[derive(Clone, Default)]
pub(crate) struct Trail(Arc<Mutex<Walked>>);

#[derive(Default)]
pub(super) struct Walked {
    /// Whether the operation is one that is taken up again.
    pub(super) opened: bool,
    /// The next of the recorded steps that were not asked for yet.
    pub(super) left: Option<String>,
    pub(super) diverged: Option<String>,
}

impl Trail {
    /// Whether the provider was asked for anything that must not be asked for twice.
    pub(crate) fn opened(&self) -> bool {
        self.lock().opened
    }

    /// What the call did otherwise than an earlier run of it, if it did; `ended` when it came to an end.
    pub(crate) fn diverged(&self, ended: bool) -> Option<String> {
        let walked = self.lock();
        let unasked = walked.left.as_ref().filter(|_| ended);
        let unasked =
            unasked.map(|left| format!("it ended without {left}, which it asked for before"));
        walked.diverged.clone().or(unasked)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Walked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
