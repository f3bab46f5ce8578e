//! Bounds on what callers send and on what the broker answers. Nothing unbounded reaches a key or a value.

use cnsp_sdk::Failure;
use cnsp_sdk::types::OpenMap;
use serde::Serialize;

/// Of an id, ours, a caller's or the broker's.
pub(crate) const ID_BYTES_MAX: usize = 200;
/// Of a name, a phone number, a line of an address.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
/// RFC 5321's bound, which with its prefix also just fits a key.
const EMAIL_BYTES_MAX: usize = 254;
/// Of an account, a user, or an instance, as it is kept. What an update has to remember holds two such records, and a
/// value of the store has 24 KiB.
const RECORD_BYTES_MAX: usize = 11 * 1024;
/// Of what a caller is told that the broker said.
const SAID_CHARS_MAX: usize = 500;

/// Whether the contract lets this be an id.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control)
}

/// A text that has to be there.
pub(crate) fn required(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    if value.trim().is_empty() {
        return Err(Failure::invalid(format!("`{field}` is empty.")));
    }
    bounded(field, value, bytes_max)
}

/// A text that may be absent, and may be empty.
pub(crate) fn text(field: &str, value: Option<&str>) -> Result<(), Failure> {
    value.map_or(Ok(()), |value| bounded(field, value, TEXT_BYTES_MAX))
}

fn bounded(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    if value.len() > bytes_max {
        return Err(Failure::invalid(format!("`{field}` is longer than {bytes_max} bytes.")));
    }
    if value.contains(char::is_control) {
        return Err(Failure::invalid(format!("`{field}` has a control character in it.")));
    }
    Ok(())
}

/// An e-mail address, as far as one can tell without writing to it.
pub(crate) fn email(field: &str, value: &str) -> Result<(), Failure> {
    // Lower case can be longer, and it is what the key holds.
    required(field, &value.to_lowercase(), EMAIL_BYTES_MAX)?;
    match value.rsplit_once('@') {
        Some((local, domain))
            if !local.is_empty() && !domain.is_empty() && !value.contains(char::is_whitespace) =>
        {
            Ok(())
        }
        _ => Err(Failure::invalid(format!("`{field}` is not an e-mail address."))),
    }
}

/// A record that is going to be kept: its open maps are what callers make large.
pub(crate) fn record(what: &str, record: &impl Serialize) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(record).map_or(usize::MAX, |json| json.len());
    if bytes > RECORD_BYTES_MAX {
        let text = format!(
            "{what} would take {bytes} bytes to keep, and {RECORD_BYTES_MAX} is the most: send less in \
             its open maps and parameters."
        );
        return Err(Failure::invalid(text));
    }
    Ok(())
}

/// Lays new members over old ones; what is absent stays.
pub(crate) fn merge(old: &mut OpenMap, new: OpenMap) {
    for (key, json) in new {
        match old.iter_mut().find(|(name, _)| *name == key) {
            Some((_, value)) => *value = json,
            None => old.push((key, json)),
        }
    }
}

/// A text of the broker's as a caller may see it: in one line, and not too long.
pub(crate) fn said(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = plain.take(SAID_CHARS_MAX).collect();
    short.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        for right in ["a@b", "first.last+tag@example.com", "\"a@b\"@example.com"] {
            email("email", right).unwrap();
        }
        for wrong in ["", "a", "@b", "a@", "a b@c", "a\u{0}@b", &format!("{}@b", "a".repeat(254))] {
            assert_eq!(email("email", wrong).unwrap_err().respcode, 400, "{wrong}");
        }
    }

    #[test]
    fn what_the_broker_says_is_one_short_line() {
        assert_eq!(said(" a\nb\u{7}c "), "a b c");
        assert_eq!(said(&"é".repeat(5000)).chars().count(), 500);
    }
}
