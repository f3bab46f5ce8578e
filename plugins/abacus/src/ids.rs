//! Guids and keys. Every guid is made of what it is for, so that a second run of an operation names the same thing.
//!
//! | key | value |
//! |---|---|
//! | `a/` organization | the account; Abacus's `organization_id` is the provideraccountid |
//! | `x/` accountid | the organization |
//! | `r/` instance | the instance |
//! | `i/` organization's guid `/` instance | empty |

use cnsp_sdk::{Failure, operation};
use uuid::Uuid;

/// The namespace of our guids, made once at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b97_41c6_0f5d_4e88_a1d3_7c96_e05b_93f4);

fn named(kind: &str, name: &str) -> Uuid {
    // A kind has no NUL in it, so no two pairs are the same text.
    Uuid::new_v5(&NAMESPACE, format!("{kind}\0{name}").as_bytes())
}

/// Of what the running operation makes, and of each event that it sends.
pub(crate) fn of_operation(kind: &str) -> Result<String, Failure> {
    Ok(named(kind, &operation::require_id()?).to_string())
}

/// Short for a long text: two are the same only when the texts are.
pub(crate) fn digest(text: &str) -> String {
    named("digest", text).simple().to_string()
}

/// Whether this may be one of ours, so that nothing else gets into a key.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

pub(crate) fn account_key(organization: &str) -> String {
    format!("a/{organization}")
}

pub(crate) fn accountid_key(accountid: &str) -> String {
    format!("x/{accountid}")
}

pub(crate) fn instance_key(instance: &str) -> String {
    format!("r/{instance}")
}

/// Before the instances of an account, whose own id may have slashes.
pub(crate) fn instances_of(organization: &str) -> String {
    format!("i/{}/", named("organization", organization))
}
