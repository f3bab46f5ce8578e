//! `/catalog`. (CNSP 1.0, Catalog.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{Items, all_from, ask_all};
use crate::app::App;
use crate::endpoints::Endpoint;
use crate::error::Error;
use crate::journal::is_id;
use crate::model::{Answer, Offering, OperationKind, Page};
use crate::store::customer::offering_key;
use crate::store::{Operation, Store, TX_OPERATION_COUNT_MAX, Tx};
use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

#[derive(Serialize)]
struct ListedOfferings {
    resources: Vec<Offering>,
}

/// Retrieve all offerings
///
/// Without a chosen endpoint, all endpoints that you may use are asked; each offering then says its `endpoint`,
/// and `partial` lists the endpoints that failed. Pages need one endpoint.
///
/// `sellprice` is what the customer pays, `costprice` what the marketplace pays, `erpprice` what the provider
/// recommends. Amounts are decimals as text. A tier whose `endingvalue` is null has no end. `description` is
/// HTML: whoever shows it has to sanitise it.
#[utoipa::path(
    get,
    path = "/catalog",
    tag = "catalog",
    params(params::Common, params::Paging),
    responses((status = 200, description = "What can be bought.", body = schemas::CatalogListed))
)]
pub(super) async fn list_catalog(call: Call) -> Response<Body> {
    let kind = OperationKind::ListCatalog;
    let mut next = None;
    let listed: Result<Answer, Stop> = async {
        let page = call.page()?;
        if let Some(endpoint) = call.named()? {
            let listed = list(&call.app, &endpoint, &page).await?;
            next = listed.next;
            return Ok(Answer::done(kind, &ListedOfferings { resources: listed.items })?);
        }
        call.refuse_page(&page)?;
        let mut everyone = call
            .ask_everyone(kind, |endpoint| {
                let page = page.clone();
                let app = call.app.clone();
                async move { all_from(kind, &endpoint, &list(&app, &endpoint, &page).await?.items) }
            })
            .await;
        let resources = everyone.take().into_iter().flatten().collect();
        let body = Map::from_iter([("resources".to_owned(), Value::Array(resources))]);
        Ok(Answer::done(kind, &everyone.finish(body))?)
    }
    .await;
    let mut response = call.finish(kind, listed);
    call.link(&mut response, next.as_deref());
    response
}

/// Asks an endpoint for its offerings, so that its skus are known afterwards.
pub(super) async fn refresh(app: &App, endpoint: &Endpoint) -> Result<(), Stop> {
    list(app, endpoint, &Page { limit: None, after: None }).await.map(|_| ())
}

/// The offerings, which are remembered on the way: a sku tells which endpoint a call is for.
async fn list(app: &App, endpoint: &Endpoint, page: &Page) -> Result<Items<Offering>, Stop> {
    let listed = ask_all(endpoint, OperationKind::ListCatalog, page, |adapter, store, page| {
        async move {
            let page = adapter.catalog(&mut *store)?.call_list(store, &page).await?;
            Ok(page.map(|page| (page.resources, page.next)))
        }
        .boxed()
    })
    .await?;
    // An adapter may list a sku twice, and a transaction may not have a key twice.
    let skus: BTreeSet<&str> = listed.items.iter().map(|o| o.parameters.sku.as_str()).collect();
    let mut new = Vec::new();
    for sku in skus.into_iter().filter(|sku| is_id(sku)) {
        let key = offering_key(endpoint.id(), sku);
        if app.store.get(&key).await.map_err(Error::from)?.is_none() {
            new.push(Operation::Put(key, Bytes::from_static(b"{}")));
        }
    }
    for some in new.chunks(TX_OPERATION_COUNT_MAX / 2) {
        let mut tx = Tx::new(endpoint.partition);
        tx.operations = some.to_vec();
        app.store.commit(tx).await.map_err(Error::from)?;
    }
    Ok(listed)
}
