//! The files beside the store, below the data folder: plugin bytes by digest, and compiled artifacts.
//!
//! ```text
//! blobs/ab/abcd….wasm   named by SHA-256; checked on every read
//! artifacts/NAME        32 bytes that authenticate name and content under our own key, then the content
//! artifact.key          that key: a compiled artifact is machine code, so only what we wrote is believed
//! state.key             the key that seals what the store keeps of passwords
//! secrets.key           the keys that seal the endpoints' secrets, unless the operator keeps them elsewhere
//! ```
//! Whoever opens this holds the store's lock. Every function blocks: call them where blocking is fine.

mod artifacts;
mod keys;

use anyhow::{Context, bail, ensure};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// The largest plugin. Python and JavaScript components carry their interpreters: 12 to 18 MB.
pub(crate) const BLOB_BYTES_MAX: usize = 64 << 20;
/// The largest compiled artifact: about three times its component.
pub(crate) const ARTIFACT_BYTES_MAX: usize = 256 << 20;

const STATE_KEY: &str = "state.key";
const SECRET_KEYS: &str = "secrets.key";
const BLOBS: &str = "blobs";
const ARTIFACTS: &str = "artifacts";
/// Files under way; whatever lies here at the start is left over from a crash.
const TMP: &str = "tmp";

/// The SHA-256 of a blob, and its name: 64 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Digest> {
        let nibble = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut digest = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        ensure!(pairs.len() == 32 && rest.is_empty(), "a digest has 64 hex digits");
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else {
                bail!("a digest has lower-case hex digits only");
            };
            *byte = high << 4 | low;
        }
        Ok(Digest(digest))
    }
}

/// The folders, open.
pub(crate) struct Blobs {
    /// For messages.
    data: PathBuf,
    root: Dir,
    blobs: Dir,
    artifacts: Dir,
    key: [u8; 32],
    state_key: [u8; 32],
}

impl Blobs {
    /// Opens the folders below a data folder, and makes what is missing, for this user only.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Blobs> {
        let root = open_data(data)?;
        let (blobs, artifacts) = (private_dir(&root, BLOBS)?, private_dir(&root, ARTIFACTS)?);
        for dir in [&blobs, &artifacts] {
            remove_leftovers(dir).context("cannot clear what a crash left")?;
        }
        let key = keys::load(&root, &artifacts, data, artifacts::KEY)?;
        let state_key = keys::load(&root, &artifacts, data, STATE_KEY)?;
        Ok(Blobs { data: data.to_owned(), root, blobs, artifacts, key, state_key })
    }

    /// The key for what the store keeps sealed.
    pub(crate) fn state_key(&self) -> &[u8; 32] {
        &self.state_key
    }

    /// Where [`Blobs::secret_keys`] lie, for messages.
    pub(crate) fn secret_keys_path(&self) -> PathBuf {
        self.data.join(SECRET_KEYS)
    }

    /// The text of the host's own keys of secrets. None: there are none yet.
    pub(crate) fn secret_keys(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        keys::read(&self.root, &self.data, SECRET_KEYS)
    }

    /// Keeps the text of the host's own keys of secrets, in place of what was there. It is on disk when it
    /// returns.
    pub(crate) fn keep_secret_keys(&self, text: &str) -> anyhow::Result<()> {
        let written = keys::write(&self.root, &self.artifacts, SECRET_KEYS, text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.secret_keys_path().display()))
    }

    /// Keeps bytes under their digest. They are on disk when it returns.
    pub(crate) fn put(&self, bytes: &[u8]) -> anyhow::Result<Digest> {
        ensure!(
            bytes.len() <= BLOB_BYTES_MAX,
            "the plugin has {} bytes; a plugin has at most {BLOB_BYTES_MAX}",
            bytes.len()
        );
        let digest = Digest::of(bytes);
        let (folder, name) = place(&digest);
        // What is there and sound stays; what is there and damaged is written anew.
        if self.read_blob(&digest).ok().flatten().is_none() {
            self.write(&self.blobs, &folder, &name, &[bytes]).with_context(|| {
                format!("cannot keep the blob {digest} in {}", self.data.display())
            })?;
        }
        Ok(digest)
    }

    /// The bytes that have this digest.
    pub(crate) fn get(&self, digest: &Digest) -> anyhow::Result<Vec<u8>> {
        self.read_blob(digest)
            .with_context(|| format!("the blob {digest} in {}", self.data.display()))?
            .with_context(|| {
                format!(
                    "the blob {digest} is missing or damaged in {}; apply the set-up with its plugin again, \
                     or restore the data folder from a backup",
                    self.data.display()
                )
            })
    }

    fn read_blob(&self, digest: &Digest) -> anyhow::Result<Option<Vec<u8>>> {
        let (folder, name) = place(digest);
        let bytes = read(&self.blobs, &folder.join(name), BLOB_BYTES_MAX)?;
        Ok(bytes.filter(|bytes| Digest::of(bytes) == *digest))
    }

    /// Writes a file so that it is there whole or not at all, also after a power loss.
    fn write(&self, dir: &Dir, folder: &Path, name: &str, parts: &[&[u8]]) -> anyhow::Result<()> {
        let tmp = Path::new(TMP).join(uuid::Uuid::new_v4().to_string());
        let written = (|| {
            write_new(dir, &tmp, parts)?;
            if !folder.as_os_str().is_empty() {
                dir.create_dir_all(folder)?;
                sync_dir(dir)?;
            }
            dir.rename(&tmp, dir, folder.join(name))?;
            if folder.as_os_str().is_empty() {
                sync_dir(dir)
            } else {
                sync_dir(&dir.open_dir(folder)?)
            }
        })();
        if written.is_err() {
            // Whatever stays is cleared at the next start.
            let _ = dir.remove_file(&tmp);
        }
        Ok(written?)
    }
}

/// `ab/abcd….wasm`: 256 folders, so that none gets too long to list.
fn place(digest: &Digest) -> (PathBuf, String) {
    let name = digest.to_string();
    let folder = PathBuf::from(name.get(..2).unwrap_or_default());
    (folder, format!("{name}.wasm"))
}

/// Makes the data folder, for this user only. One that is there keeps its mode: that is its owner's choice.
pub(crate) fn make_data_folder(data: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(|| {
        format!(
            "cannot make the data folder {}; name one that this user may write to",
            data.display()
        )
    })
}

fn open_data(data: &Path) -> anyhow::Result<Dir> {
    make_data_folder(data)?;
    #[expect(clippy::disallowed_methods, reason = "the room that holds folders of files")]
    Dir::open_ambient_dir(data, ambient_authority())
        .with_context(|| format!("cannot open the data folder {}", data.display()))
}

fn private_dir(root: &Dir, name: &str) -> anyhow::Result<Dir> {
    let open = || {
        root.create_dir_all(name)?;
        root.set_permissions(name, cap_permissions(0o700))?;
        sync_dir(root)?;
        root.open_dir(name)
    };
    open().with_context(|| format!("cannot use the folder {name} in the data folder"))
}

fn cap_permissions(mode: u32) -> cap_std::fs::Permissions {
    cap_std::fs::Permissions::from_std(std::fs::Permissions::from_mode(mode))
}

fn remove_leftovers(dir: &Dir) -> std::io::Result<()> {
    dir.create_dir_all(TMP)?;
    for entry in dir.read_dir(TMP)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            entry.remove_file()?;
        }
    }
    Ok(())
}

fn write_new(dir: &Dir, path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).to_owned();
    let mut file = dir.open_with(path, &options)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// None: there is no such file.
fn read(dir: &Dir, path: &Path, bytes_max: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let file = match dir.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    ensure!(length <= bytes_max, "has {length} bytes; at most {bytes_max} are read");
    let mut bytes = Vec::with_capacity(length + 1);
    file.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A rename is on disk when its folder is.
fn sync_dir(dir: &Dir) -> std::io::Result<()> {
    // A `Dir` is a handle that only names the folder: fsync takes one that is opened for reading.
    dir.open(".")?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob_path(data: &Path, digest: &Digest) -> PathBuf {
        let (folder, name) = place(digest);
        data.join(BLOBS).join(folder).join(name)
    }

    #[test]
    fn bytes_come_back_by_digest_after_reopening() {
        let data = tempfile::tempdir().unwrap();
        let digest = Blobs::open(data.path()).unwrap().put(b"abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), expected);
        assert_eq!(expected.parse::<Digest>().unwrap(), digest);
        assert_eq!(Blobs::open(data.path()).unwrap().get(&digest).unwrap(), b"abc");
    }

    #[test]
    fn a_damaged_blob_is_refused_and_can_be_put_again() {
        let data = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(data.path()).unwrap();
        let digest = blobs.put(b"abc").unwrap();
        std::fs::write(blob_path(data.path(), &digest), b"abd").unwrap();
        assert!(blobs.get(&digest).unwrap_err().to_string().contains("missing or damaged"));
        blobs.put(b"abc").unwrap();
        assert_eq!(blobs.get(&digest).unwrap(), b"abc");
    }

    #[test]
    fn what_is_too_large_or_missing_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(data.path()).unwrap();
        assert!(blobs.put(&vec![0; BLOB_BYTES_MAX + 1]).is_err());
        assert!(blobs.get(&Digest::of(b"never put")).is_err());
        assert!("ba78".parse::<Digest>().is_err() && "BA".repeat(32).parse::<Digest>().is_err());
    }

    #[test]
    fn leftovers_of_a_crash_are_removed() {
        let data = tempfile::tempdir().unwrap();
        drop(Blobs::open(data.path()).unwrap());
        let left = data.path().join(BLOBS).join(TMP).join("half");
        std::fs::write(&left, b"x").unwrap();
        drop(Blobs::open(data.path()).unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn the_folders_are_private() {
        let data = tempfile::tempdir().unwrap();
        drop(Blobs::open(&data.path().join("deep/data")).unwrap());
        for name in ["", BLOBS, ARTIFACTS] {
            let mode = std::fs::metadata(data.path().join("deep/data").join(name)).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o700, "{name}");
        }
    }
}
