//! One authenticated call: who asks, for which endpoint, with which body.

use super::envelope;
use crate::app::App;
use crate::callers::Caller;
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::journal::is_id;
use crate::model::{Answer, Failure, OperationKind};
use crate::store::Store;
use crate::store::customer::{id_key, offering_key};
use axum::body::Body;
use axum::extract::{FromRequestParts, OriginalUri, Query, RawPathParams};
use futures_util::future::join_all;
use http::request::Parts;
use http::{HeaderValue, Response};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The header that names the endpoint on the unified path. (Contract A13.)
const ENDPOINT_HEADER: &str = "cnsp-endpoint";
/// The header that asks for HTTP 200 whatever happens. (Contract A14.)
const ALWAYS_200_HEADER: &str = "cnsp-always-200";
/// The request id where the body has none. (Contract A16.)
const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// An authenticated call.
pub(crate) struct Call {
    pub(super) app: Arc<App>,
    pub(super) caller: Arc<Caller>,
    /// The endpoint that the path or the header names.
    named: Option<String>,
    /// The last part of the path, where that is an id.
    path_id: Option<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) idempotency_key: Option<String>,
    always_200: bool,
    /// The path and query, for links.
    pub(super) uri: http::Uri,
}

/// Why a read has no result.
pub(super) enum Stop {
    /// The plugin refused: that is an answer.
    Refused(Failure),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Result<Option<&'a str>> {
    let Some(value) = parts.headers.get(name) else { return Ok(None) };
    let text =
        value.to_str().map_err(|_| Error::invalid(format!("The header `{name}` is not text.")))?;
    Ok(Some(text))
}

/// Every line of the log about this call says from here on for which endpoint it is.
fn log_choice(endpoint: Arc<Endpoint>) -> Arc<Endpoint> {
    tracing::Span::current().record("endpoint", endpoint.id());
    endpoint
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Call, Response<Body>> {
        let always_200 = parts.headers.get(ALWAYS_200_HEADER).is_some_and(|value| value == "true");
        Call::begin(parts, app, always_200).await.map_err(|error| {
            envelope::log(&error);
            // Who has not proved who it is has nothing to ask for: that 401 is CNSP's. (Contract G2.)
            let always_200 = always_200 && error.code != ErrorCode::InvalidCredentials;
            envelope::response(&envelope::answer(None, &error), always_200)
        })
    }
}

impl Call {
    async fn begin(parts: &mut Parts, app: &Arc<App>, always_200: bool) -> Result<Call> {
        let credentials = parts.headers.get(http::header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let caller = app.callers.authenticate(credentials).await?;
        tracing::Span::current().record("caller", caller.name.as_str());
        let params = RawPathParams::from_request_parts(parts, &()).await;
        let params = params.map_err(|_| Error::invalid("The path is not UTF-8."))?;
        let param = |wanted: &str| {
            params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        let named = match param("endpoint") {
            Some(endpoint) => Some(endpoint),
            None => header(parts, ENDPOINT_HEADER)?.map(str::to_owned),
        };
        let query = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri)
            .map_err(|_| Error::invalid("The query of the address is not made of `name=value`."))?;
        Ok(Call {
            app: app.clone(),
            caller,
            named,
            path_id: param("id"),
            query: query.0,
            idempotency_key: header(parts, IDEMPOTENCY_HEADER)?.map(str::to_owned),
            always_200,
            // As it was sent: a nested router sees only its own part.
            uri: parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0).clone(),
        })
    }

    /// The id of the path, which is not trusted.
    pub(super) fn id(&self) -> Result<String> {
        match &self.path_id {
            Some(id) if is_id(id) => Ok(id.clone()),
            _ => Err(Error::invalid(
                "An id in the path has 1 to 200 bytes and no control characters.",
            )),
        }
    }

    /// Every endpoint that the caller may use.
    pub(super) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        let all = self.app.endpoints.all();
        let usable =
            |endpoint: &&Arc<Endpoint>| self.caller.may_use(endpoint.id(), &endpoint.record.vendor);
        all.values().filter(usable).cloned().collect()
    }

    /// The endpoint that the caller has named, if it has.
    pub(super) fn named(&self) -> Result<Option<Arc<Endpoint>>> {
        let Some(id) = &self.named else { return Ok(None) };
        let endpoint = self.app.endpoints.get(id);
        let usable = |endpoint: &Arc<Endpoint>| self.caller.may_use(id, &endpoint.record.vendor);
        match endpoint.filter(usable) {
            Some(endpoint) => Ok(Some(log_choice(endpoint))),
            // Whether an endpoint that is not the caller's exists is none of its business.
            None => {
                let text =
                    format!("You may use no endpoint `{}`. {}", id.escape_debug(), self.choices());
                Err(Error::new(ErrorCode::NotFound, text))
            }
        }
    }

    fn choices(&self) -> String {
        match self.endpoints().as_slice() {
            [] => "There is none that you may use; ask the operator.".to_owned(),
            some => {
                let ids: Vec<&str> = some.iter().map(|endpoint| endpoint.id()).collect();
                format!("Yours are: {}.", ids.join(", "))
            }
        }
    }

    /// Which endpoint a call is for. (Contract A13.)
    pub(super) async fn endpoint(&self, sku: Option<&str>, ids: &[&str]) -> Result<Arc<Endpoint>> {
        if let Some(endpoint) = self.named()? {
            return Ok(endpoint);
        }
        let usable = self.endpoints();
        if let [only] = usable.as_slice() {
            return Ok(log_choice(only.clone()));
        }
        let mut owners = Vec::new();
        if let Some(sku) = sku {
            owners = self.sellers(&usable, sku).await?;
        }
        for id in ids {
            if owners.len() == 1 {
                break;
            }
            let mut knowing = Vec::new();
            for endpoint in if owners.is_empty() { &usable } else { &owners } {
                if self.app.store.get(&id_key(endpoint.id(), id)).await?.is_some() {
                    knowing.push(endpoint.clone());
                }
            }
            if !knowing.is_empty() {
                owners = knowing;
            }
        }
        match owners.as_slice() {
            [owner] => Ok(log_choice(owner.clone())),
            [] if usable.is_empty() => Err(Error::new(ErrorCode::Forbidden, self.choices())),
            [] => Err(self.ambiguous(&usable)),
            several => Err(self.ambiguous(several)),
        }
    }

    /// The endpoints that sell a sku. Every catalog that was not read lately is read first: else a vendor
    /// whose catalog is known could get the orders for a sku of one whose catalog is not.
    async fn sellers(&self, usable: &[Arc<Endpoint>], sku: &str) -> Result<Vec<Arc<Endpoint>>> {
        let (fresh, stale): (Vec<_>, Vec<_>) =
            usable.iter().partition(|endpoint| endpoint.catalog_is_fresh());
        // What is not found may be new.
        for refreshed in [stale, fresh] {
            let asked = refreshed.iter().map(|one| super::catalog::refresh(&self.app, one));
            for refreshed in join_all(asked).await {
                if let Err(Stop::Failed(error)) = refreshed {
                    envelope::log(&error);
                }
            }
            let mut sellers = Vec::new();
            for endpoint in usable {
                if self.app.store.get(&offering_key(endpoint.id(), sku)).await?.is_some() {
                    sellers.push(endpoint.clone());
                }
            }
            if !sellers.is_empty() {
                return Ok(sellers);
            }
        }
        Ok(Vec::new())
    }

    fn ambiguous(&self, candidates: &[Arc<Endpoint>]) -> Error {
        let ids: Vec<&str> = candidates.iter().map(|endpoint| endpoint.id()).collect();
        let text = format!(
            "Which endpoint is meant cannot be told. Call /endpoints/{{endpoint}}/apiv1/…, or send the header CNSP-Endpoint, with one of: {}.",
            ids.join(", ")
        );
        Error::new(ErrorCode::Ambiguous, text)
    }

    /// Closes a call: the answer as CNSP's envelope.
    pub(super) fn finish(
        &self,
        kind: OperationKind,
        result: Result<Answer, Stop>,
    ) -> Response<Body> {
        let result = match result {
            Ok(answer) => Ok(answer),
            Err(Stop::Refused(failure)) => Answer::refused(kind, &failure),
            Err(Stop::Failed(error)) => Err(error),
        };
        let answer = result.unwrap_or_else(|error| {
            envelope::log(&error);
            envelope::answer(Some(kind), &error)
        });
        envelope::response(&answer, self.always_200)
    }

    /// Closes a call that is no operation of CNSP.
    pub(super) fn refuse(&self, error: &Error) -> Response<Body> {
        envelope::log(error);
        envelope::response(&envelope::answer(None, error), self.always_200)
    }
}
