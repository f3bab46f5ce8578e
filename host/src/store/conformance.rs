//! What every engine must do alike: the same steps must leave the same trace on it as on the model.

use super::memory::MemoryStore;
use super::{
    Condition, KEY_BODY_BYTES_MAX, Key, Operation, Partition, Range, SledOptions, SledStore, Space,
    Store, TX_BYTES_MAX, TX_OPERATION_COUNT_MAX, Tx, VALUE_BYTES_MAX,
};
use bytes::Bytes;
use futures_util::future::join_all;
use proptest::prelude::*;
use std::sync::Arc;

/// What a condition is about, before its expectation is known.
#[derive(Clone, Debug)]
enum Plan {
    Absent(Key),
    /// At the version that it has now, plus something.
    Version(Key, u64),
    /// Finding what is found now, or something else.
    Range(Range, bool),
}

#[derive(Clone, Debug)]
struct TxPlan {
    partition: Partition,
    conditions: Vec<Plan>,
    operations: Vec<Operation>,
    event: Option<Bytes>,
}

#[derive(Clone, Debug)]
enum Step {
    Get(Key),
    Scan(Range),
    Changes(Partition, u64, usize),
    KvUse(&'static str),
    /// All at once: they may end up in one group.
    Commit(Vec<TxPlan>),
    Reopen,
}

fn partition() -> impl Strategy<Value = Partition> {
    prop_oneof![Just(Partition(7)), Just(Partition(7)), Just(Partition(8))]
}

fn body() -> impl Strategy<Value = Bytes> {
    // Few enough to collide, with every kind of neighbour: prefixes of each other, and the last byte.
    let letters = prop_oneof![Just(b'a'), Just(b'b'), Just(0), Just(0xff)];
    prop::collection::vec(letters, 0..3).prop_map(Bytes::from)
}

/// Those that such bodies begin with, before a NUL or the end.
fn endpoint() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just("a"), Just("b"), Just("aa"), Just("c")]
}

fn space() -> impl Strategy<Value = Space> {
    prop_oneof![Just(Space::Kv), Just(Space::Kv), Just(Space::Id), Just(Space::Meta)]
}

fn key_in(partition: Partition) -> impl Strategy<Value = Key> {
    (space(), body()).prop_map(move |(space, body)| Key { space, partition, body })
}

fn range_in(partition: Partition) -> impl Strategy<Value = Range> {
    let limit = prop_oneof![0_usize..4, Just(usize::MAX)];
    (space(), body(), prop::option::of(body()), limit).prop_map(
        move |(space, prefix, after, limit)| Range { space, partition, prefix, after, limit },
    )
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from),
        1 => Just(Bytes::from(vec![7; VALUE_BYTES_MAX])),
    ]
}

fn tx_plan() -> impl Strategy<Value = TxPlan> {
    partition().prop_flat_map(|partition| {
        let condition = prop_oneof![
            key_in(partition).prop_map(Plan::Absent),
            (key_in(partition), prop_oneof![4 => Just(0), 1 => 1..3_u64])
                .prop_map(|(key, off)| Plan::Version(key, off)),
            (range_in(partition), prop::bool::weighted(0.9))
                .prop_map(|(range, holds)| Plan::Range(range, holds)),
        ];
        let operation = prop_oneof![
            3 => (key_in(partition), value()).prop_map(|(key, value)| Operation::Put(key, value)),
            1 => key_in(partition).prop_map(Operation::Delete),
        ];
        // Now and then a key occurs twice, which every engine must refuse in the same words.
        let operations = prop::collection::vec(operation, 0..4);
        let conditions = prop::collection::vec(condition, 0..2);
        (conditions, operations, prop::option::of(value())).prop_map(
            move |(conditions, operations, event)| TxPlan {
                partition,
                conditions,
                operations,
                event,
            },
        )
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => partition().prop_flat_map(key_in).prop_map(Step::Get),
        6 => partition().prop_flat_map(range_in).prop_map(Step::Scan),
        2 => (partition(), 0..30_u64, 0_usize..5)
            .prop_map(|(partition, after, limit)| Step::Changes(partition, after, limit)),
        4 => endpoint().prop_map(Step::KvUse),
        12 => prop::collection::vec(tx_plan(), 1..5).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

async fn resolve(store: &dyn Store, plan: &TxPlan) -> Tx {
    let mut tx = Tx::new(plan.partition);
    for condition in &plan.conditions {
        tx.conditions.push(match condition {
            Plan::Absent(key) => Condition::Absent(key.clone()),
            Plan::Version(key, off) => {
                let found = store.get(key).await.unwrap();
                let version = found.map_or(0, |found| found.version) + off;
                Condition::Version(key.clone(), version)
            }
            Plan::Range(range, holds) => {
                let page = store.scan(range).await.unwrap();
                Condition::Range(range.clone(), page.fingerprint() ^ u64::from(!holds))
            }
        });
    }
    tx.operations.clone_from(&plan.operations);
    tx.event.clone_from(&plan.event);
    tx
}

/// Everything that the store answers to the steps.
async fn trace(steps: &[Step], open: impl Fn() -> Arc<dyn Store>) -> Vec<String> {
    let mut store = open();
    let mut trace = Vec::new();
    for step in steps {
        trace.push(match step {
            Step::Get(key) => format!("{:?}", store.get(key).await),
            Step::Scan(range) => format!("{:?}", store.scan(range).await),
            Step::Changes(partition, after, limit) => {
                format!("{:?}", store.changes(*partition, *after, *limit).await)
            }
            Step::KvUse(endpoint) => format!("{:?}", store.kv_use(endpoint)),
            Step::Commit(plans) => {
                let mut txs = Vec::new();
                for plan in plans {
                    txs.push(resolve(store.as_ref(), plan).await);
                }
                // They are sent in this order, since join_all polls in order.
                format!("{:?}", join_all(txs.into_iter().map(|tx| store.commit(tx))).await)
            }
            Step::Reopen => {
                drop(store);
                store = open();
                String::new()
            }
        });
    }
    trace
}

/// A store in a folder, without the reserve: tests open hundreds.
fn open_sled(directory: &std::path::Path) -> Arc<dyn Store> {
    let options =
        SledOptions { ballast_bytes: 0, cache_bytes: 8 << 20, ..SledOptions::new(directory) };
    let store = SledStore::open(options).unwrap();
    store.wait_for_keys();
    Arc::new(store)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sled_does_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        block_on(async {
            let model = Arc::new(MemoryStore::default());
            let expected = trace(&steps, || Arc::clone(&model) as Arc<dyn Store>).await;
            let directory = tempfile::tempdir().unwrap();
            let found = trace(&steps, || open_sled(directory.path())).await;
            for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
                prop_assert_eq!(expected, found, "at step {}: {:?}", number, &steps[number]);
            }
            Ok(())
        })?;
    }
}

fn key(body: &'static [u8]) -> Key {
    Key { space: Space::Kv, partition: Partition(7), body: Bytes::from_static(body) }
}

fn put(operations: Vec<Operation>) -> Tx {
    Tx { operations, ..Tx::new(Partition(7)) }
}

/// Each is over one limit, by one.
fn over_the_limits() -> Vec<(&'static str, Tx)> {
    let value = |length: usize| Bytes::from(vec![1; length]);
    let numbered =
        |number: usize| Key { body: Bytes::from(number.to_string().into_bytes()), ..key(b"") };
    let long = Key { body: value(KEY_BODY_BYTES_MAX + 1), ..key(b"") };
    let foreign = Key { partition: Partition(8), ..key(b"a") };
    let event = Key { space: Space::Event, ..key(b"a") };
    vec![
        ("long key", put(vec![Operation::Delete(long.clone())])),
        ("long condition", Tx { conditions: vec![Condition::Absent(long)], ..put(vec![]) }),
        ("long value", put(vec![Operation::Put(key(b"a"), value(VALUE_BYTES_MAX + 1))])),
        ("long event", Tx { event: Some(value(VALUE_BYTES_MAX + 1)), ..put(vec![]) }),
        ("foreign key", put(vec![Operation::Delete(foreign.clone())])),
        ("foreign condition", Tx { conditions: vec![Condition::Absent(foreign)], ..put(vec![]) }),
        ("key twice", put(vec![Operation::Delete(key(b"a")), Operation::Delete(key(b"a"))])),
        ("event", put(vec![Operation::Put(event, value(1))])),
        (
            "operations",
            put((0..=TX_OPERATION_COUNT_MAX).map(|n| Operation::Delete(numbered(n))).collect()),
        ),
        (
            "bytes",
            put((0..TX_BYTES_MAX / VALUE_BYTES_MAX)
                .map(|n| Operation::Put(numbered(n), value(VALUE_BYTES_MAX)))
                .collect()),
        ),
    ]
}

#[test]
fn what_is_over_a_limit_is_refused_in_the_same_words() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let sled = open_sled(directory.path());
        let model = MemoryStore::default();
        for (name, tx) in over_the_limits() {
            let expected = format!("{:?}", model.commit(tx.clone()).await);
            assert!(expected.starts_with("Err(TooLarge("), "{name}: {expected}");
            assert_eq!(format!("{:?}", sled.commit(tx).await), expected, "{name}");
        }
        assert_eq!(sled.get(&key(b"a")).await.unwrap(), None);
    });
}

#[test]
fn what_is_at_the_limits_is_kept() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let sled = open_sled(directory.path());
        let body = |number: u8| Bytes::from(vec![number; KEY_BODY_BYTES_MAX]);
        let value = Bytes::from(vec![1; VALUE_BYTES_MAX]);
        let operations: Vec<Operation> = (0..31)
            .map(|number| Operation::Put(Key { body: body(number), ..key(b"") }, value.clone()))
            .collect();
        let version = sled.commit(put(operations)).await.unwrap();
        let range = Range {
            space: Space::Kv,
            partition: Partition(7),
            prefix: Bytes::new(),
            after: Some(body(3)),
            limit: 27,
        };
        let page = sled.scan(&range).await.unwrap();
        assert_eq!((page.entries.len(), page.more), (27, false));
        assert!(
            page.entries.iter().all(|(_, found)| found.value == value && found.version == version)
        );
        // Larger values would become files that sled never syncs.
        assert_eq!(directory.path().join("blobs").read_dir().unwrap().count(), 0);
    });
}
