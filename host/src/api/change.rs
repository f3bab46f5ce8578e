//! The way of every mutating call: from the body to the journal.

use super::call::{Call, Stop};
use crate::error::{Error, ErrorCode, Result};
use crate::journal::{Order, is_id};
use crate::model::{self, Change, Failure, OperationKind, Requestor};
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use std::time::Duration;

impl Call {
    /// Reads the body, as one strict JSON object.
    pub(super) async fn object(&self, request: Request) -> Result<Map<String, Value>> {
        let limits = &self.app.config.http;
        let too_large = || {
            let text = format!(
                "The body is larger than the {} bytes that it may have.",
                limits.body_bytes_max
            );
            Error::new(ErrorCode::TooLarge, text)
        };
        let announced = request.headers().get(http::header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limits.body_bytes_max as u64) {
            return Err(too_large());
        }
        let body = Limited::new(request.into_body(), limits.body_bytes_max).collect();
        let body = tokio::time::timeout(Duration::from_millis(limits.body_timeout_ms), body).await;
        let body = match body {
            Err(_) => {
                let text = format!("The body did not arrive within {} ms.", limits.body_timeout_ms);
                return Err(Error::new(ErrorCode::RequestTimeout, text));
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
            Ok(Err(error)) => {
                return Err(Error::invalid(format!("The body was cut short: {error}.")));
            }
            Ok(Ok(body)) => body.to_bytes(),
        };
        if body.is_empty() {
            return Ok(Map::new());
        }
        let invalid = |error: serde_json::Error| {
            Error::invalid(format!("The body is not valid JSON: {error}."))
        };
        model::body::check_strict(&body).map_err(invalid)?;
        match serde_json::from_slice(&body).map_err(invalid)? {
            Value::Object(object) => Ok(object),
            _ => Err(Error::invalid("The body has to be a JSON object.")),
        }
    }

    /// Runs the change that the body asks for.
    pub(super) async fn change(&self, kind: OperationKind, request: Request) -> Response<Body> {
        match self.object(request).await {
            Ok(object) => self.change_with(kind, object).await,
            Err(error) => self.finish(kind, Err(error.into())),
        }
    }

    /// Runs the change that a body's `action` chooses.
    pub(super) async fn change_by_action(
        &self,
        request: Request,
        choose: impl Fn(&str) -> Result<OperationKind>,
        fallback: OperationKind,
    ) -> Response<Body> {
        let chosen = async {
            let object = self.object(request).await?;
            let kind = match object.get("action") {
                Some(Value::String(action)) => choose(action)?,
                Some(_) => return Err(Error::invalid("`action` has to be a text.")),
                None => return Err(Error::invalid("`action` is missing: it says what to do.")),
            };
            Ok((kind, object))
        };
        match chosen.await {
            Ok((kind, object)) => self.change_with(kind, object).await,
            Err(error) => self.finish(fallback, Err(error.into())),
        }
    }

    /// Runs a deletion. Some proxies drop the body of a DELETE, so the query does as well. (Contract A10.)
    pub(super) async fn delete(&self, kind: OperationKind, request: Request) -> Response<Body> {
        match self.object(request).await {
            Ok(object) if object.is_empty() => match from_query(&self.query) {
                Ok(object) => self.change_with(kind, object).await,
                Err(error) => self.finish(kind, Err(error.into())),
            },
            Ok(object) => self.change_with(kind, object).await,
            Err(error) => self.finish(kind, Err(error.into())),
        }
    }

    async fn change_with(&self, kind: OperationKind, object: Map<String, Value>) -> Response<Body> {
        let ran = self.order(kind, object).await;
        let replayed = matches!(&ran, Ok(settled) if settled.replayed);
        let mut response =
            self.finish(kind, ran.map(|settled| settled.answer).map_err(Stop::Failed));
        if replayed {
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }

    async fn order(
        &self,
        kind: OperationKind,
        mut object: Map<String, Value>,
    ) -> Result<crate::journal::Settled> {
        if !self.caller.may_change() {
            let text = "Your role may read and not change anything.";
            return Err(Error::new(ErrorCode::Forbidden, text));
        }
        self.check_space()?;
        // Both spellings are one request. (Contract G8.) Elsewhere the key is nobody's, and goes on as it is.
        let has_request_id = matches!(
            kind,
            OperationKind::CreateResource
                | OperationKind::UpdateResource
                | OperationKind::SuspendResource
                | OperationKind::ReactivateResource
                | OperationKind::ActOnResource
                | OperationKind::DeleteResource
        );
        if has_request_id
            && let Some(id) = object.remove("requestId")
            && let Some(other) = object.insert("requestid".to_owned(), id)
            && object.get("requestid") != Some(&other)
        {
            return Err(Error::invalid("`requestid` and `requestId` differ: send one."));
        }
        let mut value = Value::Object(object);
        let body = Bytes::from(value.to_string());
        let change = Change::parse(kind.texts().name, &body)?;
        let request_id = self.request_id(&change)?;
        // Only a request that can be repeated is ever compared with another; its id may come in the body or in
        // the header.
        let fingerprint = match (&request_id, &mut value) {
            (Some(_), Value::Object(object)) => {
                if has_request_id {
                    object.remove("requestid");
                }
                self.app.journal.fingerprint(&value)
            }
            _ => String::new(),
        };
        let requestor = change.requestor();
        let of = |part: fn(&Requestor) -> &Option<String>| {
            requestor.and_then(|requestor| part(requestor).as_deref())
        };
        let ids = [
            ("instanceinfo.providerinstanceid", change.instance()),
            ("requestor.provideraccountid", of(|requestor| &requestor.provideraccountid)),
            ("requestor.accountid", of(|requestor| &requestor.accountid)),
            ("requestor.provideruserid", of(|requestor| &requestor.provideruserid)),
            ("requestor.userid", of(|requestor| &requestor.userid)),
            // Of a new account; what other changes queue by is above.
            ("accountid", change.queue()),
        ];
        let ids = ids.into_iter().filter_map(|(name, id)| Some((name, id?)));
        if let Some((name, _)) = ids.clone().find(|(_, id)| !is_id(id)) {
            let text = format!(
                "`{name}` cannot be an id: one has 1 to 200 bytes and no control characters."
            );
            return Err(Error::invalid(text));
        }
        let ids: Vec<&str> = ids.map(|(_, id)| id).collect();
        check_method_action(&change)?;
        check_subject(&change)?;
        check_email(&change)?;
        let endpoint = self.endpoint(change.sku(), &ids).await?;
        if let Change::ActOnResource(request) = &change
            && kind == OperationKind::ActOnResource
        {
            // A repeat is answered as before, whatever the plugin's next version knows.
            let journal = &self.app.journal;
            let answered = match &request_id {
                Some(id) => journal.has_outcome(endpoint.id(), change.kind(), id).await?,
                None => false,
            };
            if !answered {
                self.check_action(&endpoint, &request.action).await?;
            }
        }
        let caller = self.caller.name.clone();
        self.app
            .journal
            .run(Order { endpoint, caller, change, body, fingerprint, request_id, operation: None })
            .await
    }

    fn request_id(&self, change: &Change) -> Result<Option<String>> {
        let id = match (change.requestid(), self.idempotency_key.as_deref()) {
            (Some(body), Some(header)) if body != header => {
                return Err(Error::invalid(
                    "`requestid` and the header Idempotency-Key differ: send one.",
                ));
            }
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => return Ok(None),
        };
        match is_id(id) {
            true => Ok(Some(id.to_owned())),
            false => {
                Err(Error::invalid("A request id has 1 to 200 bytes and no control characters."))
            }
        }
    }

    /// Changes need space on the disk; reads do not.
    pub(super) fn check_space(&self) -> Result<()> {
        let least = self.app.config.store.free_ratio_min;
        match self.app.store.free_ratio() {
            Ok(free) if free < least => {
                let text = "The host's disk is nearly full, so it takes no changes. Reads go on. Try again later.";
                let error =
                    Error::new(ErrorCode::Overloaded, text).retry_after(Duration::from_secs(60));
                Err(error.because(anyhow::anyhow!(
                    "{free:.3} of the disk is free and {least} has to be"
                )))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// An action that CNSP does not name has to be one that discovery does. (Contract A9.)
    async fn check_action(
        &self,
        endpoint: &crate::endpoints::Endpoint,
        action: &str,
    ) -> Result<()> {
        let described = endpoint
            .call(OperationKind::Describe, None, |adapter, store| {
                async move { adapter.discovery(&mut *store)?.call_describe(store).await }.boxed()
            })
            .await?;
        let actions = match described.answer {
            Ok(description) => {
                description.resources.into_iter().flat_map(|artifact| artifact.actions).collect()
            }
            // It does not describe itself.
            Err(failure) if failure.respcode == 501 => Vec::new(),
            Err(failure) => return Err(undescribed(&failure)),
        };
        match actions.iter().any(|known: &String| known == action) {
            true => Ok(()),
            false => Err(unknown_action(action, &actions)),
        }
    }
}

/// Whether the endpoint has an action cannot be told now. Nothing was begun, so the same may be asked for again.
fn undescribed(failure: &Failure) -> Error {
    let text = format!(
        "The endpoint could not be asked which actions it has, so nothing was done: {} Ask again.",
        failure.errormessage
    );
    let wait = failure.retry_after_ms.map_or(1_000, u64::from);
    Error::new(ErrorCode::EndpointUnavailable, text).retry_after(Duration::from_millis(wait))
}

/// An action that the endpoint does not have.
pub(super) fn unknown_action(action: &str, known: &[String]) -> Error {
    let shown: String = action.chars().take(60).collect();
    let mut known = known.to_vec();
    known.sort();
    known.dedup();
    Error::invalid(format!(
        "The action `{}` is not known. Known are: {}.",
        shown.escape_debug(),
        known.join(", ")
    ))
}

/// What a change needs to name, beyond what its types say.
fn check_subject(change: &Change) -> Result<()> {
    let missing = match change {
        Change::UpdateAccount(_) | Change::DeleteAccount(_) | Change::CreateUser(_)
            if change.queue().is_none() =>
        {
            "`requestor.provideraccountid` is missing: it says which account."
        }
        Change::UpdateUser(_)
        | Change::DeleteUser(_)
        | Change::AssignSeat(_)
        | Change::RevokeSeat(_)
            if change.user().is_none() =>
        {
            "`requestor.userid` is missing: it says which user."
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(missing))
}

/// The longest address that mail can have (RFC 5321, section 4.5.3.1.3, without its brackets).
const EMAIL_BYTES_MAX: usize = 254;

/// A new user is pending under the address, which has to fit into a key before the provider is asked.
fn check_email(change: &Change) -> Result<()> {
    match change {
        Change::CreateUser(request) if request.email.len() > EMAIL_BYTES_MAX => {
            let text =
                format!("`email` has more than the {EMAIL_BYTES_MAX} bytes that it may have.");
            Err(Error::invalid(text))
        }
        _ => Ok(()),
    }
}

/// Where the method says what to do, `action` may say it again, and nothing else. (Contract A9.)
fn check_method_action(change: &Change) -> Result<()> {
    let (action, only) = match change {
        Change::CreateResource(request) => (&request.action, "create"),
        Change::DeleteResource(request) => (&request.action, "delete"),
        _ => return Ok(()),
    };
    match action.as_deref() {
        Some(action) if action != only => Err(unknown_action(action, &[only.to_owned()])),
        _ => Ok(()),
    }
}

/// The fields of a deletion's body, by their own names, flat.
fn from_query(query: &std::collections::BTreeMap<String, String>) -> Result<Map<String, Value>> {
    if query.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(Error::invalid("The query has the character U+0000 in it."));
    }
    let mut body = Map::new();
    let mut requestor = Map::new();
    for (name, value) in query {
        let value = Value::String(value.clone());
        match name.as_str() {
            "requestid" | "requestId" | "action" => {
                body.insert(name.clone(), value);
            }
            "providerinstanceid" => {
                let info = Map::from_iter([(name.clone(), value)]);
                body.insert("instanceinfo".to_owned(), Value::Object(info));
            }
            _ => {
                requestor.insert(name.clone(), value);
            }
        }
    }
    if !requestor.is_empty() || !body.is_empty() {
        body.insert("requestor".to_owned(), Value::Object(requestor));
    }
    Ok(body)
}
