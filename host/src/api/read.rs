//! The way of every read: to the plugin and back, nothing stored.

use super::call::{Call, Stop};
use super::envelope;
use crate::endpoints::{Begun, Endpoint};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::fixed;
use crate::model::{Answer, Failure, OperationKind, Page, nonsense};
use crate::plugin::{CallState, bindings::Exports};
use crate::store::customer::{IdRecord, id_key};
use crate::store::json::read;
use futures_util::future::{BoxFuture, join_all};
use http::{HeaderValue, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

const LIST_COUNT_MAX: usize = fixed::LIST_ITEMS.max;
pub(super) const PAGES_BYTES_MAX: usize = fixed::PAGES_BYTES.max;
/// The most that `?limit=` may ask for.
const LIMIT_MAX: u32 = 1000;

/// Items of a list, and where it goes on.
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// Calls the plugin for a read.
pub(super) async fn ask<R, F>(endpoint: &Endpoint, kind: OperationKind, run: F) -> Result<R, Stop>
where
    F: for<'a> FnOnce(
        &'a Exports<'a>,
        &'a mut wasmtime::Store<CallState>,
    ) -> BoxFuture<'a, wasmtime::Result<Result<R, Failure>>>,
{
    endpoint.call(kind, None, run).await?.answer.map_err(Stop::Refused)
}

/// How many bytes of JSON items are: about what they take in memory.
pub(super) fn json_bytes(kind: OperationKind, items: &impl Serialize) -> Result<usize> {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, items).map_err(|error| nonsense(kind, &error.to_string()))?;
    Ok(count.0)
}

/// All pages of one answer have the time that one call has.
pub(super) fn in_time(endpoint: &Endpoint, began: Instant) -> Result<()> {
    let limit = endpoint.call_timeout();
    if began.elapsed() <= limit {
        return Ok(());
    }
    let id = endpoint.id();
    let text = format!(
        "The provider's adapter at endpoint `{id}` did not end its list within {limit:?}. Ask the endpoint for one page at a time, with `?limit=`."
    );
    Err(Error::new(ErrorCode::PluginTimeout, text))
}

/// Calls the plugin for a list, page by page: for one page when `page` has a limit, else for all. All pages
/// together have the time that one call has: a list that never ends must not hold its caller.
pub(super) async fn ask_all<T, F>(
    endpoint: &Endpoint,
    kind: OperationKind,
    page: &Page,
    run: F,
) -> Result<Items<T>, Stop>
where
    T: Serialize,
    F: for<'a> Fn(
        &'a Exports<'a>,
        &'a mut wasmtime::Store<CallState>,
        Page,
    )
        -> BoxFuture<'a, wasmtime::Result<Result<(Vec<T>, Option<String>), Failure>>>,
{
    let began = Instant::now();
    let mut begun = Begun::new(kind, page);
    let mut items: Vec<T> = Vec::new();
    let mut bytes = 0;
    let mut after = page.after.clone();
    loop {
        let part = Page { limit: page.limit, after };
        let (more, next) = ask(endpoint, kind, |adapter, store| run(adapter, store, part)).await?;
        begun.next(next.as_deref())?;
        let last = next.is_none() || page.limit.is_some() || more.is_empty();
        if !last {
            bytes += json_bytes(kind, &more)?;
        }
        items.extend(more);
        if last || items.len() >= LIST_COUNT_MAX || bytes > PAGES_BYTES_MAX {
            return Ok(Items { items, next });
        }
        in_time(endpoint, began)?;
        after = next;
    }
}

impl Call {
    /// What an id stands for at an endpoint, as far as the host knows.
    pub(super) async fn known(&self, endpoint: &Endpoint, id: &str) -> Result<IdRecord> {
        let found = read::<IdRecord>(&*self.app.store, &id_key(endpoint.id(), id)).await?;
        Ok(found.map(|(record, _)| record).unwrap_or_default())
    }

    /// `?limit=` and `?after=`. (Contract A7.)
    pub(super) fn page(&self) -> Result<Page> {
        let limit = match self.query.get("limit") {
            None => None,
            Some(text) => match text.parse::<u32>() {
                Ok(limit @ 1..=LIMIT_MAX) => Some(limit),
                _ => {
                    return Err(Error::invalid(format!(
                        "`limit` is a number from 1 to {LIMIT_MAX}."
                    )));
                }
            },
        };
        Ok(Page { limit, after: self.query.get("after").cloned() })
    }

    /// A page of all endpoints together would have no stable order.
    pub(super) fn refuse_page(&self, page: &Page) -> Result<()> {
        match (page.limit, &page.after) {
            (None, None) => Ok(()),
            _ => Err(Error::invalid(
                "Paging needs one endpoint: call /endpoints/{endpoint}/apiv1/…, or send the header CNSP-Endpoint.",
            )),
        }
    }

    /// `?kind=`, where an id can stand for several things. (Contract A1-A3.)
    pub(super) fn kind<'a>(&self, kinds: &[&'a str]) -> Result<Option<&'a str>> {
        let Some(kind) = self.query.get("kind") else { return Ok(None) };
        match kinds.iter().find(|known| *known == kind) {
            Some(known) => Ok(Some(known)),
            None => Err(Error::invalid(format!("`kind` is one of: {}.", kinds.join(", ")))),
        }
    }

    /// Says in a header where a list goes on; the envelope stays as it is. (Contract A7.)
    pub(super) fn link(&self, response: &mut Response<axum::body::Body>, next: Option<&str>) {
        self.link_with(response, next, &[]);
    }

    /// As [`Call::link`], with what the query left to a default that may be another one later.
    pub(super) fn link_with(
        &self,
        response: &mut Response<axum::body::Body>,
        next: Option<&str>,
        defaults: &[(&str, &str)],
    ) {
        let Some(next) = next else { return };
        let mut query: Vec<String> = Vec::new();
        for (name, value) in self.query.iter().filter(|(name, _)| *name != "after") {
            query.push(format!("{}={}", encode(name), encode(value)));
        }
        for (name, value) in defaults.iter().filter(|(name, _)| !self.query.contains_key(*name)) {
            query.push(format!("{name}={}", encode(value)));
        }
        query.push(format!("after={}", encode(next)));
        let link = format!("<{}?{}>; rel=\"next\"", self.uri.path(), query.join("&"));
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(http::header::LINK, link);
        }
    }

    /// Asks all endpoints that the caller may use, at once. (Contract A19.) One that fails is named with its
    /// cause, and does not fail the others.
    pub(super) async fn ask_everyone<T, A, F>(&self, kind: OperationKind, ask: A) -> Everyone<T>
    where
        A: Fn(Arc<Endpoint>) -> F,
        F: Future<Output = Result<T, Stop>>,
    {
        let asked = self.endpoints().into_iter().map(|endpoint| {
            let id = endpoint.id().to_owned();
            let asking = ask(endpoint);
            async move { (id, asking.await) }
        });
        let mut everyone = Everyone { answers: Vec::new(), partial: Vec::new() };
        for (endpoint, answer) in join_all(asked).await {
            match answer {
                Ok(answer) => everyone.answers.push((endpoint, answer)),
                Err(stop) => {
                    let stop = match stop {
                        // A refusal can be nonsense too.
                        Stop::Refused(failure) => match Answer::refused(kind, &failure) {
                            Ok(_) => Stop::Refused(failure),
                            Err(error) => Stop::Failed(error),
                        },
                        failed => failed,
                    };
                    let (respcode, text) = match stop {
                        Stop::Refused(failure) => (failure.respcode, failure.errormessage),
                        Stop::Failed(error) => {
                            envelope::log(&error);
                            (envelope::respcode(error.code), error.message)
                        }
                    };
                    let message = kind.failure_message(respcode, &text);
                    everyone.partial.push(json!({
                        "endpoint": endpoint,
                        "respcode": respcode,
                        "message": message,
                        "errormessage": text,
                    }));
                }
            }
        }
        everyone
    }
}

/// What several endpoints answered.
pub(super) struct Everyone<T> {
    pub(super) answers: Vec<(String, T)>,
    partial: Vec<Value>,
}

impl<T> Everyone<T> {
    /// What was answered, without the endpoints' names.
    pub(super) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.answers).into_iter().map(|(_, answer)| answer).collect()
    }

    /// Whether somebody has failed.
    pub(super) fn partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Adds who has failed, if anybody has.
    pub(super) fn finish(self, mut body: Map<String, Value>) -> Value {
        if !self.partial.is_empty() {
            body.insert("partial".to_owned(), Value::Array(self.partial));
        }
        Value::Object(body)
    }
}

/// An item as JSON, with the endpoint that it is from. Strict, also where it will stand: inside of a list.
pub(super) fn from_endpoint(
    kind: OperationKind,
    endpoint: &str,
    item: &impl Serialize,
) -> Result<Value> {
    #[derive(Serialize)]
    struct Listed<'a, T> {
        items: [&'a T; 1],
    }
    Answer::done(kind, &Listed { items: [item] })?;
    let mut item =
        serde_json::to_value(item).map_err(|error| nonsense(kind, &error.to_string()))?;
    if let Value::Object(members) = &mut item {
        members.insert("endpoint".to_owned(), Value::String(endpoint.to_owned()));
    }
    Ok(item)
}

/// Items as JSON, each with the endpoint that it is from. Made inside of [`Call::ask_everyone`], so that one
/// endpoint's nonsense is that endpoint's failure.
pub(super) fn all_from(
    kind: OperationKind,
    endpoint: &Endpoint,
    items: &[impl Serialize],
) -> Result<Vec<Value>, Stop> {
    items.iter().map(|item| Ok(from_endpoint(kind, endpoint.id(), item)?)).collect()
}

/// A list that is here as a whole: where several are put together, nothing could say where one goes on.
pub(super) fn whole<T>(endpoint: &Endpoint, listed: Items<T>) -> Result<Vec<T>, Stop> {
    if listed.next.is_none() {
        return Ok(listed.items);
    }
    let text = format!(
        "The list of endpoint `{}` is longer than one answer takes: ask that endpoint alone, in pages with `?limit=`.",
        endpoint.id()
    );
    Err(Error::new(ErrorCode::TooLarge, text).into())
}

/// Percent-encoding of everything that is not unreserved (RFC 3986, section 2.3).
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fail_the_list_that_it_stands_in_is_refused() {
        let deep = |levels: usize| -> Value {
            serde_json::from_str(&("[".repeat(levels) + &"]".repeat(levels))).unwrap()
        };
        let strict = |item: &Value| from_endpoint(OperationKind::ListAccounts, "e", item).is_ok();
        assert!(strict(&json!({"name": "Contoso"})) && strict(&deep(100)));
        assert!(!strict(&json!({"name": "Contoso\0"})) && !strict(&deep(126)));
    }
}
