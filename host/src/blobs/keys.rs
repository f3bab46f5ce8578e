//! Keys in files of their own, which only this user can read.

use super::{TMP, sync_dir, write_new};
use anyhow::{Context, ensure};
use cap_std::fs::{Dir, File, PermissionsExt};
use std::io::{ErrorKind, Read};
use std::path::Path;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
/// The longest text of keys: many times what is ever written.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// The key of this name in the data folder, made at random the first time. What was sealed with it is lost
/// with it, so it is never made anew where there is a file that cannot be used.
pub(super) fn load(
    root: &Dir,
    artifacts: &Dir,
    data: &Path,
    name: &str,
) -> anyhow::Result<[u8; KEY_BYTES]> {
    let path = data.join(name);
    let Some((mut file, bytes)) = open(root, data, name)? else {
        let make = || {
            let mut key = [0; KEY_BYTES];
            getrandom::fill(&mut key).map_err(std::io::Error::other)?;
            write(root, artifacts, name, &key)?;
            std::io::Result::Ok(key)
        };
        return make().with_context(|| format!("cannot make {}", path.display()));
    };
    ensure!(
        bytes == KEY_BYTES as u64,
        "{} has {bytes} bytes and not {KEY_BYTES}; restore it from a backup",
        path.display(),
    );
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(key)
}

/// A text of keys. None: there is no such file.
pub(super) fn read(
    root: &Dir,
    data: &Path,
    name: &str,
) -> anyhow::Result<Option<Zeroizing<String>>> {
    let Some((file, bytes)) = open(root, data, name)? else { return Ok(None) };
    let path = data.join(name);
    ensure!(
        bytes <= TEXT_BYTES_MAX,
        "{} has {bytes} bytes, more than its keys take; restore it from a backup",
        path.display()
    );
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX as usize));
    let read = file.take(TEXT_BYTES_MAX).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(text))
}

/// Opens a file that only this user may read, and tells how long it is.
fn open(root: &Dir, data: &Path, name: &str) -> anyhow::Result<Option<(File, u64)>> {
    let path = data.join(name);
    let file = match root.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
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
    Ok(Some((file, metadata.len())))
}

/// Whole or not at all, in place of what was there, and on disk when it returns. Two processes cannot meet
/// here: this one holds the store's lock.
pub(super) fn write(root: &Dir, artifacts: &Dir, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let tmp = Path::new(TMP).join(name);
    let written = write_new(artifacts, &tmp, &[bytes])
        .and_then(|()| artifacts.rename(&tmp, root, name))
        .and_then(|()| sync_dir(root));
    if written.is_err() {
        // Whatever stays is cleared at the next start.
        let _ = artifacts.remove_file(&tmp);
    }
    written
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

    #[test]
    fn keys_of_secrets_are_replaced_as_a_whole_and_private() {
        let data = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(data.path()).unwrap();
        assert!(blobs.secret_keys().unwrap().is_none());
        for text in ["one\n", "two\none\n"] {
            blobs.keep_secret_keys(text).unwrap();
            assert_eq!(blobs.secret_keys().unwrap().unwrap().as_str(), text);
        }
        let path = blobs.secret_keys_path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        assert!(blobs.secret_keys().unwrap_err().to_string().contains("chmod 600"));
    }
}
