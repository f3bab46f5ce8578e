//! Whether the store may still be used: once something failed, never again in this process.
//!
//! After a failed write or sync nobody knows what is on disk: the kernel may have dropped the dirty pages
//! and will report success the next time. So the first error is the last thing that happens; the process
//! ends and the next one recovers from what is really there.

use super::super::StoreError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the watchdog looks.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// What a commit goes through.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// One commit is checked and joins its group.
    Plan,
    /// One group is written and synced.
    Write,
}

/// The state of health, shared by readers, the planner, the writer and the watchdog.
pub(super) struct Health {
    failure: OnceLock<String>,
    closed: AtomicBool,
    announced: watch::Sender<bool>,
    /// When each stage began what it is at, in milliseconds since `epoch`, plus one; 0 while it waits.
    busy_since: [AtomicU64; 2],
    epoch: Instant,
}

impl Health {
    pub(super) fn new() -> Health {
        Health {
            failure: OnceLock::new(),
            closed: AtomicBool::new(false),
            announced: watch::Sender::new(false),
            busy_since: Default::default(),
            epoch: Instant::now(),
        }
    }

    /// Nothing, while the store works.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            Some(reason) => Err(StoreError::Stopped(reason.clone())),
            None if self.closed.load(Ordering::Acquire) => Err(closed()),
            None => Ok(()),
        }
    }

    /// Refuses everything from now on. Say so with [`Health::announce`] when the waiting are answered.
    pub(super) fn fail(&self, reason: String) {
        let mut first = false;
        self.failure.get_or_init(|| {
            first = true;
            reason.clone()
        });
        if first {
            tracing::error!(reason, "the store has stopped");
        } else {
            tracing::error!(reason, "the store, already stopped, failed again");
        }
    }

    /// Wakes everybody who waits in [`Health::failed`].
    pub(super) fn announce(&self) {
        self.announced.send_replace(true);
    }

    /// Whether it failed.
    pub(super) fn is_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Refuses everything from now on, since the owner is done with it.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Waits for a failure and tells what it was.
    pub(super) async fn failed(&self) -> String {
        let mut announced = self.announced.subscribe();
        // An error would mean that the sender is gone, and it is in `self`.
        while announced.wait_for(|failed| *failed).await.is_err() {}
        self.failure.get().cloned().unwrap_or_default()
    }

    /// A stage begins on something.
    pub(super) fn begin(&self, stage: Stage) {
        self.mark(stage, self.now().saturating_add(1));
    }

    /// And is done with it.
    pub(super) fn end(&self, stage: Stage) {
        self.mark(stage, 0);
    }

    fn mark(&self, stage: Stage, since: u64) {
        let [plan, write] = &self.busy_since;
        let mark = match stage {
            Stage::Plan => plan,
            Stage::Write => write,
        };
        mark.store(since, Ordering::Release);
    }

    /// Starts a thread that fails the store when a stage takes longer than `stall_max`; it ends when the
    /// sender is dropped. sled has known deadlocks, and a disk may hang: a stuck process must be replaced.
    pub(super) fn watch(
        self: &Arc<Health>,
        stall_max: Duration,
    ) -> std::io::Result<mpsc::Sender<()>> {
        let (stop, stopped) = mpsc::channel::<()>();
        let health = Arc::clone(self);
        let interval = WATCH_INTERVAL.min(stall_max / 2);
        std::thread::Builder::new().name("store-watchdog".to_owned()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(mpsc::RecvTimeoutError::Timeout) {
                let limit = u64::try_from(stall_max.as_millis()).unwrap_or(u64::MAX);
                let stalled = health.busy_since.iter().any(|since| {
                    let since = since.load(Ordering::Acquire);
                    since != 0 && health.now().saturating_sub(since) > limit
                });
                if stalled {
                    health.fail(format!("a group of commits took longer than {stall_max:?}"));
                    health.announce();
                    return;
                }
            }
        })?;
        Ok(stop)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The answer after [`Health::close`].
pub(super) fn closed() -> StoreError {
    StoreError::Stopped("it was closed".to_owned())
}
