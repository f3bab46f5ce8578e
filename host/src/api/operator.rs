//! What is asked for beside CNSP: liveness, readiness and metrics, how plugins fail, and what they may take.

use super::call::Call;
use super::openapi::schemas;
use crate::app::App;
use crate::endpoints::{Endpoint, FailedCalls};
use crate::error::{Error, ErrorCode};
use crate::limits::EffectiveLimits;
use crate::store::Store;
use crate::store::setup::Role;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderValue, Response, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(list_failures))
        .routes(routes!(list_limits))
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
    for (id, endpoint) in &*call.app.endpoints.all() {
        let open = if endpoint.is_unavailable() { 1.0 } else { 0.0 };
        metrics::gauge!("breaker_open", "endpoint" => id.clone()).set(open);
        let kept = call.app.store.kv_use(id);
        metrics::gauge!("kv_bytes", "endpoint" => id.clone()).set(kept.bytes as f64);
        metrics::gauge!("kv_keys", "endpoint" => id.clone()).set(kept.count as f64);
    }
    let mut response = Response::new(Body::from(call.app.metrics.render()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// The last calls that an endpoint's plugin failed
///
/// For the role operator, and for vendors at their own endpoints: each trap, timeout or limit that was hit, with
/// where the plugin was. They are kept in memory, a few per endpoint. No caller of CNSP sees them.
#[utoipa::path(
    get,
    path = "/endpoints/{endpoint}/failures",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    responses(
        (
            status = 200,
            description = "The failures, the last one first.",
            body = FailedCalls,
            example = json!({
                "endpoint": "acme",
                "unavailable": false,
                "failures": [{
                    "at": "2026-03-01T12:00:00.25Z",
                    "operation": "account.create",
                    "operation_id": "0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90",
                    "outcome": "limit",
                    "limit": "CPU time",
                    "reason": "wasm trap: interrupt",
                    "backtrace": ["acme::tenants::find (acme.wasm+0x1c2f)"],
                    "plugin": { "name": "acme", "version": "1.2.0", "digest": "6d1c…" }
                }]
            })
        ),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use.", body = schemas::RefusalAnswer)
    )
)]
async fn list_failures(call: Call) -> Response<Body> {
    let listed = for_operator_and_vendor(&call, "The failures of a plugin")
        .and_then(|endpoint| serde_json::to_vec(&endpoint.failed_calls()).map_err(Error::internal));
    answer(&call, listed)
}

/// The limits of an endpoint
///
/// For the role operator, and for vendors at their own endpoints: what is in force, which is the endpoint's own
/// where its set-up says less than the host gives.
#[utoipa::path(
    get,
    path = "/endpoints/{endpoint}/limits",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    responses(
        (
            status = 200,
            description = "All limits.",
            body = EffectiveLimits,
            example = json!({
                "endpoint": "acme",
                "limits": [{
                    "name": "cpu_ms",
                    "value": 500,
                    "unit": "ms",
                    "own": true,
                    "max": 2000,
                    "setting": "calls.cpu_ms"
                }]
            })
        ),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use.", body = schemas::RefusalAnswer)
    )
)]
async fn list_limits(call: Call) -> Response<Body> {
    let listed = for_operator_and_vendor(&call, "The limits of a plugin")
        .and_then(|endpoint| serde_json::to_vec(&endpoint.limits()).map_err(Error::internal));
    answer(&call, listed)
}

/// The endpoint of the path, for those who run it or sell through it.
pub(super) fn for_operator_and_vendor(call: &Call, what: &str) -> Result<Arc<Endpoint>, Error> {
    if !matches!(call.caller.role, Role::Operator | Role::Vendor) {
        let text = format!("{what} are for operators and the endpoint's vendor.");
        return Err(Error::new(ErrorCode::Forbidden, text));
    }
    call.named()?.ok_or_else(|| Error::invalid("The path names no endpoint."))
}

pub(super) fn answer(call: &Call, body: Result<Vec<u8>, Error>) -> Response<Body> {
    match body {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => call.refuse(&error),
    }
}
