//! `/catalog`. (CNSP 1.0, Catalog.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{Items, all_from, ask_all, whole};
use crate::app::App;
use crate::endpoints::Endpoint;
use crate::journal::is_id;
use crate::model::{Answer, Offering, OperationKind, Page};
use crate::store::customer::offering_key;
use crate::store::{Key, Operation, Range, Store, TX_OPERATION_COUNT_MAX, Tx};
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
                async move {
                    all_from(
                        kind,
                        &endpoint,
                        &whole(&endpoint, list(&app, &endpoint, &page).await?)?,
                    )
                }
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
    let whole = page.limit.is_none() && page.after.is_none() && listed.next.is_none();
    remember(app, endpoint, &listed.items, whole).await?;
    if whole {
        endpoint.catalog_was_read();
    }
    Ok(listed)
}

/// Keeps the skus that are new. When the catalog has changed and is here as a whole, skus that it no longer
/// has are forgotten: a plugin that makes up ever new ones must not fill the store.
async fn remember(
    app: &App,
    endpoint: &Endpoint,
    offerings: &[Offering],
    whole: bool,
) -> crate::error::Result<()> {
    let skus: BTreeSet<&str> =
        offerings.iter().map(|o| o.parameters.sku.as_str()).filter(|sku| is_id(sku)).collect();
    let mut changes = Vec::new();
    for sku in &skus {
        let key = offering_key(endpoint.id(), sku);
        if app.store.get(&key).await?.is_none() {
            changes.push(Operation::Put(key, Bytes::from_static(b"{}")));
        }
    }
    if whole && !changes.is_empty() {
        let prefix = offering_key(endpoint.id(), "");
        let mut range = Range {
            space: prefix.space,
            partition: prefix.partition,
            prefix: prefix.body.clone(),
            after: None,
            limit: 1000,
        };
        loop {
            let stored = app.store.scan(&range).await?;
            for (body, _) in &stored.entries {
                let sku = body.get(prefix.body.len()..).unwrap_or_default();
                if !std::str::from_utf8(sku).is_ok_and(|sku| skus.contains(sku)) {
                    changes.push(Operation::Delete(Key { body: body.clone(), ..prefix.clone() }));
                }
            }
            match stored.entries.last() {
                Some((body, _)) if stored.more => range.after = Some(body.clone()),
                _ => break,
            }
        }
    }
    for some in changes.chunks(TX_OPERATION_COUNT_MAX / 2) {
        let mut tx = Tx::new(endpoint.partition);
        tx.operations = some.to_vec();
        app.store.commit(tx).await?;
    }
    Ok(())
}
