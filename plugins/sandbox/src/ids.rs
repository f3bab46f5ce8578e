//! Ids and keys. An id carries its account's, so that every record is found with one read, and the
//! records of one account lie together:
//!
//! | id | key | value |
//! |---|---|---|
//! | `acc-A` | `a/A`, and `d/A` once it is deleted | the account |
//! | accountid | `x/` accountid | `A` |
//! | `usr-A-U` | `u/A/U` | the user |
//! | e-mail | `e/` e-mail in lower case | the user's id |
//! | `ins-A-I`, `sub-A-I` | `r/A/I` | the instance; its subscription shares its parts |
//! | seat | `s/A/I/U` and `t/A/U/I` | empty |
//!
//! What a caller chose, an accountid or an e-mail, is always the last part of its key, and no list is
//! read over such keys: whatever is in it cannot reach another one's.

/// How many characters a minted part has: 64 bits in base 32.
const PART: usize = 13;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A part of an id that belongs to this text alone: the operation's id, so that a second run of the
/// operation names the same thing.
pub(crate) fn mint(text: &str) -> String {
    // FNV-1a, then a finaliser that spreads every bit over all of them. It names, and keeps no secret.
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^= hash >> 33;
    encode(hash)
}

/// A number in letters and digits, the lowest bits first.
pub(crate) fn encode(mut number: u64) -> String {
    let mut text = String::with_capacity(PART);
    for _ in 0..PART {
        text.push(ALPHABET.get((number & 31) as usize).copied().unwrap_or(b'a') as char);
        number >>= 5;
    }
    text
}

fn is_part(text: &str) -> bool {
    text.len() == PART && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// The parts of a provideraccountid.
pub(crate) fn account_part(id: &str) -> Option<&str> {
    id.strip_prefix("acc-").filter(|part| is_part(part))
}

/// The parts of a user's, an instance's or a subscription's id.
fn two_parts<'a>(id: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let parts = id.strip_prefix(prefix)?.split_once('-')?;
    (is_part(parts.0) && is_part(parts.1)).then_some(parts)
}

/// A user's id, taken apart: its account's part and its own.
#[derive(Clone, Copy)]
pub(crate) struct UserId<'a> {
    pub(crate) account: &'a str,
    pub(crate) own: &'a str,
}

impl<'a> UserId<'a> {
    /// None for what is no user's id.
    pub(crate) fn parse(id: &'a str) -> Option<Self> {
        two_parts(id, "usr-").map(|(account, own)| Self { account, own })
    }

    pub(crate) fn key(self) -> String {
        format!("u/{}/{}", self.account, self.own)
    }

    pub(crate) fn id(self) -> String {
        format!("usr-{}-{}", self.account, self.own)
    }
}

/// An instance's id, taken apart: its account's part and its own.
#[derive(Clone, Copy)]
pub(crate) struct InstanceId<'a> {
    pub(crate) account: &'a str,
    pub(crate) own: &'a str,
}

impl<'a> InstanceId<'a> {
    /// None for what is no instance's id.
    pub(crate) fn parse(id: &'a str) -> Option<Self> {
        two_parts(id, "ins-").map(|(account, own)| Self { account, own })
    }

    /// The instance of a subscription. None for what is no subscription's id.
    pub(crate) fn parse_subscription(id: &'a str) -> Option<Self> {
        two_parts(id, "sub-").map(|(account, own)| Self { account, own })
    }

    pub(crate) fn key(self) -> String {
        format!("r/{}/{}", self.account, self.own)
    }

    pub(crate) fn id(self) -> String {
        format!("ins-{}-{}", self.account, self.own)
    }

    pub(crate) fn subscription(self) -> String {
        format!("sub-{}-{}", self.account, self.own)
    }

    /// Before the seats of this instance.
    pub(crate) fn seats(self) -> String {
        format!("s/{}/{}/", self.account, self.own)
    }
}

/// The two keys of a seat: by instance, and by user.
pub(crate) fn seat_keys(instance: InstanceId<'_>, user: UserId<'_>) -> [String; 2] {
    [
        format!("s/{}/{}/{}", instance.account, instance.own, user.own),
        format!("t/{}/{}/{}", user.account, user.own, instance.own),
    ]
}

/// Before the seats of this user.
pub(crate) fn seats_of_user(user: UserId<'_>) -> String {
    format!("t/{}/{}/", user.account, user.own)
}

pub(crate) fn account_key(part: &str) -> String {
    format!("a/{part}")
}

pub(crate) fn deleted_account_key(part: &str) -> String {
    format!("d/{part}")
}

pub(crate) fn accountid_key(accountid: &str) -> String {
    format!("x/{accountid}")
}

pub(crate) fn email_key(email: &str) -> String {
    format!("e/{}", email.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_parts_are_stable_and_spread() {
        assert_eq!(mint("op-1"), mint("op-1"));
        let parts: std::collections::BTreeSet<_> =
            (0..10_000).map(|n| mint(&format!("op-{n}"))).collect();
        assert_eq!(parts.len(), 10_000);
        assert!(parts.iter().all(|part| is_part(part)));
    }

    #[test]
    fn only_whole_ids_are_ids() {
        let (account, own) = (mint("a"), mint("b"));
        let id = format!("ins-{account}-{own}");
        let parsed = InstanceId::parse(&id).unwrap();
        assert_eq!(parsed.id(), id);
        assert_eq!(parsed.key(), format!("r/{account}/{own}"));
        let subscription = parsed.subscription();
        assert_eq!(InstanceId::parse_subscription(&subscription).unwrap().id(), id);
        for wrong in ["", "ins-", "ins-a-b", "ins-/-/", "ins-aaaaaaaaaaaaa", &id.to_uppercase()] {
            assert!(InstanceId::parse(wrong).is_none(), "{wrong}");
        }
        assert!(InstanceId::parse(&subscription).is_none());
        assert!(UserId::parse(&id).is_none());
    }
}
