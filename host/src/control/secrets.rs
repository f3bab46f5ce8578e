//! What the control socket does with secrets, none of which it answers.

use super::{Answer, Applying, answer};
use crate::secrets;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

/// The parameters of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    endpoint: Option<String>,
}

pub(super) async fn handle_rotate(State(applying): State<Arc<Applying>>) -> Response {
    // Detached: a client that hangs up does not stop it half-way.
    let rotated = tokio::spawn(async move {
        let _turn = applying.one_at_a_time.lock().await;
        secrets::rotate(&applying.setup.vault, &*applying.setup.store).await
    });
    match rotated.await {
        Ok(Ok(rotated)) => {
            let (key, count) = (&rotated.key, rotated.resealed);
            tracing::info!(key, count, "sealed secrets with the first key");
            answer(StatusCode::OK, &Answer::Rotated(rotated))
        }
        Ok(Err(error)) => failed(&error),
        Err(error) => {
            failed(&anyhow::Error::new(error).context("rotating ended early; rotate again"))
        }
    }
}

pub(super) async fn handle_list(
    State(applying): State<Arc<Applying>>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(ListQuery { endpoint })) = query else {
        let text = "send GET /secrets or GET /secrets?endpoint=ID".to_owned();
        return answer(StatusCode::BAD_REQUEST, &Answer::Error(text));
    };
    let _turn = applying.one_at_a_time.lock().await;
    match secrets::list(&*applying.setup.store, endpoint.as_deref()).await {
        Ok(listed) => answer(StatusCode::OK, &Answer::Secrets(listed)),
        Err(error) => answer(StatusCode::NOT_FOUND, &Answer::Error(format!("{error:#}"))),
    }
}

fn failed(error: &anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "secrets were not rotated");
    answer(StatusCode::INTERNAL_SERVER_ERROR, &Answer::Error(format!("{error:#}")))
}
