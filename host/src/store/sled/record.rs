//! What keys and values look like on disk.
//!
//! Key: space (1 byte), partition (2, big-endian), body. Value: format (1), version (8, big-endian),
//! xxh3-64 over key, version and payload (8, big-endian), payload. The key is in the checksum, so that a
//! record which turns up under another key is found out too.

use super::super::{Key, Partition, Range, Space, Versioned};
use bytes::Bytes;

/// The bytes before the body of a key.
pub(super) const PREFIX_BYTES: usize = 3;
/// The first byte of every value.
const ENVELOPE_FORMAT: u8 = 1;
/// The bytes before the payload of a value.
const HEADER_BYTES: usize = 17;
/// Where the store's own records lie: no [`Partition`] has this number, so no caller can reach them.
const OWN_PARTITION: u16 = u16::MAX;

/// The space of the guests' keys, as the first byte on disk.
pub(super) const KV_SPACE: u8 = Space::Kv as u8;

/// The key of the last version that was given out.
pub(super) fn version_key() -> Vec<u8> {
    raw_key(Space::Meta, OWN_PARTITION, b"version")
}

/// The key of the format that the records are in.
pub(super) fn format_key() -> Vec<u8> {
    raw_key(Space::Meta, OWN_PARTITION, b"format")
}

/// A key as it is on disk.
pub(super) fn disk_key(key: &Key) -> Vec<u8> {
    raw_key(key.space, key.partition.number(), &key.body)
}

/// Where the event of a commit lies: in commit order, within its partition.
pub(super) fn event_key(partition: Partition, version: u64) -> Vec<u8> {
    raw_key(Space::Event, partition.number(), &version.to_be_bytes())
}

fn raw_key(space: Space, partition: u16, body: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(PREFIX_BYTES + body.len());
    raw.push(space as u8);
    raw.extend_from_slice(&partition.to_be_bytes());
    raw.extend_from_slice(body);
    raw
}

/// Both ends of a range on disk, or nothing when no key can lie in it.
pub(super) struct Span {
    /// Where it begins.
    pub(super) start: Vec<u8>,
    /// Whether `start` itself belongs to it.
    pub(super) inclusive: bool,
    /// The first key behind it.
    pub(super) end: Vec<u8>,
}

impl Span {
    /// The span of a range.
    pub(super) fn of(range: &Range) -> Option<Span> {
        let prefix = raw_key(range.space, range.partition.number(), &range.prefix);
        let after = range
            .after
            .as_ref()
            .map(|body| raw_key(range.space, range.partition.number(), body))
            .filter(|after| *after >= prefix);
        let end = successor(prefix.clone())?;
        let (start, inclusive) = match after {
            Some(after) => (after, false),
            None => (prefix, true),
        };
        (start < end).then_some(Span { start, inclusive, end })
    }

    /// The same, as bounds.
    pub(super) fn bounds(&self) -> (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>) {
        let start = match self.inclusive {
            true => std::ops::Bound::Included(self.start.as_slice()),
            false => std::ops::Bound::Excluded(self.start.as_slice()),
        };
        (start, std::ops::Bound::Excluded(self.end.as_slice()))
    }
}

/// The first key that does not begin with `prefix` and is greater.
fn successor(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            return Some(prefix);
        }
    }
    None
}

/// Puts a value in its envelope.
pub(super) fn seal(disk_key: &[u8], version: u64, value: &[u8]) -> Vec<u8> {
    let mut envelope = Vec::with_capacity(HEADER_BYTES + value.len());
    envelope.push(ENVELOPE_FORMAT);
    envelope.extend_from_slice(&version.to_be_bytes());
    envelope.extend_from_slice(&checksum(disk_key, version, value).to_be_bytes());
    envelope.extend_from_slice(value);
    envelope
}

/// Takes a value out of its envelope, or nothing when it is not what was written.
pub(super) fn unseal(disk_key: &[u8], envelope: &[u8]) -> Option<Versioned> {
    let (format, rest) = envelope.split_first()?;
    let (version, rest) = rest.split_first_chunk::<8>()?;
    let (sum, value) = rest.split_first_chunk::<8>()?;
    let version = u64::from_be_bytes(*version);
    let intact = *format == ENVELOPE_FORMAT
        && checksum(disk_key, version, value) == u64::from_be_bytes(*sum);
    intact.then(|| Versioned { version, value: Bytes::copy_from_slice(value) })
}

/// When a value was written and how long it is, without a look at its checksum. Nothing when it is not even as
/// long as an envelope.
pub(super) fn outline(envelope: &[u8]) -> Option<(u64, usize)> {
    let (_, rest) = envelope.split_first()?;
    let (version, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*version), envelope.len().checked_sub(HEADER_BYTES)?))
}

/// The body of a key on disk.
pub(super) fn body(disk_key: &[u8]) -> Bytes {
    disk_key.get(PREFIX_BYTES..).map(Bytes::copy_from_slice).unwrap_or_default()
}

fn checksum(disk_key: &[u8], version: u64, value: &[u8]) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(disk_key);
    hash.update(&version.to_be_bytes());
    hash.update(value);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_its_envelope() {
        let sealed = seal(b"key", 7, b"value");
        let found = unseal(b"key", &sealed).unwrap();
        assert_eq!((found.version, found.value.as_ref()), (7, b"value".as_slice()));
    }

    #[test]
    fn any_flipped_bit_or_other_key_is_found_out() {
        let sealed = seal(b"key", 7, b"value");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"key", &damaged), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(unseal(b"key", &sealed[..length]), None, "length {length}");
        }
        assert_eq!(unseal(b"kez", &sealed), None);
    }

    #[test]
    fn a_span_ends_behind_its_prefix() {
        let range = |prefix: &[u8], after: Option<&[u8]>| Range {
            space: Space::Kv,
            partition: Partition(3),
            prefix: Bytes::copy_from_slice(prefix),
            after: after.map(Bytes::copy_from_slice),
            limit: 1,
        };
        let span = Span::of(&range(&[0xff, 0xff], None)).unwrap();
        assert_eq!(span.end, vec![Space::Kv as u8, 0, 4]);
        assert!(span.inclusive);
        assert!(Span::of(&range(b"a", Some(b"b"))).is_none());
        assert!(Span::of(&range(b"b", Some(b"a"))).unwrap().inclusive);
        assert!(!Span::of(&range(b"a", Some(b"a"))).unwrap().inclusive);
    }
}
