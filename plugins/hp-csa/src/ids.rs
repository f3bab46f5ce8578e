//! Ids and keys.
//!
//! | key | value |
//! |---|---|
//! | `r/` instance | the instance, with what is billable of it now |
//! | `i/` organization `/` instance | empty |
//! | `q/` request of CSA's | the instance that was ordered with it here |
//! | `x/` subscription of CSA's | its instance |
//! | `s/` instance `/` beginning | an interval that was billable, and is over |
//! | `o/` organization | until when all of it is known |
//!
//! An instance that was ordered here has a guid made of the operation's id, which CSA is told as well. One that was not
//! has the id of the request that began it.

use cnsp_sdk::{Failure, operation};
use uuid::Uuid;

/// The namespace of our guids, made once at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d1f_52ab_90c4_4c6e_b7a5_3e68_41d9_02fc);
/// Before the guid, in what CSA is told.
const MARK: &str = "cnsp:";
const GUID_BYTES: usize = 36;

/// Of what the running operation asks CSA for.
pub(crate) fn of_operation(kind: &str) -> Result<String, Failure> {
    // A kind has no NUL in it, so no two pairs are the same text.
    let name = format!("{kind}\0{}", operation::require_id()?);
    Ok(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
}

/// What CSA is told, so that a request can be found again.
pub(crate) fn mark(guid: &str) -> String {
    format!("{MARK}{guid}")
}

/// The guid that a text was marked with.
pub(crate) fn marked(text: &str) -> Option<&str> {
    let (_, after) = text.split_once(MARK)?;
    after.get(..GUID_BYTES).filter(|guid| is_guid(guid))
}

fn is_guid(text: &str) -> bool {
    text.len() == GUID_BYTES && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Whether this may be an id of CSA's or one of ours, so that nothing else gets into a key or a path.
pub(crate) fn is_plain(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

pub(crate) fn instance_key(instance: &str) -> String {
    format!("r/{instance}")
}

/// Before the instances of an organization.
pub(crate) fn instances_of(organization: &str) -> String {
    format!("i/{organization}/")
}

pub(crate) fn request_key(request: &str) -> String {
    format!("q/{request}")
}

pub(crate) fn subscription_key(subscription: &str) -> String {
    format!("x/{subscription}")
}

/// Before the intervals of an instance.
pub(crate) fn spans_of(instance: &str) -> String {
    format!("s/{instance}/")
}

/// Of an interval that begins then, so that they are in their order.
pub(crate) fn span_key(instance: &str, from: i64) -> String {
    format!("s/{instance}/{:014}", from.max(0))
}

pub(crate) fn organization_key(organization: &str) -> String {
    format!("o/{organization}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_any_text() {
        let guid = "8d1f52ab-90c4-4c6e-b7a5-3e6841d902fc";
        assert_eq!(marked(&format!("A server [{}].", mark(guid))), Some(guid));
        for text in [
            "",
            "cnsp:",
            "cnsp:8d1f52ab",
            "cnsp:8d1f52ab-90c4-4c6e-b7a5-3e6841d902f/",
            "cnsp:äääääääääääääääääää",
        ] {
            assert_eq!(marked(text), None, "{text}");
        }
    }
}
