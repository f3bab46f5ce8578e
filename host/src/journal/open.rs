//! Operations that have asked the provider for something and have no outcome yet: run again, from where they were,
//! until they have one.

use super::pending::{BACKOFF_MAX, shown_time};
use super::{Journal, Order, POLL_AFTER_MIN, reused};
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::heavy;
use crate::model::Change;
use crate::plugin::Plugin;
use crate::steps::{CallOf, Opening, Steps, now_ms};
use crate::store::json::{parse, put, read};
use crate::store::operation::{OpenRecord, PendingRecord, open_key};
use crate::store::{Range, Space, Tx, commit_patiently};
use bytes::Bytes;
use futures_util::FutureExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many are run again at a time, of all endpoints: more of them than any few that hang have.
pub(super) const RESUMING_MAX: usize = 128;

impl Journal {
    /// The steps of a call that is about to run, and the plugin that runs it.
    pub(super) async fn steps(
        &self,
        order: &Order,
        id: &str,
        attempt: u32,
    ) -> Result<(Steps, Arc<Plugin>)> {
        let endpoint = &*order.endpoint;
        let of = |began_ms| CallOf {
            endpoint: endpoint.id().to_owned(),
            operation: id.to_owned(),
            began_ms,
            call: 1,
        };
        let (store, sealer) = (self.store.clone(), self.sealer.clone());
        // What has no name that anybody knows was never begun before.
        let known = order.request_id.is_some() || order.operation.is_some() || attempt > 1;
        let open = match known {
            true => read::<OpenRecord>(&*self.store, &open_key(endpoint.id(), id)).await?,
            false => None,
        };
        let Some((open, _)) = open else {
            let record = OpenRecord {
                change: order.change.kind().texts().name.to_owned(),
                body: String::new(),
                request_id: order.request_id.clone(),
                fingerprint: order.fingerprint.clone(),
                caller: order.caller.clone(),
                plugin: endpoint.plugin().digest.to_string(),
                began_ms: now_ms(),
                instance: None,
                runs: 0,
                stuck: None,
                since_ms: None,
                given_up: false,
                told: false,
            };
            let of = of(record.began_ms);
            let opening = Opening { record, body: order.body.clone() };
            let steps = Steps::new(store, sealer, of, Some(opening)).in_run(attempt);
            return Ok((steps, endpoint.plugin().clone()));
        };
        if let Some(request_id) = &order.request_id
            && open.fingerprint != order.fingerprint
        {
            return Err(reused(request_id));
        }
        if let Some(why) = &open.stuck {
            return Err(stuck(id, why));
        }
        let plugin = self.endpoints.plugin(endpoint, &open.plugin).await?;
        let steps = Steps::load(store, sealer, of(open.began_ms)).await.map_err(Error::internal)?;
        let run = attempt.max(open.runs.saturating_add(1));
        Ok((steps.in_run(run).given_up(open.given_up), plugin))
    }

    /// As [`Journal::steps`], of the next call of an operation that is pending.
    pub(super) async fn steps_of_poll(
        &self,
        endpoint: &Endpoint,
        record: &PendingRecord,
    ) -> Result<(Steps, Arc<Plugin>)> {
        let plugin = match &record.plugin {
            Some(digest) => self.endpoints.plugin(endpoint, digest).await?,
            None => endpoint.plugin().clone(),
        };
        let call = record.attempt + 1;
        let of = CallOf {
            endpoint: endpoint.id().to_owned(),
            operation: record.operation.clone(),
            began_ms: record.began_ms,
            call,
        };
        let steps = Steps::load(self.store.clone(), self.sealer.clone(), of).await;
        Ok((steps.map_err(Error::internal)?.in_run(call), plugin))
    }

    /// Sets an operation aside that the host cannot bring to an end by itself. It is kept with all that it did.
    pub(super) async fn stick(&self, endpoint: &str, id: &str, why: &str) -> Error {
        let key = open_key(endpoint, id);
        let set_aside = async {
            if let Some((open, _)) = read::<OpenRecord>(&*self.store, &key).await? {
                let record = OpenRecord { stuck: Some(why.to_owned()), ..open };
                let mut tx = Tx::new(key.partition);
                tx.operations.push(put(key.clone(), &record)?);
                commit_patiently(&*self.store, tx).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = set_aside.await {
            return error;
        }
        tell_stuck(endpoint, id, why);
        stuck(id, why)
    }

    /// Takes up again every operation that was open when the host last stopped.
    pub(crate) async fn resume_open(self: &Arc<Self>) -> Result<usize> {
        let mut count = 0;
        for endpoint in self.endpoints.all().values() {
            let mut range = Range {
                space: Space::Open,
                partition: endpoint.partition,
                prefix: open_key(endpoint.id(), "").body,
                after: None,
                limit: 200,
            };
            loop {
                let page = self.store.scan(&range).await?;
                for (body, found) in &page.entries {
                    let name = body.get(range.prefix.len()..).unwrap_or_default();
                    let Ok(id) = std::str::from_utf8(name) else { continue };
                    let open: OpenRecord = parse(&open_key(endpoint.id(), id), found)?;
                    if open.stuck.is_none() {
                        self.take_up(endpoint.id(), id, Duration::ZERO);
                        count += 1;
                    }
                }
                match page.entries.last() {
                    Some((body, _)) if page.more => range.after = Some(body.clone()),
                    _ => break,
                }
            }
        }
        Ok(count)
    }

    /// After a run: an operation that is still open is run again, whether or not its caller asks again.
    pub(super) async fn take_up_if_open(self: &Arc<Self>, endpoint: &str, id: &str) {
        match read::<OpenRecord>(&*self.store, &open_key(endpoint, id)).await {
            Ok(Some((open, _))) if open.stuck.is_none() => {
                self.take_up(endpoint, id, Duration::from_secs(1));
            }
            Ok(_) => {}
            // It is taken up at the next start.
            Err(error) => {
                tracing::error!(endpoint, operation = id, %error, "what is open cannot be read")
            }
        }
    }

    /// Runs an open operation from now on until it has come to an end, if nobody does yet.
    pub(super) fn take_up(self: &Arc<Self>, endpoint: &str, id: &str, wait: Duration) {
        let name = (endpoint.to_owned(), id.to_owned());
        let mut taken_up = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner);
        if taken_up.contains_key(&name) {
            return;
        }
        let retried = Arc::new(Retried::default());
        taken_up.insert(name.clone(), retried.clone());
        drop(taken_up);
        let journal = self.clone();
        self.tasks.spawn(heavy::task(async move {
            let mut wait = wait;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(jittered(wait)) => {}
                    () = retried.wanted.notified() => wait = Duration::ZERO,
                    () = journal.stopping.cancelled() => {
                        journal.let_go(&name);
                        return;
                    }
                }
                let again = journal.run_open(&name.0, &name.1, &retried).await;
                if !again && !journal.is_wanted(&name, &retried) {
                    return;
                }
                wait = (wait * 2).clamp(POLL_AFTER_MIN, BACKOFF_MAX);
            }
        }));
    }

    /// Has an open operation run now, and not when its pause is over.
    pub(super) fn take_up_now(self: &Arc<Self>, endpoint: &str, id: &str) {
        let name = (endpoint.to_owned(), id.to_owned());
        let retried = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner).get(&name).map(
            |retried| {
                // Under the lock: who lets go of it looks at this there, too.
                retried.wanted.notify_one();
            },
        );
        if retried.is_none() {
            self.take_up(endpoint, id, Duration::ZERO);
        }
    }

    fn let_go(&self, name: &(String, String)) {
        self.taken_up.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Whether somebody wants an operation run again that has just come to an end, or was set aside. If not, it is
    /// let go.
    fn is_wanted(&self, name: &(String, String), retried: &Retried) -> bool {
        let mut taken_up = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = retried.wanted.notified().now_or_never().is_some();
        if !wanted {
            taken_up.remove(name);
        }
        wanted
    }

    /// What came of an open operation when the host tried it last.
    pub(super) fn last_failure(&self, endpoint: &str, id: &str) -> Option<String> {
        let name = (endpoint.to_owned(), id.to_owned());
        let taken_up = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner);
        taken_up.get(&name)?.last()
    }

    /// Runs an open operation once more. Answers whether that has to be done again.
    async fn run_open(self: &Arc<Self>, endpoint: &str, id: &str, retried: &Retried) -> bool {
        // One that is declared later takes up its operations at the next start.
        let Some(of) = self.endpoints.get(endpoint) else { return false };
        // Nobody closes them. Who hangs keeps its own waiting, and then the others.
        let Some(_place) = of.resume().await else { return false };
        let Ok(_place_of_all) = self.resuming.acquire().await else { return false };
        match self.try_open(&of, id, retried).await {
            Ok(again) => again,
            Err(error) => {
                retried.failed(&error.message);
                let (code, cause) = (error.code.as_str(), super::pending::cause(&error));
                tracing::warn!(
                    endpoint,
                    operation = id,
                    code,
                    cause,
                    "an open operation failed; it is tried again"
                );
                true
            }
        }
    }

    async fn try_open(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        id: &str,
        retried: &Retried,
    ) -> Result<bool> {
        let key = open_key(endpoint.id(), id);
        let Some((open, _)) = read::<OpenRecord>(&*self.store, &key).await? else {
            return Ok(false);
        };
        if open.stuck.is_some() {
            return Ok(false);
        }
        let longest = self.pending_max();
        if Duration::from_millis(open.age_ms(now_ms())) > longest {
            let why = format!("it came to no end within {}", shown_time(longest));
            self.stick(endpoint.id(), id, &why).await;
            return Ok(false);
        }
        let body = self.body_of(endpoint, id, &open)?;
        let order = Order {
            endpoint: endpoint.clone(),
            caller: open.caller,
            change: Change::parse(&open.change, &body)?,
            body: Bytes::copy_from_slice(&body),
            fingerprint: open.fingerprint,
            request_id: open.request_id,
            operation: Some(id.to_owned()),
        };
        let ran = self.run(order).await;
        let open = read::<OpenRecord>(&*self.store, &key).await?;
        match (open, ran) {
            (Some((open, _)), Ok(settled)) => {
                retried.failed(&settled.answer.message);
                Ok(open.stuck.is_none())
            }
            (Some((open, _)), Err(_)) if open.stuck.is_some() => Ok(false),
            (Some(_), Err(error)) => Err(error),
            (None, _) => Ok(false),
        }
    }
}

/// An operation that is run until it has come to an end.
#[derive(Default)]
pub(super) struct Retried {
    /// Somebody wants it run now.
    wanted: Notify,
    last: Mutex<Option<String>>,
}

impl Retried {
    fn failed(&self, why: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    fn last(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl crate::endpoints::Endpoints {
    /// The plugin that began an operation of an endpoint: it ends it, whatever the endpoint has by now.
    pub(super) async fn plugin(&self, endpoint: &Endpoint, digest: &str) -> Result<Arc<Plugin>> {
        let current = endpoint.plugin();
        if current.digest.to_string() == digest {
            return Ok(current.clone());
        }
        self.load(digest).await
    }
}

/// So that many that failed together are not tried again together: a fifth more or less.
fn jittered(wait: Duration) -> Duration {
    let part = getrandom::u32().unwrap_or_default() % 400;
    wait * (800 + part) / 1000
}

/// Tells whoever runs the host that an operation waits for somebody.
pub(super) fn tell_stuck(endpoint: &str, operation: &str, why: &str) {
    metrics::counter!("operations_stuck_total", "endpoint" => endpoint.to_owned()).increment(1);
    tracing::error!(
        endpoint,
        operation,
        why,
        "an operation is set aside: somebody has to look at it, with `cnsp operations show`"
    );
}

fn stuck(id: &str, why: &str) -> Error {
    let text = format!(
        "The operation `{id}` was begun at the provider and cannot be ended by the host. Nothing more is done; ask the operator, who finds it by this id."
    );
    Error::new(ErrorCode::OperationStuck, text).because(anyhow::anyhow!("{why}"))
}
