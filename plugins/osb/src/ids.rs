//! Guids and keys. Every guid is made of what it is for, so that a second run of an operation names the same thing.
//!
//! | key | value |
//! |---|---|
//! | `a/` account | the account; its guid is the broker's `organization_guid` |
//! | `x/` accountid | the account's guid |
//! | `u/` user | the user |
//! | `v/` account `/` user | empty |
//! | `e/` e-mail in lower case | the user's guid |
//! | `r/` instance | the instance; its guid is the broker's `instance_id` |
//! | `i/` account `/` instance | empty |
//! | `s/` instance `/` user, `t/` user `/` instance | the seat: which binding it is |
//! | `p/` plan's hash | what was sold: the plan, for when the broker no longer has it |
//! | `l/` plan's hash `/` instance | empty, while the instance lives |
//! | `w/` operation | work that the broker has not finished |
//! | `n/` operation | the instance as it will be once an update is done |
//! | `o/` binding or instance | what could not be cleaned up at the broker |
//!
//! What a caller or the broker chose is hashed, or is the last part of its key.

use cnsp_sdk::{Failure, operation, random};
use uuid::Uuid;

/// The namespace of our guids, made once at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_2c0e_58b4_4c3a_9b7e_30d1_52ac_e891);

fn named(kind: &str, name: &[&str]) -> String {
    // No part has a NUL in it, so no two lists of parts are the same text.
    let text = [kind, &name.join("\0")].join("\0");
    Uuid::new_v5(&NAMESPACE, text.as_bytes()).to_string()
}

/// Of an account: the broker's organization.
pub(crate) fn organization(marketplace: &str, accountid: &str) -> String {
    named("organization", &[marketplace, accountid])
}

/// Of an account's only space.
pub(crate) fn space(organization: &str) -> String {
    named("space", &[organization])
}

/// Of what the running operation makes.
pub(crate) fn of_operation(kind: &str) -> Result<String, Failure> {
    Ok(named(kind, &[&operation::require_id()?]))
}

/// Of a user's binding to an instance.
pub(crate) fn binding(instance: &str, user: &str) -> String {
    named("binding", &[instance, user])
}

/// Of a plan, whose own id may be any text.
pub(crate) fn plan(plan_id: &str) -> String {
    named("plan", &[plan_id])
}

/// Of something that nobody will ask for again.
pub(crate) fn random() -> String {
    let [first, second] = [random::number(), random::number()].map(u128::from);
    Uuid::from_u128(first << 64 | second).to_string()
}

/// Whether this may be one of ours, so that nothing else gets into a key.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

pub(crate) fn account_key(account: &str) -> String {
    format!("a/{account}")
}

pub(crate) fn accountid_key(accountid: &str) -> String {
    format!("x/{accountid}")
}

pub(crate) fn user_key(user: &str) -> String {
    format!("u/{user}")
}

pub(crate) fn email_key(email: &str) -> String {
    format!("e/{}", email.to_lowercase())
}

/// Before the users of an account.
pub(crate) fn users_of(account: &str) -> String {
    format!("v/{account}/")
}

pub(crate) fn instance_key(instance: &str) -> String {
    format!("r/{instance}")
}

/// Before the instances of an account.
pub(crate) fn instances_of(account: &str) -> String {
    format!("i/{account}/")
}

/// Before the seats of an instance.
pub(crate) fn seats_of_instance(instance: &str) -> String {
    format!("s/{instance}/")
}

/// Before the seats of a user.
pub(crate) fn seats_of_user(user: &str) -> String {
    format!("t/{user}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_stable_and_differ_by_kind_and_part() {
        assert_eq!(organization("cnsp", "a"), organization("cnsp", "a"));
        let guids = [
            organization("cnsp", "a"),
            organization("cns", "pa"),
            space("a"),
            plan("a"),
            binding("a", "b"),
            binding("ab", ""),
        ];
        let distinct: std::collections::BTreeSet<_> = guids.iter().collect();
        assert_eq!(distinct.len(), guids.len());
        assert!(guids.iter().all(|guid| is_guid(guid)));
        assert!(!is_guid("r/../../../../../../../../../../../../"));
    }
}
