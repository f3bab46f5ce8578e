//! Seals what may hold a password before it is stored. (Contract A8.)

use crate::model::body::fingerprint;
use anyhow::anyhow;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde_json::Value;

const NONCE_BYTES: usize = 24;

/// Encrypts with the host's own key. What is sealed for one key of the store does not open at another.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    fingerprint_key: [u8; 32],
}

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Sealer {
        Sealer {
            cipher: XChaCha20Poly1305::new(key.into()),
            fingerprint_key: blake3::derive_key("cnsp 2026-11-22 fingerprints of requests", key),
        }
    }

    /// A digest by which a repeated body is recognised, and which says nothing about it.
    pub(super) fn fingerprint(&self, body: &Value) -> String {
        fingerprint(&self.fingerprint_key, body)
    }

    pub(super) fn seal(&self, place: &str, plain: &[u8]) -> anyhow::Result<String> {
        let mut sealed = vec![0; NONCE_BYTES];
        getrandom::fill(&mut sealed)?;
        let nonce = XNonce::try_from(sealed.as_slice())?;
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let cipher = self.cipher.encrypt(&nonce, payload).map_err(|_| anyhow!("sealing failed"))?;
        sealed.extend_from_slice(&cipher);
        Ok(BASE64_STANDARD.encode(sealed))
    }

    pub(super) fn open(&self, place: &str, sealed: &str) -> anyhow::Result<Vec<u8>> {
        let sealed = BASE64_STANDARD.decode(sealed)?;
        let (nonce, cipher) = sealed
            .split_at_checked(NONCE_BYTES)
            .ok_or_else(|| anyhow!("sealed text is cut short"))?;
        let nonce = XNonce::try_from(nonce)?;
        let payload = Payload { msg: cipher, aad: place.as_bytes() };
        self.cipher.decrypt(&nonce, payload).map_err(|_| {
            anyhow!("sealed text does not open: the data folder's state.key is not the one it was sealed with")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sealer;

    #[test]
    fn what_is_sealed_opens_at_its_place_only() {
        let sealer = Sealer::new(&[7; 32]);
        let sealed = sealer.seal("a", b"hunter2").unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealer.open("a", &sealed).unwrap(), b"hunter2");
        assert!(sealer.open("b", &sealed).is_err());
        assert!(Sealer::new(&[8; 32]).open("a", &sealed).is_err());
        assert!(sealer.open("a", "AAAA").is_err());
    }
}
