//! How an endpoint's calls and its breaker go together, and the probe that closes it.
//!
//! The host probes by itself when a pause is over. Were it the next call that did, a customer would wait for the
//! probe, which may take as long as a call may, and an endpoint that nobody calls would stay open, in the health
//! and the metrics too. Should a probe's task be lost, the next call that is refused begins another.

use super::breaker::{Open, Pass};
use super::failures::{FailedCall, FailedCalls};
use super::{Breaker, Endpoint};
use crate::error::{Error, ErrorCode, Result};
use crate::heavy;
use crate::model::OperationKind;
use futures_util::FutureExt;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A probe under way. One that is cut off or panics leaves the breaker to the next one.
struct Probe<'a> {
    endpoint: &'a Endpoint,
    pass: Pass,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        // Does nothing where it came to its end.
        self.endpoint.breaker().probe_was_not_made(self.pass, Instant::now());
    }
}

impl Endpoint {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its calls are refused for now.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.breaker().is_open()
    }

    /// The last calls that its plugin failed.
    pub(crate) fn failed_calls(&self) -> FailedCalls {
        FailedCalls {
            endpoint: self.record.id.clone(),
            unavailable: self.is_unavailable(),
            failures: self.failures.all(),
        }
    }

    /// Asks the breaker for one call.
    pub(super) fn let_in(&self) -> Result<Pass> {
        let open = match self.breaker().let_in(Instant::now()) {
            Ok(pass) => return Ok(pass),
            Err(open) => open,
        };
        if open.due {
            self.probe_after(Duration::ZERO);
        }
        let Open { failures, last, retry_after, .. } = open;
        let text = format!(
            "Endpoint `{}` is not called for now: the provider's adapter failed {failures} times in a row, the last time because it {last}. Nothing was done. The host looks by itself whether it is well again.",
            self.record.id
        );
        Err(Error::new(ErrorCode::EndpointUnavailable, text).retry_after(retry_after))
    }

    /// A call got an answer.
    pub(super) fn note_success(&self, pass: Pass) {
        if self.breaker().succeeded(pass, Instant::now()) {
            tracing::info!(endpoint = self.record.id, "the endpoint is called again: it is well");
        }
    }

    /// The plugin failed a call.
    pub(super) fn note_failure(&self, pass: Pass, failed: FailedCall) {
        let what = failed.for_callers();
        self.failures.add(failed);
        let opened = self.breaker().failed(pass, &what, Instant::now());
        let Some(pause) = opened else { return };
        let endpoint = &self.record.id;
        metrics::counter!("breaker_openings_total", "endpoint" => endpoint.clone()).increment(1);
        tracing::warn!(
            endpoint,
            plugin = self.record.plugin_name,
            version = self.record.plugin_version,
            last = what,
            ?pause,
            "the endpoint is not called for a while: its plugin keeps failing"
        );
        self.probe_after(pause);
    }

    fn probe_after(&self, pause: Duration) {
        let endpoint = self.me.clone();
        tokio::spawn(heavy::task(async move {
            tokio::time::sleep(pause).await;
            // An endpoint that was replaced needs none.
            if let Some(endpoint) = endpoint.upgrade() {
                endpoint.probe().await;
            }
        }));
    }

    /// Asks the plugin for its health. Any answer will do, also that the provider is down: it is the plugin's
    /// failures that have opened the breaker, and a plugin that never says "ok" must not keep it open.
    async fn probe(&self) {
        let Some(pass) = self.breaker().let_probe(Instant::now()) else { return };
        let _lost = Probe { endpoint: self, pass };
        let asked = async {
            let _admitted = self.admit().await?;
            let kind = OperationKind::CheckHealth;
            self.run(&self.plugin, pass, kind, None, |adapter, store| {
                async move { adapter.health(&mut *store)?.call_check(store, None).await }.boxed()
            })
            .await
        };
        // It closes on success, and opens again on failure.
        let Err(error) = asked.await else { return };
        let (code, cause) = (error.code.as_str(), error.cause.as_ref());
        let cause = cause.map(|cause| format!("{cause:#}"));
        tracing::warn!(endpoint = self.record.id, code, cause, "the probe of an endpoint failed");
        let not_made = self.breaker().probe_was_not_made(pass, Instant::now());
        if let Some(pause) = not_made {
            self.probe_after(pause);
        }
    }
}
