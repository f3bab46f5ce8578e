//! Compiled artifacts: machine code, believed only if our own key says that we wrote it, under this name.

use super::{ARTIFACT_BYTES_MAX, Blobs, TMP, read, sync_dir, write_new};
use anyhow::{Context, ensure};
use cap_std::fs::{Dir, PermissionsExt};
use std::io::{ErrorKind, Read};
use std::path::Path;

const KEY: &str = "artifact.key";
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;
/// Where files go that do not verify, for a person to look at: the last one of each name.
const QUARANTINE: &str = "quarantine";
const NAME_BYTES_MAX: usize = 200;

impl Blobs {
    /// Keeps a compiled artifact.
    pub(crate) fn put_artifact(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        check_name(name)?;
        ensure!(
            bytes.len() <= ARTIFACT_BYTES_MAX,
            "the compiled artifact {name} has {} bytes; at most {ARTIFACT_BYTES_MAX} are kept",
            bytes.len()
        );
        let tag = tag(&self.key, name, bytes);
        self.write(&self.artifacts, Path::new(""), name, &[tag.as_bytes(), bytes])
            .with_context(|| format!("cannot keep the compiled artifact {name}"))
    }

    /// A compiled artifact as it was put, or none: compile it then.
    pub(crate) fn get_artifact(&self, name: &str) -> Option<Vec<u8>> {
        check_name(name).ok()?;
        let why = match read(&self.artifacts, Path::new(name), ARTIFACT_BYTES_MAX + TAG_BYTES) {
            Ok(None) => return None,
            Ok(Some(mut file)) => match file.split_first_chunk::<TAG_BYTES>() {
                // blake3 compares hashes in constant time.
                Some((found, bytes)) if tag(&self.key, name, bytes) == *found => {
                    file.drain(..TAG_BYTES);
                    return Some(file);
                }
                Some(_) => "it was not written by this host".to_owned(),
                None => "it is cut short".to_owned(),
            },
            Err(error) => format!("it cannot be read: {error:#}"),
        };
        let moved = self.quarantine(name);
        tracing::warn!(
            artifact = name,
            why,
            moved = ?moved,
            "a compiled artifact was not used; it goes to artifacts/quarantine and is compiled anew"
        );
        None
    }

    fn quarantine(&self, name: &str) -> std::io::Result<()> {
        self.artifacts.create_dir_all(QUARANTINE)?;
        self.artifacts.rename(name, &self.artifacts, Path::new(QUARANTINE).join(name))
    }
}

/// The length keeps one name and content from passing for another split of the same bytes.
fn tag(key: &[u8; KEY_BYTES], name: &str, bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let reserved = name.starts_with('.') || name == TMP || name == QUARANTINE;
    ensure!(
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(plain) && !reserved,
        "{name:?} is no name for an artifact"
    );
    Ok(())
}

/// Reads the key, or makes it. The holder of the store's lock is the only one who does.
pub(super) fn load_key(
    root: &Dir,
    artifacts: &Dir,
    data: &Path,
) -> anyhow::Result<[u8; KEY_BYTES]> {
    let path = data.join(KEY);
    let make = || {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        let tmp = Path::new(TMP).join(KEY);
        write_new(artifacts, &tmp, &[&key])?;
        artifacts.rename(&tmp, root, KEY)?;
        sync_dir(root)?;
        Ok::<_, std::io::Error>(key)
    };
    let mut file = match root.open(KEY) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return make().with_context(|| format!("cannot make {}", path.display()));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    let metadata = file.metadata()?;
    let help = "delete it and start again: artifacts are compiled anew";
    ensure!(
        metadata.permissions().mode() & 0o077 == 0,
        "{} can be read by others, who could then pass their own machine code for ours; {help}",
        path.display()
    );
    ensure!(
        metadata.len() == KEY_BYTES as u64,
        "{} has {} bytes and not {KEY_BYTES}; {help}",
        path.display(),
        metadata.len()
    );
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    fn with_artifact() -> (tempfile::TempDir, Blobs, PathBuf) {
        let data = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(data.path()).unwrap();
        blobs.put_artifact("a.cwasm", b"code").unwrap();
        let path = data.path().join("artifacts/a.cwasm");
        (data, blobs, path)
    }

    fn is_quarantined(data: &tempfile::TempDir) -> bool {
        let quarantined = data.path().join("artifacts/quarantine/a.cwasm").exists();
        quarantined && !data.path().join("artifacts/a.cwasm").exists()
    }

    #[test]
    fn an_artifact_comes_back_after_reopening() {
        let (data, blobs, _) = with_artifact();
        assert_eq!(blobs.get_artifact("a.cwasm").unwrap(), b"code");
        drop(blobs);
        assert_eq!(Blobs::open(data.path()).unwrap().get_artifact("a.cwasm").unwrap(), b"code");
        assert!(Blobs::open(data.path()).unwrap().get_artifact("b.cwasm").is_none());
    }

    #[test]
    fn tampering_with_any_byte_is_noticed() {
        for at in 0..TAG_BYTES + 4 {
            let (data, blobs, path) = with_artifact();
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert!(blobs.get_artifact("a.cwasm").is_none());
            assert!(is_quarantined(&data));
            blobs.put_artifact("a.cwasm", b"code").unwrap();
            assert!(blobs.get_artifact("a.cwasm").is_some());
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        for length in 0..TAG_BYTES + 4 {
            let (data, blobs, path) = with_artifact();
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(blobs.get_artifact("a.cwasm").is_none());
            assert!(is_quarantined(&data));
        }
    }

    #[test]
    fn another_key_or_another_name_is_not_believed() {
        let (data, blobs, path) = with_artifact();
        std::fs::copy(&path, path.with_file_name("b.cwasm")).unwrap();
        assert!(blobs.get_artifact("b.cwasm").is_none());
        std::fs::remove_file(data.path().join(KEY)).unwrap();
        assert!(Blobs::open(data.path()).unwrap().get_artifact("a.cwasm").is_none());
        assert!(is_quarantined(&data));
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_short_is_refused() {
        let (data, blobs, _) = with_artifact();
        drop(blobs);
        let key = data.path().join(KEY);
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Blobs::open(data.path()).is_err());
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&key, b"short").unwrap();
        assert!(Blobs::open(data.path()).is_err());
    }

    #[test]
    fn names_stay_in_the_folder() {
        let (_data, blobs, _) = with_artifact();
        for name in ["", ".", "..", "../x", "a/b", "tmp", "quarantine", ".hidden"] {
            assert!(blobs.put_artifact(name, b"x").is_err(), "{name}");
            assert!(blobs.get_artifact(name).is_none(), "{name}");
        }
    }
}
