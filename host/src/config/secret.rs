//! Secrets by reference: a variable or a file, which only this file reads.

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest secret. Sealed, it has to fit into one record of the store. Keys and certificates are a few KiB.
pub(crate) const SECRET_BYTES_MAX: usize = 16 << 10;

/// Where a secret is, as `{env = "NAME"}` or `{file = "/path"}`. Never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretSource {
    /// A variable of the host's environment.
    Env(String),
    /// An absolute path on the host's machine. A line break at its end is no part of the secret.
    File(PathBuf),
}

impl SecretSource {
    /// Reads the secret, which may block on a file. The error names the place and never the value.
    pub(crate) fn read(&self) -> anyhow::Result<Zeroizing<String>> {
        self.find()?.with_context(|| match self {
            SecretSource::Env(_) => {
                format!("{self} is not set; set it for the process and start it again")
            }
            SecretSource::File(_) => format!("{self} is not there; put it there"),
        })
    }

    /// As [`SecretSource::read`]. None: there is no such variable or file.
    pub(crate) fn find(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let secret = match self {
            SecretSource::Env(name) => from_environment(name)?,
            SecretSource::File(path) => from_file(path)
                .with_context(|| format!("the secret's file {} cannot be used", path.display()))?,
        };
        let empty = secret.as_ref().is_some_and(|secret| secret.is_empty());
        ensure!(!empty, "{self} is empty; put the secret there");
        Ok(secret)
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "the variable {name}"),
            SecretSource::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

fn from_environment(name: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
    #[expect(clippy::disallowed_methods, reason = "the room that reads the environment")]
    let value = std::env::var_os(name);
    let Some(value) = value else { return Ok(None) };
    let Ok(secret) = value.into_string().map(Zeroizing::new) else {
        bail!("the variable {name} is not valid UTF-8; secrets are text");
    };
    ensure!(
        secret.len() <= SECRET_BYTES_MAX,
        "the variable {name} is over {SECRET_BYTES_MAX} bytes"
    );
    Ok(Some(secret))
}

fn from_file(path: &Path) -> anyhow::Result<Option<Zeroizing<String>>> {
    // A pipe or a device could block for ever: look before opening.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => ensure!(found?.is_file(), "it is no ordinary file"),
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    std::fs::File::open(path)?.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= SECRET_BYTES_MAX, "it is over {SECRET_BYTES_MAX} bytes");
    let text = std::str::from_utf8(&bytes).context("it is not valid UTF-8; secrets are text")?;
    let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
    Ok(Some(Zeroizing::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        SecretSource::File(path).read().map(|s| s.to_string()).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn one_line_break_at_the_end_is_dropped() {
        assert_eq!(read(b"hush\n").unwrap(), "hush");
        assert_eq!(read(b"hush\r\n").unwrap(), "hush");
        assert_eq!(read(b"hush\n\n").unwrap(), "hush\n");
        assert_eq!(read(b" hush").unwrap(), " hush");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        assert!(read(b"\n").unwrap_err().contains("is empty"));
        assert!(read(b"\xff").unwrap_err().contains("UTF-8"));
        assert!(read(&vec![b'x'; SECRET_BYTES_MAX + 1]).unwrap_err().contains("over 16384"));
        let missing = SecretSource::File("/nowhere/x".into());
        assert!(format!("{:#}", missing.read().unwrap_err()).contains("/nowhere/x"));
        assert!(missing.find().unwrap().is_none());
        assert!(SecretSource::File("/".into()).find().is_err());
        let unset = SecretSource::Env("CNSP_TEST_THAT_IS_NOT_SET".to_owned());
        assert!(unset.read().unwrap_err().to_string().contains("CNSP_TEST_THAT_IS_NOT_SET"));
    }

    #[test]
    fn both_forms_are_plain_objects() {
        let env: SecretSource = serde_json::from_str(r#"{"env":"KEY"}"#).unwrap();
        assert_eq!(env, SecretSource::Env("KEY".to_owned()));
        assert!(serde_json::from_str::<SecretSource>(r#"{"env":"A","file":"/b"}"#).is_err());
    }
}
