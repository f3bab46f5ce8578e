//! The embedded engine: sled 0.34.7, with the durability that it lacks.
//!
//! Its `flush` does not survive a power cut, its errors leave it in between, its readers see what is not
//! durable yet, and it is slow at saying no. So one thread of ours writes (`writer`) what another has
//! checked (`plan`), reads undo what is not on disk (`view`), keys that are not there are not looked for
//! (`keys`), guests' keys are counted (`uses`), the first error is the last (`health`), and opening puts right what is known to go wrong
//! (`open`). This module and its children are the only ones that name sled.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the room of sled"
)]

mod files;
mod health;
mod keys;
mod open;
mod plan;
mod queue;
mod record;
mod uses;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub use self::open::OpenError;

use self::health::Health;
use self::keys::Keys;
use self::plan::Planner;
use self::queue::{Queue, Request, Size};
use self::uses::Uses;
use self::view::{History, ReadError};
use self::writer::Writer;
use super::{Event, Key, KvUse, Page, Partition, Range, Space, Store, StoreError, Tx, Versioned};
use ::sled::{Db, Tree};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{JoinHandle, available_parallelism};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// The keys that are known without more memory: about 80 KiB.
const FIRST_KEY_COUNT: usize = 1 << 16;

/// Where and how a [`SledStore`] keeps its records.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// The folder, for this store alone.
    pub directory: PathBuf,
    /// The most memory for pages that were read. The index takes more, with the number of keys.
    pub cache_bytes: u64,
    /// The space held in reserve for a start on a full disk. 0 for none.
    pub ballast_bytes: u64,
    /// The most commits that wait; more are [`StoreError::Overloaded`].
    pub queue_count_max: usize,
    /// The most bytes of commits that wait.
    pub queue_bytes_max: usize,
    /// A group of commits that takes longer stops the store.
    pub stall_max: Duration,
}

impl SledOptions {
    /// The defaults for a folder.
    pub fn new(directory: impl Into<PathBuf>) -> SledOptions {
        SledOptions {
            directory: directory.into(),
            cache_bytes: 256 << 20,
            ballast_bytes: 64 << 20,
            queue_count_max: 4096,
            queue_bytes_max: 64 << 20,
            stall_max: Duration::from_secs(10),
        }
    }
}

/// The embedded [`Store`].
pub struct SledStore {
    /// Taken out when it is dropped only, to catch the panics of sled's own drop.
    db: Option<Db>,
    history: Arc<History>,
    keys: Arc<Keys>,
    uses: Arc<Uses>,
    health: Arc<Health>,
    queue: Arc<Queue>,
    /// Who reads from sled has one of these, since sled makes its readers wait while it applies a batch or its
    /// disk is slow. There are as many as cores, and the runtime has more threads: see [`crate::server::runtime`].
    readers: Semaphore,
    /// Until it is closed.
    threads: Mutex<Vec<JoinHandle<()>>>,
    directory: PathBuf,
    /// Dropping it ends the watchdog.
    _watchdog: mpsc::Sender<()>,
    /// After `db`, so that no other process opens a database that is still being closed.
    _lock: File,
}

impl SledStore {
    /// Opens the store of a folder, or creates it. Blocks, up to seconds for millions of records.
    pub fn open(options: SledOptions) -> Result<SledStore, OpenError> {
        SledStore::open_with(options, |database| Box::new(move || database.sync_data()))
    }

    /// The same, with something else for the sync of sled's file.
    fn open_with(
        options: SledOptions,
        sync: impl FnOnce(File) -> Box<dyn FnMut() -> io::Result<()> + Send>,
    ) -> Result<SledStore, OpenError> {
        let opened = open::open(&options)?;
        let io = |what| {
            let directory = options.directory.clone();
            move |source| OpenError::Io { directory, what, source }
        };
        let database =
            File::open(files::database(&options.directory)).map_err(io("opening its file"))?;
        let (history, health) = (Arc::new(History::new()), Arc::new(Health::new()));
        let keys = Arc::new(Keys::new(FIRST_KEY_COUNT));
        let uses = Arc::new(Uses::since(opened.version));
        let max = Size { count: options.queue_count_max.max(1), bytes: options.queue_bytes_max };
        let queue = Arc::new(Queue::new(Arc::clone(&health), max));
        let (to_writer, groups) = mpsc::sync_channel(1);
        let watchdog = health.watch(options.stall_max).map_err(io("starting a thread"))?;
        let planner = Planner {
            tree: (*opened.db).clone(),
            keys: Arc::clone(&keys),
            uses: Arc::clone(&uses),
            health: Arc::clone(&health),
            queue: Arc::clone(&queue),
            writer: to_writer,
            version: opened.version,
        };
        let writer = Writer {
            tree: (*opened.db).clone(),
            history: Arc::clone(&history),
            health: Arc::clone(&health),
            sync: sync(database),
            head: opened.head,
            ballast: opened.ballast,
            queue: Arc::clone(&queue),
            groups,
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let planner = thread("store-planner").spawn(move || planner.run());
        let writer = thread("store-writer").spawn(move || writer.run());
        let key_reader = keys.read((*opened.db).clone(), Arc::clone(&health), Arc::clone(&uses));
        let threads = [planner, writer, key_reader].into_iter().collect::<io::Result<Vec<_>>>();
        let threads = threads.map_err(io("starting a thread"))?;
        Ok(SledStore {
            db: Some(opened.db),
            history,
            keys,
            uses,
            health,
            queue,
            readers: Semaphore::new(available_parallelism().map_or(1, usize::from)),
            threads: Mutex::new(threads),
            directory: options.directory,
            _watchdog: watchdog,
            _lock: opened.lock,
        })
    }

    /// Waits until the store has stopped for good, and tells why: the process should end then, with exit
    /// code 70, and be started again. Waits for ever if that never happens.
    pub fn failed(&self) -> impl Future<Output = String> + Send + use<> {
        let health = Arc::clone(&self.health);
        async move { health.failed().await }
    }

    /// Commits what waits, and ends the threads. Everything after it is [`StoreError::Stopped`]. The folder
    /// is free for another process when the store is dropped.
    pub fn close(&self) {
        self.health.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = std::mem::take(&mut *threads);
        self.queue.close();
        if self.health.is_failed() && threads.iter().any(|thread| !thread.is_finished()) {
            // One may hang, as the watchdog found; the process is about to end anyway.
            return;
        }
        for thread in threads {
            // An error means that it has ended, with its own message about why.
            let _ = thread.join();
        }
    }

    /// The share of the disk that is free for the store, between 0 and 1.
    pub fn free_ratio(&self) -> io::Result<f64> {
        free_ratio(&self.directory)
    }

    /// Reads from sled, unless it has failed. What sled panics over is a failure.
    async fn read<T>(
        &self,
        read: impl FnOnce(&History, &Tree) -> Result<T, ReadError>,
    ) -> Result<T, StoreError> {
        // Nobody closes it.
        let _place = self.readers.acquire().await;
        self.health.check()?;
        let tree: &Tree = self.db.as_ref().ok_or_else(health::closed)?;
        let reason = match catch_unwind(AssertUnwindSafe(|| read(&self.history, tree))) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(ReadError::Damaged(key))) => {
                tracing::error!(?key, "a record is damaged");
                return Err(StoreError::Damaged(key));
            }
            Ok(Err(ReadError::Engine(error))) => format!("reading: {error}"),
            Err(panic) => format!("the engine panicked: {}", panic_text(&*panic)),
        };
        self.health.fail(reason.clone());
        self.health.announce();
        Err(StoreError::Stopped(reason))
    }

    /// Hands a commit to the planner.
    fn send(&self, tx: Tx) -> Result<oneshot::Receiver<Result<u64, StoreError>>, StoreError> {
        let size = Size { count: 1, bytes: tx.check()? };
        self.health.check()?;
        let (reply, answer) = oneshot::channel();
        self.queue.push(Request { tx, size, since: Instant::now(), reply })?;
        Ok(answer)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
        if let Some(Err(reason)) = self.db.take().map(open::close) {
            tracing::error!(reason, "the engine of the store failed while it was closed");
        }
    }
}

impl Store for SledStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        Box::pin(async move {
            let disk_key = record::disk_key(key);
            if !self.keys.may_hold(&disk_key) {
                return self.health.check().map(|()| None);
            }
            self.read(|history, tree| history.get(tree, key, &disk_key)).await
        })
    }

    fn scan<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(self.read(move |history, tree| history.scan(tree, range)))
    }

    fn commit(&self, tx: Tx) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let answer = self.send(tx)?;
            tokio::select! {
                biased;
                // A writer that is gone without an answer may have been at it.
                answer = answer => answer.unwrap_or(Err(StoreError::Unknown)),
                // It may hang, and then nobody will answer.
                _ = self.health.failed() => Err(StoreError::Unknown),
            }
        })
    }

    fn changes(
        &self,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        Box::pin(async move {
            let range = Range {
                space: Space::Event,
                partition,
                prefix: Bytes::new(),
                after: Some(Bytes::copy_from_slice(&after.to_be_bytes())),
                limit,
            };
            let page = self.read(|history, tree| history.scan(tree, &range)).await?;
            let event = |(_, found): (Bytes, Versioned)| Event {
                version: found.version,
                value: found.value,
            };
            Ok(page.entries.into_iter().map(event).collect())
        })
    }

    fn kv_use(&self, endpoint: &str) -> KvUse {
        self.uses.of(endpoint)
    }
}

/// The share of a folder's disk that is free, between 0 and 1.
fn free_ratio(directory: &Path) -> io::Result<f64> {
    let found = rustix::fs::statvfs(directory)?;
    Ok(found.f_bavail as f64 / found.f_blocks.max(1) as f64)
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}
