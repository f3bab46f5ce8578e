//! The files beside sled's: the lock, the head, the ballast, and what was set aside.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that sled keeps everything in.
const DATABASE: &str = "db";
/// Where damaged or half-written files go, for a person to look at.
const ASIDE: &str = "aside";
/// How far apart the two slots of the head lie, so that one write cannot tear both.
const HEAD_SLOT_BYTES: u64 = 4096;
/// How often, and how long each time, to wait for sled's own lock: two seconds in all.
const DATABASE_WAIT_COUNT: usize = 400;
const DATABASE_WAIT: Duration = Duration::from_millis(5);

/// The file that sled keeps everything in.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join(DATABASE)
}

/// Takes the folder for this process, for as long as the file lives. Nothing when another one has it.
pub(super) fn lock(directory: &Path) -> io::Result<Option<File>> {
    let path = directory.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits until no thread of a store that this process has just closed holds sled's own lock any more: its
/// background threads end a little after it. Whether nobody does.
pub(super) fn wait_for_database(directory: &Path) -> io::Result<bool> {
    let file = match File::open(database(directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    for _ in 0..DATABASE_WAIT_COUNT {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(DATABASE_WAIT),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Makes the names in a folder durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes sled's files and their names durable: it does not do so itself for all of them.
pub(super) fn sync_all(directory: &Path) -> io::Result<()> {
    for name in [DATABASE, "conf", "blobs"] {
        File::open(directory.join(name))?.sync_all()?;
    }
    sync_directory(directory)?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// sled's snapshot files; with `unfinished`, only those whose writing was cut short.
pub(super) fn snapshots(directory: &Path, unfinished: bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && (!unfinished || name.ends_with(".generating")) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Moves files out of sled's sight. An older one of the same name gives way.
pub(super) fn set_aside(directory: &Path, paths: &[PathBuf], reason: &str) -> io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let aside = directory.join(ASIDE);
    std::fs::create_dir_all(&aside)?;
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        std::fs::rename(path, aside.join(name))?;
        tracing::warn!(file = %path.display(), to = %aside.display(), reason, "moved a file aside");
    }
    sync_directory(&aside)?;
    sync_directory(directory)
}

/// The last version that was acknowledged, beside the database.
///
/// sled takes the first damaged record of its log for the end of it, so damage there would silently lose
/// what was acknowledged after it. The head tells: a database that is behind it is damaged. It is written
/// after each group but not synced, which costs nothing: after a kill it is exact, after a power cut it is
/// at most too low.
pub(super) struct Head {
    file: File,
    slot: u64,
}

impl Head {
    /// Opens or creates it, and tells what it says.
    pub(super) fn open(directory: &Path) -> io::Result<(Head, u64)> {
        let path = directory.join("head");
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let size = 2 * HEAD_SLOT_BYTES;
        if file.metadata()?.len() < size {
            // Real blocks, so that a full disk cannot make a later write fail.
            file.write_all_at(&vec![0; size as usize], 0)?;
            file.sync_all()?;
        }
        let slots = [read_slot(&file, 0)?, read_slot(&file, 1)?];
        let version = slots.into_iter().flatten().max().unwrap_or(0);
        // The other slot is written next, so that this one stays until that one is whole.
        let slot = slots.iter().position(|found| *found == Some(version)).unwrap_or(1) as u64;
        Ok((Head { file, slot }, version))
    }

    /// Notes that everything up to a version is durable.
    pub(super) fn record(&mut self, version: u64) -> io::Result<()> {
        self.slot ^= 1;
        let mut record = [0; 16];
        let (number, sum) = record.split_at_mut(8);
        number.copy_from_slice(&version.to_be_bytes());
        sum.copy_from_slice(&head_checksum(version).to_be_bytes());
        self.file.write_all_at(&record, self.slot * HEAD_SLOT_BYTES)
    }

    /// Makes it durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn read_slot(file: &File, slot: u64) -> io::Result<Option<u64>> {
    let mut record = [0; 16];
    file.read_exact_at(&mut record, slot * HEAD_SLOT_BYTES)?;
    let found = record.split_first_chunk::<8>().and_then(|(version, sum)| {
        let version = u64::from_be_bytes(*version);
        (head_checksum(version).to_be_bytes().as_slice() == sum).then_some(version)
    });
    Ok(found)
}

fn head_checksum(version: u64) -> u64 {
    // The seed keeps a slot of zeros from being valid.
    xxhash_rust::xxh3::xxh3_64_with_seed(&version.to_be_bytes(), 0x636e_7370)
}

/// Space held in reserve, given up when the disk is full: sled has to write before it can open, so without
/// it a host that stopped on a full disk could not even start again to be cleaned up.
pub(super) struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// The ballast of a folder, whether or not it is there.
    pub(super) fn of(directory: &Path) -> Ballast {
        Ballast { path: directory.join("ballast") }
    }

    /// Puts it there. A disk without the space for it is worth a warning and no more.
    pub(super) fn ensure(&self, bytes: u64) {
        if bytes == 0 || self.path.metadata().is_ok_and(|found| found.len() >= bytes) {
            return;
        }
        if let Err(error) = allocate(&self.path, bytes) {
            tracing::warn!(%error, bytes, "the disk has no space for the store's reserve");
            // Half a reserve only takes space away.
            self.release();
        }
    }

    /// Gives it up. Whether it was there.
    pub(super) fn release(&self) -> bool {
        match std::fs::remove_file(&self.path) {
            Ok(()) => {
                tracing::warn!(file = %self.path.display(), "gave up the store's reserve of space");
                true
            }
            Err(_) => false,
        }
    }
}

/// A file of real blocks.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = vec![0; 1 << 20];
            let mut missing = bytes;
            while missing > 0 {
                let part = missing.min(zeros.len() as u64);
                file.write_all(zeros.get(..part as usize).unwrap_or_default())?;
                missing -= part;
            }
        }
        other => other?,
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_keeps_the_greatest_whole_slot() {
        let directory = tempfile::tempdir().unwrap();
        let (mut head, version) = Head::open(directory.path()).unwrap();
        assert_eq!(version, 0);
        for version in 1..=5 {
            head.record(version).unwrap();
            assert_eq!(Head::open(directory.path()).unwrap().1, version);
        }
        // The next write is torn: the one before it must still be there.
        let (mut head, _) = Head::open(directory.path()).unwrap();
        head.record(6).unwrap();
        head.file.write_all_at(&[0xff; 3], head.slot * HEAD_SLOT_BYTES).unwrap();
        assert_eq!(Head::open(directory.path()).unwrap().1, 5);
    }

    #[test]
    fn the_folder_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();
        assert!(held.is_some());
        assert!(lock(directory.path()).unwrap().is_none());
        drop(held);
        assert!(lock(directory.path()).unwrap().is_some());
    }

    #[test]
    fn the_ballast_has_blocks_and_can_be_given_up() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::of(directory.path());
        assert!(!ballast.release());
        ballast.ensure(1 << 20);
        let found = ballast.path.metadata().unwrap();
        assert!(found.len() == 1 << 20 && found.blocks() * 512 >= 1 << 20);
        assert!(ballast.release());
        assert!(!ballast.path.exists());
    }
}
