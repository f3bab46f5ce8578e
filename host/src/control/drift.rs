//! What the control socket does with drift checks.

use super::{Answer, answer};
use crate::drift::{Drift, Settling, Wanted};
use crate::endpoints::{Endpoint, Endpoints};
use crate::error::{Error, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who has done it, in the audit trail.
const CALLER: &str = "control socket";

/// What is to be done, and for which endpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "do", deny_unknown_fields)]
pub(crate) enum DriftCommand {
    Show { endpoint: String },
    Check { endpoint: String },
    Adopt { endpoint: String, differences: Vec<String>, dry_run: bool },
    Ignore { endpoint: String, differences: Vec<String>, dry_run: bool },
    Unignore { endpoint: String },
}

type Rooms = (Arc<Endpoints>, Arc<Drift>);

pub(super) fn router(endpoints: Arc<Endpoints>, drift: Arc<Drift>) -> Router {
    Router::new().route("/drift", post(handle)).with_state((endpoints, drift))
}

async fn handle(State((endpoints, drift)): State<Rooms>, body: Bytes) -> Response {
    let command = match serde_json::from_slice::<DriftCommand>(&body) {
        Ok(command) => command,
        Err(error) => {
            let text = format!("send POST /drift with a command: {error}");
            return answer(StatusCode::BAD_REQUEST, &Answer::Error(text));
        }
    };
    let id = match &command {
        DriftCommand::Show { endpoint }
        | DriftCommand::Check { endpoint }
        | DriftCommand::Adopt { endpoint, .. }
        | DriftCommand::Ignore { endpoint, .. }
        | DriftCommand::Unignore { endpoint } => endpoint,
    };
    let Some(endpoint) = endpoints.get(id) else {
        let text = format!("there is no endpoint `{}`", id.escape_debug());
        return answer(StatusCode::NOT_FOUND, &Answer::Error(text));
    };
    match run(&drift, endpoint, command).await {
        Ok(seen) => answer(StatusCode::OK, &Answer::Endpoint(seen)),
        Err(error) => {
            if let Some(cause) = &error.cause {
                let cause = format!("{cause:#}");
                tracing::error!(code = error.code.as_str(), cause, "a drift command failed");
            }
            answer(StatusCode::UNPROCESSABLE_ENTITY, &Answer::Error(error.message))
        }
    }
}

async fn run(drift: &Arc<Drift>, endpoint: Arc<Endpoint>, command: DriftCommand) -> Result<Value> {
    let settling = |endpoint, differences: &[String], dry_run| {
        let wanted = Wanted::parse_all(differences)?;
        Ok::<_, Error>(Settling { endpoint, caller: CALLER.to_owned(), wanted, dry_run })
    };
    let seen = match command {
        DriftCommand::Show { .. } => serde_json::to_value(drift.view(&endpoint).await?),
        DriftCommand::Check { .. } => {
            let began_at = drift.check(&endpoint);
            Ok(json!({ "endpoint": endpoint.id(), "began_at": began_at }))
        }
        DriftCommand::Adopt { differences, dry_run, .. } => {
            let settling = settling(endpoint, &differences, dry_run)?;
            serde_json::to_value(drift.adopt(settling).await?)
        }
        DriftCommand::Ignore { differences, dry_run, .. } => {
            let settling = settling(endpoint, &differences, dry_run)?;
            serde_json::to_value(drift.ignore(&settling).await?)
        }
        DriftCommand::Unignore { .. } => {
            let count = drift.unignore(&endpoint, CALLER).await?;
            Ok(json!({ "endpoint": endpoint.id(), "count": count }))
        }
    };
    seen.map_err(Error::internal)
}
