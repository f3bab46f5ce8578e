//! `/account/user`. (CNSP 1.0, Account / Users Management.)

use super::call::{Call, Stop};
use super::change::unknown_action;
use super::openapi::{params, schemas};
use super::read::{Items, ask, ask_all};
use super::subject::Subject;
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode};
use crate::model::{
    Answer, ChangeSeat, CreateUser, DeleteUser, OperationKind, Page, UpdateUser, UserInfo,
};
use axum::body::Body;
use axum::extract::Request;
use futures_util::FutureExt;
use http::Response;
use serde::Serialize;

#[derive(Serialize)]
struct GotUser {
    userinfo: UserInfo,
}

#[derive(Serialize)]
struct ListedUsers {
    users: Vec<UserInfo>,
}

/// Create User
///
/// Creates a user of the account that `requestor` names. You send no `userid`: the answer has it, and the
/// provider's `provideruserid`. Without a `password` the provider makes one.
#[utoipa::path(
    post,
    path = "/account/user",
    tag = "account",
    params(params::Common, params::Repeatable),
    request_body = CreateUser,
    responses(
        (status = 201, description = "The user is created.", body = schemas::UserCreated),
        (status = 200, description = "The provider has accepted it and not finished.", body = schemas::PendingAnswer)
    )
)]
pub(super) async fn create_user(call: Call, request: Request) -> Response<Body> {
    call.change(OperationKind::CreateUser, request).await
}

/// Update user
///
/// `requestor.userid` is the user who is changed, not who asks. A field or attribute that is absent stays as it
/// is. The email and the password cannot be changed here.
#[utoipa::path(
    put,
    path = "/account/user",
    tag = "account",
    params(params::Common, params::Repeatable),
    request_body = UpdateUser,
    responses((status = 200, description = "The user is changed.", body = schemas::UserChanged))
)]
pub(super) async fn update_user(call: Call, request: Request) -> Response<Body> {
    call.change(OperationKind::UpdateUser, request).await
}

/// Delete User
///
/// `requestor.userid` is the user who is deleted. Where a proxy drops the body of a DELETE, send the fields of
/// `requestor` in the query and no body.
#[utoipa::path(
    delete,
    path = "/account/user",
    tag = "account",
    params(params::Common, params::Repeatable, params::RequestorInQuery),
    request_body = DeleteUser,
    responses((status = 200, description = "The user is deleted.", body = schemas::UserChanged))
)]
pub(super) async fn delete_user(call: Call, request: Request) -> Response<Body> {
    call.delete(OperationKind::DeleteUser, request).await
}

/// Assign or revoke a resource
///
/// `action` is `assign` or `revoke`; `requestor.userid` is the user who gets or loses the seat. What else the
/// provider wants, a seat id for example, goes beside these fields.
///
/// Assigning a seat that the user has already is refused, as CNSP says, with 404. A repeat of the same request,
/// with the same request id, is answered as the first time.
#[utoipa::path(
    put,
    path = "/account/user/resource",
    tag = "account",
    params(params::Common, params::Repeatable),
    request_body = ChangeSeat,
    responses((status = 200, description = "The seat is given or taken.", body = schemas::SeatChanged))
)]
pub(super) async fn change_seat(call: Call, request: Request) -> Response<Body> {
    let choose = |action: &str| match action {
        "assign" => Ok(OperationKind::AssignSeat),
        "revoke" => Ok(OperationKind::RevokeSeat),
        other => Err(unknown_action(other, &["assign".to_owned(), "revoke".to_owned()])),
    };
    call.change_by_action(request, choose, OperationKind::AssignSeat).await
}

/// Get a user, or all users of an account
///
/// CNSP has one path for both: what the id stands for decides, never how it looks. An id that the host does not
/// know is asked for as a user, then as an account. One that is both is 400 `AMBIGUOUS`; `kind` decides then.
#[utoipa::path(
    get,
    path = "/account/user/{id}",
    tag = "account",
    params(
        ("id" = String, Path, description = "The provider's id or yours, of a user or an account.", example = "u-91b3"),
        params::OfUserKind,
        params::Common,
        params::Paging
    ),
    responses((status = 200, description = "The user, or the users.", body = schemas::UserFound))
)]
pub(super) async fn get_user(call: Call) -> Response<Body> {
    let mut kind = OperationKind::GetUser;
    let mut next = None;
    let answer: Result<Answer, Stop> = async {
        let id = call.id()?;
        let wanted = call.kind(&["user", "account"])?;
        let page = call.page()?;
        let endpoint = call.endpoint(None, &[&id]).await?;
        let known = call.known(&endpoint, &id).await?;
        let get = || get(&call, &endpoint, &id, known.user.as_deref());
        let account = known.account.clone().unwrap_or_else(|| id.clone());
        let found = match (wanted, known.user.is_some(), known.account.is_some()) {
            (None, true, true) => {
                let text = format!("`{id}` is a user and an account: say which with `?kind=user` or `?kind=account`.");
                return Err(Error::new(ErrorCode::Ambiguous, text).into());
            }
            (Some("user"), ..) | (None, true, false) => Found::User(get().await?),
            (Some(_), ..) | (None, false, true) => {
                kind = OperationKind::ListUsers;
                Found::Users(list(&endpoint, account, &page).await?)
            }
            (None, false, false) => match get().await {
                Err(Stop::Refused(failure)) if matches!(failure.respcode, 404 | 501) => {
                    match list(&endpoint, account, &page).await {
                        Ok(users) => {
                            kind = OperationKind::ListUsers;
                            Found::Users(users)
                        }
                        Err(Stop::Refused(other)) if matches!(other.respcode, 404 | 501) => {
                            return Err(Stop::Refused(failure));
                        }
                        Err(stop) => return Err(stop),
                    }
                }
                user => Found::User(user?),
            },
        };
        Ok(match found {
            Found::User(userinfo) => Answer::done(kind, &GotUser { userinfo })?,
            Found::Users(users) => {
                next = users.next;
                Answer::done(kind, &ListedUsers { users: users.items })?
            }
        })
    }
    .await;
    let mut response = call.finish(kind, answer);
    call.link(&mut response, next.as_deref());
    response
}

enum Found {
    User(UserInfo),
    Users(Items<UserInfo>),
}

async fn get(
    call: &Call,
    endpoint: &Endpoint,
    asked: &str,
    known: Option<&str>,
) -> Result<UserInfo, Stop> {
    let kind = OperationKind::GetUser;
    let id = known.unwrap_or(asked).to_owned();
    let user = ask(endpoint, kind, |adapter, store| {
        async move { adapter.user(&mut *store)?.call_get(store, &id).await }.boxed()
    })
    .await?;
    let (provider_id, own_id) = (&user.provideruserid, user.userid.as_deref());
    let subject = Subject { what: "user", asked, known, provider_id, own_id };
    call.check_subject(endpoint, kind, subject, |known| known.user).await?;
    Ok(user)
}

async fn list(endpoint: &Endpoint, account: String, page: &Page) -> Result<Items<UserInfo>, Stop> {
    ask_all(endpoint, OperationKind::ListUsers, page, |adapter, store, page| {
        let account = account.clone();
        async move {
            let page = adapter.user(&mut *store)?.call_list(store, &account, &page).await?;
            Ok(page.map(|page| (page.users, page.next)))
        }
        .boxed()
    })
    .await
}
