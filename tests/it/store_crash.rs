//! The store under kill -9, power cuts, failing disks and damaged files: what was acknowledged is there, what
//! is there is whole, and damage is refused and never read.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests, also where they are no test functions"
)]

mod damage;
mod ledger;

use self::ledger::*;
use cnsp_tests::powerloss::{Call, Errno, Fault, Mode, Random, Shim};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How often a test kills its writer: more at night, by `CNSP_CRASH_ROUNDS`.
fn round_count(default: u32) -> u32 {
    let wanted = std::env::var("CNSP_CRASH_ROUNDS").ok();
    wanted.map_or(default, |wanted| wanted.parse().unwrap())
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut ledger = Ledger::default();
    let mut random = Random(1);
    for round in 0..round_count(15) {
        run_and_kill(&store, round, Moment::random(&mut random), vec![], &mut ledger);
        ledger.check(&verify_whole(&store));
    }
    assert_no_blobs(&store);
    assert!(ledger.acknowledged > 1000, "{} is too few to tell", ledger.acknowledged);
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let shim = Shim::build().unwrap();
    let disk = Disk::new();
    let mut ledger = Ledger::default();
    let mut random = Random(2);
    let mut volatile = 0;
    for round in 0..round_count(21) {
        let mode = [Mode::DropAll, Mode::Subset, Mode::Torn][round as usize % 3];
        let moment = Moment::random(&mut random);
        run_and_kill(&disk.store, round, moment, disk.env(&shim, None), &mut ledger);
        volatile += disk.cut_power(mode, random.number()).volatile;
        ledger.check(&verify_whole(&disk.store));
    }
    assert!(ledger.acknowledged > 1000, "{} is too few to tell", ledger.acknowledged);
    assert!(volatile > 20, "the shim took back {volatile} changes, too few to tell");
}

/// The same cut, right when a store was first opened: the next start must find nothing or a store.
#[test]
fn a_power_cut_in_the_first_seconds_leaves_a_folder_that_opens() {
    let shim = Shim::build().unwrap();
    for (seed, mode) in
        [Mode::DropAll, Mode::Subset, Mode::Torn, Mode::Subset, Mode::Torn].into_iter().enumerate()
    {
        for moment in [Moment::Opening, Moment::After(0), Moment::After(1)] {
            let disk = Disk::new();
            let mut ledger = Ledger::default();
            run_and_kill(&disk.store, 0, moment, disk.env(&shim, None), &mut ledger);
            disk.cut_power(mode, seed as u64);
            ledger.check(&verify_whole(&disk.store));
        }
    }
}

/// That the shim takes back what was not synced, and nothing else.
#[test]
fn the_shim_takes_back_what_was_not_synced() {
    let shim = Shim::build().unwrap();
    let disk = Disk::new();
    let scribble = || {
        let status = Command::new(WRITER)
            .arg("scribble")
            .arg(&disk.watched)
            .envs(disk.env(&shim, None))
            .status();
        assert!(status.unwrap().success());
    };
    let files = || -> BTreeMap<String, String> {
        let entries = disk.watched.read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let text = if path.is_dir() {
                    "folder".to_owned()
                } else {
                    fs::read_to_string(&path).unwrap()
                };
                (name, text)
            })
            .collect()
    };
    let durable: BTreeMap<String, String> =
        ["overwritten", "renamed", "replaced", "removed", "bare"]
            .into_iter()
            // The name of the last one was synced, its bytes were not.
            .map(|name| (name.to_owned(), if name == "bare" { "" } else { "synced" }.to_owned()))
            .collect();
    scribble();
    let undone = disk.cut_power(Mode::DropAll, 0);
    assert_eq!(undone.kept, 0);
    assert_eq!(files(), durable);

    for seed in 0..10 {
        fs::remove_dir_all(&disk.watched).unwrap();
        fs::create_dir(&disk.watched).unwrap();
        scribble();
        disk.cut_power(Mode::Subset, seed);
        // A file of unsynced bytes may be anything between; one of synced bytes is there by one of its names.
        let found = files();
        assert_eq!(found.contains_key("renamed"), !found.contains_key("moved"), "{found:?}");
        let moved = found.get("renamed").or(found.get("moved")).unwrap();
        assert_eq!(moved, "synced");
        assert_eq!(found.get("removed").map_or("synced", String::as_str), "synced");
        assert!(found.get("created").is_none_or(|text| text == "not synced"), "{found:?}");
    }
}

#[test]
fn after_a_disk_error_nothing_is_acknowledged_and_the_next_start_works() {
    let shim = Shim::build().unwrap();
    let mut fired = 0;
    let faults = [
        (Call::Write, vec![1, 2, 3, 4, 6, 9, 14, 30, 60]),
        (Call::Sync, vec![1, 2, 3, 5, 8, 12, 20, 40, 60]),
        (Call::Rename, vec![1, 2]),
        (Call::Open, vec![1, 2, 3, 4, 5, 6, 8, 10]),
    ];
    for (call, numbers) in faults {
        for nth in numbers {
            for (error, lasting) in [(Errno::Io, false), (Errno::NoSpace, true)] {
                let fault = Fault { call, error, nth, lasting };
                fired += usize::from(run_with_fault(&shim, &fault));
            }
        }
    }
    assert!(fired > 40, "{fired} faults happened, too few to tell");
}

/// Runs a writer on a store that has something already, with a fault, then cuts the power, then runs without.
/// Whether the fault happened.
fn run_with_fault(shim: &Shim, fault: &Fault) -> bool {
    let disk = Disk::new();
    let mut ledger = Ledger::default();
    let (output, _) = run_to_end(&disk.store, 0, vec![], &mut ledger);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let (output, lines) = run_to_end(&disk.store, 1, disk.env(shim, Some(fault)), &mut ledger);
    let position = |wanted: &str| lines.iter().position(|line| line == wanted);
    let (failed, ready) = (position("F"), position("R"));
    let errors = text(&output.stderr);
    match output.status.code() {
        Some(EXIT_NOT_OPENED) => {
            assert!(failed.is_some() && ready.is_none(), "{fault:?}: {errors}");
            assert!(errors.contains(&disk.store.display().to_string()), "{fault:?}: {errors}");
        }
        Some(EXIT_STOPPED) => assert!(failed.is_some(), "{fault:?}: {errors}"),
        // Not reached; or at the opening, where some errors are got over; or when everything was done.
        Some(0) => {
            let harmless = failed.is_none_or(|at| Some(at) < ready || at + 1 == lines.len());
            assert!(harmless, "{fault:?}: {lines:?}");
        }
        other => panic!("{fault:?}: exit {other:?}: {errors}"),
    }
    if failed > ready
        && let Some(failed) = failed
    {
        for sent in lines[failed..].iter().filter_map(|line| line.strip_prefix('S')) {
            let acknowledged = lines.contains(&format!("A{sent}"));
            assert!(!acknowledged, "{fault:?}: {sent} was sent after the error and acknowledged");
        }
    }
    disk.cut_power(Mode::DropAll, 0);
    ledger.check(&verify_whole(&disk.store));
    let (output, _) = run_to_end(&disk.store, 2, vec![], &mut ledger);
    assert!(output.status.success(), "{fault:?}: {}", text(&output.stderr));
    ledger.check(&verify_whole(&disk.store));
    failed.is_some()
}

/// sled never syncs the files that it makes for large values.
fn assert_no_blobs(store: &Path) {
    assert_eq!(store.join("blobs").read_dir().unwrap().count(), 0);
}
