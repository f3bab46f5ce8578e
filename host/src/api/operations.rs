//! Operations that have no outcome yet: what they did, and what somebody decides about them. Not CNSP's.

use super::call::Call;
use super::openapi::schemas;
use super::operator::{answer, for_operator_and_vendor};
use crate::app::App;
use crate::error::{Error, Result};
use crate::journal::{Decision, Ruling, State, UnfinishedOperations, WithSteps};
use crate::model;
use axum::body::Body;
use axum::extract::Request;
use http::Response;
use serde_json::Value;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const LIMIT_DEFAULT: u32 = 100;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_operations))
        .routes(routes!(get_operation, decide_operation))
}

/// The operations of an endpoint that have no outcome yet
///
/// For the role operator, and for vendors at their own endpoints: those that have asked the provider for something
/// and are run until they have come to an end (`open`), those that the provider has accepted (`pending`), and those
/// that the host does nothing more about (`orphan`).
#[utoipa::path(
    get,
    path = "/endpoints/{endpoint}/operations",
    tag = "operator",
    params(
        ("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme"),
        ("state" = Option<State>, Query, description = "Only those in this state."),
        ("limit" = Option<u32>, Query, description = "How many at most, 1 to 1,000; 100 if it is not said."),
        ("after" = Option<String>, Query, description = "The `next` of the page before.")
    ),
    responses(
        (
            status = 200,
            description = "A page of them.",
            body = UnfinishedOperations,
            example = json!({
                "operations": [{
                    "endpoint": "acme",
                    "id": "0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90",
                    "operation": "resource.create",
                    "state": "orphan",
                    "began_at": "2026-03-01T12:00:00.25Z",
                    "caller": "market",
                    "request_id": "req-2026-0001",
                    "account": "acc-1001",
                    "plugin": "6d1c…",
                    "compensating": false,
                    "why": "it came to no end within 72h"
                }]
            })
        ),
        (status = 400, description = "The query is not what it should be.", body = schemas::RefusalAnswer),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use.", body = schemas::RefusalAnswer)
    )
)]
async fn list_operations(call: Call) -> Response<Body> {
    let listed = async {
        let endpoint = for_operator_and_vendor(&call, WHAT)?;
        let page = call.page()?;
        let state = call.query.get("state").map(|state| state_of(state)).transpose()?;
        let limit = page.limit.unwrap_or(LIMIT_DEFAULT) as usize;
        let journal = &call.app.journal;
        let listed = journal.unfinished(&endpoint, state, page.after.as_deref(), limit).await?;
        serde_json::to_vec(&listed).map_err(Error::internal)
    };
    answer(&call, listed.await)
}

/// One operation that has no outcome yet, with what it did
///
/// For the role operator, and for vendors at their own endpoints. Each step is a request to the provider and what
/// came of it, without bodies and headers, which may hold passwords.
#[utoipa::path(
    get,
    path = "/endpoints/{endpoint}/operations/{id}",
    tag = "operator",
    params(
        ("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme"),
        ("id" = String, Path, description = "The id of an operation.", example = "0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90")
    ),
    responses(
        (
            status = 200,
            description = "The operation.",
            body = WithSteps,
            example = json!({
                "endpoint": "acme",
                "id": "0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90",
                "operation": "resource.create",
                "state": "open",
                "began_at": "2026-03-01T12:00:00.25Z",
                "caller": "market",
                "request_id": "req-2026-0001",
                "account": "acc-1001",
                "plugin": "6d1c…",
                "compensating": false,
                "why": "The provider cannot be reached.",
                "steps": [{
                    "call": 1,
                    "run": 1,
                    "at": "2026-03-01T12:00:00.3Z",
                    "request": "POST https://api.example.com/tenants",
                    "effect": true,
                    "status": 201,
                    "outcome_unknown": false
                }],
                "more_steps": false
            })
        ),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use, or no such operation.", body = schemas::RefusalAnswer)
    )
)]
async fn get_operation(call: Call) -> Response<Body> {
    let shown = async {
        let endpoint = for_operator_and_vendor(&call, WHAT)?;
        let found = call.app.journal.unfinished_one(&endpoint, &call.id()?).await?;
        serde_json::to_vec(&found).map_err(Error::internal)
    };
    answer(&call, shown.await)
}

/// Decide what becomes of an operation
///
/// For the role operator, and for vendors at their own endpoints. `retry` runs it now; `adopt` takes for done what the
/// provider has; `compensate` has its plugin undo what it did; `dismiss` lets it be. Its caller is answered
/// accordingly when it asks again. One that runs just now is set aside first. Each decision is in the audit trail.
#[utoipa::path(
    post,
    path = "/endpoints/{endpoint}/operations/{id}",
    tag = "operator",
    params(
        ("endpoint" = String, Path, description = "The id of an endpoint.", example = "acme"),
        ("id" = String, Path, description = "The id of an operation.", example = "0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90")
    ),
    request_body(
        content = Decision,
        examples(
            ("retry" = (summary = "Run it now", value = json!({ "action": "retry" }))),
            ("adopt" = (
                summary = "Take for done what the provider has",
                value = json!({ "action": "adopt", "id": "ins-77aa01", "note": "made by hand, ticket 4711" })
            )),
            ("compensate" = (
                summary = "Have its plugin undo what it did",
                value = json!({ "action": "compensate", "note": "the customer has left" })
            )),
            ("dismiss" = (
                summary = "Let it be",
                value = json!({ "action": "dismiss", "note": "deleted by hand, ticket 4711" })
            ))
        )
    ),
    responses(
        (
            status = 200,
            description = "What came of it: the operation as it is now, or how it has ended.",
            body = Ruling,
            example = json!({
                "endpoint": "acme",
                "id": "0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90",
                "state": "ended",
                "respcode": 409,
                "message": "The operation came to no end at the provider and was given up by the operator."
            })
        ),
        (status = 400, description = "The body is not what it should be.", body = schemas::RefusalAnswer),
        (status = 403, description = "You are neither an operator nor a vendor.", body = schemas::RefusalAnswer),
        (status = 404, description = "There is no such endpoint that you may use, or no such operation.", body = schemas::RefusalAnswer),
        (status = 409, description = "It does not allow that now.", body = schemas::RefusalAnswer)
    )
)]
async fn decide_operation(call: Call, request: Request) -> Response<Body> {
    let decided = async {
        let endpoint = for_operator_and_vendor(&call, WHAT)?;
        let id = call.id()?;
        let body = Value::Object(call.object(request).await?).to_string();
        let decision: Decision = model::body::parse(body.as_bytes())?;
        let journal = call.app.journal.clone();
        let by = call.caller.name.clone();
        // Detached: a client that hangs up leaves no operation set aside that nobody decides about.
        let decided =
            tokio::spawn(async move { journal.decide(&endpoint, &id, &by, decision).await });
        let ruling = decided.await.map_err(Error::internal)??;
        serde_json::to_vec(&ruling).map_err(Error::internal)
    };
    answer(&call, decided.await)
}

const WHAT: &str = "The operations of an endpoint";

pub(crate) fn state_of(text: &str) -> Result<State> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| Error::invalid("`state` is `open`, `pending` or `orphan`."))
}
