//! What a call answers, before HTTP.

use super::{Failure, OperationKind, body, json};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::fixed;
use serde::{Deserialize, Serialize};

/// 20 KiB of body and room for the rest.
const STORED_BYTES_MAX: usize = fixed::OUTCOME_BYTES.max;

/// What is told to wait at most, whatever a plugin says.
const RETRY_AFTER_MS_MAX: u64 = fixed::POLL_AFTER_S.max as u64 * 1000;

/// The parts of CNSP's envelope. It may hold a password: it is not for logs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) respcode: u16,
    pub(crate) success: bool,
    pub(crate) message: String,
    /// `providerresponse` without its `respcode`: a JSON object as text, strict. Stored as it is: as a text in a
    /// text, each quote would take two bytes.
    #[serde(with = "json::raw_text")]
    pub(crate) body: String,
    pub(crate) retry_after_ms: Option<u64>,
}

/// How both kinds of client find the text of an error. (Contract A15.)
#[derive(Serialize)]
struct ErrorBody<'a> {
    errormessage: &'a str,
    #[serde(rename = "errorMessage")]
    error_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errorcode: Option<&'a str>,
    #[serde(flatten, serialize_with = "json::open_map::serialize")]
    other: &'a json::OpenMap,
}

impl Answer {
    /// The answer of an operation that succeeded. A body that is not strict JSON is the plugin's fault.
    pub(crate) fn done(kind: OperationKind, body: &impl Serialize) -> Result<Answer> {
        let texts = kind.texts();
        Ok(Answer {
            respcode: texts.respcode,
            success: true,
            message: texts.success.to_owned(),
            body: strict(kind, body)?,
            retry_after_ms: None,
        })
    }

    /// The answer to what the plugin refused.
    pub(crate) fn refused(kind: OperationKind, failure: &Failure) -> Result<Answer> {
        if !(400..=599).contains(&failure.respcode) {
            let text = format!("a failure's respcode is 400 to 599, not {}", failure.respcode);
            return Err(nonsense(kind, &text));
        }
        let text = failure.errormessage.as_str();
        let body = ErrorBody {
            errormessage: text,
            error_message: text,
            errorcode: failure.errorcode.as_deref(),
            other: &failure.other,
        };
        let usual = || kind.failure_message(failure.respcode, text);
        Ok(Answer {
            respcode: failure.respcode,
            success: false,
            message: failure.message.clone().unwrap_or_else(usual),
            body: strict(kind, &body)?,
            retry_after_ms: failure
                .retryable
                .then(|| u64::from(failure.retry_after_ms.unwrap_or(1000)).min(RETRY_AFTER_MS_MAX)),
        })
    }

    /// An answer that is stored must fit into a record.
    pub(crate) fn check_stored(&self, kind: OperationKind) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(Error::internal)?.len();
        if bytes > STORED_BYTES_MAX {
            let text =
                format!("an answer to a change has at most {STORED_BYTES_MAX} bytes, not {bytes}");
            return Err(nonsense(kind, &text));
        }
        Ok(())
    }
}

fn strict(kind: OperationKind, body: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(body).map_err(|error| nonsense(kind, &error.to_string()))?;
    body::check_strict(text.as_bytes()).map_err(|error| nonsense(kind, &error.to_string()))?;
    match has_respcode(&text) {
        true => Err(nonsense(kind, "the key `respcode` occurs twice: it is the envelope's own")),
        false => Ok(text),
    }
}

/// Whether an object has the member that the envelope puts in front of it: a reader that takes the last of two
/// would be told by the plugin whether the call has succeeded.
fn has_respcode(object: &str) -> bool {
    type Members = std::collections::HashMap<String, serde::de::IgnoredAny>;
    // Most bodies do not have the word at all. One that is spelled with escapes is none of serde_json's making.
    object.contains("\"respcode\"")
        && serde_json::from_str::<Members>(object)
            .is_ok_and(|members| members.contains_key("respcode"))
}

/// What is shown of a text that a plugin wrote: its beginning, so that a megabyte is not escaped to be cut, and no
/// control characters.
pub(crate) fn shown(text: &str) -> std::str::EscapeDebug<'_> {
    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
    text.get(..end).unwrap_or_default().escape_debug()
}

const SHOWN_BYTES_MAX: usize = 200;
/// How much of what is wrong with an answer is logged: it may repeat what the plugin wrote.
const NONSENSE_CHARS_MAX: usize = 1000;

/// The plugin answered what the contract does not allow.
pub(crate) fn nonsense(kind: OperationKind, what: &str) -> Error {
    let name = kind.texts().name;
    let what: String = what.chars().take(NONSENSE_CHARS_MAX).collect();
    let text = format!(
        "The provider's adapter answered {name} with something that the contract does not allow. Its vendor has to mend it; the log has the details."
    );
    Error::new(ErrorCode::PluginAnswerInvalid, text).because(anyhow::anyhow!("{name}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_does_not_write_the_envelopes_own_key() {
        let done = |body: serde_json::Value| Answer::done(OperationKind::CreateAccount, &body);
        assert!(done(serde_json::json!({"respcode": 999})).is_err());
        assert!(done(serde_json::json!({"respcode": null})).is_err());
        assert!(done(serde_json::json!({"a": {"respcode": 1}, "b": "\"respcode\":1"})).is_ok());
    }

    #[test]
    fn nobody_is_told_to_wait_for_weeks() {
        let failure = Failure {
            respcode: 503,
            message: None,
            errormessage: "Later.".to_owned(),
            errorcode: None,
            retryable: true,
            retry_after_ms: Some(u32::MAX),
            other: Vec::new(),
        };
        let refused = Answer::refused(OperationKind::CreateAccount, &failure).unwrap();
        assert_eq!(refused.retry_after_ms, Some(3_600_000));
    }

    #[test]
    fn an_answer_of_20_kib_fits_into_a_record_whatever_is_in_it() {
        let kind = OperationKind::CreateResource;
        let answer = |body: String| Answer {
            respcode: 200,
            success: true,
            message: kind.texts().success.to_owned(),
            body,
            retry_after_ms: None,
        };
        let quotes = answer(format!("{{\"z\":[\"\"{}],\"a\":1}}", ",\"\"".repeat(6820)));
        assert!((20_470..=20 << 10).contains(&quotes.body.len()));
        quotes.check_stored(kind).unwrap();
        let stored = serde_json::to_vec(&quotes).unwrap();
        let sealed = (stored.len() + 40).div_ceil(3) * 4;
        assert!(sealed + 512 < crate::store::VALUE_BYTES_MAX);
        let read: Answer = serde_json::from_slice(&stored).unwrap();
        assert_eq!(read.body, quotes.body);
        assert!(answer(format!("\"{}\"", "a".repeat(21 << 10))).check_stored(kind).is_err());
    }
}
