//! Operations that have no outcome yet, for whoever runs the host and has no caller's password at hand.

use super::{Answer, answer};
use crate::api::state_of;
use crate::app::App;
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::journal::{Decision, UnfinishedOperations};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who has decided, in the audit trail.
const BY: &str = "the control socket";

/// The parameters of a request.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// None: all endpoints.
    pub(super) endpoint: Option<String>,
    pub(super) state: Option<String>,
    pub(super) after: Option<String>,
}

/// The parameters of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneQuery {
    endpoint: String,
}

const PAGE: usize = 500;

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/operations", get(handle_list))
        .route("/operations/{id}", get(handle_show).post(handle_decide))
        .with_state(app)
}

async fn handle_list(State(app): State<Arc<App>>, Query(query): Query<ListQuery>) -> Response {
    respond(
        list(&app, query)
            .await
            .and_then(|listed| serde_json::to_value(listed).map_err(Error::internal)),
    )
}

/// A page of one endpoint. Where all are asked for, `next` says the endpoint too: `ENDPOINT:NEXT`.
async fn list(app: &App, query: ListQuery) -> Result<UnfinishedOperations> {
    let state = query.state.as_deref().map(state_of).transpose()?;
    let all = app.endpoints.all();
    let (mut from, mut after) = match query.after.as_deref().map(|after| after.split_once(':')) {
        None => (None, None),
        Some(Some((endpoint, ""))) => (Some(endpoint.to_owned()), None),
        Some(Some((endpoint, after))) => (Some(endpoint.to_owned()), Some(after.to_owned())),
        Some(None) => return Err(Error::invalid("`after` is what the page before had as `next`.")),
    };
    let mut endpoints: Vec<&Arc<Endpoint>> = match &query.endpoint {
        Some(id) => vec![all.get(id).ok_or_else(|| no_endpoint(id))?],
        None => all.values().collect(),
    };
    endpoints.sort_unstable_by_key(|endpoint| endpoint.id());
    let mut operations = Vec::new();
    for endpoint in endpoints {
        if from.as_deref().is_some_and(|from| endpoint.id() < from) {
            continue;
        }
        let begin = from.take().filter(|from| from == endpoint.id()).and_then(|_| after.take());
        let limit = PAGE - operations.len();
        let page = app.journal.unfinished(endpoint, state, begin.as_deref(), limit).await?;
        operations.extend(page.operations);
        if let Some(next) = page.next {
            let next = Some(format!("{}:{next}", endpoint.id()));
            return Ok(UnfinishedOperations { operations, next });
        }
    }
    Ok(UnfinishedOperations { operations, next: None })
}

async fn handle_show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<OneQuery>,
) -> Response {
    let shown = async {
        let endpoint = endpoint(&app, &query.endpoint)?;
        let found = app.journal.unfinished_one(&endpoint, &id).await?;
        serde_json::to_value(found).map_err(Error::internal)
    };
    respond(shown.await)
}

async fn handle_decide(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<OneQuery>,
    body: Bytes,
) -> Response {
    // Detached: a client that hangs up leaves no operation set aside that nobody decides about.
    let decided = tokio::spawn(async move {
        let endpoint = endpoint(&app, &query.endpoint)?;
        let decision: Decision = crate::model::body::parse(&body)?;
        let ruling = app.journal.decide(&endpoint, &id, BY, decision).await?;
        serde_json::to_value(ruling).map_err(Error::internal)
    });
    respond(decided.await.unwrap_or_else(|error| Err(Error::internal(error))))
}

fn endpoint(app: &App, id: &str) -> Result<Arc<Endpoint>> {
    app.endpoints.get(id).ok_or_else(|| no_endpoint(id))
}

fn no_endpoint(id: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("There is no endpoint `{}`.", id.escape_debug()))
}

fn respond(result: Result<serde_json::Value>) -> Response {
    match result {
        Ok(value) => answer(StatusCode::OK, &Answer::Operations(value)),
        Err(error) => {
            if let Some(cause) = &error.cause {
                tracing::error!(
                    code = error.code.as_str(),
                    cause = format!("{cause:#}"),
                    "the control socket refused"
                );
            }
            answer(StatusCode::UNPROCESSABLE_ENTITY, &Answer::Error(error.message))
        }
    }
}
