//! Power cuts and failing disks for a child process, by a preloaded library: see `tests/powerloss/shim.c`.
//!
//! Start the child with [`Shim::env`], kill it, and call [`undo`]: what it wrote to its folder and did not
//! make durable is taken back, all of it or a random part, as a disk might at a power cut.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../powerloss/shim.c");
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
/// The size of `struct record` of the shim.
const HEADER_BYTES: usize = 56;

/// The preloaded library.
pub struct Shim {
    library: PathBuf,
}

/// Which call fails, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The call.
    pub call: Call,
    /// The error.
    pub error: Errno,
    /// Which one, from 1.
    pub nth: u32,
    /// Whether all later ones fail too.
    pub lasting: bool,
}

/// A kind of call that can fail.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Of bytes, or a change of a file's size.
    Write,
    /// fsync, fdatasync and sync_file_range.
    Sync,
    /// Of a file.
    Rename,
    /// Of a file or a folder.
    Open,
}

/// An error of the operating system.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Errno {
    /// The device is broken.
    Io = 5,
    /// The device is full.
    NoSpace = 28,
}

/// What a power cut leaves of what was not durable.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Nothing.
    DropAll,
    /// Each write with a chance of one half, in no order; a beginning of the changes of names.
    Subset,
    /// The same, but for each sector of each write.
    Torn,
}

impl Shim {
    /// Compiles it with `cc`, once for each text of its source.
    pub fn build() -> Result<Shim> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        SOURCE.hash(&mut hasher);
        let executable = std::env::current_exe()?;
        let folder = executable.parent().context("an executable lies in a folder")?;
        let library = folder.join(format!("powerloss-{:016x}.so", hasher.finish()));
        if !library.exists() {
            // Tests run side by side, in processes of their own: each builds apart and moves it in place.
            let own = tempfile::tempdir_in(folder)?;
            let (source, built) = (own.path().join("shim.c"), own.path().join("shim.so"));
            fs::write(&source, SOURCE)?;
            let status = Command::new("cc")
                .args(["-O1", "-shared", "-fPIC", "-o"])
                .args([&built, &source])
                .args(["-ldl", "-lpthread"])
                .status()
                .context("cc, a C compiler, is needed")?;
            ensure!(status.success(), "cc failed: {status}");
            fs::rename(&built, &library)?;
        }
        Ok(Shim { library })
    }

    /// The environment of a child whose `directory` is watched, and logged to `log`, which lies outside of
    /// it on the same disk and does not exist yet. Both are absolute.
    pub fn env(
        &self,
        directory: &Path,
        log: &Path,
        fault: Option<&Fault>,
    ) -> Vec<(String, String)> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut env = vec![
            ("LD_PRELOAD".to_owned(), path(&self.library)),
            ("POWERLOSS_DIR".to_owned(), path(directory)),
            ("POWERLOSS_LOG".to_owned(), path(log)),
        ];
        if let Some(Fault { call, error, nth, lasting }) = fault {
            let call = match call {
                Call::Write => "write",
                Call::Sync => "sync",
                Call::Rename => "rename",
                Call::Open => "open",
            };
            let how = if *lasting { "on" } else { "once" };
            let text = format!("{} {call} {nth} {how}", *error as i32);
            env.push(("POWERLOSS_FAULT".to_owned(), text));
        }
        env
    }
}

/// One record of the log: see `struct record` of the shim.
struct Record {
    kind: u8,
    inode: u64,
    a: u64,
    b: u64,
    c: u64,
    bytes1: Vec<u8>,
    bytes2: Vec<u8>,
}

impl Record {
    fn path(&self) -> PathBuf {
        PathBuf::from(String::from_utf8_lossy(&self.bytes1).into_owned())
    }

    fn new_path(&self) -> PathBuf {
        PathBuf::from(String::from_utf8_lossy(&self.bytes2).into_owned())
    }

    fn is_bytes(&self) -> bool {
        matches!(self.kind, b'W' | b'T')
    }
}

/// How much [`undo`] found and took back.
#[derive(Debug, Default)]
pub struct Undone {
    /// Changes in the log.
    pub changes: usize,
    /// Of these, not durable.
    pub volatile: usize,
    /// Of these, left in place all the same, whole or in part.
    pub kept: usize,
}

/// Takes back what the process that wrote `log` did not make durable in `directory`. It must be dead.
/// Removes the log.
pub fn undo(directory: &Path, log: &Path, mode: Mode, seed: u64) -> Result<Undone> {
    let records = parse(&fs::read(log).context("the log of the shim")?)?;
    let graves = PathBuf::from(format!("{}.graves", log.display()));
    let mut random = Random(seed);
    let volatile = volatile(&records);
    let names = (0..records.len()).filter(|i| has(&volatile, *i) && !is_bytes_at(&records, *i));
    let mut names_kept = match mode {
        Mode::DropAll => 0,
        // File systems commit names in order.
        Mode::Subset | Mode::Torn => random.below(names.clone().count() + 1),
    };
    let mut keep: Vec<bool> = vec![false; records.len()];
    for index in names {
        if names_kept > 0 {
            names_kept -= 1;
            if let Some(keep) = keep.get_mut(index) {
                *keep = true;
            }
        }
    }

    let mut undone = Undone::default();
    let mut files = HashMap::new();
    open_all(directory, &mut files)?;
    open_all(&graves, &mut files)?;
    // What the undone writes had written, to put some of it back.
    let mut written: Vec<(&Record, Vec<u8>)> = Vec::new();
    for (index, record) in records.iter().enumerate().rev() {
        undone.changes += usize::from(record.kind != b'S');
        if !has(&volatile, index) {
            continue;
        }
        undone.volatile += 1;
        if record.is_bytes() {
            if let Some(file) = files.get(&record.inode) {
                written.push((record, undo_bytes(file, record)?));
            }
        } else if has(&keep, index) {
            undone.kept += 1;
        } else {
            undo_name(&graves, record).with_context(|| {
                format!("{} {}", char::from(record.kind), record.path().display())
            })?;
        }
    }
    for (record, bytes) in written.into_iter().rev() {
        let Some(file) = files.get(&record.inode) else { continue };
        undone.kept += usize::from(redo_bytes(file, record, &bytes, mode, &mut random)?);
    }
    fs::remove_file(log)?;
    fs::remove_dir_all(&graves)?;
    Ok(undone)
}

fn has(set: &[bool], index: usize) -> bool {
    set.get(index).copied().unwrap_or(false)
}

fn is_bytes_at(records: &[Record], index: usize) -> bool {
    records.get(index).is_some_and(Record::is_bytes)
}

/// Which records no later sync covers. Bytes are covered by a sync of their file, names by one of their
/// folder.
fn volatile(records: &[Record]) -> Vec<bool> {
    let mut covered: HashMap<u64, u64> = HashMap::new();
    for sync in records.iter().filter(|record| record.kind == b'S') {
        let count = covered.entry(sync.inode).or_default();
        *count = sync.a.max(*count);
    }
    let is_volatile = |(index, record): (usize, &Record)| {
        let by = if record.is_bytes() { record.inode } else { record.a };
        record.kind != b'S' && covered.get(&by).is_none_or(|count| *count <= index as u64)
    };
    records.iter().enumerate().map(is_volatile).collect()
}

fn undo_bytes(file: &File, record: &Record) -> Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut new = vec![0; record.c.min(size.saturating_sub(record.a)) as usize];
    file.read_exact_at(&mut new, record.a)?;
    file.set_len(record.b)?;
    file.write_all_at(&record.bytes1, record.a)?;
    Ok(new)
}

/// Whether anything was put back.
fn redo_bytes(
    file: &File,
    record: &Record,
    bytes: &[u8],
    mode: Mode,
    random: &mut Random,
) -> Result<bool> {
    match (mode, record.kind) {
        (Mode::DropAll, _) => Ok(false),
        (_, b'T') => {
            let keep = random.coin();
            if keep {
                file.set_len(record.a)?;
            }
            Ok(keep)
        }
        (Mode::Subset, _) => {
            let keep = random.coin();
            if keep {
                file.write_all_at(bytes, record.a)?;
            }
            Ok(keep)
        }
        (Mode::Torn, _) => {
            let mut kept = false;
            let (mut at, mut rest) = (record.a, bytes);
            while !rest.is_empty() {
                let sector = SECTOR_BYTES - (at % SECTOR_BYTES as u64) as usize;
                let (piece, next) = rest.split_at(sector.min(rest.len()));
                if random.coin() {
                    file.write_all_at(piece, at)?;
                    kept = true;
                }
                at += piece.len() as u64;
                rest = next;
            }
            Ok(kept)
        }
    }
}

fn undo_name(graves: &Path, record: &Record) -> Result<()> {
    let path = record.path();
    let exhume = |to: &Path| -> Result<()> {
        if record.b > 0 {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(graves.join(record.b.to_string()), to)?;
        }
        Ok(())
    };
    match record.kind {
        b'C' => fs::remove_file(&path).or_else(absent_is_fine)?,
        b'D' => fs::remove_dir_all(&path).or_else(absent_is_fine)?,
        b'R' => {
            fs::rename(record.new_path(), &path).or_else(absent_is_fine)?;
            exhume(&record.new_path())?;
        }
        b'U' => exhume(&path)?,
        other => bail!("a record of kind {other}"),
    }
    Ok(())
}

/// A folder that was removed whole took its files with it.
fn absent_is_fine(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

fn open_all(folder: &Path, files: &mut HashMap<u64, File>) -> Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_dir() {
            open_all(&entry.path(), files)?;
        } else if found.is_file() {
            // Not the control socket of a host.
            let file = OpenOptions::new().read(true).write(true).open(entry.path())?;
            files.insert(found.ino(), file);
        }
    }
    Ok(())
}

fn parse(mut log: &[u8]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    // The kill may have cut the last record short; what it is about was not done then.
    while let Some((header, rest)) = log.split_at_checked(HEADER_BYTES) {
        let mut fields = header.chunks_exact(8).map(|field| {
            let mut number = [0; 8];
            number.copy_from_slice(field);
            u64::from_ne_bytes(number)
        });
        let mut field = || fields.next().context("seven fields");
        let (kind, inode) = (u8::try_from(field()?)?, field()?);
        let (a, b, c) = (field()?, field()?, field()?);
        let (length1, length2) = (field()? as usize, field()? as usize);
        let Some((bytes1, rest)) = rest.split_at_checked(length1) else { break };
        let Some((bytes2, rest)) = rest.split_at_checked(length2) else { break };
        let (bytes1, bytes2) = (bytes1.to_owned(), bytes2.to_owned());
        records.push(Record { kind, inode, a, b, c, bytes1, bytes2 });
        log = rest;
    }
    Ok(records)
}

/// splitmix64: the same numbers for the same seed, on every machine.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number less than `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit.max(1) as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.number().is_multiple_of(2)
    }
}
