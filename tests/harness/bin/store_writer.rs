//! A process for the crash tests of the store, to be killed.
//!
//! `store_writer run FOLDER ROUND TASKS COUNT`: prints `O` and opens the store, prints `R`, and then commits
//! transactions from several tasks, COUNT from each. Prints `S<task>-<number>` before each and
//! `A<task>-<number>` after it was acknowledged. Exits with 65 if the store does not open, and with 70 if it
//! stopped.
//!
//! `store_writer verify FOLDER`: checks that every round and task left a gapless row of whole transactions,
//! and prints `M<round>-<task> <last number>` for each. Exits with 65 if the store does not open, 66 if a
//! record is damaged, and 1 if what is there is wrong.
//!
//! `store_writer scribble FOLDER`: changes files with and without syncing them, to test the shim by.

use anyhow::{Context, Result, bail, ensure};
use cnsp::store::{
    Condition, Key, Operation, Partition, Range, SledOptions, SledStore, Space, Store, StoreError,
    Tx,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `verify` looks for this many tasks.
const TASK_COUNT_MAX: u32 = 16;
const EXIT_NOT_OPENED: u8 = 65;
const EXIT_DAMAGED: u8 = 66;
const EXIT_STOPPED: u8 = 70;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run", folder, round, tasks, count] => {
            run(folder, round.parse()?, tasks.parse()?, count.parse()?).await
        }
        ["verify", folder] => verify(folder).await,
        ["scribble", folder] => scribble(Path::new(folder)),
        _ => bail!("see the comment at the top of this program"),
    }
}

/// One line, in one write.
fn say(line: &str) -> Result<()> {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).context("standard output")
}

fn complain(line: &str) {
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn open(folder: &str) -> Result<Option<Arc<SledStore>>> {
    say("O")?;
    let options = SledOptions {
        cache_bytes: 8 << 20,
        ballast_bytes: 1 << 20,
        ..SledOptions::new(Path::new(folder))
    };
    match SledStore::open(options) {
        Ok(store) => Ok(Some(Arc::new(store))),
        Err(error) => {
            complain(&format!("not opened: {error}"));
            Ok(None)
        }
    }
}

fn partition(task: u32) -> Partition {
    Partition::of(&format!("task-{task}"))
}

fn key(space: Space, task: u32, parts: &[&str]) -> Key {
    let task = task.to_string();
    let parts: Vec<&str> = std::iter::once(task.as_str()).chain(parts.iter().copied()).collect();
    Key::new(space, partition(task.parse().unwrap_or_default()), &parts)
}

/// The value of a transaction's key: long enough to lie across sectors.
fn value(id: &str, part: &str) -> bytes::Bytes {
    bytes::Bytes::from(format!("{id} {part} ").repeat(30).into_bytes())
}

const PARTS: [&str; 3] = ["a", "b", "c"];

/// Ids sort as numbers do.
fn id(round: u32, number: u32) -> String {
    format!("{round:06}-{number:08}")
}

fn transaction(task: u32, round: u32, number: u32, head: Condition) -> Tx {
    let id = id(round, number);
    let mut tx = Tx::new(partition(task));
    tx.conditions.push(head);
    for part in PARTS {
        tx.conditions.push(Condition::Absent(key(Space::Kv, task, &[&id, part])));
        tx.operations.push(Operation::Put(key(Space::Kv, task, &[&id, part]), value(&id, part)));
    }
    // One key that every transaction overwrites, and one that lives until the next.
    tx.operations.push(Operation::Put(key(Space::Id, task, &[]), value(&id, "head")));
    tx.operations.push(Operation::Put(key(Space::Pending, task, &[&id]), value(&id, "pending")));
    if let Some(before) = number.checked_sub(1) {
        let before = self::id(round, before);
        tx.operations.push(Operation::Delete(key(Space::Pending, task, &[&before])));
    }
    tx.event = Some(value(&id, "event"));
    tx
}

async fn run(folder: &str, round: u32, tasks: u32, count: u32) -> Result<ExitCode> {
    let Some(store) = open(folder)? else { return Ok(ExitCode::from(EXIT_NOT_OPENED)) };
    say("R")?;
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        running.spawn(write(Arc::clone(&store), round, task, count));
    }
    let mut stopped = false;
    while let Some(outcome) = running.join_next().await {
        stopped |= !outcome??;
    }
    if stopped {
        complain(&store.failed().await);
        return Ok(ExitCode::from(EXIT_STOPPED));
    }
    store.close();
    Ok(ExitCode::SUCCESS)
}

/// Whether the store lasted to the end.
async fn write(store: Arc<SledStore>, round: u32, task: u32, count: u32) -> Result<bool> {
    let head = key(Space::Id, task, &[]);
    let found = match store.get(&head).await {
        Err(StoreError::Stopped(_)) => return Ok(false),
        found => found?,
    };
    let mut condition = match found {
        Some(found) => Condition::Version(head.clone(), found.version),
        None => Condition::Absent(head.clone()),
    };
    for number in 0..count {
        say(&format!("S{task}-{number}"))?;
        match store.commit(transaction(task, round, number, condition)).await {
            Ok(version) => condition = Condition::Version(head.clone(), version),
            Err(StoreError::Stopped(_) | StoreError::Unknown) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        say(&format!("A{task}-{number}"))?;
    }
    Ok(true)
}

fn scribble(folder: &Path) -> Result<ExitCode> {
    use std::fs;
    let sync = |name: &str| fs::File::open(folder.join(name)).and_then(|file| file.sync_data());
    for name in ["overwritten", "renamed", "replaced", "removed", "bare"] {
        fs::write(folder.join(name), "synced")?;
        if name != "bare" {
            sync(name)?;
        }
    }
    sync(".")?;
    fs::write(folder.join("created"), "not synced")?;
    // Its bytes are, its name is not.
    sync("created")?;
    fs::write(folder.join("overwritten"), "not")?;
    fs::rename(folder.join("renamed"), folder.join("moved"))?;
    fs::write(folder.join("new"), "not synced")?;
    fs::rename(folder.join("new"), folder.join("replaced"))?;
    fs::remove_file(folder.join("removed"))?;
    fs::create_dir(folder.join("made"))?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(folder: &str) -> Result<ExitCode> {
    let Some(store) = open(folder)? else { return Ok(ExitCode::from(EXIT_NOT_OPENED)) };
    for task in 0..TASK_COUNT_MAX {
        match check(store.as_ref(), task).await {
            Ok(()) => {}
            Err(error) => match error.downcast_ref::<StoreError>() {
                Some(StoreError::Damaged(_)) => {
                    complain(&format!("{error}"));
                    return Ok(ExitCode::from(EXIT_DAMAGED));
                }
                Some(StoreError::Stopped(_)) => {
                    complain(&format!("{error}"));
                    return Ok(ExitCode::from(EXIT_STOPPED));
                }
                _ => return Err(error),
            },
        }
    }
    say("V")?;
    Ok(ExitCode::SUCCESS)
}

/// Every record of a task in a space: id and part, to its value and version.
async fn read(
    store: &SledStore,
    space: Space,
    task: u32,
) -> Result<Vec<(String, bytes::Bytes, u64)>> {
    let prefix = bytes::Bytes::from(format!("{task}\0").into_bytes());
    let partition = partition(task);
    let mut range = Range { space, partition, prefix, after: None, limit: 100 };
    let mut all = Vec::new();
    loop {
        let page = store.scan(&range).await?;
        range.after = page.entries.last().map(|(body, _)| body.clone());
        for (body, found) in page.entries {
            let name = String::from_utf8(body.slice(range.prefix.len()..).to_vec())?;
            all.push((name, found.value, found.version));
        }
        if !page.more {
            return Ok(all);
        }
    }
}

/// Checks what a task left in all rounds.
async fn check(store: &SledStore, task: u32) -> Result<()> {
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (name, found, version) in read(store, Space::Kv, task).await? {
        let (id, part) = name.split_once('\0').context("an id and a part")?;
        ensure!(found == value(id, part), "{task} {name:?} holds {found:?}");
        versions.entry(id.to_owned()).or_default().push(version);
    }
    let mut last_of_rounds: BTreeMap<u32, u32> = BTreeMap::new();
    for (id, parts) in &versions {
        let (round, number) = id.split_once('-').context("a round and a number")?;
        let (round, number): (u32, u32) = (round.parse()?, number.parse()?);
        let whole =
            parts.len() == PARTS.len() && parts.iter().all(|part| Some(part) == parts.first());
        ensure!(whole, "{task} {id} is torn: {parts:?}");
        let expected = last_of_rounds.get(&round).map_or(0, |last| last + 1);
        ensure!(number == expected, "{task} {id} follows a gap");
        last_of_rounds.insert(round, number);
    }
    for (round, last) in &last_of_rounds {
        say(&format!("M{round}-{task} {last}"))?;
    }

    // Of each round, only the last transaction's pending record was not deleted by the next.
    let pending: Vec<String> =
        read(store, Space::Pending, task).await?.into_iter().map(|(name, ..)| name).collect();
    let expected: Vec<String> =
        last_of_rounds.iter().map(|(round, last)| id(*round, *last)).collect();
    ensure!(pending == expected, "{task}: pending {pending:?}, not {expected:?}");

    let head = store.get(&key(Space::Id, task, &[])).await?;
    let newest = versions.keys().next_back();
    let expected = newest.map(|id| value(id, "head"));
    ensure!(
        head.as_ref().map(|head| &head.value) == expected.as_ref(),
        "{task}: the head is {head:?}"
    );

    // One event for each transaction, with its version, in order.
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(0, |(version, _)| *version);
        let page = store.changes(partition(task), after, 100).await?;
        if page.is_empty() {
            break;
        }
        events.extend(page.into_iter().map(|event| (event.version, event.value)));
    }
    let expected: Vec<_> = versions
        .iter()
        .filter_map(|(id, parts)| parts.first().map(|version| (*version, value(id, "event"))))
        .collect();
    ensure!(events == expected, "{task}: {} events, not {}", events.len(), expected.len());
    Ok(())
}
