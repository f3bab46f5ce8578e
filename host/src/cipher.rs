//! Encrypts what is stored and must not be read there.

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// A key of XChaCha20-Poly1305.
pub(crate) const KEY_BYTES: usize = 32;
/// Long enough to be chosen at random each time.
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// One key. What is sealed for one place of the store does not open at another.
pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Cipher {
        Cipher(XChaCha20Poly1305::new(key.into()))
    }

    /// Nonce and ciphertext, in base64.
    pub(crate) fn seal(&self, place: &str, plain: &[u8]) -> anyhow::Result<String> {
        let mut sealed = vec![0; NONCE_BYTES];
        getrandom::fill(&mut sealed)?;
        let nonce = XNonce::try_from(sealed.as_slice())?;
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let cipher = self.0.encrypt(&nonce, payload).map_err(|_| anyhow!("sealing failed"))?;
        sealed.extend_from_slice(&cipher);
        Ok(BASE64_STANDARD.encode(sealed))
    }

    pub(crate) fn open(&self, place: &str, sealed: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let sealed = BASE64_STANDARD.decode(sealed).context("sealed text is not base64")?;
        let (nonce, cipher) = sealed
            .split_at_checked(NONCE_BYTES)
            .ok_or_else(|| anyhow!("sealed text is cut short"))?;
        let nonce = XNonce::try_from(nonce)?;
        let payload = Payload { msg: cipher, aad: place.as_bytes() };
        let plain = self.0.decrypt(&nonce, payload);
        plain.map(Zeroizing::new).map_err(|_| anyhow!("sealed text does not open"))
    }
}

/// How long the sealed form of so many bytes is.
pub(crate) const fn sealed_bytes(plain_bytes: usize) -> usize {
    (NONCE_BYTES + plain_bytes + TAG_BYTES).div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_only() {
        let cipher = Cipher::new(&[7; KEY_BYTES]);
        let sealed = cipher.seal("a", b"hunter2").unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealed.len(), sealed_bytes(7));
        assert_eq!(*cipher.open("a", &sealed).unwrap(), b"hunter2");
        assert!(cipher.open("b", &sealed).is_err());
        assert!(Cipher::new(&[8; KEY_BYTES]).open("a", &sealed).is_err());
        assert!(cipher.open("a", "AAAA").is_err() && cipher.open("a", "!").is_err());
        assert_ne!(cipher.seal("a", b"hunter2").unwrap(), sealed, "each has a nonce of its own");
    }
}
