//! What a writer said that it did, and what is there.

use cnsp_tests::powerloss::{Fault, Mode, Random, Shim, Undone, undo};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(super) const WRITER: &str = env!("CARGO_BIN_EXE_store_writer");
pub(super) const TASK_COUNT: u32 = 6;
pub(super) const EXIT_NOT_OPENED: i32 = 65;
pub(super) const EXIT_DAMAGED: i32 = 66;
pub(super) const EXIT_STOPPED: i32 = 70;

/// What was sent and acknowledged, over all rounds.
#[derive(Default)]
pub(super) struct Ledger {
    /// By round and task: the last number that was sent, and the last that was acknowledged.
    pub(super) rows: BTreeMap<(u32, u32), (u32, Option<u32>)>,
    pub(super) acknowledged: usize,
}

impl Ledger {
    /// Notes a line of the writer. Whether it was an acknowledgement.
    pub(super) fn note(&mut self, round: u32, line: &str) -> bool {
        let (kind, rest) = line.split_at(1);
        let Some((task, number)) = rest.split_once('-') else { return false };
        let (task, number): (u32, u32) = (task.parse().unwrap(), number.parse().unwrap());
        let row = self.rows.entry((round, task)).or_insert((number, None));
        match kind {
            "S" => row.0 = number,
            "A" => {
                row.1 = Some(number);
                self.acknowledged += 1;
                return true;
            }
            other => panic!("a line of kind {other}"),
        }
        false
    }

    /// Compares it with what `store_writer verify` found, which has checked already that it is whole.
    pub(super) fn check(&mut self, verified: &Output) {
        let found = rows(verified);
        for (row, (sent, acknowledged)) in &mut self.rows {
            let last = found.get(row).copied();
            // Absence sorts before every number.
            assert!(
                last >= *acknowledged,
                "{row:?}: {acknowledged:?} was acknowledged, {last:?} is there"
            );
            assert!(last <= Some(*sent), "{row:?}: {sent} was sent, {last:?} is there");
            // What is there now must stay, acknowledged or not: the writer went on from it.
            *acknowledged = last;
        }
        assert!(found.keys().all(|row| self.rows.contains_key(row)), "phantoms in {found:?}");
    }
}

/// The last number of each round and task.
pub(super) fn rows(verified: &Output) -> BTreeMap<(u32, u32), u32> {
    let text = String::from_utf8_lossy(&verified.stdout);
    text.lines()
        .filter_map(|line| line.strip_prefix('M'))
        .map(|line| {
            let (row, last) = line.split_once(' ').unwrap();
            let (round, task) = row.split_once('-').unwrap();
            ((round.parse().unwrap(), task.parse().unwrap()), last.parse().unwrap())
        })
        .collect()
}

pub(super) fn verify(store: &Path) -> Output {
    Command::new(WRITER).arg("verify").arg(store).output().unwrap()
}

/// Verifies a store that must open and be whole.
pub(super) fn verify_whole(store: &Path) -> Output {
    let output = verify(store);
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    output
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder that the shim watches, and its log beside it.
pub(super) struct Disk {
    /// Removed with everything in it.
    _folder: tempfile::TempDir,
    pub(super) watched: PathBuf,
    pub(super) store: PathBuf,
    pub(super) log: PathBuf,
}

impl Disk {
    pub(super) fn new() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let watched = folder.path().join("disk");
        fs::create_dir(&watched).unwrap();
        let (store, log) = (watched.join("store"), folder.path().join("log"));
        Disk { _folder: folder, watched, store, log }
    }

    pub(super) fn env(&self, shim: &Shim, fault: Option<&Fault>) -> Vec<(String, String)> {
        shim.env(&self.watched, &self.log, fault)
    }

    pub(super) fn cut_power(&self, mode: Mode, seed: u64) -> Undone {
        undo(&self.watched, &self.log, mode, seed).unwrap()
    }
}

/// Where in the life of a writer it is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// While it opens the store.
    Opening,
    /// After so many acknowledgements.
    After(usize),
}

impl Moment {
    /// Three in ten die while they open.
    pub(super) fn random(random: &mut Random) -> Moment {
        match random.below(10) {
            0..3 => Moment::Opening,
            _ => Moment::After(random.below(300)),
        }
    }
}

/// Runs a writer that commits a few transactions from each task and ends. Its output, and that in lines.
pub(super) fn run_to_end(
    store: &Path,
    round: u32,
    env: Vec<(String, String)>,
    ledger: &mut Ledger,
) -> (Output, Vec<String>) {
    let output = Command::new(WRITER)
        .arg("run")
        .arg(store)
        .args([round, TASK_COUNT, 12].map(|number| number.to_string()))
        .envs(env)
        .output()
        .unwrap();
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    for line in &lines {
        ledger.note(round, line);
    }
    (output, lines)
}

/// Runs a writer without end and kills it.
pub(super) fn run_and_kill(
    store: &Path,
    round: u32,
    moment: Moment,
    env: Vec<(String, String)>,
    ledger: &mut Ledger,
) {
    let mut child = Command::new(WRITER)
        .arg("run")
        .arg(store)
        .args([round, TASK_COUNT, u32::MAX].map(|number| number.to_string()))
        .envs(env)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = 0;
    let mut killed = false;
    // To the end of the pipe: what the writer said before it died counts.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        acknowledged += usize::from(ledger.note(round, &line));
        let now = match moment {
            Moment::Opening => line == "O",
            Moment::After(count) => line == "R" && count == 0 || acknowledged >= count.max(1),
        };
        if now && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(killed, "the writer ended by itself: {status}");
}
