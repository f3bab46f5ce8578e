//! Ids of the two services. They come from outside and go into paths and keys, so only what is harmless in both is one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Theirs have 32 or 36. Two of them have to fit a key.
const BYTES_MAX: usize = 100;

/// An id that one of the services has given, or that may be one.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(String);

impl Id {
    /// None: nothing can have this id.
    pub(crate) fn parse(text: &str) -> Option<Id> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
        // A path cannot hold these two.
        (fits && text != "." && text != "..").then(|| Id(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Id, String> {
        Id::parse(&text).ok_or_else(|| {
            format!(
                "an id is not 1 to {BYTES_MAX} letters, digits, hyphens, dots and underscores long"
            )
        })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_path_and_a_key_can_hold_is_an_id() {
        for right in ["402881a33cf4568b013cf45796360008", "t-1", "a_b.c", &"x".repeat(100)] {
            assert_eq!(Id::parse(right).unwrap().as_str(), right);
        }
        for wrong in ["", ".", "..", "a/b", "a b", "a\n", "é", "a%2f", "a?b", &"x".repeat(101)] {
            assert!(Id::parse(wrong).is_none(), "{wrong}");
            assert!(serde_json::from_value::<Id>(wrong.into()).is_err(), "{wrong}");
        }
    }
}
