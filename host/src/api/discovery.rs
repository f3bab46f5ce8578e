//! `/discovery`. (CNSP 1.0, Service discovery API.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{ask, from_endpoint};
use crate::endpoints::Endpoint;
use crate::model::{Answer, Description, OperationKind};
use axum::body::Body;
use futures_util::FutureExt;
use http::Response;
use serde_json::{Map, Value, json};

/// What the endpoint offers: states and actions per type
///
/// CNSP names this operation and leaves its shape open; this is the host's. Without a chosen endpoint, all
/// endpoints that you may use are asked; each type then says its `endpoint`, and `partial` lists the endpoints
/// that failed.
///
/// `actions` are what `action` of a request may be. `capabilities` are the operations that the provider has.
#[utoipa::path(
    get,
    path = "/discovery",
    tag = "discovery",
    params(params::Common),
    responses((status = 200, description = "What is offered.", body = schemas::Described))
)]
pub(super) async fn describe(call: Call) -> Response<Body> {
    let kind = OperationKind::Describe;
    let described: Result<Answer, Stop> = async {
        if let Some(endpoint) = call.named()? {
            return Ok(Answer::done(kind, &ask_one(&endpoint).await?)?);
        }
        let everyone =
            call.ask_everyone(kind, |endpoint| async move { ask_one(&endpoint).await }).await;
        let mut resources = Vec::new();
        let mut endpoints = Vec::new();
        for (endpoint, description) in &everyone.answers {
            for artifact in &description.resources {
                resources.push(from_endpoint(kind, endpoint, artifact)?);
            }
            endpoints.push(json!({
                "endpoint": endpoint,
                "spversion": description.spversion,
                "capabilities": description.capabilities,
            }));
        }
        let body = Map::from_iter([
            ("resources".to_owned(), Value::Array(resources)),
            ("endpoints".to_owned(), Value::Array(endpoints)),
        ]);
        Ok(Answer::done(kind, &everyone.finish(body))?)
    }
    .await;
    call.finish(kind, described)
}

async fn ask_one(endpoint: &Endpoint) -> Result<Description, Stop> {
    ask(endpoint, OperationKind::Describe, |adapter, store| {
        async move { adapter.cnsp_adapter_discovery().call_describe(store).await }.boxed()
    })
    .await
}
