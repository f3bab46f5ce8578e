//! The state of the host behind five methods, and nothing else knows what is underneath.
//!
//! Keys are ordered bytes: a [`Space`], a [`Partition`] that follows from the endpoint, and a body that
//! the rooms below choose. Changes are declared batches with conditions ([`Tx`]): one round trip on any
//! engine, no closure and no interactive transaction. Every value carries the version at which it was
//! written, so that "unchanged since I read it" can be a condition.

pub(crate) mod customer;
pub(crate) mod drift;
pub(crate) mod json;
pub(crate) mod operation;
pub(crate) mod setup;
mod sled;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod memory;

pub use self::sled::{OpenError, SledOptions, SledStore};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

/// The longest body of a key, in bytes.
pub const KEY_BODY_BYTES_MAX: usize = 480;
/// The longest value, in bytes. Longer things are files, named here by their digest.
pub const VALUE_BYTES_MAX: usize = 32 << 10;
/// The most puts and deletes in one [`Tx`].
pub const TX_OPERATION_COUNT_MAX: usize = 512;
/// The most conditions of one [`Tx`].
pub const TX_CONDITION_COUNT_MAX: usize = 32 << 10;
/// The most bytes of keys and values that one [`Tx`] writes.
pub const TX_BYTES_MAX: usize = 1 << 20;

/// What kind of record a key holds. The number is the first byte on disk: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// The store's own bookkeeping.
    Meta = 0,
    /// Vendors, by id.
    Vendor = 1,
    /// Callers, by user name.
    Caller = 2,
    /// Endpoints, by id.
    Endpoint = 3,
    /// Accounts of an endpoint.
    Account = 4,
    /// Users of an endpoint.
    User = 5,
    /// Resources of an endpoint.
    Resource = 6,
    /// Seats of a resource.
    Seat = 7,
    /// Offerings of an endpoint, by sku.
    Offering = 8,
    /// What an id of an endpoint stands for.
    Id = 9,
    /// Operations, by endpoint, kind and request id.
    Operation = 10,
    /// Operations whose outcome is still awaited from the provider.
    Pending = 11,
    /// The keys of the guests: the endpoint's id, NUL, and the guest's own name for it. The store counts them:
    /// see [`Store::kv_use`].
    Kv = 12,
    /// The events of the commits, in commit order: see [`Store::changes`]. The store writes them; a [`Tx`]
    /// may delete old ones.
    Event = 13,
    /// Sealed secrets of the endpoints, by endpoint and name.
    Secret = 14,
    /// Operations that have asked the provider for something and have no outcome yet, by endpoint and id.
    Open = 15,
    /// What they have asked for and what came back, in order.
    Step = 16,
    /// The last drift report of each endpoint, in parts, and the differences that are ignored.
    Drift = 17,
}

/// One of 1,024 shares of the keys. Everything of one endpoint lies in one, and a [`Tx`] touches one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// How many there are. Fixed for ever: it decides where existing keys lie.
    pub const COUNT: u16 = 1024;
    /// Where vendors, callers, endpoints and the store's own records lie.
    pub const SETUP: Partition = Partition(0);

    /// The partition of an endpoint's keys.
    pub fn of(endpoint: &str) -> Partition {
        let hash = xxhash_rust::xxh3::xxh3_64(endpoint.as_bytes());
        Partition((hash % u64::from(Self::COUNT)) as u16)
    }

    /// The number on disk.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Where a record lies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind of record.
    pub space: Space,
    /// The share it lies in.
    pub partition: Partition,
    /// At most [`KEY_BODY_BYTES_MAX`]. Records are ordered by it.
    pub body: Bytes,
}

impl Key {
    /// A key from parts that are joined by NUL, which none of them may contain except the last.
    pub fn new(space: Space, partition: Partition, parts: &[&str]) -> Key {
        Key { space, partition, body: Bytes::from(parts.join("\0").into_bytes()) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}/{}", self.space, self.partition.0, self.body.escape_ascii())
    }
}

/// A value and the version at which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Grows with every commit of the store; never used twice for one key.
    pub version: u64,
    /// At most [`VALUE_BYTES_MAX`].
    pub value: Bytes,
}

/// Which keys to read in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The kind of record.
    pub space: Space,
    /// The share they lie in.
    pub partition: Partition,
    /// What their bodies begin with.
    pub prefix: Bytes,
    /// Only bodies greater than this one.
    pub after: Option<Bytes>,
    /// The most to return, at least 1.
    pub limit: usize,
}

/// What a scan found, ascending by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Bodies and values.
    pub entries: Vec<(Bytes, Versioned)>,
    /// Whether the limit cut it short.
    pub more: bool,
}

impl Page {
    /// A digest of the bodies and versions, for [`Condition::Range`].
    pub fn fingerprint(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for (body, versioned) in &self.entries {
            hash.update(&(body.len() as u32).to_le_bytes());
            hash.update(body);
            hash.update(&versioned.version.to_le_bytes());
        }
        hash.update(&[u8::from(self.more)]);
        hash.digest()
    }
}

/// What must hold when a [`Tx`] commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no such key.
    Absent(Key),
    /// The key is there, at this version.
    Version(Key, u64),
    /// A scan of the range still finds what has this [`Page::fingerprint`].
    Range(Range, u64),
}

/// One change of a [`Tx`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes the value, whether or not the key is there.
    Put(Key, Bytes),
    /// Removes the key, if it is there.
    Delete(Key),
}

/// All or nothing, in one partition.
#[derive(Clone, Debug)]
pub struct Tx {
    /// Where all its keys lie.
    pub partition: Partition,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// What changes. A key occurs once.
    pub operations: Vec<Operation>,
    /// What [`Store::changes`] tells about this commit: the audit row.
    pub event: Option<Bytes>,
}

impl Tx {
    /// A transaction that does nothing yet.
    pub fn new(partition: Partition) -> Tx {
        Tx { partition, conditions: Vec::new(), operations: Vec::new(), event: None }
    }

    /// Checks it against the limits of this module, which are the same on every engine. Answers its size.
    fn check(&self) -> Result<usize, StoreError> {
        let refuse = StoreError::TooLarge;
        if self.operations.len() > TX_OPERATION_COUNT_MAX {
            return Err(refuse(format!("more than {TX_OPERATION_COUNT_MAX} operations")));
        }
        if self.conditions.len() > TX_CONDITION_COUNT_MAX {
            return Err(refuse(format!("more than {TX_CONDITION_COUNT_MAX} conditions")));
        }
        // What is only looked at takes no room in the log.
        let mut bytes = 0;
        let check_key = |key: &[u8], partition: Partition| {
            if key.len() > KEY_BODY_BYTES_MAX {
                Err(refuse(format!("a key of more than {KEY_BODY_BYTES_MAX} bytes")))
            } else if partition != self.partition {
                Err(refuse("a key outside the partition of its transaction".to_owned()))
            } else {
                Ok(())
            }
        };
        for condition in &self.conditions {
            match condition {
                Condition::Absent(key) | Condition::Version(key, _) => {
                    check_key(&key.body, key.partition)?;
                }
                Condition::Range(range, _) => {
                    check_key(&range.prefix, range.partition)?;
                    check_key(range.after.as_deref().unwrap_or_default(), range.partition)?;
                }
            }
        }
        let mut keys = HashSet::with_capacity(self.operations.len());
        let mut values = Vec::with_capacity(self.operations.len() + 1);
        for operation in &self.operations {
            let (Operation::Put(key, _) | Operation::Delete(key)) = operation;
            check_key(&key.body, key.partition)?;
            bytes += key.body.len();
            if !keys.insert(key) {
                return Err(refuse(format!("{key:?} twice in one transaction")));
            }
            if let Operation::Put(key, value) = operation {
                if key.space == Space::Event {
                    return Err(refuse("an event that is not its transaction's own".to_owned()));
                }
                values.push(value);
            }
        }
        values.extend(&self.event);
        for value in values {
            if value.len() > VALUE_BYTES_MAX {
                return Err(refuse(format!("a value of more than {VALUE_BYTES_MAX} bytes")));
            }
            bytes += value.len();
        }
        match bytes > TX_BYTES_MAX {
            true => Err(refuse(format!("a transaction of more than {TX_BYTES_MAX} bytes"))),
            false => Ok(bytes),
        }
    }
}

/// Why a [`Store`] did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; nothing was changed.
    #[error("a condition on {0:?} no longer holds")]
    Conflict(Key),
    /// A key, a value or a transaction is over a limit of this module; nothing was changed.
    #[error("too large for the store: {0}")]
    TooLarge(String),
    /// Too many commits are waiting; nothing was changed.
    #[error("the store has too many commits waiting")]
    Overloaded,
    /// The store has stopped, after the error that it logged; nothing was changed.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// Whether it was changed cannot be told: read before trying again.
    #[error("the store did not say whether the commit took place")]
    Unknown,
    /// A record on disk does not match its checksum.
    #[error("the record at {0:?} is damaged; restore the data folder from a backup")]
    Damaged(Key),
}

/// One event of [`Store::changes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The version of the commit that carried it.
    pub version: u64,
    /// [`Tx::event`].
    pub value: Bytes,
}

/// What the guest of one endpoint keeps in [`Space::Kv`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvUse {
    /// Of its names and values together.
    pub bytes: u64,
    /// How many keys.
    pub count: u64,
}

/// Whose a key of [`Space::Kv`] is, and the guest's own name for it.
fn kv_owner(body: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = body.splitn(2, |byte| *byte == 0);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// How often, and how long after each other, [`commit_patiently`] tries.
const COMMIT_RETRIES_MAX: usize = 50;
const COMMIT_RETRY_AFTER: Duration = Duration::from_millis(100);

/// Commits what must not be lost because a queue is full for a moment: a provider may have acted on it.
pub(crate) async fn commit_patiently(store: &dyn Store, tx: Tx) -> Result<u64, StoreError> {
    for _ in 0..COMMIT_RETRIES_MAX {
        match store.commit(tx.clone()).await {
            Err(StoreError::Overloaded) => tokio::time::sleep(COMMIT_RETRY_AFTER).await,
            committed => return committed,
        }
    }
    store.commit(tx).await
}

/// What the host keeps. Reads only ever see what is durable; a commit is durable when it returns.
pub trait Store: Send + Sync + 'static {
    /// The record at a key.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>>;

    /// The records of a range.
    fn scan<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// Changes everything in `tx`, or nothing. Answers the version that the changed records now have.
    fn commit(&self, tx: Tx) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The events of a partition after a version, in commit order, `limit` at the most.
    fn changes(
        &self,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, StoreError>>;

    /// What the guest of an endpoint keeps, with the commits that are about to become durable. Never too much;
    /// too little for the seconds after an opening in which older records are still being counted.
    fn kv_use(&self, endpoint: &str) -> KvUse;
}
