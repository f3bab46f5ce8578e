//! What sled itself can do with records like ours: the ceiling.

use cnsp::store::{Partition, Range, SledOptions, SledStore, Space, Store};
use std::path::Path;
use std::time::{Duration, Instant};

/// What one create leaves in the store.
pub(crate) struct Shape {
    pub(crate) records: f64,
    pub(crate) bytes: f64,
}

/// Counts what the creates of a stopped host left, per account.
pub(crate) async fn shape(store: &Path) -> anyhow::Result<Shape> {
    let store = SledStore::open(SledOptions::new(store))?;
    let partition = Partition::of("e0");
    let (mut records, mut bytes, mut accounts) = (0usize, 0usize, 0usize);
    let spaces = [Space::Account, Space::User, Space::Id, Space::Operation, Space::Kv];
    for space in spaces {
        let mut range =
            Range { space, partition, prefix: bytes::Bytes::new(), after: None, limit: 1000 };
        loop {
            let page = store.scan(&range).await?;
            for (body, found) in &page.entries {
                records += 1;
                bytes += body.len() + found.value.len();
            }
            if space == Space::Account {
                accounts += page.entries.len();
            }
            match page.entries.last() {
                Some((body, _)) if page.more => range.after = Some(body.clone()),
                _ => break,
            }
        }
    }
    let mut after = 0;
    loop {
        let events = store.changes(partition, after, 1000).await?;
        let Some(last) = events.last() else { break };
        after = last.version;
        records += events.len();
        bytes += events.iter().map(|event| event.value.len()).sum::<usize>();
    }
    store.close();
    let accounts = accounts.max(1) as f64;
    Ok(Shape { records: records as f64 / accounts, bytes: bytes as f64 / accounts })
}

/// Creates per second with one batch, flush and fdatasync per `group` creates.
#[expect(clippy::disallowed_methods, reason = "the ceiling is measured on sled itself")]
#[allow(clippy::disallowed_types, reason = "the ceiling is measured on sled itself")]
pub(crate) fn run(shape: &Shape, group: usize, time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let config = sled::Config::new()
        .path(folder.path())
        .segment_size(8 << 20)
        .cache_capacity(128 << 20)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput);
    let db: sled::Db = config.open()?;
    let file = std::fs::File::open(folder.path().join("db"))?;
    let records = shape.records.round() as u64;
    let value = vec![b'v'; (shape.bytes / shape.records) as usize - 24];
    let (mut creates, began) = (0u64, Instant::now());
    while began.elapsed() < time {
        let mut batch = sled::Batch::default();
        for _ in 0..group {
            creates += 1;
            for record in 0..records {
                // Spread like ids are: each record of a create in another place.
                let place = (creates * records + record).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let mut key = place.to_be_bytes().to_vec();
                key.extend_from_slice(&creates.to_be_bytes());
                key.extend_from_slice(&record.to_be_bytes());
                batch.insert(key, value.clone());
            }
        }
        db.apply_batch(batch)?;
        db.flush()?;
        file.sync_data()?;
    }
    Ok(creates as f64 / began.elapsed().as_secs_f64())
}
