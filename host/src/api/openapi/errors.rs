//! The errors that the host itself answers, with the operations that may answer them.

use crate::error::ErrorCode;

/// Which operations may answer an error.
#[derive(Clone, Copy)]
pub(super) enum On {
    /// Whatever checks a password.
    Every,
    /// What calls a plugin.
    Cnsp,
    /// What calls the plugin of one endpoint.
    One,
    Change,
    Read,
    /// What reads from the plugin of one endpoint.
    ReadOne,
}

impl On {
    pub(super) fn covers(self, cnsp: bool, change: bool, one: bool) -> bool {
        match self {
            On::Every => true,
            On::Cnsp => cnsp,
            On::One => cnsp && (change || one),
            On::Change => cnsp && change,
            On::Read => cnsp && !change,
            On::ReadOne => cnsp && !change && one,
        }
    }
}

/// Code, operations, the caller's text as the host writes it.
pub(super) const ERRORS: [(ErrorCode, On, &str); 22] = [
    (ErrorCode::InvalidRequest, On::Change, "`requestor.userid` is missing: it says which user."),
    (ErrorCode::InvalidRequest, On::Read, "The query of the address is not made of `name=value`."),
    (
        ErrorCode::Ambiguous,
        On::One,
        "Which endpoint is meant cannot be told. Call /endpoints/{endpoint}/apiv1/…, or send the header CNSP-Endpoint, with one of: acme, globex.",
    ),
    (ErrorCode::InvalidCredentials, On::Every, "Invalid credentials provided."),
    (ErrorCode::Forbidden, On::Change, "Your role may read and not change anything."),
    (ErrorCode::Forbidden, On::ReadOne, "There is none that you may use; ask the operator."),
    (ErrorCode::NotFound, On::Cnsp, "You may use no endpoint `globex`. Yours are: acme."),
    (ErrorCode::RequestTimeout, On::Change, "The body did not arrive within 30000 ms."),
    (
        ErrorCode::RequestIdReused,
        On::Change,
        "The request id `req-2026-0001` was used before with another body. Nothing was done; use a new id for a new request.",
    ),
    (
        ErrorCode::OperationInProgress,
        On::Change,
        "The first request with this id is still running. Ask again with the same id: it will not run twice.",
    ),
    (
        ErrorCode::ResourcePending,
        On::Change,
        "The provider has not finished resource.create yet. Try again when its status is no longer pending.",
    ),
    (
        ErrorCode::OperationStuck,
        On::Change,
        "The operation `0198c0de-0000-7000-8000-000000000001` was begun at the provider and cannot be ended by the host. Nothing more is done; ask the operator, who finds it by this id.",
    ),
    (
        ErrorCode::Conflict,
        On::Change,
        "Other changes to the same records kept getting in the way. Try again.",
    ),
    (
        ErrorCode::TooLarge,
        On::Change,
        "The body is larger than the 1048576 bytes that it may have.",
    ),
    (
        ErrorCode::EndpointBusy,
        On::Cnsp,
        "Endpoint `acme` already has the 64 calls at a time that it may have. Try again.",
    ),
    (
        ErrorCode::HeadersTooLarge,
        On::Every,
        "The request has 120 headers with 9000 bytes, and may have 100 with 65536.",
    ),
    (
        ErrorCode::Internal,
        On::Every,
        "The host failed to complete the request. Try again; if it stays, tell its operator the request id.",
    ),
    (
        ErrorCode::PluginFailed,
        On::Cnsp,
        "The provider's adapter at endpoint `acme` went over its memory limit and was stopped. Its vendor has to mend it.",
    ),
    (
        ErrorCode::PluginAnswerInvalid,
        On::Cnsp,
        "The provider's adapter answered with something that the contract does not allow. Its vendor has to mend it; the log has the details.",
    ),
    (
        ErrorCode::EndpointUnavailable,
        On::Cnsp,
        "Endpoint `acme` is not called for now: the provider's adapter failed 5 times in a row, the last time because it did not answer account.get in time. Nothing was done. The host looks by itself whether it is well again.",
    ),
    (
        ErrorCode::Overloaded,
        On::Every,
        "The host already has as many calls as it takes. Try again.",
    ),
    (
        ErrorCode::PluginTimeout,
        On::Cnsp,
        "The provider's adapter at endpoint `acme` did not answer within 30s. Whether the provider acted is not known: look before you ask again.",
    ),
];

/// What a status means here, whoever answered it.
pub(super) fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is not what the operation takes, or the provider refused it.",
        401 => "The username or the password is missing or wrong.",
        403 => "You may not do this, or the provider says that its user may not.",
        404 => "There is no such endpoint, or the provider does not have what was asked for.",
        408 => "The body took too long to arrive.",
        409 => "Another request is in the way.",
        413 => "Too much was sent, or asked for.",
        429 => "The endpoint has as many calls as it may have.",
        431 => "The headers are too large, or too many.",
        500 => "The host failed, or the provider answered so.",
        502 => "The provider's adapter failed.",
        503 => "The host cannot take the call now, or does not call the endpoint for now.",
        504 => "The provider's adapter did not answer in time.",
        _ => "The provider refused.",
    }
}
