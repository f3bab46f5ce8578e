//! The import `kv` over a store in memory.

use super::*;
use crate::store::memory::MemoryStore;
use crate::store::{Store, Tx};
use futures_util::FutureExt;
use proptest::prelude::*;
use std::sync::Arc;

/// What never waits is done at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn commit(state: CallState) -> Result<u64, StoreError> {
    let store = state.scope.store.clone();
    let mut tx = Tx::new(state.scope.partition);
    (tx.conditions, tx.operations) = state.kv.into_effects("e", Partition::of("e"));
    now(store.commit(tx))
}

fn with(entries: &[(&str, &str)]) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for (key, value) in entries {
        let mut state = CallState::for_test(store.clone(), true);
        now(state.set((*key).to_owned(), value.as_bytes().to_vec())).unwrap();
        commit(state).unwrap();
    }
    store
}

proptest! {
    #[test]
    fn a_list_is_what_the_store_and_the_own_writes_make_together(
        stored in prop::collection::btree_map("[ab]{1,4}", "[0-9]{0,3}", 0..20),
        written in prop::collection::btree_map("[ab]{1,4}", prop::option::of("[0-9]{0,3}"), 0..8),
        prefix in "[ab]{0,2}",
        after in prop::option::of("[ab]{0,4}"),
        limit in 1u32..12,
    ) {
        let entries: Vec<_> = stored.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let mut state = CallState::for_test(with(&entries), true);
        let mut model = stored.clone();
        for (key, value) in written {
            match value {
                Some(value) => {
                    now(state.set(key.clone(), value.clone().into_bytes())).unwrap();
                    model.insert(key, value);
                }
                None => {
                    now(state.delete(key.clone())).unwrap();
                    model.remove(&key);
                }
            }
        }
        let listed = now(state.list(prefix.clone(), after.clone(), limit)).unwrap();
        let listed: Vec<_> = listed.into_iter().map(|e| (e.key, String::from_utf8(e.value).unwrap())).collect();
        let expected: Vec<_> = model
            .into_iter()
            .filter(|(key, _)| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after))
            .take(limit as usize)
            .collect();
        prop_assert_eq!(listed, expected);
        commit(state).unwrap();
    }
}

#[test]
fn what_was_read_has_to_be_so_still_when_it_commits() {
    let store = with(&[("a", "1")]);
    let reads: [fn(&mut CallState); 4] = [
        |state| drop(now(state.get("a".into())).unwrap()),
        |state| drop(now(state.get("gone".into())).unwrap()),
        |state| drop(now(state.list(String::new(), None, 10)).unwrap()),
        |state| assert!(now(state.compare_and_set("b".into(), None, vec![])).unwrap()),
    ];
    let changes = ["a", "gone", "new", "b"];
    for (read, changed) in reads.into_iter().zip(changes) {
        let mut first = CallState::for_test(store.clone(), true);
        read(&mut first);
        now(first.set("result".into(), vec![])).unwrap();
        let mut second = CallState::for_test(store.clone(), true);
        now(second.set(changed.into(), b"2".to_vec())).unwrap();
        commit(second).unwrap();
        assert!(matches!(commit(first), Err(StoreError::Conflict(_))), "{changed}");
    }
}

#[test]
fn a_call_sees_its_own_writes_and_nobody_else_does() {
    let store = with(&[("a", "1")]);
    let mut state = CallState::for_test(store.clone(), true);
    now(state.set("a".into(), b"2".to_vec())).unwrap();
    let own = now(state.get("a".into())).unwrap().unwrap();
    assert_eq!((own.value.as_slice(), own.version), (b"2".as_slice(), 0));
    let mut other = CallState::for_test(store, false);
    assert_eq!(now(other.get("a".into())).unwrap().unwrap().value, b"1");
}

/// Writes values of this length, seven in each call, until one is refused. How many there are then.
fn fill(store: &Arc<dyn Store>, length: usize) -> (u64, KvError) {
    let mut count = 0;
    loop {
        let mut state = CallState::for_test(store.clone(), true);
        for _ in 0..7 {
            let key = format!("k{count}");
            if let Err(error) = now(state.set(key, vec![0; length])) {
                commit(state).unwrap();
                return (count, error);
            }
            count += 1;
        }
        commit(state).unwrap();
    }
}

#[test]
fn an_endpoint_keeps_as_many_keys_as_its_quota() {
    let store = with(&[]);
    let (count, error) = fill(&store, 0);
    assert_eq!((count, error.code), (100, 2));
    assert!(error.message.contains("in 101 keys, and may keep"), "{}", error.message);
    assert_eq!(store.kv_use("e").count, 100);
    let new =
        |state: &mut CallState, key: &str| now(state.compare_and_set(key.into(), None, vec![]));
    let mut state = CallState::for_test(store.clone(), true);
    assert_eq!(new(&mut state, "new").unwrap_err().code, 2);
    // One that is there is not one more, and one that goes makes room for another within the same call.
    now(state.set("k0".into(), vec![1])).unwrap();
    now(state.delete("k0".into())).unwrap();
    assert!(new(&mut state, "new").unwrap());
    assert_eq!(now(state.set("newer".into(), vec![])).unwrap_err().code, 2);
    assert_eq!(now(state.set("k0".into(), vec![])).unwrap_err().code, 2);
    now(state.set("new".into(), vec![1])).unwrap();
    commit(state).unwrap();
    assert_eq!(store.kv_use("e").count, 100);
    // Outside of an operation it is something else that is wrong.
    let mut reading = CallState::for_test(store, false);
    assert_eq!(now(reading.set("newer".into(), vec![])).unwrap_err().code, 3);
}

#[test]
fn an_endpoint_keeps_as_many_bytes_as_its_quota() {
    let store = with(&[]);
    let (count, error) = fill(&store, 995);
    assert_eq!((count, error.code), (20, 2));
    let mut state = CallState::for_test(store.clone(), true);
    let set =
        |state: &mut CallState, key: &str, length| now(state.set(key.into(), vec![0; length]));
    assert_eq!(set(&mut state, "k1", 1200).unwrap_err().code, 2);
    set(&mut state, "k1", 800).unwrap();
    set(&mut state, "k2", 1100).unwrap();
    assert_eq!(set(&mut state, "k1", 995).unwrap_err().code, 2);
    commit(state).unwrap();
    assert!(store.kv_use("e").bytes <= 20_000);
    // Who is over it, as after a quota that was lowered, may shrink all the same.
    let over = (0..5).map(|n| {
        Operation::Put(key("e", Partition::of("e"), &n.to_string()), Bytes::from(vec![0; 9000]))
    });
    now(store.commit(Tx { operations: over.collect(), ..Tx::new(Partition::of("e")) })).unwrap();
    let mut state = CallState::for_test(store.clone(), true);
    set(&mut state, "1", 8999).unwrap();
    assert_eq!(set(&mut state, "1", 9000).unwrap_err().code, 2);
    assert_eq!(set(&mut state, "new", 0).unwrap_err().code, 2);
    for number in 0..5 {
        now(state.delete(number.to_string())).unwrap();
    }
    set(&mut state, "new", 0).unwrap();
    commit(state).unwrap();
    assert!(store.kv_use("e").bytes <= 20_000);
}

#[test]
fn a_list_has_all_that_was_asked_for_or_nothing() {
    let store = with(&[]);
    let long = |n: usize| {
        Operation::Put(
            key("e", Partition::of("e"), &format!("long{n:02}")),
            Bytes::from(vec![0; 22 << 10]),
        )
    };
    let short = |n: usize| {
        Operation::Put(key("e", Partition::of("e"), &format!("short{n:03}")), Bytes::new())
    };
    for operations in [
        (0..40).map(long).collect(),
        (40..48).map(long).collect(),
        (0..200).map(short).collect::<Vec<_>>(),
    ] {
        now(store.commit(Tx { operations, ..Tx::new(Partition::of("e")) })).unwrap();
    }
    let list = |prefix: &str, limit| {
        now(CallState::for_test(store.clone(), false).list(prefix.into(), None, limit))
    };
    // 22 KiB and the key, 46 times, is just under 1 MiB.
    assert_eq!(list("long", 46).unwrap().len(), 46);
    assert_eq!(list("long", 47).unwrap_err().code, 6);
    assert_eq!(list("long", 1000).unwrap_err().code, 6);
    // More than are read at a time, but not more than a call may read.
    assert_eq!(list("short", 90).unwrap().len(), 90);
    assert_eq!(list("short", 1000).unwrap_err().code, 5);
}

#[test]
fn limits_are_told_and_kept() {
    let store = with(&[]);
    let code = |result: Result<(), KvError>| result.unwrap_err().code;
    let mut reading = CallState::for_test(store.clone(), false);
    assert_eq!(code(now(reading.set("a".into(), vec![]))), 3);
    let mut state = CallState::for_test(store, true);
    assert_eq!(code(now(state.set(String::new(), vec![]))), 1);
    assert_eq!(code(now(state.set("k".repeat(KEY_BYTES_MAX + 1), vec![]))), 1);
    assert_eq!(code(now(state.set("a".into(), vec![0; VALUE_BYTES_MAX + 1]))), 1);
    assert_eq!(code(now(state.set("a".into(), vec![0; 10_001]))), 5);
    for number in 0..20 {
        now(state.set(number.to_string(), vec![])).unwrap();
    }
    assert_eq!(code(now(state.set("one more".into(), vec![]))), 5);
    for _ in 0..78 {
        now(state.get("a".into())).unwrap();
    }
    assert_eq!(now(state.get("a".into())).unwrap_err().code, 5);
}
