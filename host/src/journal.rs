//! Operations: a change runs once per request id, to its end, whoever hangs up, and its outcome is durable
//! before it is answered.
//!
//! The guest's writes, the host's records, the outcome for replays and the audit row are one commit, whose
//! conditions are everything the guest has read. When it conflicts, the operation runs again from its start
//! with fresh reads. What it asks its provider for is taken down first ([`crate::steps`]), so that a run that did not come to its
//! end is gone on with, and not begun anew (`open`). Work that the provider has not finished is followed by `pending`.

mod decide;
mod effects;
mod open;
mod pending;
mod prune;
mod replay;
mod running;
mod unfinished;

pub(crate) use self::decide::{Decision, Ruling};
pub(crate) use self::effects::is_id;
pub(crate) use self::unfinished::{State, UnfinishedOperations, WithSteps};

use self::effects::{AuditRow, Effects};
use self::open::{RESUMING_MAX, Retried};
use self::pending::Accepted;
use self::replay::{Remembered, reused};
use self::running::Running;
use crate::config;
use crate::endpoints::{Endpoint, Endpoints, Turn};
use crate::error::{Error, ErrorCode, Result};
use crate::heavy;
use crate::limits::fixed;
use crate::model::{Answer, Change, Failure, OperationKind, Outcome};
use crate::plugin::{Called, OperationContext};
use crate::sealer::{Sealer, place};
use crate::steps::now_ms;
use crate::store::json::{put, read, unchanged};
use crate::store::operation::{PendingRecord, held_key, open_key, operation_key, pending_key};
use crate::store::{Operation, Store, StoreError, Tx, commit_patiently};
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::Value;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// The namespace of the ids of operations that have a request id (RFC 9562, version 5).
const OPERATION_IDS: Uuid = Uuid::from_u128(0x1d0a_8a5c_52f0_4c7e_9b1f_3f4a_6c15_e0d2);
/// A poll is never sooner or later than this, whatever the plugin says.
const POLL_AFTER_MIN: Duration = Duration::from_millis(100);
const POLL_AFTER_MAX: Duration = Duration::from_secs(fixed::POLL_AFTER_S.max as u64);
/// One change that a caller has asked for.
pub(crate) struct Order {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) caller: String,
    pub(crate) change: Change,
    /// What the caller sent, as JSON, to be parsed again after a restart.
    pub(crate) body: Bytes,
    /// Of the body, whatever the order of its keys.
    pub(crate) fingerprint: String,
    /// What makes a repeat recognisable. None: the change runs once, and cannot be asked for again.
    pub(crate) request_id: Option<String>,
    /// The operation that is taken up again. None: it is the request id's, or a new one.
    pub(crate) operation: Option<String>,
}

/// What an order has come to.
#[derive(Clone)]
pub(crate) struct Settled {
    pub(crate) answer: Answer,
    /// Whether it is what an earlier request with the same id has answered.
    pub(crate) replayed: bool,
}

type Flights = HashMap<(String, &'static str, String), Flight>;
type Landing = watch::Receiver<Option<std::result::Result<Settled, Arc<Error>>>>;

/// An order that is running, which its repeats wait for.
#[derive(Clone)]
struct Flight {
    fingerprint: String,
    landing: Landing,
}

/// Runs changes.
pub(crate) struct Journal {
    store: Arc<dyn Store>,
    endpoints: Arc<Endpoints>,
    sealer: Arc<Sealer>,
    settings: config::Operations,
    flights: Mutex<Flights>,
    /// The operations that are going to be taken up again.
    taken_up: Mutex<HashMap<(String, String), Arc<Retried>>>,
    running: Arc<Running>,
    /// How many of them run at a time.
    resuming: Semaphore,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// Seconds since 1970.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Journal {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        endpoints: Arc<Endpoints>,
        sealer: Sealer,
        settings: config::Operations,
    ) -> Arc<Journal> {
        Arc::new(Journal {
            store,
            endpoints,
            sealer: Arc::new(sealer),
            settings,
            flights: Mutex::default(),
            taken_up: Mutex::default(),
            running: Arc::default(),
            resuming: Semaphore::new(RESUMING_MAX),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// Lets what is running finish, and starts no poll any more.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What makes two bodies the same request.
    pub(crate) fn fingerprint(&self, body: &Value) -> String {
        self.sealer.fingerprint(body)
    }

    /// Runs an order, or waits for the one that it repeats. Goes on when the caller does not wait.
    pub(crate) async fn run(self: &Arc<Self>, order: Order) -> Result<Settled> {
        order.endpoint.enter().await;
        let kind = order.change.kind();
        let wait = Duration::from_millis(self.settings.repeat_wait_ms_max)
            .min(order.endpoint.call_timeout());
        let (mut landing, joined) = match order.request_id.clone() {
            None => (self.launch(order, None), false),
            Some(request_id) => {
                let key = (order.endpoint.id().to_owned(), kind.texts().name, request_id);
                let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
                match flights.get(&key) {
                    Some(flight) if flight.fingerprint != order.fingerprint => {
                        return Err(reused(&key.2));
                    }
                    Some(flight) => (flight.landing.clone(), true),
                    None => {
                        let fingerprint = order.fingerprint.clone();
                        let landing = self.launch(order, Some(key.clone()));
                        flights.insert(key, Flight { fingerprint, landing: landing.clone() });
                        (landing, false)
                    }
                }
            }
        };
        let landed = landing.wait_for(Option::is_some);
        let landed = match joined {
            false => landed.await,
            true => match tokio::time::timeout(wait, landed).await {
                Ok(landed) => landed,
                Err(_) => {
                    let text = "The first request with this id is still running. Ask again with the same id: it will not run twice.";
                    let error = Error::new(ErrorCode::OperationInProgress, text);
                    return Err(error.retry_after(Duration::from_secs(1)));
                }
            },
        };
        match landed.map(|landed| landed.clone()) {
            Ok(Some(Ok(settled))) => {
                Ok(Settled { replayed: settled.replayed || joined, ..settled })
            }
            Ok(Some(Err(error))) => Err(Error {
                code: error.code,
                message: error.message.clone(),
                cause: error.cause.as_ref().map(|cause| anyhow::anyhow!("{cause:#}")),
                retry_after: error.retry_after,
            }),
            Ok(None) | Err(_) => {
                Err(Error::internal(anyhow::anyhow!("an operation ended without an outcome")))
            }
        }
    }

    fn launch(
        self: &Arc<Self>,
        order: Order,
        key: Option<(String, &'static str, String)>,
    ) -> Landing {
        let (land, landing) = watch::channel(None);
        let journal = self.clone();
        let span = tracing::Span::current();
        let task = async move {
            let ran = AssertUnwindSafe(journal.execute(order)).catch_unwind().await;
            let ran = ran
                .unwrap_or_else(|_| Err(Error::internal(anyhow::anyhow!("an operation panicked"))));
            if let Some(key) = key {
                journal.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
            // Nobody may be waiting any more.
            let _ = land.send(Some(ran.map_err(Arc::new)));
        };
        self.tasks.spawn(heavy::task(tracing::Instrument::instrument(task, span)));
        landing
    }

    async fn execute(self: &Arc<Self>, order: Order) -> Result<Settled> {
        let id = operation_id(&order);
        let running = self.running.begin(order.endpoint.id(), &id);
        let executed = self.execute_as(&order, &id).await;
        drop(running);
        self.take_up_if_open(order.endpoint.id(), &id).await;
        executed
    }

    async fn execute_as(self: &Arc<Self>, order: &Order, id: &str) -> Result<Settled> {
        let known = match &order.request_id {
            None => None,
            Some(request_id) => match self.remembered(order, request_id).await? {
                Remembered::Answer(answer) => return Ok(Settled { answer, replayed: true }),
                Remembered::Nothing(version) => version,
            },
        };
        let turn = match order.change.queue() {
            None => None,
            Some(account) => Some(turn(&order.endpoint, account).await?),
        };
        tracing::Span::current().record("operation", id);
        let patient_until = Instant::now() + Duration::from_millis(self.settings.pending_wait_ms);
        for attempt in 1..=self.settings.conflict_attempts_max {
            match self.attempt(order, id, attempt, known).await {
                Ok(Step::Settled(answer)) => match retry_at(&answer) {
                    // A failure that may pass, of which nothing was kept: run again while the caller waits.
                    Some(at)
                        if at <= patient_until && attempt < self.settings.conflict_attempts_max =>
                    {
                        tokio::time::sleep_until(at).await;
                    }
                    _ => return Ok(Settled { answer, replayed: false }),
                },
                Ok(Step::Pending(answer, subject, after)) => {
                    // The polls need the turn.
                    drop(turn);
                    let answer =
                        self.await_pending(order.endpoint.id(), &subject, id, after, answer).await;
                    return Ok(Settled { answer, replayed: false });
                }
                Err(Attempted::Conflict(error)) => {
                    tracing::debug!(
                        operation = id,
                        attempt,
                        ?error,
                        "ran into another change; running again"
                    );
                    metrics::counter!("operation_conflicts_total", "endpoint" => order.endpoint.id().to_owned())
                        .increment(1);
                }
                Err(Attempted::Failed(error)) => return Err(error),
            }
        }
        let text = "Other changes to the same records kept getting in the way. Try again.";
        Err(Error::new(ErrorCode::Conflict, text).retry_after(Duration::from_secs(1)))
    }

    /// Runs the plugin once, and commits what came of it.
    async fn attempt(
        &self,
        order: &Order,
        id: &str,
        attempt: u32,
        known: Option<u64>,
    ) -> std::result::Result<Step, Attempted> {
        let kind = order.change.kind();
        let endpoint = &*order.endpoint;
        let subject = order.change.subject();
        let mut tx = Tx::new(endpoint.partition);
        let mut cancelled = None;
        if let Some(subject) = &subject {
            let key = pending_key(endpoint.id(), subject);
            let blocker = read::<PendingRecord>(&*self.store, &key).await?;
            tx.conditions.push(unchanged(key, blocker.as_ref().map(|(_, version)| *version)));
            if let Some((blocker, _)) = blocker {
                let creating = blocker.change == OperationKind::CreateResource.texts().name;
                if !(creating && kind == OperationKind::DeleteResource) {
                    return Err(Attempted::Failed(still_pending(&blocker)));
                }
                cancelled = Some(blocker);
            }
        }
        let (steps, plugin) = self.steps(order, id, attempt).await?;
        let trail = steps.trail.clone();
        let context = OperationContext { id: id.to_owned(), token: None, steps };
        let change = order.change.clone();
        let called = endpoint.call_with(&plugin, kind, Some(context), |adapter, store| {
            change.call(adapter, store).boxed()
        });
        let called = called.await;
        let ended = called.as_ref().is_ok_and(|called| {
            called.answer.as_ref().err().is_none_or(|failure| !failure.retryable)
        });
        if let Some(why) = trail.diverged(ended) {
            return Err(Attempted::Failed(self.stick(endpoint.id(), id, &why).await));
        }
        let Called { answer, kv, operation } = called?;
        if let (Err(failure), Some(mut operation)) = (&answer, operation)
            && failure.retryable
        {
            operation.steps.take_back().await.map_err(Error::internal)?;
        }
        let (conditions, writes) = kv.into_effects(endpoint.id(), endpoint.partition);
        tx.conditions.extend(conditions);
        let (answer, pending) = match answer {
            Err(failure) if failure.retryable => {
                return Ok(Step::Settled(Answer::refused(kind, &failure)?));
            }
            Err(failure) => (Answer::refused(kind, &failure)?, None),
            Ok(Outcome::Done(done)) => {
                tx.operations = writes;
                if let (Some(blocker), Some(subject)) = (&cancelled, &subject) {
                    self.cancel(endpoint, blocker, &mut tx)?;
                    tx.operations.push(Operation::Delete(pending_key(endpoint.id(), subject)));
                }
                let answer = Answer::done(kind, &done)?;
                let mut effects = Effects::new(&*self.store, endpoint.id(), tx);
                effects.done(&order.change, &done).await?;
                tx = effects.finish()?;
                (answer, None)
            }
            Ok(Outcome::Pending { token, poll_after, instance }) => {
                tx.operations = writes;
                // The creation waits for what becomes of its deletion.
                if let (Some(blocker), Some(subject)) = (cancelled.take(), &subject) {
                    tx.operations.push(put(held_key(endpoint.id(), subject), &blocker)?);
                }
                let accepted = Accepted { token, poll_after, instance };
                let (settled, subject, after);
                (tx, settled, subject, after) =
                    self.begin_pending(order, id, &plugin, tx, accepted).await?;
                (settled, Some((subject, after)))
            }
        };
        answer.check_stored(kind)?;
        if trail.opened() {
            tx.operations.push(Operation::Delete(open_key(endpoint.id(), id)));
        }
        if let Some(request_id) = &order.request_id {
            let name = kind.texts().name;
            tx.conditions.push(unchanged(operation_key(endpoint.id(), name, request_id), known));
            tx.operations.push(self.remember(
                endpoint.id(),
                name,
                request_id,
                &order.fingerprint,
                &answer,
                pending.is_some(),
            )?);
        }
        let mut audit = AuditRow::new(
            endpoint,
            &order.caller,
            kind.texts().name,
            id,
            order.request_id.as_deref(),
            answer.respcode,
        );
        // A deletion that is refused cancels nothing, and one that is pending nothing yet.
        audit.cancelled = cancelled
            .as_ref()
            .filter(|_| answer.success)
            .map(|creation| creation.operation.as_str());
        tx.event = Some(serde_json::to_vec(&audit).map_err(Error::internal)?.into());
        commit_patiently(&*self.store, tx).await?;
        Ok(match pending {
            None => Step::Settled(answer),
            Some((subject, after)) => Step::Pending(answer, subject, after),
        })
    }
}

enum Step {
    Settled(Answer),
    /// What is answered if it stays pending, what it is done to, and when to ask.
    Pending(Answer, String, Duration),
}

enum Attempted {
    /// What was read has changed: run again.
    Conflict(StoreError),
    Failed(Error),
}

impl From<Error> for Attempted {
    fn from(error: Error) -> Attempted {
        Attempted::Failed(error)
    }
}

impl From<StoreError> for Attempted {
    fn from(error: StoreError) -> Attempted {
        match error {
            StoreError::Conflict(_) => Attempted::Conflict(error),
            error => Attempted::Failed(error.into()),
        }
    }
}

/// An operation with a request id has the same id after a crash, so that what an adapter named after it at
/// the provider is found again.
fn operation_id(order: &Order) -> String {
    if let Some(operation) = &order.operation {
        return operation.clone();
    }
    let Some(request_id) = &order.request_id else { return Uuid::now_v7().to_string() };
    let name = place(order.endpoint.id(), order.change.kind().texts().name, request_id)
        + &order.fingerprint;
    Uuid::new_v5(&OPERATION_IDS, name.as_bytes()).to_string()
}

/// When a failure that may pass is to be tried again.
fn retry_at(answer: &Answer) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(answer.retry_after_ms?))
}

fn still_pending(blocker: &PendingRecord) -> Error {
    let text = format!(
        "The provider has not finished {} yet. Try again when its status is no longer pending.",
        blocker.change
    );
    let wait = Duration::from_millis(blocker.due_ms.saturating_sub(now_ms()));
    Error::new(ErrorCode::ResourcePending, text).retry_after(wait.max(Duration::from_secs(1)))
}

/// Waits until the earlier changes of an account have ended, for as long as a call may take.
async fn turn(endpoint: &Endpoint, account: &str) -> Result<Turn> {
    let turn = tokio::time::timeout(endpoint.call_timeout(), endpoint.turn(account));
    turn.await.unwrap_or_else(|_| {
        let text = "Earlier changes of this account are taking too long. Try again.";
        Err(Error::new(ErrorCode::EndpointBusy, text).retry_after(Duration::from_secs(1)))
    })
}

/// The answer to work that the provider refuses in the end, by the host's own decision.
fn given_up(kind: OperationKind, respcode: u16, errorcode: &str, text: &str) -> Result<Answer> {
    let failure = Failure {
        respcode,
        message: None,
        errormessage: text.to_owned(),
        errorcode: Some(errorcode.to_owned()),
        retryable: false,
        retry_after_ms: None,
        other: Vec::new(),
    };
    Answer::refused(kind, &failure)
}
