//! Seals what may hold a password before it is stored. (Contract A8.)

use crate::cipher::Cipher;
use crate::model::body::fingerprint;
use anyhow::Context;
use serde_json::Value;
use zeroize::Zeroizing;

/// Encrypts with the host's own key.
pub(crate) struct Sealer {
    cipher: Cipher,
    fingerprint_key: [u8; 32],
    random_key: [u8; 32],
}

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Sealer {
        Sealer {
            cipher: Cipher::new(key),
            fingerprint_key: blake3::derive_key("cnsp 2026-11-22 fingerprints of requests", key),
            random_key: blake3::derive_key("cnsp 2026-11-22 what is random in operations", key),
        }
    }

    /// A digest by which a repeated body is recognised, and which says nothing about it.
    pub(crate) fn fingerprint(&self, body: &Value) -> String {
        fingerprint(&self.fingerprint_key, body)
    }

    /// Bytes that nobody without the key can foresee, and that are always the same for one place.
    pub(crate) fn random(&self, place: &str) -> blake3::OutputReader {
        blake3::Hasher::new_keyed(&self.random_key).update(place.as_bytes()).finalize_xof()
    }

    pub(crate) fn seal(&self, place: &str, plain: &[u8]) -> anyhow::Result<String> {
        self.cipher.seal(place, plain)
    }

    pub(crate) fn open(&self, place: &str, sealed: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        self.cipher.open(place, sealed).context(
            "an operation cannot be read: is the data folder's state.key the one it was sealed with?",
        )
    }
}

/// Where sealed text belongs.
pub(crate) fn place(endpoint: &str, change: &str, name: &str) -> String {
    format!("{endpoint}\0{change}\0{name}")
}
