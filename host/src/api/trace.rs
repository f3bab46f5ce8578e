//! Around every request: its id, its log line, its time, and a net under panics.

use super::envelope;
use crate::app::App;
use crate::error::{Error, ErrorCode};
use crate::heavy;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Response};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most bytes of a path in the log. Paths are ASCII.
const PATH_BYTES_MAX: usize = 300;

/// The method as a label. A client may make up methods, and each label that is new takes memory for ever.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// A caller's own id is taken over where it is short and plain; else one is made.
fn request_id(request: &Request) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let given = request.headers().get(REQUEST_ID);
    let given = given.filter(|id| (1..=64).contains(&id.len()) && id.as_bytes().iter().all(plain));
    given.cloned().unwrap_or_else(|| {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

/// The beginning of a path: what is in the log is not for the caller to fill.
fn short(path: &str) -> &str {
    path.get(..PATH_BYTES_MAX).unwrap_or(path)
}

pub(super) async fn trace(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    heavy::begin();
    let began = Instant::now();
    let id = request_id(&request);
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!(
        "call",
        id = id.to_str().unwrap_or_default(),
        %method,
        path = short(request.uri().path()),
        caller = tracing::field::Empty,
        endpoint = tracing::field::Empty,
        operation = tracing::field::Empty
    );
    let too_many = too_many_headers(&app, &request);
    let run = async {
        match too_many {
            Some(error) => refuse(&error),
            None => {
                let ran = AssertUnwindSafe(next.run(request)).catch_unwind().await;
                ran.unwrap_or_else(|_| {
                    refuse(&Error::internal(anyhow::anyhow!("a handler panicked")))
                })
            }
        }
    };
    let mut response = run.instrument(span.clone()).await;
    let (status, took) = (response.status(), began.elapsed());
    span.in_scope(|| {
        tracing::info!(status = status.as_u16(), took_us = took.as_micros() as u64, "answered");
    });
    let labels = [
        ("method", method_label(&method).to_owned()),
        ("path", path),
        ("status", status.as_str().to_owned()),
    ];
    metrics::histogram!("http_request_seconds", &labels).record(took);
    response.headers_mut().insert(REQUEST_ID, id);
    heavy::end().await;
    response
}

pub(super) fn refuse(error: &Error) -> Response<Body> {
    envelope::log(error);
    envelope::response(&envelope::answer(None, error), false)
}

fn too_many_headers(app: &App, request: &Request) -> Option<Error> {
    let limits = &app.config.http;
    let bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let bytes = bytes + request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if request.headers().len() > limits.header_count_max || bytes > limits.header_bytes_max {
        let text = format!(
            "The request has {} headers with {bytes} bytes, and may have {} with {}.",
            request.headers().len(),
            limits.header_count_max,
            limits.header_bytes_max
        );
        return Some(Error::new(ErrorCode::HeadersTooLarge, text));
    }
    None
}
