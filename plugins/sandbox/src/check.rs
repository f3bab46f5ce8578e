//! Bounds on what callers send. Nothing unbounded reaches a key or a value.

use cnsp_sdk::Failure;
use cnsp_sdk::types::OpenMap;

/// Of a name, a phone number, a line of an address.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
/// Of an accountid: with its prefix it has to fit a key.
pub(crate) const ACCOUNTID_BYTES_MAX: usize = 200;
/// Of an e-mail address: RFC 5321's bound, which with its prefix also just fits a key.
const EMAIL_BYTES_MAX: usize = 254;
/// Of an open map, as it is written. A record keeps two of them at most, and a value has 24 KiB.
const MAP_BYTES_MAX: usize = 8 * 1024;
/// Of an open map inside of a smaller record.
pub(crate) const SMALL_MAP_BYTES_MAX: usize = 1024;

/// A text that may be absent, and may be empty.
pub(crate) fn text(field: &str, value: Option<&str>) -> Result<(), Failure> {
    match value {
        Some(value) => bounded(field, value, TEXT_BYTES_MAX),
        None => Ok(()),
    }
}

/// A text that has to be there.
pub(crate) fn required(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    if value.trim().is_empty() {
        return Err(Failure::invalid(format!("`{field}` is empty.")));
    }
    bounded(field, value, bytes_max)
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

/// An e-mail address, as far as a provider can tell without writing to it.
pub(crate) fn email(field: &str, value: &str) -> Result<(), Failure> {
    // Lower case can be longer than the address itself, and it is what the key holds.
    required(field, &value.to_lowercase(), EMAIL_BYTES_MAX)?;
    let wrong = || Failure::invalid(format!("`{field}` is not an e-mail address."));
    let (local, domain) = value.rsplit_once('@').ok_or_else(wrong)?;
    if local.is_empty() || domain.is_empty() || value.contains(char::is_whitespace) {
        return Err(wrong());
    }
    Ok(())
}

/// An open map that is going to be kept.
pub(crate) fn map(field: &str, map: &OpenMap) -> Result<(), Failure> {
    map_within(field, map, MAP_BYTES_MAX)
}

/// As [`map`], with a bound of its own.
pub(crate) fn map_within(field: &str, map: &OpenMap, bytes_max: usize) -> Result<(), Failure> {
    if map.is_empty() {
        return Ok(());
    }
    // Written out, because quotes and backslashes double in it.
    let bytes = serde_json::to_string(map).map_or(usize::MAX, |text| text.len());
    if bytes > bytes_max {
        return Err(Failure::invalid(format!(
            "`{field}` has {bytes} bytes; as it is kept; {bytes_max} is the most."
        )));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        for right in
            ["a@b", "first.last+tag@example.com", "a/b%@example.com", "\"a@b\"@example.com"]
        {
            email("email", right).unwrap();
        }
        for wrong in
            ["", " ", "a", "@b", "a@", "a b@c", "a\u{0}@b", &format!("{}@b", "a".repeat(254))]
        {
            assert_eq!(email("email", wrong).unwrap_err().respcode, 400, "{wrong}");
        }
    }

    #[test]
    fn members_are_laid_over() {
        let pair = |key: &str, json: &str| (key.to_owned(), json.to_owned());
        let mut old = vec![pair("a", "1"), pair("b", "2")];
        merge(&mut old, vec![pair("b", "3"), pair("c", "4")]);
        assert_eq!(old, [pair("a", "1"), pair("b", "3"), pair("c", "4")]);
    }
}
