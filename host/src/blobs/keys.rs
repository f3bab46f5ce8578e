//! Random keys in files of their own, which only this user can read.

use super::{TMP, sync_dir, write_new};
use anyhow::{Context, ensure};
use cap_std::fs::{Dir, PermissionsExt};
use std::io::{ErrorKind, Read};
use std::path::Path;

const KEY_BYTES: usize = 32;

/// The key of this name in the data folder, made at random the first time. What was sealed with it is lost
/// with it, so it is never made anew where there is a file that cannot be used.
pub(super) fn load(
    root: &Dir,
    artifacts: &Dir,
    data: &Path,
    name: &str,
) -> anyhow::Result<[u8; KEY_BYTES]> {
    let path = data.join(name);
    let mut file = match root.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return make(root, artifacts, name)
                .with_context(|| format!("cannot make {}", path.display()));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    let metadata = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    let mode = metadata.permissions().mode() & 0o7777;
    ensure!(
        mode & 0o077 == 0,
        "{} has the mode {mode:03o}, so others may have read the key; if nobody has, take their access away \
         with `chmod 600`",
        path.display()
    );
    ensure!(
        metadata.len() == KEY_BYTES as u64,
        "{} has {} bytes and not {KEY_BYTES}; restore it from a backup",
        path.display(),
        metadata.len()
    );
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(key)
}

/// Whole or not at all. Two processes cannot meet here: this one holds the store's lock.
fn make(root: &Dir, artifacts: &Dir, name: &str) -> std::io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(std::io::Error::other)?;
    let tmp = Path::new(TMP).join(name);
    write_new(artifacts, &tmp, &[&key])?;
    artifacts.rename(&tmp, root, name)?;
    sync_dir(root)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use crate::blobs::Blobs;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_stays() {
        let data = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(data.path()).unwrap();
        let key = *blobs.state_key();
        assert_ne!(key, blobs.key);
        drop(blobs);
        assert_eq!(*Blobs::open(data.path()).unwrap().state_key(), key);
        let mode = fs::metadata(data.path().join("state.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_short_is_refused() {
        let data = tempfile::tempdir().unwrap();
        drop(Blobs::open(data.path()).unwrap());
        let key = data.path().join("artifact.key");
        fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        let error = Blobs::open(data.path()).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, b"short").unwrap();
        assert!(Blobs::open(data.path()).err().unwrap().to_string().contains("5 bytes"));
    }
}
