//! The calls of a check: one after the other, slowly, and again where that may help.

use super::report::cut;
use super::running::Running;
use super::stop::Stop;
use crate::endpoints::{Begun, Endpoint};
use crate::error::ErrorCode;
use crate::limits::fixed;
use crate::model::{Failure, OperationKind, Page};
use crate::plugin::{CallState, bindings::Exports};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many items are asked for at a time.
const PAGE_ITEMS: u32 = 100;
/// How often, and how long after each other at most, a call that may pass is made again.
const RETRIES_MAX: u32 = 4;
const RETRY_AFTER_MIN: Duration = Duration::from_millis(100);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Asks the plugin of one endpoint, slowly.
pub(super) struct Asking<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) running: &'a Running,
    /// Between two calls.
    pub(super) pause: Duration,
}

/// Whether the plugin has sent a request while it listed. Else it has told what it keeps itself.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// The call has ended.
    pub(super) fn note(&self, store: &wasmtime::Store<CallState>) {
        self.0.fetch_or(store.data().http.requests() > 0, Ordering::Relaxed);
    }

    pub(super) fn anybody(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Asking<'_> {
    /// Calls the plugin, again where that may help. What it refuses for good is an answer.
    pub(super) async fn ask<R, F>(
        &self,
        kind: OperationKind,
        run: F,
    ) -> Result<Result<R, Failure>, Stop>
    where
        F: for<'a> Fn(
            &'a Exports<'a>,
            &'a mut wasmtime::Store<CallState>,
        ) -> BoxFuture<'a, wasmtime::Result<Result<R, Failure>>>,
    {
        let mut tries = 0;
        loop {
            self.running.call(fixed::DRIFT_PAGES.max)?;
            let called = self.endpoint.call(kind, None, &run).await;
            let again = match &called {
                // There is no room for it now: whoever waits for an answer goes first.
                Err(error)
                    if matches!(error.code, ErrorCode::EndpointBusy | ErrorCode::Overloaded) =>
                {
                    error.retry_after
                }
                Ok(called) => match &called.answer {
                    Err(failure) if failure.retryable => {
                        let wait = failure.retry_after_ms.unwrap_or_default();
                        Some(Duration::from_millis(wait.into()))
                    }
                    _ => None,
                },
                Err(_) => None,
            };
            match again {
                Some(wait) if tries < RETRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)).await;
                }
                _ => {
                    let answer = called?.answer;
                    tokio::time::sleep(self.pause).await;
                    return Ok(answer);
                }
            }
        }
    }

    /// A whole list, each page of it given to `take`. What is refused is an answer.
    pub(super) async fn pages<T, F>(
        &self,
        kind: OperationKind,
        run: F,
        mut take: impl FnMut(Vec<T>) -> Result<(), Stop>,
    ) -> Result<Result<(), Failure>, Stop>
    where
        F: for<'a> Fn(
            &'a Exports<'a>,
            &'a mut wasmtime::Store<CallState>,
            Page,
        )
            -> BoxFuture<'a, wasmtime::Result<Result<(Vec<T>, Option<String>), Failure>>>,
    {
        let mut page = Page { limit: Some(PAGE_ITEMS), after: None };
        let mut begun = Begun::new(kind, &page);
        let mut empty = 0;
        loop {
            let asked = self.ask(kind, |adapter, store| run(adapter, store, page.clone())).await?;
            let (items, next) = match asked {
                Ok(page) => page,
                Err(failure) => return Ok(Err(failure)),
            };
            // Says what is wrong to the log only; the vendor wants to know it, too.
            begun.next(next.as_deref()).map_err(|error| match &error.cause {
                Some(cause) => Stop::lying(kind, &cut(&format!("{cause:#}"))),
                None => error.into(),
            })?;
            empty = if items.is_empty() { empty + 1 } else { 0 };
            if empty > fixed::DRIFT_EMPTY_PAGES.max && next.is_some() {
                let text = format!("{empty} empty pages in a row, and still another");
                return Err(Stop::lying(kind, &text));
            }
            take(items)?;
            if next.is_none() {
                return Ok(Ok(()));
            }
            page.after = next;
        }
    }
}
