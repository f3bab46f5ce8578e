//! What the operator's tools ask for: liveness, readiness, metrics.

use super::call::Call;
use crate::app::App;
use crate::error::{Error, ErrorCode};
use crate::store::setup::Role;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderValue, Response, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process is alive
///
/// It asks nothing of anything, so that a slow disk does not look like a death.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operator",
    security(()),
    responses((status = 200, description = "It is.", body = String, example = json!("ok\n")))
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the host takes calls now
///
/// It does not while it stops, or while its disk is nearly full.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operator",
    security(()),
    responses(
        (status = 200, description = "It does.", body = String, example = json!("ok\n")),
        (status = 503, description = "It does not, and why.", body = String, example = json!("stopping\n"))
    )
)]
async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let not = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    if app.stopping.load(Ordering::Relaxed) {
        return not("stopping".to_owned());
    }
    match app.store.free_ratio() {
        Err(error) => not(format!("the data folder cannot be looked at: {error}")),
        Ok(free) if free < app.config.store.free_ratio_min => {
            not(format!("{:.1} % of the disk is free: no changes are taken", free * 100.0))
        }
        Ok(_) => (StatusCode::OK, "ok\n".to_owned()),
    }
}

/// The host's metrics
///
/// In the text format of Prometheus, for the roles operator and auditor.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operator",
    responses((
        status = 200,
        description = "The metrics as they are now.",
        body = String,
        content_type = "text/plain",
        example = json!("http_request_seconds_count{method=\"GET\",path=\"/apiv1/catalog\",status=\"200\"} 12\n")
    ))
)]
async fn metrics(call: Call) -> Response<Body> {
    if !matches!(call.caller.role, Role::Operator | Role::Auditor) {
        return call
            .refuse(&Error::new(ErrorCode::Forbidden, "Metrics are for operators and auditors."));
    }
    if let Some(pool) = call.app.plugins.pool() {
        metrics::gauge!("pool_instances").set(pool.instances as f64);
        metrics::gauge!("pool_resident_bytes").set(pool.resident_bytes as f64);
    }
    let mut response = Response::new(Body::from(call.app.metrics.render()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
