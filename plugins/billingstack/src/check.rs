//! Bounds on what callers send, and on what is repeated of what a service said.

use cnsp_sdk::types::OpenMap;
use cnsp_sdk::{Failure, clock};
use jiff::Timestamp;
use serde::Serialize;

/// Of an accountid, which is the last part of a key.
pub(crate) const ID_BYTES_MAX: usize = 200;
/// Of a name, a phone number, a line of an address: what BillingStack's columns take.
const TEXT_BYTES_MAX: usize = 255;
/// RFC 5321.
const EMAIL_BYTES_MAX: usize = 254;
/// Well below what a value of the store may have.
const RECORD_BYTES_MAX: usize = 16 * 1024;
const SAID_CHARS_MAX: usize = 300;

/// A text that has to be there.
pub(crate) fn required(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    if value.trim().is_empty() {
        return Err(Failure::invalid(format!("`{field}` is empty.")));
    }
    bounded(field, value, bytes_max)
}

/// A name that has to be there.
pub(crate) fn name(field: &str, value: &str) -> Result<(), Failure> {
    required(field, value, TEXT_BYTES_MAX)
}

/// Texts that may be absent, and may be empty.
pub(crate) fn texts(fields: &[(&str, &Option<String>)]) -> Result<(), Failure> {
    for (field, value) in fields {
        if let Some(value) = value {
            bounded(field, value, TEXT_BYTES_MAX)?;
        }
    }
    Ok(())
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
    required(field, value, EMAIL_BYTES_MAX)?;
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
            "{what} would take {bytes} bytes to keep, and {RECORD_BYTES_MAX} is the most: send less in its \
             open maps."
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

/// A text of a service's as a caller may see it: in one line, and not too long.
pub(crate) fn said(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = plain.take(SAID_CHARS_MAX).collect();
    short.trim().to_owned()
}

/// The time of day.
pub(crate) fn now() -> Result<Timestamp, Failure> {
    let seconds = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .map_err(|_| Failure::refused(500, "The host's clock is set to a time that is none."))
}
