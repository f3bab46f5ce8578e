//! Files that are not what was written: everything acknowledged is there all the same, or it is said that it is
//! not; never something else.

use super::ledger::*;
use cnsp_tests::powerloss::Random;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A store of two lives, the second of which was killed, and its ledger.
fn killed_store(folder: &Path) -> (PathBuf, Ledger) {
    let store = folder.join("store");
    let mut ledger = Ledger::default();
    run_and_kill(&store, 0, Moment::After(100), vec![], &mut ledger);
    run_and_kill(&store, 1, Moment::After(100), vec![], &mut ledger);
    (store, ledger)
}

/// Copies a store, damages the copy, and looks what becomes of it: everything acknowledged is there, or the
/// damage is found out. Whether everything is there.
fn damaged(store: &Path, ledger: &Ledger, what: &str, damage: impl FnOnce(&Path)) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("store");
    copy_folder(store, &copy);
    damage(&copy);
    let output = verify(&copy);
    let errors = text(&output.stderr);
    match output.status.code() {
        Some(0) => {
            let mut ledger = Ledger { rows: ledger.rows.clone(), ..Ledger::default() };
            ledger.check(&output);
            true
        }
        Some(EXIT_NOT_OPENED | EXIT_DAMAGED) => {
            assert!(errors.contains("damaged") && errors.contains("backup"), "{what}: {errors}");
            false
        }
        other => panic!("{what}: exit {other:?}: {errors}"),
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // Nothing of interest, and large.
        if name == "ballast" {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to.join(name)),
            false => drop(fs::copy(entry.path(), to.join(name)).unwrap()),
        }
    }
}

/// How much of sled's file is in use: it grows by whole segments of zeros.
fn used(database: &Path) -> u64 {
    let bytes = fs::read(database).unwrap();
    // sled fills what it has not used with zeros, or with a byte that marks it.
    let filler = bytes.last().copied().unwrap();
    let last = bytes.iter().rposition(|byte| *byte != filler && *byte != 0).unwrap();
    last as u64 + 1
}

fn open_to_write(path: PathBuf) -> fs::File {
    fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn snapshot(store: &Path) -> PathBuf {
    let mut names = store.read_dir().unwrap().map(|entry| entry.unwrap().path());
    names.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).unwrap()
}

#[test]
fn a_log_that_lost_its_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut ledger = Ledger::default();
    for round in 0..2 {
        // To the end, so that the last bytes of the log are those of an acknowledged transaction.
        let (output, _) = run_to_end(&store, round, vec![], &mut ledger);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert!(damaged(&store, &ledger, "nothing", |_| {}));
    let end = used(&store.join("db"));
    for cut in (1..12).chain([40, 100, 300, 700, 1500, 3000, 6000]) {
        let whole = damaged(&store, &ledger, &format!("the last {cut} bytes"), |copy| {
            open_to_write(copy.join("db")).set_len(end - cut).unwrap();
        });
        assert!(!whole, "{cut}");
        // The same bytes, as a disk that never wrote them would have it.
        let whole = damaged(&store, &ledger, &format!("the last {cut} bytes zero"), |copy| {
            let zeros = vec![0; cut as usize];
            open_to_write(copy.join("db")).write_all_at(&zeros, end - cut).unwrap();
        });
        assert!(!whole, "{cut}");
    }
}

#[test]
fn damaged_and_unfinished_snapshots_are_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ledger) = killed_store(folder.path());
    for length in [0, 1, 12, 13, 40] {
        let whole = damaged(&store, &ledger, "a short snapshot", |copy| {
            open_to_write(snapshot(copy)).set_len(length).unwrap();
        });
        assert!(whole, "{length}");
    }
    let whole = damaged(&store, &ledger, "a flipped bit", |copy| {
        let file = open_to_write(snapshot(copy));
        let mut byte = [0];
        file.read_exact_at(&mut byte, 9).unwrap();
        file.write_all_at(&[byte[0] ^ 4], 9).unwrap();
    });
    assert!(whole);
    for content in [b"".as_slice(), b"cut short in the middle of it"] {
        let whole = damaged(&store, &ledger, "a .generating", |copy| {
            fs::write(copy.join("snap.FFFFFFFFFFFFFFFF.generating"), content).unwrap();
        });
        assert!(whole);
    }
}

#[test]
fn flipped_bits_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ledger) = killed_store(folder.path());
    let mut random = Random(3);
    let snapshot = snapshot(&store).file_name().unwrap().to_string_lossy().into_owned();
    for (name, flips) in [("db", 40), (&*snapshot, 6), ("conf", 6), ("head", 6)] {
        let size = match name {
            "db" => used(&store.join(name)),
            // Only the beginning of each slot is used.
            "head" => 16,
            _ => store.join(name).metadata().unwrap().len(),
        };
        for _ in 0..flips {
            let (at, bit) = (random.below(size as usize) as u64, random.below(8));
            damaged(&store, &ledger, &format!("bit {bit} of byte {at} of {name}"), |copy| {
                let file = open_to_write(copy.join(name));
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
            });
        }
    }
}
