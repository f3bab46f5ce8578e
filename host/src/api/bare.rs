//! A route beside the API that does all that a read does, except to ask a plugin: what the benchmarks compare
//! with. Only `measure` adds it to a host.

use super::account::GotAccount;
use super::call::{Call, Stop};
use crate::app::App;
use crate::model::{AccountInfo, Address, Answer, OperationKind};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Response;
use std::sync::Arc;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/bare/account/{id}", get(get_account))
}

async fn get_account(call: Call) -> Response<Body> {
    let kind = OperationKind::GetAccount;
    let got = async {
        let id = call.id()?;
        call.endpoint(None, &[&id]).await?;
        Ok(Answer::done(kind, &GotAccount { accountinfo: account(id) })?)
    };
    let got: Result<Answer, Stop> = got.await;
    call.finish(kind, got)
}

/// The account that the benchmarks create, as the sandbox provider answers it.
fn account(id: String) -> AccountInfo {
    let text = |text: &str| Some(text.to_owned());
    AccountInfo {
        accountid: "C-1001".to_owned(),
        provideraccountid: id,
        accountname: "Analytical Engines".to_owned(),
        accounttype: None,
        phone: text("+44 20 7946 0000"),
        address: Some(Address {
            addressline1: text("12 St James's Square"),
            addressline2: None,
            city: text("London"),
            state: None,
            postalcode: text("SW1Y 4JH"),
            country: text("GB"),
            other: Vec::new(),
        }),
        additionalattributes: vec![("tier".to_owned(), "\"gold\"".to_owned())],
        other: Vec::new(),
    }
}
