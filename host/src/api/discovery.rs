//! `/discovery`. (CNSP 1.0, Service discovery API.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{all_from, ask, from_endpoint};
use crate::endpoints::Endpoint;
use crate::model::{Answer, Description, OperationKind};
use axum::body::Body;
use futures_util::FutureExt;
use http::Response;
use serde_json::{Map, Value};

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
        let mut everyone = call
            .ask_everyone(kind, |endpoint| async move {
                let description = ask_one(&endpoint).await?;
                let artifacts = all_from(kind, &endpoint, &description.resources)?;
                // The rest, whatever else the provider says about itself.
                let mut about = from_endpoint(kind, endpoint.id(), &description)?;
                if let Value::Object(members) = &mut about {
                    members.remove("resources");
                }
                Ok((artifacts, about))
            })
            .await;
        let (resources, endpoints): (Vec<_>, Vec<_>) = everyone.take().into_iter().unzip();
        let resources = resources.into_iter().flatten().collect();
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
        async move { adapter.discovery(&mut *store)?.call_describe(store).await }.boxed()
    })
    .await
}
