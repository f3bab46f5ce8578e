//! Which keys there may be, kept in memory, so that a key that is not there is not looked for in sled.
//!
//! Most reads of a change are of this kind: a new id, a new request id, nothing pending, an address that
//! nobody has. sled is slow at them, and answers nobody while a batch is applied to it. A Bloom filter is
//! never wrong when it says no; when it says maybe, sled is asked.
//!
//! The filter is made anew by each process: the writer adds what it is about to write, and a thread reads
//! the keys from before. Until it is done, everything is looked for in sled.

use super::health::Health;
use super::panic_text;
use super::record;
use super::uses::Uses;
use ::sled::Tree;
use fastbloom::AtomicBloomFilter;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

/// How often a filter with room says maybe to a key that it does not hold.
const FALSE_POSITIVE_RATIO: f64 = 0.01;
/// The keys that are read in one go. After each, the reader rests as long as it took.
const KEYS_PER_GO: usize = 512;

/// What is known of the keys.
pub(super) struct Keys {
    filters: Filter,
    /// Whether the keys of earlier processes are in, too.
    whole: AtomicBool,
}

struct Filter {
    bloom: AtomicBloomFilter,
    room: usize,
    held: AtomicUsize,
    /// Where keys go for which there is no room here.
    next: OnceLock<Box<Filter>>,
}

impl Filter {
    fn with_room(room: usize) -> Filter {
        let bloom = AtomicBloomFilter::with_false_pos(FALSE_POSITIVE_RATIO).expected_items(room);
        Filter { bloom, room, held: AtomicUsize::new(0), next: OnceLock::new() }
    }
}

impl Keys {
    /// With a first filter for so many keys. Each next one has twice the room.
    pub(super) fn new(first: usize) -> Keys {
        Keys { filters: Filter::with_room(first), whole: AtomicBool::new(false) }
    }

    /// False only if sled has no such key, now and at the durable point.
    pub(super) fn may_hold(&self, disk_key: &[u8]) -> bool {
        !self.whole.load(Ordering::Acquire) || self.holds(hash(disk_key))
    }

    /// Adds a key. Before it is written.
    pub(super) fn add(&self, disk_key: &[u8]) {
        let hash = hash(disk_key);
        if self.holds(hash) {
            return;
        }
        let mut filter = &self.filters;
        while filter.held.load(Ordering::Relaxed) >= filter.room {
            let twice = filter.room.saturating_mul(2);
            filter = filter.next.get_or_init(|| Box::new(Filter::with_room(twice)));
        }
        filter.bloom.insert_hash(hash);
        filter.held.fetch_add(1, Ordering::Relaxed);
    }

    fn holds(&self, hash: u64) -> bool {
        let mut filter = &self.filters;
        loop {
            if filter.bloom.contains_hash(hash) {
                return true;
            }
            match filter.next.get() {
                Some(next) => filter = next,
                None => return false,
            }
        }
    }

    /// Starts a thread that adds the keys that are there. It ends early when the store does.
    pub(super) fn read(
        self: &Arc<Keys>,
        tree: Tree,
        health: Arc<Health>,
        uses: Arc<Uses>,
    ) -> io::Result<JoinHandle<()>> {
        let keys = Arc::clone(self);
        std::thread::Builder::new().name("store-keys".to_owned()).spawn(move || {
            let read = catch_unwind(AssertUnwindSafe(|| keys.add_all(&tree, &health, &uses)));
            uses.reading_is_over();
            let failure = match read {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic_text(&*panic),
            };
            // Whoever needs the record that could not be read will meet the same error.
            tracing::warn!(
                failure,
                "the keys were not read to the end: lookups are slower, and the quotas of the kv import count \
                 only what was read"
            );
        })
    }

    /// Adds the keys that are there, and so makes it whole. Those of guests are counted on the way.
    pub(super) fn add_all(&self, tree: &Tree, health: &Health, uses: &Uses) -> ::sled::Result<()> {
        let mut rows = tree.iter();
        let mut guests = Vec::with_capacity(KEYS_PER_GO);
        let began = Instant::now();
        loop {
            let going = Instant::now();
            for _ in 0..KEYS_PER_GO {
                let Some(row) = rows.next() else {
                    uses.read(&guests);
                    self.whole.store(true, Ordering::Release);
                    tracing::debug!(took = ?began.elapsed(), "the keys are known");
                    return Ok(());
                };
                let (key, envelope) = row?;
                self.add(&key);
                if key.first() == Some(&record::KV_SPACE) {
                    guests.push((key, envelope));
                }
            }
            uses.read(&guests);
            guests.clear();
            if health.check().is_err() {
                return Ok(());
            }
            std::thread::sleep(going.elapsed());
        }
    }
}

#[cfg(test)]
impl Keys {
    /// The room of each filter.
    pub(super) fn rooms(&self) -> Vec<usize> {
        let filters = std::iter::successors(Some(&self.filters), |filter| {
            filter.next.get().map(|next| &**next)
        });
        filters.map(|filter| filter.room).collect()
    }
}

fn hash(disk_key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(disk_key)
}
