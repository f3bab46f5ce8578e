//! Endpoint id → what to call: the plugin, what it may touch, and who may be inside at the same time.

mod breaker;
mod failures;
mod pages;
mod probe;

pub(crate) use self::failures::FailedCalls;
pub(crate) use self::pages::Begun;

use self::breaker::{Breaker, Pass};
use self::failures::{FailedCall, Failures};
use crate::blobs::Digest;
use crate::capability::Scope;
use crate::config::{self, Config};
use crate::egress::Egress;
use crate::error::{Error, ErrorCode, Result};
use crate::heavy;
use crate::limits::{EffectiveLimits, Limit, Limits};
use crate::model::{Failure, OperationKind};
use crate::plugin::bindings::Exports;
use crate::plugin::{CallError, CallState, Called, Growths, OperationContext, Plugin, Plugins};
use crate::secrets::Secrets;
use crate::store::setup::EndpointRecord;
use crate::store::{Partition, Store};
use anyhow::Context;
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How long a caller is told to wait when everything is taken.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long the skus of a catalog that was read tell whom an order is for.
const CATALOG_FRESH: Duration = Duration::from_secs(300);

/// One endpoint, ready to be called.
pub(crate) struct Endpoint {
    pub(crate) record: EndpointRecord,
    pub(crate) partition: Partition,
    plugin: Arc<Plugin>,
    scope: Arc<Scope>,
    /// What the host gives at most.
    ceilings: Limits,
    lane: Arc<Lane>,
    admission: Arc<Admission>,
    /// Starts closed with every change of the endpoint: another plugin or setting may be what mends it.
    breaker: Mutex<Breaker>,
    /// Outlives a change of the endpoint: its vendor wants to see why it was changed.
    failures: Arc<Failures>,
    /// Itself, for what it does beside its calls.
    me: Weak<Endpoint>,
    /// When the whole of its catalog was last remembered.
    catalog_read: Mutex<Option<Instant>>,
}

/// How many open operations of an endpoint are run again at a time: a provider that has come back is not overrun, and
/// one that hangs holds up its own.
const RESUMING_MAX: usize = 8;

/// Who is inside one endpoint. Outlives a change of the endpoint, so that its calls stay counted.
pub(crate) struct Lane {
    permits: Arc<Semaphore>,
    permits_max: usize,
    /// How many of its open operations are run again at a time.
    resuming: Semaphore,
    accounts: Mutex<HashMap<String, Weak<Queue>>>,
}

impl Lane {
    pub(crate) fn new(limits: &Limits) -> Lane {
        let permits_max = limits.count(Limit::Concurrency);
        let permits = Arc::new(Semaphore::new(permits_max));
        let resuming = Semaphore::new(RESUMING_MAX.min(permits_max));
        Lane { permits, permits_max, resuming, accounts: Mutex::default() }
    }

    /// Waits for a place. None: there was none in time.
    pub(crate) async fn enter(&self, until: tokio::time::Instant) -> Option<OwnedSemaphorePermit> {
        let place = tokio::time::timeout_at(until, self.permits.clone().acquire_owned());
        place.await.ok()?.ok()
    }
}

/// The changes of one account, one behind the other.
#[derive(Default)]
struct Queue {
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Who is inside the host.
struct Admission {
    permits: Arc<Semaphore>,
    wait_max: Duration,
    account_queue_max: usize,
}

/// A place inside the endpoint and the host.
struct Admitted {
    _endpoint: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

/// A turn in an account's queue.
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    _queue: Arc<Queue>,
}

/// Every endpoint, swapped as a whole.
pub(crate) struct Endpoints {
    by_id: ArcSwap<BTreeMap<String, Arc<Endpoint>>>,
    plugins: Arc<Plugins>,
    store: Arc<dyn Store>,
    egress: Egress,
    ceilings: Limits,
    breaker: config::Breaker,
    admission: Arc<Admission>,
}

impl Endpoints {
    pub(crate) fn new(
        plugins: Arc<Plugins>,
        store: Arc<dyn Store>,
        egress: Egress,
        config: &Config,
    ) -> Endpoints {
        let admission = Arc::new(Admission {
            permits: Arc::new(Semaphore::new(config.calls.concurrency_max)),
            wait_max: Duration::from_millis(config.calls.wait_ms_max),
            account_queue_max: config.operations.account_queue_max,
        });
        Endpoints {
            by_id: ArcSwap::default(),
            plugins,
            store,
            egress,
            ceilings: Limits::ceilings(config),
            breaker: config.breaker.clone(),
            admission,
        }
    }

    pub(crate) fn all(&self) -> Arc<BTreeMap<String, Arc<Endpoint>>> {
        self.by_id.load_full()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Endpoint>> {
        self.by_id.load().get(id).cloned()
    }

    /// A plugin that some endpoint has, or had.
    pub(crate) async fn load(&self, digest: &str) -> Result<Arc<Plugin>> {
        let (plugins, digest) = (self.plugins.clone(), digest.parse::<Digest>());
        let digest = digest.map_err(Error::internal)?;
        let loaded = tokio::task::spawn_blocking(move || plugins.load(&digest)).await;
        loaded.map_err(Error::internal)?.map_err(Error::internal)
    }

    /// Takes over the declared endpoints. Calls that are inside finish with what they began with.
    pub(crate) fn replace(&self, declared: Vec<(EndpointRecord, Secrets)>) -> anyhow::Result<()> {
        let before = self.all();
        let mut after = BTreeMap::new();
        for (record, secrets) in declared {
            let id = record.id.clone();
            let known = before.get(&id);
            let endpoint = match known {
                Some(known)
                    if known.record == record && *known.scope.outbound.secrets() == secrets =>
                {
                    known.clone()
                }
                _ => self
                    .prepare(record, secrets, known)
                    .with_context(|| format!("endpoint `{id}`"))?,
            };
            after.insert(id, endpoint);
        }
        for gone in before.keys().filter(|id| !after.contains_key(*id)) {
            // Else it would stay in the metrics as it was.
            metrics::gauge!("breaker_open", "endpoint" => gone.clone()).set(0.0);
        }
        let in_use: Vec<Digest> = after.values().map(|endpoint| endpoint.plugin.digest).collect();
        self.by_id.store(Arc::new(after));
        self.plugins.retain(|digest| in_use.contains(digest));
        Ok(())
    }

    fn prepare(
        &self,
        record: EndpointRecord,
        secrets: Secrets,
        known: Option<&Arc<Endpoint>>,
    ) -> anyhow::Result<Arc<Endpoint>> {
        let plugin = self.plugins.load(&record.plugin.parse()?)?;
        let limits = self.ceilings.narrowed(&record.limits);
        let partition = Partition::of(&record.id);
        let scope = Arc::new(Scope {
            endpoint: record.id.clone(),
            partition,
            config: record.config.clone(),
            outbound: self.egress.outbound(&record, secrets, &limits)?,
            store: self.store.clone(),
            limits,
            weight: Arc::default(),
            growths: Growths::default(),
        });
        let lane = match known {
            Some(known) if known.lane.permits_max == scope.limits.count(Limit::Concurrency) => {
                known.lane.clone()
            }
            _ => Arc::new(Lane::new(&scope.limits)),
        };
        let failures = known.map(|known| known.failures.clone()).unwrap_or_default();
        Ok(Arc::new_cyclic(|me| Endpoint {
            record,
            partition,
            plugin,
            scope,
            ceilings: self.ceilings.clone(),
            lane,
            admission: self.admission.clone(),
            breaker: Mutex::new(Breaker::new(self.breaker.clone())),
            failures,
            me: me.clone(),
            catalog_read: Mutex::default(),
        }))
    }
}

impl Endpoint {
    pub(crate) fn id(&self) -> &str {
        &self.record.id
    }

    /// Notes that the skus in the store are those of the catalog as it is now.
    pub(crate) fn catalog_was_read(&self) {
        *self.catalog_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the skus in the store can be relied on.
    pub(crate) fn catalog_is_fresh(&self) -> bool {
        let read = *self.catalog_read.lock().unwrap_or_else(PoisonError::into_inner);
        read.is_some_and(|at| at.elapsed() < CATALOG_FRESH)
    }

    /// Its limits as they are in force.
    pub(crate) fn limits(&self) -> EffectiveLimits {
        EffectiveLimits::new(&self.record.id, &self.record.limits, &self.ceilings)
    }

    /// The wall clock that one call has.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.scope.limits.time(Limit::CallTimeout)
    }

    /// What runs its calls.
    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Lets the task that is about to call it go on on the threads where it belongs.
    pub(crate) async fn enter(&self) {
        heavy::enter(&self.scope.weight).await;
    }

    /// Calls the plugin, once there is room. What the plugin refuses is an answer; what goes wrong on the
    /// way is an error.
    pub(crate) async fn call<R, F>(
        &self,
        kind: OperationKind,
        operation: Option<OperationContext>,
        run: F,
    ) -> Result<Called<std::result::Result<R, Failure>>>
    where
        F: for<'a> FnOnce(
            &'a Exports<'a>,
            &'a mut wasmtime::Store<CallState>,
        )
            -> BoxFuture<'a, wasmtime::Result<std::result::Result<R, Failure>>>,
    {
        self.call_with(&self.plugin, kind, operation, run).await
    }

    /// As [`Endpoint::call`], of the plugin that it had at another time.
    pub(crate) async fn call_with<R, F>(
        &self,
        plugin: &Plugin,
        kind: OperationKind,
        operation: Option<OperationContext>,
        run: F,
    ) -> Result<Called<std::result::Result<R, Failure>>>
    where
        F: for<'a> FnOnce(
            &'a Exports<'a>,
            &'a mut wasmtime::Store<CallState>,
        )
            -> BoxFuture<'a, wasmtime::Result<std::result::Result<R, Failure>>>,
    {
        self.enter().await;
        self.let_in()?;
        let _admitted = self.admit().await?;
        // Again: those who were inside may all have failed meanwhile.
        let pass = self.let_in()?;
        self.run(plugin, pass, kind, operation, run).await
    }

    /// Calls the plugin, and tells the breaker what came of it.
    async fn run<R, F>(
        &self,
        plugin: &Plugin,
        pass: Pass,
        kind: OperationKind,
        operation: Option<OperationContext>,
        run: F,
    ) -> Result<Called<std::result::Result<R, Failure>>>
    where
        F: for<'a> FnOnce(
            &'a Exports<'a>,
            &'a mut wasmtime::Store<CallState>,
        )
            -> BoxFuture<'a, wasmtime::Result<std::result::Result<R, Failure>>>,
    {
        let name = kind.texts().name;
        let operation_id = operation.as_ref().map(|operation| operation.id.clone());
        let began = Instant::now();
        let called = plugin.call(&self.scope, operation, run).await;
        match &called {
            // What the plugin refuses is an answer.
            Ok(_) => self.note_success(pass),
            Err(error) => {
                let digest = plugin.digest;
                let failed = FailedCall::new(&self.record, digest, name, operation_id, error);
                failed.into_iter().for_each(|failed| self.note_failure(pass, failed));
            }
        }
        let outcome = match &called {
            Ok(Called { answer: Ok(_), .. }) => "done",
            Ok(Called { answer: Err(_), .. }) => "refused",
            Err(CallError::Timeout(_)) => "timeout",
            Err(CallError::Limit(..)) => "limit",
            Err(CallError::Full(_)) => "full",
            Err(CallError::Trap(_)) => "trap",
        };
        let endpoint = self.record.id.clone();
        metrics::histogram!("plugin_call_seconds", "endpoint" => endpoint, "operation" => name, "outcome" => outcome)
            .record(began.elapsed());
        called.map_err(|error| self.failed(name, error))
    }

    fn failed(&self, operation: &str, error: CallError) -> Error {
        let endpoint = &self.record.id;
        match &error {
            CallError::Timeout(limit) => {
                metrics::counter!("limit_hits_total", "endpoint" => endpoint.clone(), "limit" => "wall clock").increment(1);
                Error::new(
                    ErrorCode::PluginTimeout,
                    format!("The provider's adapter at endpoint `{endpoint}` did not answer {operation} within {limit:?}. Whether the provider acted is not known: look before you ask again."),
                )
                .retry_after(BUSY_RETRY_AFTER)
            }
            CallError::Limit(limit, _) => {
                metrics::counter!("limit_hits_total", "endpoint" => endpoint.clone(), "limit" => *limit).increment(1);
                Error::new(
                    ErrorCode::PluginFailed,
                    format!("The provider's adapter at endpoint `{endpoint}` went over its {limit} limit in {operation} and was stopped. Its vendor has to mend it."),
                )
            }
            CallError::Full(_) => {
                let text = "The host already has as many calls as it takes. Try again.";
                Error::new(ErrorCode::Overloaded, text).retry_after(BUSY_RETRY_AFTER)
            }
            CallError::Trap(_) => Error::new(
                ErrorCode::PluginFailed,
                format!("The provider's adapter at endpoint `{endpoint}` failed in {operation}. Its vendor has to mend it; the log has the details."),
            ),
        }
        .because(anyhow::Error::from(error).context(format!(
            "endpoint {endpoint}, plugin {} {} {}, {operation}",
            self.record.plugin_name,
            self.record.plugin_version.as_deref().unwrap_or("unversioned"),
            self.plugin.digest
        )))
    }

    async fn admit(&self) -> Result<Admitted> {
        let until = tokio::time::Instant::now() + self.admission.wait_max;
        let Some(endpoint) = self.lane.enter(until).await else {
            let id = &self.record.id;
            metrics::counter!("limit_hits_total", "endpoint" => id.clone(), "limit" => "endpoint concurrency").increment(1);
            let max = self.lane.permits_max;
            let calls = if max == 1 { "call" } else { "calls" };
            let text = format!(
                "Endpoint `{id}` already has the {max} {calls} at a time that it may have. Try again."
            );
            return Err(Error::new(ErrorCode::EndpointBusy, text).retry_after(BUSY_RETRY_AFTER));
        };
        let host = tokio::time::timeout_at(until, self.admission.permits.clone().acquire_owned());
        let Ok(Ok(host)) = host.await else {
            metrics::counter!("limit_hits_total", "endpoint" => "", "limit" => "host concurrency")
                .increment(1);
            let text = "The host already has as many calls as it takes. Try again.";
            return Err(Error::new(ErrorCode::Overloaded, text).retry_after(BUSY_RETRY_AFTER));
        };
        Ok(Admitted { _endpoint: endpoint, _host: host })
    }

    /// Waits for a place among its open operations that are run again.
    pub(crate) async fn resume(&self) -> Option<SemaphorePermit<'_>> {
        self.lane.resuming.acquire().await.ok()
    }

    /// Waits for the turn of a change among the changes of the same account.
    pub(crate) async fn turn(&self, account: &str) -> Result<Turn> {
        let queue = {
            let mut accounts = self.lane.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            match accounts.get(account).and_then(Weak::upgrade) {
                Some(queue) => queue,
                None => {
                    // Forget the queues that nobody stands in, now and then, as the map grows.
                    if accounts.len() >= 1024 && accounts.len().is_power_of_two() {
                        accounts.retain(|_, queue| queue.strong_count() > 0);
                    }
                    let queue = Arc::new(Queue::default());
                    accounts.insert(account.to_owned(), Arc::downgrade(&queue));
                    queue
                }
            }
        };
        let max = self.admission.account_queue_max;
        if Arc::strong_count(&queue) > max.saturating_add(1) {
            let changes = if max == 1 { "change" } else { "changes" };
            let are = if max == 1 { "is" } else { "are" };
            let text = format!(
                "{max} {changes} of this account {are} already waiting at endpoint `{}`. Try again.",
                self.record.id
            );
            return Err(Error::new(ErrorCode::EndpointBusy, text).retry_after(BUSY_RETRY_AFTER));
        }
        let guard = queue.turn.clone().lock_owned().await;
        Ok(Turn { _guard: guard, _queue: queue })
    }
}
