//! Opening: what sled leaves behind is put right, and what cannot be is refused with what to do.

use super::files::{self, Ballast, Head};
use super::record;
use super::writer::is_disk_full;
use super::{SledOptions, panic_text};
use ::sled::{Config, Db, Mode};
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The format of the records. Another one is another store, and is refused.
const FORMAT: &str = "cnsp-store 1";
/// For ever fixed per database. At sled's default, values from 8 KiB become files that it never syncs.
const SEGMENT_BYTES: usize = 8 << 20;
/// Where the copy lies on which a recovery is tried.
const TRIAL: &str = "trial";

/// Why the store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the folder.
    #[error("the data folder {} is in use by another process", .directory.display())]
    InUse {
        /// The folder.
        directory: PathBuf,
    },
    /// The operating system refused something.
    #[error("the data folder {} cannot be used: {what}: {source}", .directory.display())]
    Io {
        /// The folder.
        directory: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        source: io::Error,
    },
    /// There is no space left, not even with the reserve.
    #[error("the disk of the data folder {} is full: free some space and start again", .directory.display())]
    DiskFull {
        /// The folder.
        directory: PathBuf,
    },
    /// The database is not what was written.
    #[error(
        "the database in {} is damaged ({detail}): keep the folder, and restore a backup into a new one",
        .directory.display()
    )]
    Damaged {
        /// The folder.
        directory: PathBuf,
        /// What the engine found.
        detail: String,
    },
    /// The database opens, but lacks what was acknowledged.
    #[error(
        "the database in {} is damaged: changes {found} to {acknowledged} were acknowledged and are \
         missing: keep the folder, and restore a backup into a new one",
        .directory.display()
    )]
    Behind {
        /// The folder.
        directory: PathBuf,
        /// The last version that was acknowledged.
        acknowledged: u64,
        /// The last version that is there.
        found: u64,
    },
    /// The database is of another program, or of another version of this one.
    #[error(
        "the database in {} has the format {found:?}, and this version reads {FORMAT:?}: use the version \
         that wrote it",
        .directory.display()
    )]
    Format {
        /// The folder.
        directory: PathBuf,
        /// What it says.
        found: String,
    },
}

/// A database that was opened.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) version: u64,
    pub(super) head: Head,
    pub(super) ballast: Ballast,
    pub(super) lock: File,
}

/// Why the engine did not open.
enum Refusal {
    DiskFull,
    Io(io::Error),
    /// What [`OpenError::Damaged`] says.
    Damaged(String),
    Behind(u64),
    Format(String),
}

/// Opens the database of a folder, or creates it.
pub(super) fn open(options: &SledOptions) -> Result<Opened, OpenError> {
    let directory = options.directory.as_path();
    let io = |what: &'static str| {
        move |source: io::Error| match is_disk_full(&source) {
            true => OpenError::DiskFull { directory: directory.to_owned() },
            false => OpenError::Io { directory: directory.to_owned(), what, source },
        }
    };
    std::fs::create_dir_all(directory).map_err(io("creating it"))?;
    let lock = files::lock(directory)
        .map_err(io("locking it"))?
        .ok_or_else(|| OpenError::InUse { directory: directory.to_owned() })?;
    if !files::wait_for_database(directory).map_err(io("locking its database"))? {
        return Err(OpenError::InUse { directory: directory.to_owned() });
    }
    let trial = directory.join(TRIAL);
    if trial.exists() {
        std::fs::remove_dir_all(&trial).map_err(io("removing an old trial copy"))?;
    }
    let ballast = Ballast::of(directory);
    let (head, acknowledged) = match Head::open(directory) {
        Err(error) if is_disk_full(&error) && ballast.release() => Head::open(directory),
        other => other,
    }
    .map_err(io("opening the head file"))?;

    let mut outcome = attempt(options, directory, acknowledged);
    if matches!(outcome, Err(Refusal::DiskFull)) && ballast.release() {
        outcome = attempt(options, directory, acknowledged);
    }
    if let Err(Refusal::Damaged(detail)) = outcome {
        tracing::error!(detail, directory = %directory.display(), "the database does not open");
        outcome = match recover(options, directory, acknowledged) {
            Ok(true) => attempt(options, directory, acknowledged),
            Ok(false) => Err(Refusal::Damaged(detail)),
            Err(error) => Err(Refusal::Damaged(format!("{detail}; no recovery: {error}"))),
        };
    }
    let (db, version) = outcome.map_err(|refusal| {
        let directory = directory.to_owned();
        match refusal {
            Refusal::DiskFull => OpenError::DiskFull { directory },
            Refusal::Io(source) => {
                OpenError::Io { directory, what: "opening the database", source }
            }
            Refusal::Damaged(detail) => OpenError::Damaged { directory, detail },
            Refusal::Behind(found) => OpenError::Behind { directory, acknowledged, found },
            Refusal::Format(found) => OpenError::Format { directory, found },
        }
    })?;
    if let Err(error) = files::sync_all(directory) {
        let _ = close(db);
        return Err(io("syncing it")(error));
    }
    ballast.ensure(options.ballast_bytes);
    Ok(Opened { db, version, head, ballast, lock })
}

/// Opens sled and looks whether it is ours and whole. Panics of sled, which are its way to report some
/// kinds of damage, are refusals too.
fn attempt(options: &SledOptions, directory: &Path, head: u64) -> Result<(Db, u64), Refusal> {
    // sled takes an unfinished snapshot for a damaged one and never opens again (spacejam/sled#1533).
    let unfinished = files::snapshots(directory, true).map_err(refuse_io)?;
    files::set_aside(directory, &unfinished, "its writing was cut short").map_err(refuse_io)?;
    catch_unwind(AssertUnwindSafe(|| {
        let db = Config::new()
            .path(directory)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(options.cache_bytes)
            // Its background thread swallows errors of a sync; ours is the writer.
            .flush_every_ms(None)
            .mode(Mode::HighThroughput)
            .open()
            .map_err(refuse)?;
        match identify(&db, head) {
            Ok(version) => Ok((db, version)),
            Err(refusal) => {
                let _ = close(db);
                Err(refusal)
            }
        }
    }))
    .unwrap_or_else(|panic| Err(refuse_panic(panic_text(&*panic))))
}

/// Closes sled, which syncs and panics if that fails: answers what it said.
pub(super) fn close(db: Db) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| drop(db))).map_err(|panic| panic_text(&*panic))
}

/// Checks the store's own records, or writes them into an empty database. Answers the last version.
fn identify(db: &Db, acknowledged: u64) -> Result<u64, Refusal> {
    let (format_key, version_key) = (record::format_key(), record::version_key());
    if db.is_empty() {
        if acknowledged > 0 {
            return Err(Refusal::Behind(0));
        }
        let mut batch = ::sled::Batch::default();
        batch.insert(format_key.as_slice(), record::seal(&format_key, 0, FORMAT.as_bytes()));
        batch.insert(version_key.as_slice(), record::seal(&version_key, 0, &[]));
        db.apply_batch(batch).map_err(refuse)?;
        db.flush().map_err(refuse)?;
        return Ok(0);
    }
    let read = |key: &[u8]| match db.get(key).map_err(refuse)? {
        None => Ok(None),
        Some(envelope) => record::unseal(key, &envelope)
            .map(Some)
            .ok_or_else(|| Refusal::Damaged("a record of the store's own".to_owned())),
    };
    let format = read(&format_key)?.ok_or_else(|| Refusal::Format("none".to_owned()))?;
    if format.value != FORMAT {
        return Err(Refusal::Format(String::from_utf8_lossy(&format.value).into_owned()));
    }
    let version = read(&version_key)?.map_or(0, |found| found.version);
    match version < acknowledged {
        true => Err(Refusal::Behind(version)),
        false => Ok(version),
    }
}

/// A snapshot only saves sled from reading its whole log, so a damaged one can be done without. Tries so
/// on a copy, since an attempt that fails may change the files. Whether the original was put right.
fn recover(options: &SledOptions, directory: &Path, acknowledged: u64) -> io::Result<bool> {
    let snapshots = files::snapshots(directory, false)?;
    if snapshots.is_empty() {
        return Ok(false);
    }
    let trial = directory.join(TRIAL);
    std::fs::create_dir_all(trial.join("blobs"))?;
    for name in ["db", "conf"] {
        std::fs::copy(directory.join(name), trial.join(name))?;
    }
    let whole = attempt(options, &trial, acknowledged).is_ok_and(|(db, _)| {
        let whole = every_record_is_whole(&db);
        close(db).is_ok() && whole
    });
    std::fs::remove_dir_all(&trial)?;
    if whole {
        files::set_aside(directory, &snapshots, "the database opens without it only")?;
    }
    Ok(whole)
}

fn every_record_is_whole(db: &Db) -> bool {
    let read = || {
        db.iter()
            .all(|row| row.is_ok_and(|(key, envelope)| record::unseal(&key, &envelope).is_some()))
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(false)
}

fn refuse(error: ::sled::Error) -> Refusal {
    match error {
        ::sled::Error::Io(error) => refuse_io(error),
        other => Refusal::Damaged(other.to_string()),
    }
}

/// sled unwraps some errors of the operating system; they are no damage, and a backup would not help.
fn refuse_panic(text: String) -> Refusal {
    match text.split_once("Os { code: ").and_then(|(_, rest)| rest.split_once(',')) {
        Some((code, _)) => match code.parse() {
            Ok(code) => refuse_io(io::Error::from_raw_os_error(code)),
            Err(_) => Refusal::Io(io::Error::other(text)),
        },
        None => Refusal::Damaged(text),
    }
}

fn refuse_io(error: io::Error) -> Refusal {
    match is_disk_full(&error) {
        true => Refusal::DiskFull,
        // A file that ends too early is damage, whatever the operating system calls it.
        false if error.kind() == io::ErrorKind::UnexpectedEof => {
            Refusal::Damaged(error.to_string())
        }
        false => Refusal::Io(error),
    }
}
