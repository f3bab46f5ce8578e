//! What a call answers, before HTTP.

use super::{Failure, OperationKind, json};
use crate::error::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};

/// The most bytes of an answer to a change: it is stored for replays, and a record has its limits.
const STORED_BODY_BYTES_MAX: usize = 20 << 10;

/// The parts of CNSP's envelope. It may hold a password: it is not for logs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) respcode: u16,
    pub(crate) success: bool,
    pub(crate) message: String,
    /// `providerresponse` without its `respcode`: a JSON object as text, strict.
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
                .then(|| failure.retry_after_ms.unwrap_or(1000).into()),
        })
    }

    /// An answer that is stored must fit into a record.
    pub(crate) fn check_stored(&self, kind: OperationKind) -> Result<()> {
        if self.body.len() + self.message.len() > STORED_BODY_BYTES_MAX {
            let text = format!("an answer to a change has at most {STORED_BODY_BYTES_MAX} bytes");
            return Err(nonsense(kind, &text));
        }
        Ok(())
    }
}

fn strict(kind: OperationKind, body: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(body).map_err(|error| nonsense(kind, &error.to_string()))?;
    json::check_strict(text.as_bytes()).map_err(|error| nonsense(kind, &error.to_string()))?;
    Ok(text)
}

/// The plugin answered what the contract does not allow.
pub(crate) fn nonsense(kind: OperationKind, what: &str) -> Error {
    let name = kind.texts().name;
    let text = format!(
        "The provider's adapter answered {name} with something that the contract does not allow. Its vendor has to mend it; the log has the details."
    );
    Error::new(ErrorCode::PluginAnswerInvalid, text).because(anyhow::anyhow!("{name}: {what}"))
}
