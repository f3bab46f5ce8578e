//! What the model cannot tell: what is seen between apply and sync, and what happens when something fails.

use super::*;
use crate::store::{Condition, Operation};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const PARTITION: Partition = Partition(3);

impl SledStore {
    /// Waits until the keys from before were read, and counted.
    pub(in crate::store) fn wait_for_keys(&self) {
        let reader = self.threads.lock().unwrap().pop().unwrap();
        assert_eq!(reader.thread().name(), Some("store-keys"));
        reader.join().unwrap();
    }
}

fn key(body: &str) -> Key {
    Key { space: Space::Kv, partition: PARTITION, body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn put(body: &str, value: &str) -> Operation {
    Operation::Put(key(body), Bytes::copy_from_slice(value.as_bytes()))
}

fn tx(operations: Vec<Operation>) -> Tx {
    Tx { operations, ..Tx::new(PARTITION) }
}

fn all(limit: usize) -> Range {
    Range { space: Space::Kv, partition: PARTITION, prefix: Bytes::new(), after: None, limit }
}

fn options(directory: &Path) -> SledOptions {
    SledOptions { ballast_bytes: 0, cache_bytes: 8 << 20, ..SledOptions::new(directory) }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The writer's side and the test's side of a sync that waits for the test: it says that it was reached,
/// and returns what it is told.
struct Gate {
    reached: mpsc::Receiver<()>,
    go: mpsc::Sender<io::Result<()>>,
}

impl Gate {
    fn open(options: SledOptions) -> (Arc<SledStore>, Gate) {
        let (reach, reached) = mpsc::channel();
        let (go, told) = mpsc::channel();
        let store = SledStore::open_with(options, |database| {
            Box::new(move || {
                database.sync_data()?;
                // When the test is over there is nobody left to ask.
                if reach.send(()).is_err() {
                    return Ok(());
                }
                told.recv().unwrap_or(Ok(()))
            })
        });
        (Arc::new(store.unwrap()), Gate { reached, go })
    }

    /// Commits, and returns while the commit is applied but not synced.
    fn hold(
        &self,
        runtime: &tokio::runtime::Runtime,
        store: &Arc<SledStore>,
        tx: Tx,
    ) -> tokio::task::JoinHandle<Result<u64, StoreError>> {
        let store = Arc::clone(store);
        let commit = runtime.spawn(async move { store.commit(tx).await });
        self.reached.recv().unwrap();
        commit
    }
}

type Model = BTreeMap<Bytes, Bytes>;

fn bodies() -> impl Strategy<Value = String> {
    "[a-c]{0,2}"
}

/// The empty one, which finds most, must come up often.
fn prefixes() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), bodies()]
}

/// What a range finds in the model: bodies and values, and whether there is more.
fn expected(model: &Model, range: &Range) -> (Vec<(Bytes, Bytes)>, bool) {
    let limit = range.limit.max(1);
    let mut found: Vec<_> = model
        .iter()
        .filter(|(body, _)| body.starts_with(&range.prefix))
        .filter(|(body, _)| range.after.as_ref().is_none_or(|after| *body > after))
        .map(|(body, value)| (body.clone(), value.clone()))
        .collect();
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn reads_between_apply_and_sync_see_the_state_before(
        before in prop::collection::btree_map(bodies(), "[0-9]", 0..13),
        change in prop::collection::btree_map(bodies(), prop::option::of("[0-9]"), 1..13),
        ranges in prop::collection::vec((prefixes(), prop::option::of(bodies()), 0_usize..5), 16),
    ) {
        let runtime = runtime();
        let directory = tempfile::tempdir().unwrap();
        let (store, gate) = Gate::open(options(directory.path()));
        let mut model = Model::new();
        let check = |model: &Model| {
            for (prefix, after, limit) in &ranges {
                let range = Range {
                    prefix: Bytes::from(prefix.clone().into_bytes()),
                    after: after.clone().map(|after| Bytes::from(after.into_bytes())),
                    ..all(*limit)
                };
                let page = runtime.block_on(store.scan(&range)).unwrap();
                let found = page.entries.into_iter().map(|(body, found)| (body, found.value));
                prop_assert_eq!((found.collect::<Vec<_>>(), page.more), expected(model, &range));
            }
            for body in change.keys().chain(before.keys()) {
                let found = runtime.block_on(store.get(&key(body))).unwrap();
                prop_assert_eq!(found.map(|found| found.value), model.get(body.as_bytes()).cloned());
            }
            Ok(())
        };
        if !before.is_empty() {
            let operations = before.iter().map(|(body, value)| put(body, value)).collect();
            let commit = gate.hold(&runtime, &store, tx(operations));
            check(&model)?;
            gate.go.send(Ok(())).unwrap();
            runtime.block_on(commit).unwrap().unwrap();
            for (body, value) in &before {
                model.insert(Bytes::from(body.clone().into_bytes()), Bytes::from(value.clone().into_bytes()));
            }
            check(&model)?;
        }
        let operations = change.iter().map(|(body, value)| match value {
            Some(value) => put(body, value),
            None => Operation::Delete(key(body)),
        });
        let commit = gate.hold(&runtime, &store, tx(operations.collect()));
        check(&model)?;
        gate.go.send(Ok(())).unwrap();
        runtime.block_on(commit).unwrap().unwrap();
        for (body, value) in &change {
            let body = Bytes::from(body.clone().into_bytes());
            match value {
                Some(value) => drop(model.insert(body, Bytes::from(value.clone().into_bytes()))),
                None => drop(model.remove(&body)),
            }
        }
        check(&model)?;
        drop(gate);
    }
}

#[test]
fn what_a_group_deletes_far_behind_a_page_is_not_put_into_it() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(options(directory.path()));
    let before = gate.hold(
        &runtime,
        &store,
        tx("cdefgh".chars().map(|c| put(&c.to_string(), "1")).collect()),
    );
    gate.go.send(Ok(())).unwrap();
    runtime.block_on(before).unwrap().unwrap();
    let (new, gone) =
        ([put("a", "2"), put("b", "2")], ["g", "h"].map(|body| Operation::Delete(key(body))));
    let held = gate.hold(&runtime, &store, tx(new.into_iter().chain(gone).collect()));
    for limit in 1..8 {
        let page = runtime.block_on(store.scan(&all(limit))).unwrap();
        let found: Vec<_> = page.entries.iter().map(|(body, _)| body.as_ref()).collect();
        let expected = [b"c".as_slice(), b"d", b"e", b"f", b"g", b"h"];
        assert_eq!(found, &expected[..limit.min(6)], "{limit}");
        assert_eq!(page.more, limit < 6);
    }
    drop(gate);
    runtime.block_on(held).unwrap().unwrap();
}

#[test]
fn an_event_is_seen_with_its_commit() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(options(directory.path()));
    let event = Bytes::from_static(b"happened");
    let commit = gate.hold(&runtime, &store, Tx { event: Some(event.clone()), ..tx(vec![]) });
    assert_eq!(runtime.block_on(store.changes(PARTITION, 0, 9)).unwrap(), []);
    gate.go.send(Ok(())).unwrap();
    let version = runtime.block_on(commit).unwrap().unwrap();
    let expected = [Event { version, value: event }];
    assert_eq!(runtime.block_on(store.changes(PARTITION, 0, 9)).unwrap(), expected);
    assert_eq!(runtime.block_on(store.changes(PARTITION, version, 9)).unwrap(), []);
    drop(gate);
}

#[test]
fn a_scan_sees_all_of_a_commit_or_nothing() {
    const ROUNDS: u32 = 400;
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(options(directory.path())).unwrap());
    // Every commit rewrites all keys of its generation and deletes those of the one before, which lie
    // among them: a scan must find one generation, whole, and never an older one than the scan before.
    let generation = |number: u32| {
        let body = |number: u32, i: u32| format!("{i:03}-{}", number % 3);
        let puts = (0..100).map(move |i| put(&body(number, i), &number.to_string()));
        let old = number.checked_sub(1);
        let deletes = old
            .into_iter()
            .flat_map(move |old| (0..100).map(move |i| Operation::Delete(key(&body(old, i)))));
        tx(puts.chain(deletes).collect())
    };
    runtime.block_on(store.commit(generation(0))).unwrap();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                let mut last = 0;
                while last < ROUNDS {
                    let page = futures_util::FutureExt::now_or_never(store.scan(&all(1000)));
                    let entries = page.unwrap().unwrap().entries;
                    assert_eq!(entries.len(), 100);
                    let first = entries[0].1.clone();
                    assert!(entries.iter().all(|(_, found)| *found == first), "{entries:?}");
                    let number = std::str::from_utf8(&first.value).unwrap().parse().unwrap();
                    assert!(number >= last);
                    last = number;
                }
            })
        })
        .collect();
    for number in 1..=ROUNDS {
        runtime.block_on(store.commit(generation(number))).unwrap();
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let (store, gate) =
        Gate::open(SledOptions { ballast_bytes: 1 << 20, ..options(directory.path()) });
    let ballast = directory.path().join("ballast");
    assert!(ballast.exists());

    let first = gate.hold(&runtime, &store, tx(vec![put("a", "1")]));
    gate.go.send(Ok(())).unwrap();
    runtime.block_on(first).unwrap().unwrap();

    let second = gate.hold(&runtime, &store, tx(vec![put("a", "2")]));
    let (third, fourth) =
        (store.send(tx(vec![put("b", "3")])), store.send(tx(vec![put("c", "4")])));
    gate.go.send(Err(rustix::io::Errno::NOSPC.into())).unwrap();
    assert!(matches!(runtime.block_on(second).unwrap(), Err(StoreError::Unknown)));
    // These two were never begun, and so it is certain that they did not happen.
    for waiting in [third, fourth] {
        let answer = runtime.block_on(waiting.unwrap()).unwrap();
        assert!(matches!(answer, Err(StoreError::Stopped(_))), "{answer:?}");
    }
    assert!(runtime.block_on(store.failed()).contains("fdatasync"));
    let later = runtime.block_on(store.commit(tx(vec![put("d", "5")])));
    assert!(matches!(later, Err(StoreError::Stopped(_))), "{later:?}");
    let read = runtime.block_on(store.get(&key("a")));
    assert!(matches!(read, Err(StoreError::Stopped(_))), "{read:?}");
    // The disk was full: the reserve must be free for the next start.
    assert!(!ballast.exists());
    drop((store, gate));

    let store = SledStore::open(options(directory.path())).unwrap();
    let found = runtime.block_on(store.get(&key("a"))).unwrap().unwrap();
    assert!([b"1".as_slice(), b"2"].contains(&found.value.as_ref()), "{found:?}");
    for body in ["b", "c", "d"] {
        assert_eq!(runtime.block_on(store.get(&key(body))).unwrap(), None);
    }
}

#[test]
fn a_group_that_hangs_fails_the_store() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let stall_max = Duration::from_millis(20);
    let (store, gate) = Gate::open(SledOptions { stall_max, ..options(directory.path()) });
    let commit = gate.hold(&runtime, &store, tx(vec![put("a", "1")]));
    assert!(runtime.block_on(store.failed()).contains("longer than"));
    assert!(matches!(runtime.block_on(commit).unwrap(), Err(StoreError::Unknown)));
    let read = runtime.block_on(store.get(&key("a")));
    assert!(matches!(read, Err(StoreError::Stopped(_))), "{read:?}");
}

#[test]
fn a_panic_of_the_engine_fails_the_store() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open_with(options(directory.path()), |_| {
        Box::new(|| panic!("the disk is gone"))
    });
    let store = store.unwrap();
    let answer = runtime.block_on(store.commit(tx(vec![put("a", "1")])));
    assert!(matches!(answer, Err(StoreError::Unknown)), "{answer:?}");
    assert!(runtime.block_on(store.failed()).contains("the disk is gone"));
}

#[test]
fn too_many_waiting_commits_are_refused() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let limits =
        SledOptions { queue_count_max: 2, queue_bytes_max: 100, ..options(directory.path()) };
    let (store, gate) = Gate::open(limits);
    let held = gate.hold(&runtime, &store, tx(vec![put("a", "1")]));
    let large = store.send(tx(vec![put("b", &"2".repeat(98))])).unwrap();
    let refused = store.send(tx(vec![put("c", "3")]));
    assert!(matches!(refused, Err(StoreError::Overloaded)), "bytes");
    let empty = store.send(tx(vec![])).unwrap();
    let refused = store.send(tx(vec![]));
    assert!(matches!(refused, Err(StoreError::Overloaded)), "count");
    drop(gate);
    for answer in [large, empty] {
        runtime.block_on(answer).unwrap().unwrap();
    }
    runtime.block_on(held).unwrap().unwrap();
    // What was refused does not count for ever.
    runtime.block_on(store.commit(tx(vec![put("c", &"3".repeat(99))]))).unwrap();
}

#[test]
fn close_commits_what_waits_and_refuses_the_rest() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(directory.path())).unwrap();
    let waiting: Vec<_> =
        (0..20).map(|n| store.send(tx(vec![put(&n.to_string(), "1")])).unwrap()).collect();
    store.close();
    for answer in waiting {
        runtime.block_on(answer).unwrap().unwrap();
    }
    let late = runtime.block_on(store.commit(tx(vec![put("a", "1")])));
    assert!(matches!(late, Err(StoreError::Stopped(_))), "{late:?}");
    let read = runtime.block_on(store.get(&key("1")));
    assert!(matches!(read, Err(StoreError::Stopped(_))), "{read:?}");
    drop(store);
    let store = SledStore::open(options(directory.path())).unwrap();
    assert_eq!(runtime.block_on(store.scan(&all(100))).unwrap().entries.len(), 20);
    assert!((0.0..=1.0).contains(&store.free_ratio().unwrap()));
}

#[test]
fn a_record_that_is_not_what_was_written_is_refused() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(directory.path())).unwrap();
    runtime.block_on(store.commit(tx(vec![put("a", "1"), put("b", "2")]))).unwrap();
    // The planner knows the last group by heart.
    runtime.block_on(store.commit(tx(vec![put("d", "1")]))).unwrap();
    // Another key's record, whole in itself, under this key.
    let tree: &Tree = store.db.as_ref().unwrap();
    let other = tree.get(record::disk_key(&key("b"))).unwrap().unwrap();
    tree.insert(record::disk_key(&key("a")), other).unwrap();

    let damaged =
        |error: StoreError| matches!(error, StoreError::Damaged(found) if found == key("a"));
    assert!(damaged(runtime.block_on(store.get(&key("a"))).unwrap_err()));
    assert!(damaged(runtime.block_on(store.scan(&all(9))).unwrap_err()));
    let condition = Condition::Version(key("a"), 1);
    let conditional = Tx { conditions: vec![condition], ..tx(vec![put("c", "3")]) };
    assert!(damaged(runtime.block_on(store.commit(conditional)).unwrap_err()));
    // Everything else still works, and a new value heals the key.
    assert_eq!(runtime.block_on(store.get(&key("c"))).unwrap(), None);
    runtime.block_on(store.commit(tx(vec![put("a", "4")]))).unwrap();
    assert!(runtime.block_on(store.get(&key("a"))).unwrap().is_some());
}

#[test]
fn a_folder_in_use_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(directory.path())).unwrap();
    let error = SledStore::open(options(directory.path())).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }));
    assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
    drop(store);
    SledStore::open(options(directory.path())).unwrap();
}

#[test]
fn an_unfinished_snapshot_is_set_aside_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(options(directory.path())).unwrap());
    drop(SledStore::open(options(directory.path())).unwrap());
    let snapshots = files::snapshots(directory.path(), false).unwrap();
    assert_eq!(snapshots.len(), 1);
    let unfinished = "snap.FFFFFFFFFFFFFFFF.generating";
    std::fs::write(directory.path().join(unfinished), b"").unwrap();
    drop(SledStore::open(options(directory.path())).unwrap());
    assert_eq!(files::snapshots(directory.path(), false).unwrap(), snapshots);
    let aside = directory.path().join("aside").read_dir().unwrap();
    let aside: Vec<_> = aside.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(aside, [unfinished]);
}

#[test]
fn another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(directory.path())).unwrap();
    let tree: &Tree = store.db.as_ref().unwrap();
    let format_key = record::format_key();
    tree.insert(&*format_key, record::seal(&format_key, 0, b"cnsp-store 2")).unwrap();
    drop(store);
    let error = SledStore::open(options(directory.path())).err().unwrap();
    assert!(
        matches!(&error, OpenError::Format { found, .. } if found == "cnsp-store 2"),
        "{error}"
    );

    let foreign = tempfile::tempdir().unwrap();
    let db = ::sled::Config::new().path(foreign.path()).segment_size(8 << 20).open().unwrap();
    db.insert(b"theirs", b"1").unwrap();
    drop(db);
    let error = SledStore::open(options(foreign.path())).err().unwrap();
    assert!(matches!(error, OpenError::Format { .. }), "{error}");
}

#[test]
fn a_commit_is_checked_against_the_group_that_is_being_written() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let (store, gate) = Gate::open(options(directory.path()));
    let seen = runtime.block_on(store.scan(&all(9))).unwrap().fingerprint();
    let held = gate.hold(&runtime, &store, tx(vec![put("a", "1"), Operation::Delete(key("b"))]));
    let send = |condition, body: &str| {
        store.send(Tx { conditions: vec![condition], ..tx(vec![put(body, "2")]) }).unwrap()
    };
    // What is not durable yet counts, although no reader sees it.
    let stale = send(Condition::Absent(key("a")), "c");
    let stale_range = send(Condition::Range(all(9), seen), "d");
    let fresh = send(Condition::Version(key("a"), 1), "e");
    let absent = send(Condition::Absent(key("b")), "f");
    let twice = send(Condition::Absent(key("f")), "g");
    drop(gate);
    runtime.block_on(held).unwrap().unwrap();
    for stale in [stale, stale_range, twice] {
        let answer = runtime.block_on(stale).unwrap();
        assert!(matches!(answer, Err(StoreError::Conflict(_))), "{answer:?}");
    }
    for fresh in [fresh, absent] {
        runtime.block_on(fresh).unwrap().unwrap();
    }
    let page = runtime.block_on(store.scan(&all(9))).unwrap();
    let bodies: Vec<_> = page.entries.iter().map(|(body, _)| body.as_ref()).collect();
    assert_eq!(bodies, [b"a", b"e", b"f"]);
}

#[test]
fn no_key_that_is_there_is_said_not_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(directory.path())).unwrap();
    let tree: &Tree = store.db.as_ref().unwrap();
    let bodies = |range: std::ops::Range<u32>| range.map(|number| number.to_be_bytes());
    for body in bodies(0..3000) {
        tree.insert(body, &[]).unwrap();
    }
    let keys = keys::Keys::new(1000);
    // Until the tree was read, every key may be there.
    assert!(bodies(0..9000).all(|body| keys.may_hold(&body)));
    bodies(3000..6000).for_each(|body| keys.add(&body));
    keys.add_all(tree, &store.health, &Uses::since(0)).unwrap();
    assert!(bodies(0..6000).all(|body| keys.may_hold(&body)));
    let wrong = bodies(6000..9000).filter(|body| keys.may_hold(body)).count();
    assert!(wrong < 300, "{wrong} of 3000 keys that are not there");
    // Keys that come twice take no more room.
    bodies(0..6000).for_each(|body| keys.add(&body));
    assert_eq!(keys.rooms(), [1000, 2000, 4000]);
}
