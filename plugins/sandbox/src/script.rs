//! The small language in which the sandbox is told to misbehave: words, each with at most one value,
//! with spaces or commas between them. `README.md` has the table.

use cnsp_sdk::Failure;

/// Longer than any sensible script.
const SCRIPT_BYTES_MAX: usize = 256;
/// A wait that the host would not cut short anyway.
const SLOW_MS_MAX: u32 = 60_000;
const POLLS_MAX: u32 = 1_000;
const POLL_MS_MAX: u32 = 3_600_000;
const WORDS: &str = "pending[:polls], poll:milliseconds, refuse[:respcode], fail[:times], \
                     slow:milliseconds, nonsense:json, nonsense:decimal, nonsense:id, trap, \
                     unauthorized, credentials, degraded, down";

/// How an answer is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonsense {
    /// A member whose JSON does not parse.
    Json,
    /// A quantity that is no number.
    Decimal,
    /// An id that no provider may answer.
    Id,
}

/// What the sandbox is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// How many times to answer pending first.
    pub(crate) pending: u32,
    /// How long to ask the host to wait between two of them.
    pub(crate) poll_ms: Option<u32>,
    /// Refuse with this respcode.
    pub(crate) refuse: Option<u16>,
    /// How many runs of the operation fail, retryably.
    pub(crate) fail: u32,
    /// How long to be busy first.
    pub(crate) slow_ms: u32,
    /// How to spoil the answer.
    pub(crate) nonsense: Option<Nonsense>,
    /// Whether to trap.
    pub(crate) trap: bool,
    /// Whether to answer that the caller may not.
    pub(crate) unauthorized: bool,
    /// Whether to answer that the caller is not known.
    pub(crate) credentials: bool,
    /// What `health` says.
    pub(crate) health: Option<&'static str>,
}

impl Script {
    /// Adds the words of this text. A word that is said again counts as it was said last.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), Failure> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(Failure::invalid(format!(
                "The `sandbox` script is longer than {SCRIPT_BYTES_MAX} bytes."
            )));
        }
        let separator = |character: char| character == ',' || character.is_whitespace();
        for word in text.split(separator).filter(|word| !word.is_empty()) {
            self.add_word(word).ok_or_else(|| {
                Failure::invalid(format!(
                    "The `sandbox` script has `{word}` in it, which this provider does not know. It \
                     knows: {WORDS}."
                ))
            })?;
        }
        Ok(())
    }

    fn add_word(&mut self, word: &str) -> Option<()> {
        let (name, value) = match word.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let number = |default: Option<u32>, max: u32| match value {
            Some(value) => value.parse().ok().filter(|number| *number <= max),
            None => default,
        };
        match (name, value) {
            ("pending", _) => self.pending = number(Some(1), POLLS_MAX)?,
            ("poll", _) => self.poll_ms = Some(number(None, POLL_MS_MAX)?),
            ("refuse", _) => {
                let respcode = number(Some(403), 599).filter(|respcode| *respcode >= 400)?;
                self.refuse = u16::try_from(respcode).ok();
            }
            ("fail", _) => self.fail = number(Some(u32::MAX), u32::MAX)?,
            ("slow", _) => self.slow_ms = number(None, SLOW_MS_MAX)?,
            ("nonsense", Some("json")) => self.nonsense = Some(Nonsense::Json),
            ("nonsense", Some("decimal")) => self.nonsense = Some(Nonsense::Decimal),
            ("nonsense", Some("id")) => self.nonsense = Some(Nonsense::Id),
            ("trap", None) => self.trap = true,
            ("unauthorized", None) => self.unauthorized = true,
            ("credentials", None) => self.credentials = true,
            ("degraded", None) => self.health = Some("degraded"),
            ("down", None) => self.health = Some("down"),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<Script, Failure> {
        let mut script = Script::default();
        script.add(text).map(|()| script)
    }

    #[test]
    fn words_are_read_with_their_values() {
        let told =
            script("pending:3, poll:250 slow:5,refuse:409 fail:2 nonsense:id trap down").unwrap();
        assert_eq!((told.pending, told.poll_ms, told.slow_ms), (3, Some(250), 5));
        assert_eq!((told.refuse, told.fail, told.trap), (Some(409), 2, true));
        assert_eq!((told.nonsense, told.health), (Some(Nonsense::Id), Some("down")));
        assert_eq!(script("").unwrap(), Script::default());
        assert_eq!(script("pending refuse fail").unwrap().fail, u32::MAX);
    }

    #[test]
    fn words_that_are_not_known_are_named() {
        for wrong in [
            "explode",
            "pending:x",
            "pending:-1",
            "refuse:200",
            "slow",
            "trap:1",
            "nonsense",
            "slow:60001",
            ":",
            "pending:1:2",
        ] {
            let failure = script(wrong).unwrap_err();
            assert_eq!(failure.respcode, 400, "{wrong}");
            assert!(
                failure.errormessage.contains(&format!("`{wrong}`")),
                "{}",
                failure.errormessage
            );
        }
        assert_eq!(script(&"trap ".repeat(60)).unwrap_err().respcode, 400);
    }
}
