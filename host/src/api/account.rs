//! `/account`. (CNSP 1.0, Account / Users Management.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{all_from, ask, ask_all, whole};
use super::subject::Subject;
use crate::model::{
    AccountInfo, Answer, CreateAccount, DeleteAccount, OperationKind, Page, UpdateAccount,
};
use axum::body::Body;
use axum::extract::Request;
use futures_util::FutureExt;
use http::Response;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
pub(super) struct GotAccount {
    pub(super) accountinfo: AccountInfo,
}

#[derive(Serialize)]
struct ListedAccounts {
    accounts: Vec<AccountInfo>,
}

/// Create Account
///
/// Creates an account at one provider, with its first user. The answer has the provider's id of it,
/// `provideraccountid`; send that, or your `accountid`, wherever this account is meant. Without a `password`
/// the provider makes one.
#[utoipa::path(
    post,
    path = "/account",
    tag = "account",
    params(params::Common, params::Repeatable),
    request_body = CreateAccount,
    responses((status = 200, description = "The account is created.", body = schemas::AccountChanged))
)]
pub(super) async fn create_account(call: Call, request: Request) -> Response<Body> {
    call.change(OperationKind::CreateAccount, request).await
}

/// Update Account
///
/// Changes what is sent; a field or attribute that is absent stays as it is. `requestor` says which account.
#[utoipa::path(
    put,
    path = "/account",
    tag = "account",
    params(params::Common, params::Repeatable),
    request_body = UpdateAccount,
    responses((status = 200, description = "The account is changed.", body = schemas::AccountChanged))
)]
pub(super) async fn update_account(call: Call, request: Request) -> Response<Body> {
    call.change(OperationKind::UpdateAccount, request).await
}

/// Delete Account
///
/// `requestor` says which account. Where a proxy drops the body of a DELETE, send the fields of `requestor`
/// in the query and no body.
#[utoipa::path(
    delete,
    path = "/account",
    tag = "account",
    params(params::Common, params::Repeatable, params::RequestorInQuery),
    request_body = DeleteAccount,
    responses((status = 200, description = "The account is deleted.", body = schemas::AccountChanged))
)]
pub(super) async fn delete_account(call: Call, request: Request) -> Response<Body> {
    call.delete(OperationKind::DeleteAccount, request).await
}

/// Get an Account
///
/// The provider's id and yours are both understood.
#[utoipa::path(
    get,
    path = "/account/{id}",
    tag = "account",
    params(
        ("id" = String, Path, description = "A `provideraccountid` or an `accountid`.", example = "acc-5f0c2a"),
        params::Common
    ),
    responses((status = 200, description = "The account.", body = schemas::AccountFound))
)]
pub(super) async fn get_account(call: Call) -> Response<Body> {
    let kind = OperationKind::GetAccount;
    let got = async {
        let id = call.id()?;
        let endpoint = call.endpoint(None, &[&id]).await?;
        let known = call.known(&endpoint, &id).await?.account;
        let account = known.clone().unwrap_or_else(|| id.clone());
        let accountinfo = ask(&endpoint, kind, |adapter, store| {
            async move { adapter.account(&mut *store)?.call_get(store, &account).await }.boxed()
        })
        .await?;
        let subject = Subject {
            what: "account",
            asked: &id,
            known: known.as_deref(),
            provider_id: &accountinfo.provideraccountid,
            own_id: Some(&accountinfo.accountid),
        };
        call.check_subject(&endpoint, kind, subject, |known| known.account).await?;
        Ok(Answer::done(kind, &GotAccount { accountinfo })?)
    };
    call.finish(kind, got.await)
}

/// Get All Accounts
///
/// Without a chosen endpoint, all endpoints that you may use are asked; each account then says its `endpoint`,
/// and `partial` lists the endpoints that failed. Pages need one endpoint.
#[utoipa::path(
    get,
    path = "/account",
    tag = "account",
    params(params::Common, params::Paging),
    responses((status = 200, description = "The accounts.", body = schemas::AccountsListed))
)]
pub(super) async fn list_accounts(call: Call) -> Response<Body> {
    let kind = OperationKind::ListAccounts;
    let mut next = None;
    let listed: Result<Answer, Stop> = async {
        let page = call.page()?;
        if let Some(endpoint) = call.named()? {
            let listed = list(&endpoint, &page).await?;
            next = listed.next;
            return Ok(Answer::done(kind, &ListedAccounts { accounts: listed.items })?);
        }
        call.refuse_page(&page)?;
        let mut everyone = call
            .ask_everyone(kind, |endpoint| {
                let page = page.clone();
                async move {
                    all_from(kind, &endpoint, &whole(&endpoint, list(&endpoint, &page).await?)?)
                }
            })
            .await;
        let accounts = everyone.take().into_iter().flatten().collect();
        let body = Map::from_iter([("accounts".to_owned(), Value::Array(accounts))]);
        Ok(Answer::done(kind, &everyone.finish(body))?)
    }
    .await;
    let mut response = call.finish(kind, listed);
    call.link(&mut response, next.as_deref());
    response
}

async fn list(
    endpoint: &crate::endpoints::Endpoint,
    page: &Page,
) -> Result<super::read::Items<AccountInfo>, Stop> {
    ask_all(endpoint, OperationKind::ListAccounts, page, |adapter, store, page| {
        async move {
            let page = adapter.account(&mut *store)?.call_list(store, &page).await?;
            Ok(page.map(|page| (page.accounts, page.next)))
        }
        .boxed()
    })
    .await
}
