//! What the operator's tools ask for: liveness, readiness, metrics.

use super::call::Call;
use crate::app::App;
use crate::error::{Error, ErrorCode};
use crate::store::setup::Role;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::{HeaderValue, Response, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// That the process is alive. It asks nothing of anything, so that a slow disk does not look like a death.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the host takes calls now.
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

/// Prometheus' text format, for operators and auditors.
async fn metrics(call: Call) -> Response<Body> {
    if !matches!(call.caller.role, Role::Operator | Role::Auditor) {
        return call.refuse(&Error::new(ErrorCode::Forbidden, "Metrics are for operators and auditors."));
    }
    if let Some(pool) = call.app.plugins.pool() {
        metrics::gauge!("pool_instances").set(pool.instances as f64);
        metrics::gauge!("pool_resident_bytes").set(pool.resident_bytes as f64);
    }
    call.app.metrics.run_upkeep();
    let mut response = Response::new(Body::from(call.app.metrics.render()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
