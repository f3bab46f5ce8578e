//! Bounds on what callers send and on what CSA answers. Nothing unbounded reaches a key or a value.

use cnsp_sdk::Failure;
use serde::Serialize;

/// Of an id, ours, a caller's or CSA's.
const ID_BYTES_MAX: usize = 200;
/// Of a name, a phone number, a line of an address.
const TEXT_BYTES_MAX: usize = 256;
/// Of an instance, as it is kept: a snapshot writes up to 75 of them at once, and a call up to 768 KiB.
const RECORD_BYTES_MAX: usize = 8 * 1024;
/// Of what a caller is told that CSA said.
const SAID_CHARS_MAX: usize = 300;

/// Whether the contract lets this be an id.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control)
}

/// An id that a caller sent.
pub(crate) fn id(field: &str, value: &str) -> Result<(), Failure> {
    match is_id(value) {
        true => Ok(()),
        false => Err(Failure::invalid(format!(
            "`{field}` is no id: one has 1 to {ID_BYTES_MAX} bytes and no control characters."
        ))),
    }
}

/// A text that has to be there.
pub(crate) fn required(field: &str, value: &str) -> Result<(), Failure> {
    if value.trim().is_empty() {
        return Err(Failure::invalid(format!("`{field}` is empty.")));
    }
    text(field, Some(value))
}

/// A text that may be absent, and may be empty.
pub(crate) fn text(field: &str, value: Option<&str>) -> Result<(), Failure> {
    let Some(value) = value else { return Ok(()) };
    if value.len() > TEXT_BYTES_MAX {
        return Err(Failure::invalid(format!("`{field}` is longer than {TEXT_BYTES_MAX} bytes.")));
    }
    if value.contains(char::is_control) {
        return Err(Failure::invalid(format!("`{field}` has a control character in it.")));
    }
    Ok(())
}

/// A record that is going to be kept: its open maps are what callers make large.
pub(crate) fn record(what: &str, record: &impl Serialize) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(record).map_or(usize::MAX, |json| json.len());
    if bytes > RECORD_BYTES_MAX {
        let text = format!(
            "{what} would take {bytes} bytes to keep, and {RECORD_BYTES_MAX} is the most: send less in its open maps."
        );
        return Err(Failure::invalid(text));
    }
    Ok(())
}

/// A text of CSA's, or a caller's, as a caller may see it: in one line, and not too long.
pub(crate) fn said(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = plain.take(SAID_CHARS_MAX).collect();
    short.trim().to_owned()
}
