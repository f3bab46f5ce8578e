//! Keys: the first seals, all can open.

use super::Place;
use crate::cipher::{Cipher, KEY_BYTES};
use crate::store::setup::SecretRecord;
use anyhow::{Context, bail, ensure};
use std::fmt::Write;
use zeroize::Zeroizing;

/// The most keys in one place. There are two while they are changed; more are left from before.
const KEY_COUNT_MAX: usize = 64;
/// Two keys of one place differ in these, or are the same.
const ID_BYTES: usize = 8;

/// At least one.
pub(crate) struct Keys {
    first: Key,
    others: Vec<Key>,
    /// For messages.
    place: String,
}

struct Key {
    /// Says nothing about the key.
    id: String,
    /// In 64 hex digits.
    text: Zeroizing<String>,
    cipher: Cipher,
}

impl Key {
    fn new(bytes: &[u8; KEY_BYTES]) -> Key {
        let digest = blake3::derive_key("cnsp 2026-11-22 id of a key of secrets", bytes);
        let id = hex(digest.get(..ID_BYTES).unwrap_or(&digest));
        Key { id, text: Zeroizing::new(hex(bytes)), cipher: Cipher::new(bytes) }
    }

    fn generate() -> anyhow::Result<Key> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes)?;
        Ok(Key::new(&bytes))
    }

    /// None: it is no key. The text itself is not for messages.
    fn parse(text: &str) -> Option<Key> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != KEY_BYTES || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        }
        Some(Key::new(&bytes))
    }
}

impl Keys {
    /// One key, at random.
    pub(super) fn generate(place: &Place) -> anyhow::Result<Keys> {
        Ok(Keys { first: Key::generate()?, others: Vec::new(), place: place.to_string() })
    }

    /// The keys of a file or a variable, one per line. A blank line is none.
    pub(super) fn parse(place: &Place, text: &str) -> anyhow::Result<Keys> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            keys.push(Key::parse(line).with_context(|| {
                format!(
                    "line {number} of {place} is no key; a key is 64 hex digits, as `openssl rand -hex 32` makes"
                )
            })?);
        }
        let count = keys.len();
        ensure!(count <= KEY_COUNT_MAX, "{place} has {count} keys; it may have {KEY_COUNT_MAX}");
        let mut keys = keys.into_iter();
        let Some(first) = keys.next() else {
            bail!(
                "{place} has no key; put one there, 64 hex digits, as `openssl rand -hex 32` makes"
            );
        };
        Ok(Keys { first, others: keys.collect(), place: place.to_string() })
    }

    /// The same after a new one.
    pub(super) fn with_new_first(self) -> anyhow::Result<Keys> {
        let others = std::iter::once(self.first).chain(self.others).collect();
        Ok(Keys { first: Key::generate()?, others, place: self.place })
    }

    /// What the others are of no more use for, once all is sealed with the first.
    pub(super) fn only_first(self) -> Keys {
        Keys { first: self.first, others: Vec::new(), place: self.place }
    }

    /// As [`Keys::parse`] reads it.
    pub(super) fn text(&self) -> Zeroizing<String> {
        let keys = std::iter::once(&self.first).chain(&self.others);
        Zeroizing::new(keys.flat_map(|key| [key.text.as_str(), "\n"]).collect())
    }

    /// The id of the key that seals.
    pub(super) fn first_id(&self) -> &str {
        &self.first.id
    }

    /// The ids of the others.
    pub(super) fn other_ids(&self) -> Vec<String> {
        self.others.iter().map(|key| key.id.clone()).collect()
    }

    pub(crate) fn seal(
        &self,
        endpoint: &str,
        name: &str,
        secret: &str,
    ) -> anyhow::Result<SecretRecord> {
        let sealed = self.first.cipher.seal(&place(endpoint, name), secret.as_bytes())?;
        Ok(SecretRecord { key: self.first.id.clone(), sealed })
    }

    /// The error says what to do, and nothing of what was sealed.
    pub(crate) fn open(
        &self,
        endpoint: &str,
        name: &str,
        record: &SecretRecord,
    ) -> anyhow::Result<Zeroizing<String>> {
        let id = &record.key;
        let key = std::iter::once(&self.first).chain(&self.others).find(|key| key.id == *id);
        let Some(key) = key else {
            bail!(
                "the secret `{name}` of endpoint `{endpoint}` is sealed with the key {id}, which {} does not have; \
                 put that key back there, or hand the secret over again with `cnsp apply` while no host runs",
                self.place
            );
        };
        let plain = key.cipher.open(&place(endpoint, name), &record.sealed).with_context(|| {
            format!(
                "the secret `{name}` of endpoint `{endpoint}` does not open with its key {id}: its record was \
                 damaged, or made for another place; hand it over again with `cnsp apply` while no host runs"
            )
        })?;
        let text = std::str::from_utf8(&plain).context("a secret is no text")?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// What a sealed secret is bound to. Neither has a NUL.
fn place(endpoint: &str, name: &str) -> String {
    format!("{endpoint}\0{name}")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
