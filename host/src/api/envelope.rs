//! CNSP's envelope, and the only place where an error becomes an HTTP status.

use crate::error::{Error, ErrorCode};
use crate::model::{Answer, OperationKind};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use std::time::Duration;

/// The status of each error, which is its `respcode` too.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest | ErrorCode::Ambiguous => StatusCode::BAD_REQUEST,
        ErrorCode::InvalidCredentials => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::RequestIdReused
        | ErrorCode::OperationInProgress
        | ErrorCode::ResourcePending
        | ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorCode::EndpointBusy => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal | ErrorCode::OperationStuck => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::PluginFailed | ErrorCode::PluginAnswerInvalid => StatusCode::BAD_GATEWAY,
        ErrorCode::Overloaded | ErrorCode::EndpointUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::PluginTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The `respcode` of an error.
pub(super) fn respcode(code: ErrorCode) -> u16 {
    status(code).as_u16()
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    errormessage: &'a str,
    #[serde(rename = "errorMessage")]
    error_message: &'a str,
    errorcode: &'a str,
}

/// An error as an answer; its cause stays behind, in the log.
pub(super) fn answer(kind: Option<OperationKind>, error: &Error) -> Answer {
    let respcode = respcode(error.code);
    let text = error.message.as_str();
    let message = match kind {
        Some(kind) => kind.failure_message(respcode, text),
        None if error.code == ErrorCode::InvalidCredentials => "Authentication failed".to_owned(),
        None => text.to_owned(),
    };
    let body =
        ErrorBody { errormessage: text, error_message: text, errorcode: error.code.as_str() };
    Answer {
        respcode,
        success: false,
        message,
        // Three strings cannot fail to be JSON.
        body: serde_json::to_string(&body).unwrap_or_else(|_| "{}".to_owned()),
        retry_after_ms: error.retry_after.map(|wait| wait.as_millis() as u64),
    }
}

/// What the log says about an error: once, here, with its cause.
pub(super) fn log(error: &Error) {
    // Not `message`: that is the line's own.
    let (code, told) = (error.code.as_str(), error.message.as_str());
    let cause = error.cause.as_ref().map(|cause| format!("{cause:#}"));
    match status(error.code).is_server_error() {
        true => tracing::error!(code, told, cause, "the call failed"),
        false => tracing::debug!(code, told, cause, "the call was refused"),
    }
}

/// The body of an answer.
fn body(answer: &Answer) -> String {
    let members = answer.body.strip_prefix('{').unwrap_or("}");
    let comma = if members == "}" { "" } else { "," };
    let message = serde_json::to_string(&answer.message).unwrap_or_else(|_| "\"\"".to_owned());
    let (respcode, success) = (answer.respcode, answer.success);
    format!(
        "{{\"result\":{{\"providerresponse\":{{\"respcode\":{respcode}{comma}{members},\"success\":{success},\"message\":{message}}}}}"
    )
}

/// The answer as it goes over the wire (RFC 9112, section 2.1), with further headers, each with its line end
/// in front.
pub(super) fn wire(answer: &Answer, headers: &str) -> Bytes {
    let (respcode, body) = (answer.respcode, body(answer));
    let (length, status) = (body.len(), StatusCode::from_u16(respcode).ok());
    let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {respcode} {reason}\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: {length}"
    );
    Bytes::from(format!("{head}{headers}\r\n\r\n{body}"))
}

/// The answer as a response. With `always_200` the status says nothing and the envelope all.
pub(super) fn response(answer: &Answer, always_200: bool) -> Response<Body> {
    let respcode = answer.respcode;
    let mut response = Response::new(Body::from(body(answer)));
    *response.status_mut() = match respcode {
        // A 204 has no body, and CNSP's has one; 1xx and 3xx mean other things to HTTP. (Contract A14.)
        200 | 201 | 400..=599 if !always_200 => {
            StatusCode::from_u16(respcode).unwrap_or(StatusCode::OK)
        }
        _ => StatusCode::OK,
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if respcode == 401 {
        let basic = HeaderValue::from_static("Basic realm=\"cnsp\", charset=\"UTF-8\"");
        headers.insert(header::WWW_AUTHENTICATE, basic);
    }
    if let Some(wait) = answer.retry_after_ms {
        let seconds = Duration::from_millis(wait).as_millis().div_ceil(1000).max(1);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
    }
    response
}
