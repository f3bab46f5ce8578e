//! Which operations run just now, so that nobody decides about one that does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// By endpoint and id.
#[derive(Default)]
pub(super) struct Running {
    names: Mutex<HashSet<(String, String)>>,
    ended: Notify,
}

/// An operation that runs, until this is dropped.
pub(super) struct Run {
    running: Arc<Running>,
    name: (String, String),
}

impl Running {
    pub(super) fn begin(self: &Arc<Running>, endpoint: &str, id: &str) -> Run {
        let name = (endpoint.to_owned(), id.to_owned());
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Run { running: self.clone(), name }
    }

    /// Waits until an operation does not run, if it does.
    pub(super) async fn end(&self, endpoint: &str, id: &str) {
        let name = (endpoint.to_owned(), id.to_owned());
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Before the look: what ends in between is not missed.
            ended.as_mut().enable();
            if !self.names.lock().unwrap_or_else(PoisonError::into_inner).contains(&name) {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        self.running.ended.notify_waiters();
    }
}
