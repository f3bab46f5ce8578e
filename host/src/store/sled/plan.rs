//! The thread that puts groups together.
//!
//! It checks the conditions of each commit against the tree, the group that the writer is at, and its own
//! group so far. That takes as long as a sync or two, so it is done while the writer is busy: the time of a
//! write is the window in which the next group gathers. There is no timer.

use super::super::{Condition, Key, Operation, StoreError, Tx};
use super::health::{Health, Stage};
use super::keys::Keys;
use super::queue::{Next, Queue, Reply, Request, Size};
use super::record;
use super::uses::Uses;
use super::view::{self, Patch, ReadError};
use ::sled::{Batch, IVec, Tree};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// A group that is ready to be written.
pub(super) struct Group {
    /// None if nothing changes: then there are only answers.
    pub(super) batch: Option<Batch>,
    /// What the keys of the batch hold before it.
    pub(super) undo: Patch,
    /// The last version of the group.
    pub(super) version: u64,
    /// What is answered when it is durable, to whom, who has waited since when.
    pub(super) answers: Vec<(Reply, Result<u64, StoreError>, Instant)>,
}

/// The planner's state.
pub(super) struct Planner {
    pub(super) tree: Tree,
    pub(super) keys: Arc<Keys>,
    pub(super) uses: Arc<Uses>,
    pub(super) health: Arc<Health>,
    pub(super) queue: Arc<Queue>,
    pub(super) writer: mpsc::SyncSender<Group>,
    /// The last version that was given out.
    pub(super) version: u64,
}

impl Planner {
    /// Until the queue is closed and empty, or until something fails.
    pub(super) fn run(mut self) {
        let mut plan = Plan::new(self.version, Patch::new());
        let planned = catch_unwind(AssertUnwindSafe(|| self.plan(&mut plan)));
        let reason = match planned {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("reading: {error}")),
            Err(panic) => Some(format!("the engine panicked: {}", super::panic_text(&*panic))),
        };
        if let Some(reason) = reason {
            self.health.fail(reason);
        }
        if !self.health.is_failed() {
            return;
        }
        // What was never begun did certainly not happen.
        let planned = plan.answers.into_iter().map(|(reply, ..)| reply);
        for reply in planned.chain(self.queue.drain().into_iter().map(|request| request.reply)) {
            let _ = reply.send(self.health.check().map(|()| 0));
        }
        self.health.announce();
    }

    fn plan(&mut self, plan: &mut Plan) -> ::sled::Result<()> {
        loop {
            match self.queue.next(plan.size) {
                Next::Plan(request) => {
                    self.health.begin(Stage::Plan);
                    plan.take(&self.tree, &self.keys, &self.uses, *request)?;
                    self.health.end(Stage::Plan);
                }
                Next::Write => {
                    let (group, overlay) = plan.finish();
                    *plan = Plan::new(group.version, overlay);
                    // It waits, so it takes it at once; without a writer, nobody needs a planner.
                    if self.writer.send(group).is_err() {
                        return Ok(());
                    }
                }
                Next::End => return Ok(()),
            }
        }
    }
}

/// A group as it is put together.
struct Plan {
    /// What the keys of the group before will hold: it may be on its way to the tree.
    before: Patch,
    /// What the group's keys will hold.
    overlay: Patch,
    /// What they hold before it.
    undo: Patch,
    version: u64,
    size: Size,
    answers: Vec<(Reply, Result<u64, StoreError>, Instant)>,
}

impl Plan {
    fn new(version: u64, before: Patch) -> Plan {
        Plan {
            before,
            overlay: Patch::new(),
            undo: Patch::new(),
            version,
            size: Size::default(),
            answers: Vec::new(),
        }
    }

    /// The group, and what its keys will hold.
    fn finish(&mut self) -> (Group, Patch) {
        let mut overlay = std::mem::take(&mut self.overlay);
        let mut batch = None;
        if !overlay.is_empty() {
            let version_key = record::version_key();
            let envelope = record::seal(&version_key, self.version, &[]);
            overlay.insert(version_key, Some(IVec::from(envelope)));
            let batch = batch.get_or_insert_with(Batch::default);
            for (key, envelope) in &overlay {
                match envelope {
                    Some(envelope) => batch.insert(key.as_slice(), envelope.clone()),
                    None => batch.remove(key.as_slice()),
                }
            }
        }
        let group = Group {
            batch,
            undo: std::mem::take(&mut self.undo),
            version: self.version,
            answers: std::mem::take(&mut self.answers),
        };
        (group, overlay)
    }

    /// Adds a commit and what is to be answered to it. Only an engine that fails is an error.
    fn take(
        &mut self,
        tree: &Tree,
        keys: &Keys,
        uses: &Uses,
        request: Request,
    ) -> ::sled::Result<()> {
        let (answer, failure) = match self.add(tree, keys, uses, &request.tx) {
            Ok(version) => (Ok(version), None),
            Err(Refusal::Commit(error)) => (Err(error), None),
            Err(Refusal::Engine(error)) => {
                (Err(StoreError::Stopped(error.to_string())), Some(error))
            }
        };
        self.size.add(request.size);
        self.answers.push((request.reply, answer, request.since));
        failure.map_or(Ok(()), Err)
    }

    /// Adds a commit. Answers the version that it makes.
    fn add(&mut self, tree: &Tree, keys: &Keys, uses: &Uses, tx: &Tx) -> Result<u64, Refusal> {
        for condition in &tx.conditions {
            if !self.holds(tree, keys, condition)? {
                metrics::counter!("store_conflicts_total").increment(1);
                return Err(Refusal::Commit(StoreError::Conflict(match condition {
                    Condition::Absent(key) | Condition::Version(key, _) => key.clone(),
                    Condition::Range(range, _) => view::start_key(range),
                })));
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
            self.held(tree, keys, key, &disk_key)?;
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
        for (disk_key, _) in writes.iter().filter(|(_, envelope)| envelope.is_some()) {
            keys.add(disk_key);
        }
        let guests =
            writes.iter().filter(|(disk_key, _)| disk_key.first() == Some(&record::KV_SPACE));
        uses.written(guests.map(|(disk_key, after)| {
            let before = self.overlay.get(disk_key).or_else(|| self.undo.get(disk_key));
            (disk_key.as_slice(), before.and_then(Option::as_ref), after.as_ref())
        }));
        self.overlay.extend(writes);
        self.version = version;
        Ok(version)
    }

    /// What a key holds before the group. It joins the undo even if it is only looked at: most keys are
    /// written too, and need not be read again.
    fn held(
        &mut self,
        tree: &Tree,
        keys: &Keys,
        key: &Key,
        disk_key: &[u8],
    ) -> Result<Option<&IVec>, ReadError> {
        if !self.undo.contains_key(disk_key) {
            let found = match self.before.get(disk_key) {
                Some(envelope) => envelope.clone(),
                None if keys.may_hold(disk_key) => view::at(key, tree.get(disk_key))?,
                None => None,
            };
            self.undo.insert(disk_key.to_vec(), found);
        }
        Ok(self.undo.get(disk_key).and_then(Option::as_ref))
    }

    /// The version of a key, with what the group has done to it so far.
    fn version_of(
        &mut self,
        tree: &Tree,
        keys: &Keys,
        key: &Key,
    ) -> Result<Option<u64>, ReadError> {
        let disk_key = record::disk_key(key);
        let found = match self.overlay.get(&disk_key) {
            Some(envelope) => view::decode(key, &disk_key, envelope.as_ref()),
            None => view::decode(key, &disk_key, self.held(tree, keys, key, &disk_key)?),
        };
        Ok(found?.map(|found| found.version))
    }

    fn holds(
        &mut self,
        tree: &Tree,
        keys: &Keys,
        condition: &Condition,
    ) -> Result<bool, ReadError> {
        match condition {
            Condition::Absent(key) => Ok(self.version_of(tree, keys, key)?.is_none()),
            Condition::Version(key, version) => {
                Ok(self.version_of(tree, keys, key)? == Some(*version))
            }
            Condition::Range(range, fingerprint) => {
                let page = view::scan(tree, range, |span| {
                    let both = [&self.before, &self.overlay];
                    let rows = both.iter().flat_map(|patch| patch.range::<[u8], _>(span.bounds()));
                    rows.map(|(key, envelope)| (key.clone(), envelope.clone())).collect()
                })?;
                Ok(page.fingerprint() == *fingerprint)
            }
        }
    }
}

/// Why a commit is not in the group.
enum Refusal {
    /// The commit's own fault: the group goes on.
    Commit(StoreError),
    /// The engine failed.
    Engine(::sled::Error),
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        match error {
            ReadError::Damaged(key) => Refusal::Commit(StoreError::Damaged(key)),
            ReadError::Engine(error) => Refusal::Engine(error),
        }
    }
}
