//! `/health`. (CNSP 1.0, Health.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{all_from, ask};
use crate::endpoints::Endpoint;
use crate::error::ErrorCode;
use crate::model::{Answer, HealthCheck, HealthReport, OperationKind, nonsense, shown};
use axum::body::Body;
use futures_util::FutureExt;
use http::Response;
use serde_json::{Map, Value};

/// How well a report is, from the worst.
const STATUSES: [&str; 3] = ["down", "degraded", "ok"];
/// The host's own check: whether the adapter does what it is called for.
const ADAPTER: &str = "adapter";

/// The health of the endpoint
///
/// CNSP names this operation and leaves its shape open; this is the host's. `status` is `ok`, `degraded` or
/// `down`. An endpoint that the host does not call for now, since its adapter keeps failing, is `down` with the
/// check `adapter`, which says why. Without a chosen endpoint, all endpoints that you may use are asked; each check then says its
/// `endpoint`, `partial` lists the endpoints that failed, and `status` is `degraded` if only some are well.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    params(params::Common),
    responses((status = 200, description = "How it is. Also when it is down.", body = schemas::HealthChecked))
)]
pub(super) async fn check_health(call: Call) -> Response<Body> {
    let kind = OperationKind::CheckHealth;
    let checked: Result<Answer, Stop> = async {
        if let Some(endpoint) = call.named()? {
            return Ok(Answer::done(kind, &ask_endpoint(&endpoint).await?)?);
        }
        let mut everyone = call
            .ask_everyone(kind, |endpoint| async move {
                let report = ask_endpoint(&endpoint).await?;
                let checks = all_from(kind, &endpoint, &report.checks)?;
                Ok((
                    STATUSES.iter().position(|status| *status == report.status).unwrap_or(0),
                    checks,
                ))
            })
            .await;
        let mut worst = if everyone.partial() { 0 } else { STATUSES.len() - 1 };
        let (statuses, checks): (Vec<_>, Vec<_>) = everyone.take().into_iter().unzip();
        let checks = checks.into_iter().flatten().collect();
        worst = statuses.iter().copied().fold(worst, usize::min);
        // One endpoint that is down leaves the others usable.
        if worst == 0 && statuses.iter().any(|status| *status > 0) {
            worst = 1;
        }
        let status = STATUSES.get(worst).copied().unwrap_or("down");
        let body = Map::from_iter([
            ("status".to_owned(), Value::from(status)),
            ("checks".to_owned(), Value::Array(checks)),
        ]);
        Ok(Answer::done(kind, &everyone.finish(body))?)
    }
    .await;
    call.finish(kind, checked)
}

/// The health of one resource
#[utoipa::path(
    get,
    path = "/health/{id}",
    tag = "health",
    params(
        ("id" = String, Path, description = "A `providerinstanceid`.", example = "ins-77aa01"),
        params::Common
    ),
    responses((status = 200, description = "How it is. Also when it is down.", body = schemas::HealthChecked))
)]
pub(super) async fn check_resource_health(call: Call) -> Response<Body> {
    let kind = OperationKind::CheckHealth;
    let checked: Result<Answer, Stop> = async {
        let id = call.id()?;
        let endpoint = call.endpoint(None, &[&id]).await?;
        Ok(Answer::done(kind, &ask_one(&endpoint, Some(id)).await?)?)
    }
    .await;
    call.finish(kind, checked)
}

/// An endpoint that gets no calls can be told about all the same.
async fn ask_endpoint(endpoint: &Endpoint) -> Result<HealthReport, Stop> {
    match ask_one(endpoint, None).await {
        Err(Stop::Failed(error)) if error.code == ErrorCode::EndpointUnavailable => {
            let check = HealthCheck {
                name: ADAPTER.to_owned(),
                healthy: false,
                detail: Some(error.message),
                other: Vec::new(),
            };
            Ok(HealthReport { status: "down".to_owned(), checks: vec![check], other: Vec::new() })
        }
        asked => asked,
    }
}

async fn ask_one(endpoint: &Endpoint, instance: Option<String>) -> Result<HealthReport, Stop> {
    let kind = OperationKind::CheckHealth;
    let report = ask(endpoint, kind, |adapter, store| {
        async move { adapter.health(&mut *store)?.call_check(store, instance.as_deref()).await }
            .boxed()
    })
    .await?;
    if !STATUSES.contains(&report.status.as_str()) {
        let text = format!(
            "a health status is one of {}, not `{}`",
            STATUSES.join(", "),
            shown(&report.status)
        );
        return Err(nonsense(kind, &text).into());
    }
    Ok(report)
}
