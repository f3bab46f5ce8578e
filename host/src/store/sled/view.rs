//! Reads that see only what is durable, and all of a scan at one point in time.
//!
//! sled shows a batch to readers as soon as it is applied, a moment before it is on disk, and a scan that
//! runs meanwhile sees half of it. So before the writer applies a group it publishes what the group's keys
//! hold now, as a link at the end of a chain; when the group is durable, the chain's durable point moves
//! over that link. A reader takes the durable point, reads sled, and then undoes every group that it finds
//! published behind its point.
//!
//! The order matters. Whatever of a group the reader saw in sled was applied after the group's link was
//! published, so a reader that looks at the chain *after* it read finds the link. Looking first and reading
//! second would let a whole group slip in between and be seen before it is durable. Undoing the oldest
//! group last (here: letting the oldest one's word stand) gives the state at the durable point for every
//! key, however many groups went by during a long scan.

use super::super::{Key, Page, Range, Versioned};
use super::record::{self, Span};
use ::sled::{IVec, Tree};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What keys hold instead of what the tree says: an envelope, or nothing.
pub(super) type Patch = BTreeMap<Vec<u8>, Option<IVec>>;

/// One group of commits: what its keys held before it.
pub(super) struct Group {
    undo: Patch,
    next: OnceLock<Arc<Group>>,
}

impl Drop for Group {
    fn drop(&mut self) {
        // A reader that was slow may be the last owner of a long chain: take it apart in a loop, since
        // dropping link by link would need a stack frame for each.
        let mut next = self.next.take();
        while let Some(mut group) = next.and_then(Arc::into_inner) {
            next = group.next.take();
        }
    }
}

/// The chain of groups.
pub(super) struct History {
    durable: ArcSwap<Group>,
}

impl History {
    pub(super) fn new() -> History {
        let origin = Group { undo: Patch::new(), next: OnceLock::new() };
        History { durable: ArcSwap::from_pointee(origin) }
    }

    /// Makes readers see the old values of a group's keys. Before the group is applied; by the writer only.
    pub(super) fn publish(&self, undo: Patch) -> Arc<Group> {
        let group = Arc::new(Group { undo, next: OnceLock::new() });
        // There is one writer, and it settles each group before the next: the durable point is the end.
        let last = self.durable.load_full();
        let link = last.next.get_or_init(|| Arc::clone(&group));
        Arc::clone(link)
    }

    /// Makes readers see a group, which is durable now.
    pub(super) fn settle(&self, group: Arc<Group>) {
        self.durable.store(group);
    }

    /// The record at a key, at the durable point.
    pub(super) fn get(
        &self,
        tree: &Tree,
        key: &Key,
        disk_key: &[u8],
    ) -> Result<Option<Versioned>, ReadError> {
        let point = self.durable.load_full();
        let mut envelope = at(key, tree.get(disk_key))?;
        let mut link = point.next.get();
        while let Some(group) = link {
            if let Some(old) = group.undo.get(disk_key) {
                envelope.clone_from(old);
                break;
            }
            link = group.next.get();
        }
        decode(key, disk_key, envelope.as_ref())
    }

    /// The records of a range, all at the durable point.
    pub(super) fn scan(&self, tree: &Tree, range: &Range) -> Result<Page, ReadError> {
        let point = self.durable.load_full();
        scan(tree, range, |span| {
            let mut patch = Patch::new();
            let mut link = point.next.get();
            while let Some(group) = link {
                for (key, old) in group.undo.range::<[u8], _>(span.bounds()) {
                    patch.entry(key.clone()).or_insert_with(|| old.clone());
                }
                link = group.next.get();
            }
            patch
        })
    }
}

/// Why the tree could not be read.
pub(super) enum ReadError {
    /// What is on disk is not what was written.
    Damaged(Key),
    /// The engine failed.
    Engine(::sled::Error),
}

/// The records of a range, as the tree and the patch over it have it. `patch` is asked again after each
/// read of the tree, since it may have grown with what was read.
pub(super) fn scan(
    tree: &Tree,
    range: &Range,
    mut patch: impl FnMut(&Span) -> Patch,
) -> Result<Page, ReadError> {
    let Some(span) = Span::of(range) else { return Ok(Page::default()) };
    let limit = range.limit.max(1);
    // One more than asked for tells whether there is more.
    let wanted = limit.saturating_add(1);
    let mut rows = tree.range::<&[u8], _>(span.bounds());
    let mut read: Vec<(IVec, IVec)> = Vec::new();
    loop {
        // The patch may remove some of what is read, so another round may be needed, twice as long.
        let mut missing = wanted.saturating_sub(read.len()).max(read.len());
        let mut exhausted = false;
        while missing > 0 && !exhausted {
            match rows.next() {
                Some(row) => read.push(at(&start_key(range), row)?),
                None => exhausted = true,
            }
            missing -= 1;
        }
        let patch = patch(&span);
        // Beyond the last row that was read, the tree may have rows that come before the patch's.
        let horizon = read.last().map(|(key, _)| key.clone()).filter(|_| !exhausted);
        let mut merged: BTreeMap<&[u8], &IVec> =
            read.iter().map(|(key, envelope)| (key.as_ref(), envelope)).collect();
        for (key, envelope) in &patch {
            match envelope {
                None => drop(merged.remove(key.as_slice())),
                Some(_) if horizon.as_ref().is_some_and(|last| last.as_ref() < key.as_slice()) => {}
                Some(envelope) => drop(merged.insert(key, envelope)),
            }
        }
        if merged.len() < wanted && !exhausted {
            continue;
        }
        let more = merged.len() > limit;
        let entries = merged
            .into_iter()
            .take(limit)
            .map(|(disk_key, envelope)| {
                let body = record::body(disk_key);
                match record::unseal(disk_key, envelope) {
                    Some(versioned) => Ok((body, versioned)),
                    None => Err(ReadError::Damaged(Key { body, ..start_key(range) })),
                }
            })
            .collect::<Result<_, _>>()?;
        return Ok(Page { entries, more });
    }
}

/// The key that stands for a range in errors.
pub(super) fn start_key(range: &Range) -> Key {
    Key { space: range.space, partition: range.partition, body: range.prefix.clone() }
}

/// Tells damage, which concerns one key, from a failing engine, which concerns all.
pub(super) fn at<T>(key: &Key, result: ::sled::Result<T>) -> Result<T, ReadError> {
    result.map_err(|error| match error {
        ::sled::Error::Corruption { .. } => ReadError::Damaged(key.clone()),
        other => ReadError::Engine(other),
    })
}

pub(super) fn decode(
    key: &Key,
    disk_key: &[u8],
    envelope: Option<&IVec>,
) -> Result<Option<Versioned>, ReadError> {
    match envelope {
        None => Ok(None),
        Some(envelope) => record::unseal(disk_key, envelope)
            .map(Some)
            .ok_or_else(|| ReadError::Damaged(key.clone())),
    }
}
