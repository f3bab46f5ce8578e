//! What can go wrong with a call, in words that do not know HTTP.
//!
//! Two texts per error: `message` for the caller, `cause` for the log. `cause` has no way onto the wire:
//! [`Error`] is not `Display`, and only `api/envelope.rs` turns one into an answer.

use std::time::Duration;

/// The kinds of error that the host itself answers. The codes are part of the API: `errorcode` in the
/// envelope. What a plugin refuses is no error of the host: see `model::Failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// The body or a parameter is not what the operation takes.
    InvalidRequest,
    /// The caller's name or password is missing or wrong.
    InvalidCredentials,
    /// The caller may not do this.
    Forbidden,
    /// There is no such path, endpoint or id.
    NotFound,
    /// The path exists and has no such method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// Which endpoint, or which kind of id, is meant cannot be told.
    Ambiguous,
    /// The request id was used before with another body.
    RequestIdReused,
    /// The same request is still running.
    OperationInProgress,
    /// The resource is still being created or changed.
    ResourcePending,
    /// The operation was begun at the provider, and cannot be ended by the host.
    OperationStuck,
    /// Other changes kept getting in the way.
    Conflict,
    /// The body is over its limit.
    TooLarge,
    /// The headers are over their limit.
    HeadersTooLarge,
    /// The endpoint has as many calls as it may have.
    EndpointBusy,
    /// The endpoint's last calls have all failed: it gets none for a while.
    EndpointUnavailable,
    /// The host has as many calls as it can take.
    Overloaded,
    /// The plugin trapped or went over a limit.
    PluginFailed,
    /// The plugin answered what the contract does not allow.
    PluginAnswerInvalid,
    /// The plugin did not answer in time.
    PluginTimeout,
    /// The host is at fault.
    Internal,
}

impl ErrorCode {
    /// The stable text of `errorcode`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "INVALID_REQUEST",
            ErrorCode::InvalidCredentials => "INVALID_CREDENTIALS",
            ErrorCode::Forbidden => "FORBIDDEN",
            ErrorCode::NotFound => "NOT_FOUND",
            ErrorCode::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            ErrorCode::RequestTimeout => "REQUEST_TIMEOUT",
            ErrorCode::Ambiguous => "AMBIGUOUS",
            ErrorCode::RequestIdReused => "REQUEST_ID_REUSED",
            ErrorCode::OperationInProgress => "OPERATION_IN_PROGRESS",
            ErrorCode::ResourcePending => "RESOURCE_PENDING",
            ErrorCode::OperationStuck => "OPERATION_STUCK",
            ErrorCode::Conflict => "CONFLICT",
            ErrorCode::TooLarge => "TOO_LARGE",
            ErrorCode::HeadersTooLarge => "HEADERS_TOO_LARGE",
            ErrorCode::EndpointBusy => "ENDPOINT_BUSY",
            ErrorCode::EndpointUnavailable => "ENDPOINT_UNAVAILABLE",
            ErrorCode::Overloaded => "OVERLOADED",
            ErrorCode::PluginFailed => "PLUGIN_FAILED",
            ErrorCode::PluginAnswerInvalid => "PLUGIN_ANSWER_INVALID",
            ErrorCode::PluginTimeout => "PLUGIN_TIMEOUT",
            ErrorCode::Internal => "INTERNAL",
        }
    }
}

/// An error of the host.
#[derive(Debug)]
pub(crate) struct Error {
    /// What kind it is.
    pub(crate) code: ErrorCode,
    /// For the caller: what happened, why, and what to do.
    pub(crate) message: String,
    /// For the log only.
    pub(crate) cause: Option<anyhow::Error>,
    /// How long to wait before trying again.
    pub(crate) retry_after: Option<Duration>,
}

/// What the host's functions return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error whose text tells the caller all there is.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), cause: None, retry_after: None }
    }

    /// The caller sent what the operation does not take.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorCode::InvalidRequest, message)
    }

    /// The host is at fault: the caller learns that, and the log learns why.
    pub(crate) fn internal(cause: impl Into<anyhow::Error>) -> Error {
        let message = "The host failed to complete the request. Try again; if it stays, tell its operator the request id.";
        Error::new(ErrorCode::Internal, message).because(cause)
    }

    /// Adds what only the log may see.
    pub(crate) fn because(mut self, cause: impl Into<anyhow::Error>) -> Error {
        self.cause = Some(cause.into());
        self
    }

    /// Adds when a retry makes sense.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Error {
        self.retry_after = Some(wait);
        self
    }
}

impl From<crate::store::StoreError> for Error {
    fn from(error: crate::store::StoreError) -> Error {
        use crate::store::StoreError as E;
        let wait = Duration::from_secs(1);
        let answer = match &error {
            E::Conflict(_) => {
                let text = "Other changes to the same records kept getting in the way. Try again.";
                Error::new(ErrorCode::Conflict, text).retry_after(wait)
            }
            E::Overloaded => {
                let text = "More changes are waiting to be stored than the host takes. Try again.";
                Error::new(ErrorCode::Overloaded, text).retry_after(wait)
            }
            E::TooLarge(_) => {
                let text = "What this request stores is larger than one record may be. Send less.";
                Error::new(ErrorCode::TooLarge, text)
            }
            E::Stopped(_) | E::Unknown | E::Damaged(_) => return Error::internal(error),
        };
        answer.because(error)
    }
}
