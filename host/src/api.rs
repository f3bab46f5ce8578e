//! The API: every route on this page, then one file per noun of CNSP.
//!
//! A handler shows the whole way of a call: who asks, for which endpoint, what is asked of the plugin, and the
//! envelope around the answer.

mod account;
mod bare;
mod billing;
mod call;
mod catalog;
mod change;
mod discovery;
mod drift;
mod envelope;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod health;
mod openapi;
mod operations;
mod operator;
mod read;
mod resource;
mod subject;
mod trace;
mod user;

pub(crate) use self::bare::router as bare;
pub(crate) use self::operations::state_of;

use self::call::Call;
use crate::app::App;
use crate::error::{Error, ErrorCode};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response, Uri};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The operations of CNSP 1.0, below `/apiv1`.
fn cnsp() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(discovery::describe))
        .routes(routes!(
            account::create_account,
            account::update_account,
            account::delete_account,
            account::list_accounts
        ))
        .routes(routes!(account::get_account))
        .routes(routes!(user::create_user, user::update_user, user::delete_user))
        .routes(routes!(user::change_seat))
        .routes(routes!(user::get_user))
        .routes(routes!(
            resource::create_resource,
            resource::update_resource,
            resource::delete_resource
        ))
        .routes(routes!(resource::get_resource))
        .routes(routes!(catalog::list_catalog))
        .routes(routes!(billing::get_usage))
        .routes(routes!(health::check_health))
        .routes(routes!(health::check_resource_health))
}

/// What the document lists.
fn documented() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .nest("/apiv1", cnsp())
        .merge(operator::router())
        .merge(operations::router())
        .merge(drift::router())
}

/// Every route of the host, and those that `beside` adds.
pub(crate) fn router(app: Arc<App>, beside: Router<Arc<App>>) -> Router {
    let (documented, document) = documented().split_for_parts();
    // The document has these as a second server.
    let (per_endpoint, _) =
        OpenApiRouter::new().nest("/endpoints/{endpoint}/apiv1", cnsp()).split_for_parts();
    documented
        .merge(per_endpoint)
        .merge(openapi::router(&openapi::complete(document)))
        .merge(beside)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), trace::trace))
        .with_state(app)
}

/// An error as the bytes of an answer that ends its connection, where no request could be read. `headers` are
/// further ones, each with its line end in front.
pub(crate) fn refusal(error: &Error, headers: &str) -> Bytes {
    envelope::log(error);
    envelope::wire(&envelope::answer(None, error), headers)
}

fn no_path(uri: &Uri) -> Error {
    let shown: String = uri.path().chars().take(100).collect();
    let text = format!("There is no path `{}`. /openapi.json lists all.", shown.escape_debug());
    Error::new(ErrorCode::NotFound, text)
}

async fn not_found(call: Call, uri: Uri) -> Response<Body> {
    call.refuse(&no_path(&uri))
}

async fn method_not_allowed(call: Call, method: Method, uri: Uri) -> Response<Body> {
    let shown: String = uri.path().chars().take(100).collect();
    let text = format!(
        "`{}` has no method {method}. /openapi.json lists what it has.",
        shown.escape_debug()
    );
    call.refuse(&Error::new(ErrorCode::MethodNotAllowed, text))
}
