//! Compiled artifacts: machine code, believed only if our own key says that we wrote it, under this name.

use super::{ARTIFACT_BYTES_MAX, Blobs, TMP, read};
use anyhow::{Context, ensure};
use std::path::Path;

pub(super) const KEY: &str = "artifact.key";
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
fn tag(key: &[u8; 32], name: &str, bytes: &[u8]) -> blake3::Hash {
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

#[cfg(test)]
mod tests {
    use super::*;
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
    fn names_stay_in_the_folder() {
        let (_data, blobs, _) = with_artifact();
        for name in ["", ".", "..", "../x", "a/b", "tmp", "quarantine", ".hidden"] {
            assert!(blobs.put_artifact(name, b"x").is_err(), "{name}");
            assert!(blobs.get_artifact(name).is_none(), "{name}");
        }
    }
}
