//! `/resource`. (CNSP 1.0, Resource Provisioning.)

use super::call::{Call, Stop};
use super::change::unknown_action;
use super::openapi::{params, schemas};
use super::read::{Items, ask, ask_all};
use super::subject::Subject;
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode};
use crate::model::{Answer, CreateResource, DeleteResource, OperationKind, Page, ResourceInfo};
use axum::body::Body;
use axum::extract::Request;
use futures_util::FutureExt;
use http::Response;
use serde::Serialize;

#[derive(Serialize)]
struct GotResource {
    resourceinfo: ResourceInfo,
}

#[derive(Serialize)]
struct ListedResources {
    resources: Vec<ResourceInfo>,
}

/// Create a Resource
///
/// Buys `sku` for the account that `requestor` names. `license` is taken for `licenseQuantity`. Send a
/// `requestid`, so that a repeat does not buy twice. A `password` in the answer is answered this once, and in a
/// repeat with the same request id.
///
/// `status` is `active`, or `pending` if the provider has not finished; read the resource to see it end.
#[utoipa::path(
    post,
    path = "/resource",
    tag = "resource",
    params(params::Common, params::Repeatable),
    request_body = CreateResource,
    responses((status = 200, description = "The resource is created.", body = schemas::ResourceCreated))
)]
pub(super) async fn create_resource(call: Call, request: Request) -> Response<Body> {
    call.change(OperationKind::CreateResource, request).await
}

/// Update resource details, suspend, reactivate, or another action of the provider's
///
/// `action` decides: `update`, `update.suspend`, `update.reactivate`, or one that `/discovery` lists for the
/// endpoint. Any other is 400 and names those that there are. `licenseQuantity` is taken for `license`.
///
/// To suspend and to reactivate have the `respcode` 204, and HTTP's 200.
#[utoipa::path(
    put,
    path = "/resource",
    tag = "resource",
    params(params::Common, params::Repeatable),
    request_body = schemas::ResourceChange,
    responses((status = 200, description = "It is done.", body = schemas::ResourceChanged))
)]
pub(super) async fn update_resource(call: Call, request: Request) -> Response<Body> {
    let choose = |action: &str| match action {
        "update" => Ok(OperationKind::UpdateResource),
        "update.suspend" => Ok(OperationKind::SuspendResource),
        "update.reactivate" => Ok(OperationKind::ReactivateResource),
        // These have a method of their own.
        "create" | "delete" | "assign" | "revoke" => {
            let known = ["update", "update.suspend", "update.reactivate"].map(str::to_owned);
            Err(unknown_action(action, &known))
        }
        _ => Ok(OperationKind::ActOnResource),
    };
    call.change_by_action(request, choose, OperationKind::UpdateResource).await
}

/// Delete a resource
///
/// Where a proxy drops the body of a DELETE, send the same fields in the query and no body. A resource that is
/// still being created can be deleted.
#[utoipa::path(
    delete,
    path = "/resource",
    tag = "resource",
    params(params::Common, params::Repeatable, params::InstanceInQuery, params::RequestorInQuery),
    request_body = DeleteResource,
    responses((status = 200, description = "The resource is deleted.", body = schemas::ResourceChanged))
)]
pub(super) async fn delete_resource(call: Call, request: Request) -> Response<Body> {
    call.delete(OperationKind::DeleteResource, request).await
}

/// Get resource details, or all resources of an account
///
/// CNSP has one path for both: what the id stands for decides, never how it looks. An id that the host does not
/// know is asked for as an instance, then as an account. One that is both is 400 `AMBIGUOUS`; `kind` decides
/// then.
///
/// `status` is `pending`, `active`, `suspended` or `cancel`.
#[utoipa::path(
    get,
    path = "/resource/{id}",
    tag = "resource",
    params(
        ("id" = String, Path, description = "A `providerinstanceid`, or an account's id.", example = "ins-77aa01"),
        params::OfResourceKind,
        params::Common,
        params::Paging
    ),
    responses((status = 200, description = "The resource, or the resources.", body = schemas::ResourceFound))
)]
pub(super) async fn get_resource(call: Call) -> Response<Body> {
    let mut kind = OperationKind::GetResource;
    let mut next = None;
    let answer: Result<Answer, Stop> = async {
        let id = call.id()?;
        let wanted = call.kind(&["instance", "account"])?;
        let page = call.page()?;
        let endpoint = call.endpoint(None, &[&id]).await?;
        let known = call.known(&endpoint, &id).await?;
        let get = || get(&call, &endpoint, &id, known.instance.as_deref());
        let account = known.account.clone().unwrap_or_else(|| id.clone());
        let found = match (wanted, known.instance.is_some(), known.account.is_some()) {
            (None, true, true) => {
                let text = format!("`{id}` is an instance and an account: say which with `?kind=instance` or `?kind=account`.");
                return Err(Error::new(ErrorCode::Ambiguous, text).into());
            }
            (Some("instance"), ..) | (None, true, false) => {
                Found::Resource(get().await?.into())
            }
            (Some(_), ..) | (None, false, true) => {
                kind = OperationKind::ListResources;
                Found::Resources(list(&call, &endpoint, account, &page).await?)
            }
            (None, false, false) => match get().await {
                Err(Stop::Refused(failure)) if matches!(failure.respcode, 404 | 501) => {
                    match list(&call, &endpoint, account, &page).await {
                        Ok(resources) => {
                            kind = OperationKind::ListResources;
                            Found::Resources(resources)
                        }
                        Err(Stop::Refused(other)) if matches!(other.respcode, 404 | 501) => {
                            return Err(Stop::Refused(failure));
                        }
                        Err(stop) => return Err(stop),
                    }
                }
                resource => Found::Resource(resource?.into()),
            },
        };
        Ok(match found {
            Found::Resource(resourceinfo) => Answer::done(kind, &GotResource { resourceinfo: *resourceinfo })?,
            Found::Resources(resources) => {
                next = resources.next;
                Answer::done(kind, &ListedResources { resources: resources.items })?
            }
        })
    }
    .await;
    let mut response = call.finish(kind, answer);
    call.link(&mut response, next.as_deref());
    response
}

enum Found {
    Resource(Box<ResourceInfo>),
    Resources(Items<ResourceInfo>),
}

/// What the host still waits for is `pending`, whatever the provider says meanwhile.
async fn mark_pending(
    call: &Call,
    endpoint: &Endpoint,
    resource: &mut ResourceInfo,
) -> Result<(), Stop> {
    let instance = &resource.parameters.providerinstanceid;
    if call.app.journal.is_pending(endpoint.id(), instance).await? {
        resource.parameters.status = Some("pending".to_owned());
    }
    Ok(())
}

async fn get(
    call: &Call,
    endpoint: &Endpoint,
    asked: &str,
    known: Option<&str>,
) -> Result<ResourceInfo, Stop> {
    let kind = OperationKind::GetResource;
    let id = known.unwrap_or(asked).to_owned();
    let mut resource = ask(endpoint, kind, |adapter, store| {
        async move { adapter.resource(&mut *store)?.call_get(store, &id).await }.boxed()
    })
    .await?;
    let provider_id = &resource.parameters.providerinstanceid;
    Subject { what: "instance", asked, known, provider_id, own_id: None }.check(kind)?;
    mark_pending(call, endpoint, &mut resource).await?;
    Ok(resource)
}

async fn list(
    call: &Call,
    endpoint: &Endpoint,
    account: String,
    page: &Page,
) -> Result<Items<ResourceInfo>, Stop> {
    let mut resources =
        ask_all(endpoint, OperationKind::ListResources, page, |adapter, store, page| {
            let account = account.clone();
            async move {
                let page = adapter.resource(&mut *store)?.call_list(store, &account, &page).await?;
                Ok(page.map(|page| (page.resources, page.next)))
            }
            .boxed()
        })
        .await?;
    for resource in &mut resources.items {
        mark_pending(call, endpoint, resource).await?;
    }
    Ok(resources)
}
