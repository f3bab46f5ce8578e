//! The drift check of an endpoint: looked at, begun, and settled.

use super::call::Call;
use super::openapi::schemas;
use super::operator::{answer, for_operator_and_vendor};
use crate::app::App;
use crate::drift::{DriftSettled, DriftView, Settling, Wanted};
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::store::setup::Role;
use axum::body::Body;
use axum::extract::Request;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_drift))
        .routes(routes!(check_drift))
        .routes(routes!(adopt_drift))
        .routes(routes!(ignore_drift, unignore_drift))
}

/// Which differences are meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DriftChosen {
    /// Names of the report's differences, as `state/ins-77aa01`, or a kind for all of it: `missing`, `extra`,
    /// `state`, `quantity`, `seats`.
    differences: Vec<String>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// A check that was begun.
#[derive(Serialize, ToSchema)]
struct DriftBegun {
    endpoint: String,
    /// The check that `GET` has under `running` until it has ended.
    began_at: String,
}

/// How many differences are ignored no more.
#[derive(Serialize, ToSchema)]
struct DriftUnignored {
    endpoint: String,
    count: usize,
}

/// The last drift check of an endpoint
///
/// For the role operator, and for vendors at their own endpoints: how what the provider lists differs from what the
/// host has, as the last check that came to its end found it. A check that failed is beside it, with its reason.
#[utoipa::path(
    get,
    path = "/endpoints/{endpoint}/drift",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    responses(
        (
            status = 200,
            description = "The last report, and what is running.",
            body = DriftView,
            example = json!({
                "endpoint": "acme",
                "check_s": 86400,
                "next_check_at": "2026-03-02T04:17:12Z",
                "report": {
                    "began_at": "2026-03-01T04:17:12.5Z",
                    "ended_at": "2026-03-01T04:19:40.25Z",
                    "listed": { "accounts": 310, "resources": 1204, "pages": 644, "duplicates": 0, "unlisted": 0 },
                    "compared": 1205,
                    "counts": { "quantity": 1 },
                    "ignored": 2,
                    "left_out": 0,
                    "skipped": [],
                    "skipped_left_out": 0,
                    "notes": [],
                    "differences": [{
                        "name": "quantity/ins-77aa01",
                        "kind": "quantity",
                        "providerinstanceid": "ins-77aa01",
                        "accountid": "C-1001",
                        "provideraccountid": "acc-5f21",
                        "ours": { "sku": "FILES-TEAM", "status": "active", "license": 5, "seats": 3 },
                        "provider": { "sku": "FILES-TEAM", "status": "active", "license": 8 },
                        "since": "2026-02-27T04:17:12Z",
                        "fingerprint": "6f1c0f3e9a…",
                        "record_version": 88120
                    }]
                }
            })
        ),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use.", body = schemas::RefusalAnswer)
    )
)]
async fn get_drift(call: Call) -> Response<Body> {
    let seen = async {
        let endpoint = for_operator_and_vendor(&call, "Drift checks")?;
        json(&call.app.drift.view(&endpoint).await?)
    };
    answer(&call, seen.await)
}

/// Check an endpoint for drift now
///
/// For the role operator, and for vendors at their own endpoints. A check only looks, slowly, and goes on by itself:
/// `GET` shows how far it is, and its report. Where one is running already, it is that one.
#[utoipa::path(
    post,
    path = "/endpoints/{endpoint}/drift/check",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    responses(
        (
            status = 202,
            description = "It is running.",
            body = DriftBegun,
            example = json!({ "endpoint": "acme", "began_at": "2026-03-01T04:17:12.5Z" })
        ),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use.", body = schemas::RefusalAnswer)
    )
)]
async fn check_drift(call: Call) -> Response<Body> {
    let begun = for_operator_and_vendor(&call, "Drift checks").and_then(|endpoint| {
        let began_at = call.app.drift.check(&endpoint);
        json(&DriftBegun { endpoint: endpoint.id().to_owned(), began_at })
    });
    let is_begun = begun.is_ok();
    let mut response = answer(&call, begun);
    if is_begun {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

/// Take over the provider's state for differences of the last report
///
/// For the role operator. Each resource is asked for again; where it is not what the report says any more, where the host's
/// record was changed, and where an operation is under way, nothing is done, and the answer says so. Each resource is one
/// durable commit, with its audit row.
#[utoipa::path(
    post,
    path = "/endpoints/{endpoint}/drift/adopt",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    request_body(content = DriftChosen, example = json!({ "differences": ["quantity/ins-77aa01"], "dry_run": true })),
    responses(
        (
            status = 200,
            description = "What was adopted, and what was not.",
            body = DriftSettled,
            example = json!({ "endpoint": "acme", "dry_run": true, "settled": ["quantity/ins-77aa01"], "skipped": [] })
        ),
        (status = 400, description = "The body names no differences.", body = schemas::RefusalAnswer),
        (status = 403, description = "You are no operator.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use, or no report yet.", body = schemas::RefusalAnswer)
    )
)]
async fn adopt_drift(call: Call, request: Request) -> Response<Body> {
    let adopted = async {
        let settling = chosen(&call, request).await?;
        if !settling.dry_run {
            call.check_space()?;
        }
        json(&call.app.drift.adopt(settling).await?)
    };
    answer(&call, adopted.await)
}

/// Leave differences of the last report out of later ones
///
/// For the role operator. Each is left out until it changes, or is gone for a while.
#[utoipa::path(
    post,
    path = "/endpoints/{endpoint}/drift/ignore",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    request_body(content = DriftChosen, example = json!({ "differences": ["extra"] })),
    responses(
        (
            status = 200,
            description = "What is ignored from now on.",
            body = DriftSettled,
            example = json!({ "endpoint": "acme", "dry_run": false, "settled": ["extra/ins-9"], "skipped": [] })
        ),
        (status = 400, description = "The body names no differences.", body = schemas::RefusalAnswer),
        (status = 403, description = "You are no operator.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use, or no report yet.", body = schemas::RefusalAnswer)
    )
)]
async fn ignore_drift(call: Call, request: Request) -> Response<Body> {
    let ignored = async {
        let settling = chosen(&call, request).await?;
        call.check_space()?;
        json(&call.app.drift.ignore(&settling).await?)
    };
    answer(&call, ignored.await)
}

/// Report all differences again
///
/// For the role operator: nothing of the endpoint is ignored any more, from the next check on.
#[utoipa::path(
    delete,
    path = "/endpoints/{endpoint}/drift/ignore",
    tag = "operator",
    params(("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme")),
    responses(
        (
            status = 200,
            description = "How many were ignored.",
            body = DriftUnignored,
            example = json!({ "endpoint": "acme", "count": 2 })
        ),
        (status = 403, description = "You are no operator.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use.", body = schemas::RefusalAnswer)
    )
)]
async fn unignore_drift(call: Call) -> Response<Body> {
    let forgotten = async {
        let endpoint = for_operator(&call)?;
        call.check_space()?;
        let count = call.app.drift.unignore(&endpoint, &call.caller.name).await?;
        json(&DriftUnignored { endpoint: endpoint.id().to_owned(), count })
    };
    answer(&call, forgotten.await)
}

/// The endpoint of the path, for those who run the host: the records are the host's.
fn for_operator(call: &Call) -> Result<Arc<Endpoint>> {
    if call.caller.role != Role::Operator {
        let text = "Adopting and ignoring differences is for operators.";
        return Err(Error::new(ErrorCode::Forbidden, text));
    }
    call.named()?.ok_or_else(|| Error::invalid("The path names no endpoint."))
}

async fn chosen(call: &Call, request: Request) -> Result<Settling> {
    let endpoint = for_operator(call)?;
    let body = Value::Object(call.object(request).await?);
    let DriftChosen { differences, dry_run } = serde_json::from_value(body).map_err(|error| {
        Error::invalid(format!(
            "The body is {{\"differences\": [\"KIND\" or \"KIND/INSTANCE\", …], \"dry_run\": true or false}}: {error}."
        ))
    })?;
    let wanted = Wanted::parse_all(&differences)?;
    Ok(Settling { endpoint, caller: call.caller.name.clone(), wanted, dry_run })
}

fn json(seen: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(seen).map_err(Error::internal)
}
