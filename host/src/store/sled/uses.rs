//! How much the guest of each endpoint keeps, counted in memory, so that a quota costs no record that every
//! change of an endpoint would write.
//!
//! The planner knows what each key held before and holds after a commit, and adds the difference. What was there
//! before this process is *old*, told by its version, and is counted by the thread that reads all keys in their
//! order ([`super::keys`]). An old record that is replaced or deleted is taken off if that thread has passed it;
//! else it is noted, and the thread leaves it out when it comes there. So each record counts exactly once from
//! the moment on at which the thread has passed it, and until then an endpoint seems to keep less than it does.

use super::super::{KvUse, kv_owner};
use super::record;
use ::sled::IVec;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What each endpoint keeps.
pub(super) struct Uses {
    /// The last version that an old record can have.
    old_until: u64,
    state: Mutex<State>,
}

struct State {
    /// By the bytes of the endpoint's id. Who keeps nothing is not in it.
    by_endpoint: HashMap<Box<[u8]>, KvUse>,
    /// The old records up to this key are counted.
    read_to: Vec<u8>,
    /// The old records behind it that are gone by now. None when nobody comes to count them any more.
    gone: Option<HashSet<Vec<u8>>>,
}

impl Uses {
    /// For a store whose last version was this one when it was opened.
    pub(super) fn since(version: u64) -> Uses {
        let state =
            State { by_endpoint: HashMap::new(), read_to: Vec::new(), gone: Some(HashSet::new()) };
        Uses { old_until: version, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the guest of an endpoint keeps.
    pub(super) fn of(&self, endpoint: &str) -> KvUse {
        self.lock().by_endpoint.get(endpoint.as_bytes()).copied().unwrap_or_default()
    }

    /// Takes over what a commit does to guests' keys: what each holds before it, and after it. By the planner only,
    /// in the order of the commits.
    pub(super) fn written<'a>(
        &self,
        changes: impl Iterator<Item = (&'a [u8], Option<&'a IVec>, Option<&'a IVec>)>,
    ) {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return;
        }
        let mut state = self.lock();
        for (disk_key, before, after) in changes {
            if let Some((version, bytes)) = before.and_then(|envelope| record::outline(envelope)) {
                if version > self.old_until || disk_key <= state.read_to.as_slice() {
                    state.take_off(disk_key, bytes);
                } else if let Some(gone) = &mut state.gone {
                    gone.insert(disk_key.to_vec());
                }
            }
            if let Some((_, bytes)) = after.and_then(|envelope| record::outline(envelope)) {
                state.add(disk_key, bytes);
            }
        }
    }

    /// Takes over the next of the records that were there, in the order of their keys.
    pub(super) fn read(&self, rows: &[(IVec, IVec)]) {
        let Some((last, _)) = rows.last() else { return };
        let mut state = self.lock();
        for (disk_key, envelope) in rows {
            let Some((version, bytes)) = record::outline(envelope) else { continue };
            let gone = state.gone.as_ref().is_some_and(|gone| gone.contains(disk_key.as_ref()));
            if version <= self.old_until && !gone {
                state.add(disk_key, bytes);
            }
        }
        state.read_to = last.to_vec();
    }

    /// Says that [`Uses::read`] is not called again.
    pub(super) fn reading_is_over(&self) {
        self.lock().gone = None;
    }
}

impl State {
    fn add(&mut self, disk_key: &[u8], value_bytes: usize) {
        let body = disk_key.get(record::PREFIX_BYTES..).unwrap_or_default();
        let (endpoint, name) = kv_owner(body);
        let size = (name.len() + value_bytes) as u64;
        match self.by_endpoint.get_mut(endpoint) {
            Some(found) => {
                found.bytes += size;
                found.count += 1;
            }
            None => {
                self.by_endpoint.insert(endpoint.into(), KvUse { bytes: size, count: 1 });
            }
        }
    }

    /// Of what was added before.
    fn take_off(&mut self, disk_key: &[u8], value_bytes: usize) {
        let body = disk_key.get(record::PREFIX_BYTES..).unwrap_or_default();
        let (endpoint, name) = kv_owner(body);
        let Some(found) = self.by_endpoint.get_mut(endpoint) else { return };
        // A record that was damaged on disk may have been another when it was added.
        found.bytes = found.bytes.saturating_sub((name.len() + value_bytes) as u64);
        found.count = found.count.saturating_sub(1);
        if found.count == 0 {
            self.by_endpoint.remove(endpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SledOptions, SledStore};
    use super::*;
    use crate::store::{Key, Operation, Partition, Range, Space, Store, Tx};
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What happens in the store, in any order.
    #[derive(Clone, Debug)]
    enum Step {
        /// The planner takes a commit in that sets this key to a value of this length, or deletes it.
        Plan(usize, Option<usize>),
        /// The writer makes the tree what the planner has it to be.
        Write,
        /// The reader takes so many rows out of the tree,
        Take(usize),
        /// and hands them over.
        Count,
    }

    const ENDPOINTS: [&str; 2] = ["a", "b"];

    fn disk_key(number: usize) -> Vec<u8> {
        let endpoint = ENDPOINTS[number % 2];
        record::disk_key(&Key::new(
            Space::Kv,
            Partition::of(endpoint),
            &[endpoint, &"k".repeat(number / 2)],
        ))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12_usize, prop::option::of(0..50_usize)).prop_map(|(key, value)| Step::Plan(key, value)),
            2 => Just(Step::Write),
            2 => (1..4_usize).prop_map(Step::Take),
            2 => Just(Step::Count),
        ]
    }

    type Tree = BTreeMap<Vec<u8>, IVec>;

    fn truth(tree: &Tree, endpoint: &str) -> KvUse {
        let mut found = KvUse::default();
        for (disk_key, envelope) in tree {
            let (owner, name) = kv_owner(&disk_key[record::PREFIX_BYTES..]);
            if owner == endpoint.as_bytes() {
                found.bytes +=
                    (name.len() + record::unseal(disk_key, envelope).unwrap().value.len()) as u64;
                found.count += 1;
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn each_record_counts_once_whatever_happens_while_they_are_read(
            old in prop::collection::btree_map(0..12_usize, 0..50_usize, 0..12),
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let sealed = |disk_key: &[u8], version, length: usize| {
                IVec::from(record::seal(disk_key, version, &vec![7; length]))
            };
            let mut tree = Tree::new();
            for (number, length) in old {
                let disk_key = disk_key(number);
                let envelope = sealed(&disk_key, 5, length);
                tree.insert(disk_key, envelope);
            }
            let mut planned = tree.clone();
            let (uses, mut version) = (Uses::since(5), 5);
            let (mut taken, mut cursor) = (Vec::new(), Vec::new());
            // In the end everything is written and read.
            let end = [Step::Write, Step::Take(100), Step::Count];
            for step in steps.into_iter().chain(end) {
                match step {
                    Step::Plan(number, value) => {
                        version += 1;
                        let disk_key = disk_key(number);
                        let before = planned.get(&disk_key).cloned();
                        let after = value.map(|length| sealed(&disk_key, version, length));
                        let change = (disk_key.as_slice(), before.as_ref(), after.as_ref());
                        uses.written(std::iter::once(change));
                        match after {
                            Some(after) => drop(planned.insert(disk_key, after)),
                            None => drop(planned.remove(&disk_key)),
                        }
                    }
                    Step::Write => tree.clone_from(&planned),
                    Step::Take(count) => {
                        let rows = tree.range(cursor.clone()..).filter(|(key, _)| **key > cursor);
                        let rows: Vec<_> = rows.take(count).collect();
                        let owned = |(key, envelope): &(&Vec<u8>, &IVec)| {
                            (IVec::from(key.as_slice()), (*envelope).clone())
                        };
                        taken.extend(rows.iter().map(owned));
                        if let Some((last, _)) = rows.last() {
                            cursor.clone_from(last);
                        }
                    }
                    Step::Count => {
                        uses.read(&taken);
                        taken.clear();
                    }
                }
                for endpoint in ENDPOINTS {
                    let (found, true_use) = (uses.of(endpoint), truth(&planned, endpoint));
                    prop_assert!(found.count <= true_use.count && found.bytes <= true_use.bytes);
                }
            }
            for endpoint in ENDPOINTS {
                prop_assert_eq!(uses.of(endpoint), truth(&planned, endpoint));
            }
            // And it stays so.
            uses.reading_is_over();
            for (disk_key, envelope) in &planned {
                uses.written(std::iter::once((disk_key.as_slice(), Some(envelope), None)));
            }
            for endpoint in ENDPOINTS {
                prop_assert_eq!(uses.of(endpoint), KvUse::default());
            }
        }
    }

    fn commit(store: &SledStore, operations: Vec<Operation>) {
        let answer = store.send(Tx { operations, ..Tx::new(Partition::of("a")) }).unwrap();
        answer.blocking_recv().unwrap().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

        #[test]
        fn a_store_that_is_changed_while_it_counts_counts_right(
            changes in prop::collection::vec((0..4000_usize, prop::option::of(0..40_usize)), 2000),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let options = SledOptions::new(directory.path());
            let options = SledOptions { ballast_bytes: 0, cache_bytes: 8 << 20, ..options };
            let key = |number: usize| Key::new(Space::Kv, Partition::of("a"), &["a", &number.to_string()]);
            let store = SledStore::open(options.clone()).unwrap();
            for numbers in (0..4000).collect::<Vec<_>>().chunks(400) {
                let put = |number: &usize| Operation::Put(key(*number), Bytes::from(vec![1; number % 30]));
                commit(&store, numbers.iter().map(put).collect());
            }
            drop(store);
            let store = SledStore::open(options).unwrap();
            for changes in changes.chunks(50) {
                // A key occurs once in a commit.
                let changes: BTreeMap<_, _> = changes.iter().copied().collect();
                let operations = changes.into_iter().map(|(number, value)| match value {
                    Some(length) => Operation::Put(key(number), Bytes::from(vec![2; length])),
                    None => Operation::Delete(key(number)),
                });
                commit(&store, operations.collect());
            }
            store.wait_for_keys();
            let all = Range {
                space: Space::Kv,
                partition: Partition::of("a"),
                prefix: Bytes::from_static(b"a\0"),
                after: None,
                limit: usize::MAX,
            };
            let page = futures_util::FutureExt::now_or_never(store.scan(&all)).unwrap().unwrap();
            let bytes = page.entries.iter().map(|(body, found)| body.len() - 2 + found.value.len());
            let expected = KvUse { bytes: bytes.sum::<usize>() as u64, count: page.entries.len() as u64 };
            prop_assert_eq!(store.kv_use("a"), expected);
        }
    }
}
