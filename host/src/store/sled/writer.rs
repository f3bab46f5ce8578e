//! The one thread that writes.
//!
//! It applies each group that the planner hands it as one batch, and answers everybody after one sync.

use super::super::StoreError;
use super::files::{Ballast, Head};
use super::health::{Health, Stage};
use super::plan::Group;
use super::queue::Queue;
use super::view::History;
use ::sled::Tree;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// How a group failed.
struct Fault {
    reason: String,
    /// Whether for want of space.
    disk_full: bool,
}

impl Fault {
    fn engine(what: &str, error: &::sled::Error) -> Fault {
        let disk_full = matches!(error, ::sled::Error::Io(error) if is_disk_full(error));
        Fault { reason: format!("{what}: {error}"), disk_full }
    }

    fn io(what: &str, error: &io::Error) -> Fault {
        Fault { reason: format!("{what}: {error}"), disk_full: is_disk_full(error) }
    }
}

/// Whether an error says that there is no space.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The writer's state.
pub(super) struct Writer {
    pub(super) tree: Tree,
    pub(super) history: Arc<History>,
    pub(super) health: Arc<Health>,
    /// Makes everything that was flushed durable: `fdatasync` of sled's file.
    pub(super) sync: Box<dyn FnMut() -> io::Result<()> + Send>,
    pub(super) head: Head,
    pub(super) ballast: Ballast,
    pub(super) queue: Arc<Queue>,
    pub(super) groups: mpsc::Receiver<Group>,
}

impl Writer {
    /// Until the planner ends, or until something fails.
    pub(super) fn run(mut self) {
        while let Ok(mut group) = self.groups.recv() {
            metrics::histogram!("store_group_size").record(group.answers.len() as f64);
            let answers = std::mem::take(&mut group.answers);
            for (_, _, since) in &answers {
                metrics::histogram!("store_commit_seconds", "stage" => "queue")
                    .record(since.elapsed());
            }
            self.health.begin(Stage::Write);
            let written =
                catch_unwind(AssertUnwindSafe(|| self.write(group))).unwrap_or_else(|panic| {
                    let reason = format!("the engine panicked: {}", super::panic_text(&*panic));
                    Err(Fault { reason, disk_full: false })
                });
            self.health.end(Stage::Write);
            if let Err(fault) = &written {
                self.health.fail(fault.reason.clone());
                if fault.disk_full {
                    self.ballast.release();
                }
            }
            for (reply, answer, _) in answers {
                // Nobody may be waiting any more; the commit took place all the same.
                let _ = reply.send(match written {
                    Ok(()) => answer,
                    Err(_) => Err(StoreError::Unknown),
                });
            }
            self.queue.written();
            // The watchdog may have given up on this group while it was written. It is durable all the
            // same, and whoever still listened has heard so.
            if self.health.is_failed() {
                // The planner tells everybody else.
                return;
            }
        }
        if !self.health.is_failed()
            && let Err(error) = self.head.sync()
        {
            tracing::warn!(%error, "the head file of the store was not synced at the end");
        }
    }

    /// Writes a group; when it returns, the group is durable.
    fn write(&mut self, group: Group) -> Result<(), Fault> {
        let Some(batch) = group.batch else { return Ok(()) };
        let mut begun = Instant::now();
        let undone = self.history.publish(group.undo);
        self.tree.apply_batch(batch).map_err(|error| Fault::engine("apply_batch", &error))?;
        stage("apply", &mut begun);
        // sled's flush writes but does not sync (spacejam/sled#1452): it takes both.
        self.tree.flush().map_err(|error| Fault::engine("flush", &error))?;
        stage("flush", &mut begun);
        (self.sync)().map_err(|error| {
            metrics::counter!("store_sync_errors_total").increment(1);
            Fault::io("fdatasync", &error)
        })?;
        stage("sync", &mut begun);
        self.head.record(group.version).map_err(|error| Fault::io("writing the head", &error))?;
        self.history.settle(undone);
        Ok(())
    }
}

/// Records how long a stage of a group took, and begins the next.
fn stage(name: &'static str, begun: &mut Instant) {
    let now = Instant::now();
    metrics::histogram!("store_commit_seconds", "stage" => name).record(now - *begun);
    *begun = now;
}
