//! The one thread that writes.
//!
//! It takes what waits as a group, checks the conditions of each commit against the tree and the group so
//! far, applies the survivors as one batch, and answers everybody after one sync. There is no timer: the
//! time of a sync is the window in which the next group gathers.

use super::super::{Condition, Key, Operation, StoreError, Tx};
use super::files::{Ballast, Head};
use super::health::Health;
use super::record;
use super::view::{self, History, Patch, ReadError};
use ::sled::{Batch, IVec, Tree};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::oneshot;

/// The most commits in one group.
const GROUP_COUNT_MAX: usize = 256;
/// A group that has reached this many bytes takes no more commits.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// What the writer is told.
pub(super) enum Message {
    /// Do this and answer.
    Commit(Box<Request>),
    /// End, after everything that was sent before.
    Close,
}

/// A commit that waits.
pub(super) struct Request {
    pub(super) tx: Tx,
    pub(super) bytes: usize,
    pub(super) since: Instant,
    pub(super) reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// How a group failed.
struct Fault {
    reason: String,
    /// Whether some of it may have reached the disk.
    applied: bool,
    /// Whether for want of space.
    disk_full: bool,
}

impl Fault {
    fn before(error: &::sled::Error) -> Fault {
        Fault { reason: format!("reading: {error}"), applied: false, disk_full: false }
    }

    fn engine(what: &str, error: &::sled::Error) -> Fault {
        let disk_full = matches!(error, ::sled::Error::Io(error) if is_disk_full(error));
        Fault { reason: format!("{what}: {error}"), applied: true, disk_full }
    }

    fn io(what: &str, error: &io::Error) -> Fault {
        Fault { reason: format!("{what}: {error}"), applied: true, disk_full: is_disk_full(error) }
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
    /// The last version that was given out.
    pub(super) version: u64,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) queued_bytes: Arc<AtomicUsize>,
}

impl Writer {
    /// Until [`Message::Close`], or until something fails.
    pub(super) fn run(mut self) {
        let mut open = true;
        while open && let Some((group, close)) = self.gather() {
            open = !close;
            if group.is_empty() {
                continue;
            }
            self.health.begin();
            let txs: Vec<&Tx> = group.iter().map(|request| &request.tx).collect();
            let outcome =
                catch_unwind(AssertUnwindSafe(|| self.write(&txs))).unwrap_or_else(|panic| {
                    let reason = format!("the engine panicked: {}", super::panic_text(&*panic));
                    Err(Fault { reason, applied: true, disk_full: false })
                });
            self.health.end();
            match outcome {
                // The watchdog may have given up on this group while it was at it. It is durable all the
                // same, and whoever still listens may hear so.
                Ok(answers) => {
                    for (request, answer) in group.into_iter().zip(answers) {
                        // Nobody may be waiting any more; the commit took place all the same.
                        let _ = request.reply.send(answer);
                    }
                    open &= !self.health.is_failed();
                }
                Err(fault) => {
                    self.fail(fault, group);
                    return;
                }
            }
        }
        if !self.health.is_failed()
            && let Err(error) = self.head.sync()
        {
            tracing::warn!(%error, "the head file of the store was not synced at the end");
        }
    }

    /// Waits for a commit and takes what else is waiting. Also tells whether to end after it.
    fn gather(&mut self) -> Option<(Vec<Request>, bool)> {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = self.queue.recv().ok()?;
        loop {
            match next {
                Message::Close => return Some((group, true)),
                Message::Commit(request) => {
                    self.queued_bytes.fetch_sub(request.bytes, Ordering::AcqRel);
                    metrics::gauge!("store_queue_depth").decrement(1.0);
                    metrics::histogram!("store_commit_seconds", "stage" => "queue")
                        .record(request.since.elapsed());
                    bytes += request.bytes;
                    group.push(*request);
                }
            }
            if group.len() >= GROUP_COUNT_MAX || bytes >= GROUP_BYTES_MAX {
                return Some((group, false));
            }
            match self.queue.try_recv() {
                Ok(message) => next = message,
                Err(_) => return Some((group, false)),
            }
        }
    }

    /// Does a group; when it returns, what it says is durable.
    fn write(&mut self, txs: &[&Tx]) -> Result<Vec<Result<u64, StoreError>>, Fault> {
        // The watchdog may have failed the store between two groups.
        if self.health.is_failed() {
            let reason = "stopped by the watchdog".to_owned();
            return Err(Fault { reason, applied: false, disk_full: false });
        }
        let begun = Instant::now();
        metrics::histogram!("store_group_size").record(txs.len() as f64);
        let mut plan = Plan::new(self.version);
        let answers = txs
            .iter()
            .map(|tx| plan.add(&self.tree, tx))
            .collect::<Result<Vec<Result<u64, StoreError>>, Fault>>()?;
        if plan.overlay.is_empty() {
            return Ok(answers);
        }

        let version_key = record::version_key();
        let envelope = record::seal(&version_key, plan.version, &[]);
        plan.overlay.insert(version_key, Some(IVec::from(envelope)));
        let mut batch = Batch::default();
        for (key, envelope) in plan.overlay {
            match envelope {
                Some(envelope) => batch.insert(key, envelope),
                None => batch.remove(key),
            }
        }

        let group = self.history.publish(plan.undo);
        self.tree.apply_batch(batch).map_err(|error| Fault::engine("apply_batch", &error))?;
        // sled's flush writes but does not sync (spacejam/sled#1452): it takes both.
        self.tree.flush().map_err(|error| Fault::engine("flush", &error))?;
        let applied = Instant::now();
        metrics::histogram!("store_commit_seconds", "stage" => "apply").record(applied - begun);
        (self.sync)().map_err(|error| {
            metrics::counter!("store_sync_errors_total").increment(1);
            Fault::io("fdatasync", &error)
        })?;
        metrics::histogram!("store_commit_seconds", "stage" => "sync").record(applied.elapsed());
        self.head.record(plan.version).map_err(|error| Fault::io("writing the head", &error))?;
        self.version = plan.version;
        self.history.settle(group);
        Ok(answers)
    }

    /// Stops the store and answers everybody who waits.
    fn fail(&mut self, fault: Fault, group: Vec<Request>) {
        self.health.fail(fault.reason.clone());
        if fault.disk_full {
            self.ballast.release();
        }
        for request in group {
            let _ = request.reply.send(Err(match fault.applied {
                true => StoreError::Unknown,
                false => StoreError::Stopped(fault.reason.clone()),
            }));
        }
        while let Ok(message) = self.queue.try_recv() {
            if let Message::Commit(request) = message {
                metrics::gauge!("store_queue_depth").decrement(1.0);
                let _ = request.reply.send(Err(StoreError::Stopped(fault.reason.clone())));
            }
        }
        self.health.announce();
    }
}

/// A group as it is put together.
struct Plan {
    /// What the group's keys will hold.
    overlay: Patch,
    /// What they hold now.
    undo: Patch,
    version: u64,
}

impl Plan {
    fn new(version: u64) -> Plan {
        Plan { overlay: Patch::new(), undo: Patch::new(), version }
    }

    /// Adds a commit, or tells why not. Only an engine that fails is a [`Fault`].
    fn add(&mut self, tree: &Tree, tx: &Tx) -> Result<Result<u64, StoreError>, Fault> {
        for condition in &tx.conditions {
            match self.holds(tree, condition) {
                Ok(true) => {}
                Ok(false) => {
                    metrics::counter!("store_conflicts_total").increment(1);
                    return Ok(Err(StoreError::Conflict(match condition {
                        Condition::Absent(key) | Condition::Version(key, _) => key.clone(),
                        Condition::Range(range, _) => view::start_key(range),
                    })));
                }
                Err(ReadError::Damaged(key)) => return Ok(Err(StoreError::Damaged(key))),
                Err(ReadError::Engine(error)) => return Err(Fault::before(&error)),
            }
        }
        // A commit that changes nothing has no version of its own.
        let changes = !tx.operations.is_empty() || tx.event.is_some();
        let version = self.version + u64::from(changes);

        // Reads come first: a damaged page must not leave half of a commit in the group.
        let mut writes = Vec::with_capacity(tx.operations.len() + 1);
        for operation in &tx.operations {
            let (key, value) = match operation {
                Operation::Put(key, value) => (key, Some(value)),
                Operation::Delete(key) => (key, None),
            };
            let disk_key = record::disk_key(key);
            match view::read_once(tree, &mut self.undo, key, &disk_key) {
                Ok(_) => {}
                Err(ReadError::Damaged(key)) => return Ok(Err(StoreError::Damaged(key))),
                Err(ReadError::Engine(error)) => return Err(Fault::before(&error)),
            }
            let envelope = value.map(|value| IVec::from(record::seal(&disk_key, version, value)));
            writes.push((disk_key, envelope));
        }
        if let Some(event) = &tx.event {
            let disk_key = record::event_key(tx.partition, version);
            // A version is new, so there was nothing at its key.
            self.undo.insert(disk_key.clone(), None);
            let envelope = IVec::from(record::seal(&disk_key, version, event));
            writes.push((disk_key, Some(envelope)));
        }
        self.overlay.extend(writes);
        self.version = version;
        Ok(Ok(version))
    }

    /// The version of a key, with what the group has done to it so far. A key that is only looked at joins
    /// the undo, where it says what the tree says: most keys are written too, and need not be read again.
    fn version_of(&mut self, tree: &Tree, key: &Key) -> Result<Option<u64>, ReadError> {
        let disk_key = record::disk_key(key);
        let envelope = match self.overlay.get(&disk_key) {
            Some(envelope) => envelope.as_ref(),
            None => view::read_once(tree, &mut self.undo, key, &disk_key)?,
        };
        Ok(view::decode(key, &disk_key, envelope)?.map(|found| found.version))
    }

    fn holds(&mut self, tree: &Tree, condition: &Condition) -> Result<bool, ReadError> {
        match condition {
            Condition::Absent(key) => Ok(self.version_of(tree, key)?.is_none()),
            Condition::Version(key, version) => Ok(self.version_of(tree, key)? == Some(*version)),
            Condition::Range(range, fingerprint) => {
                let page = view::scan(tree, range, |span| {
                    self.overlay
                        .range::<[u8], _>(span.bounds())
                        .map(|(key, envelope)| (key.clone(), envelope.clone()))
                        .collect()
                })?;
                Ok(page.fingerprint() == *fingerprint)
            }
        }
    }
}
