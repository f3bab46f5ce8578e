//! Work that the provider has accepted and not finished: asked for until it is, across restarts.

mod end;

use super::{Attempted, Effects, Journal, Landing, Order, POLL_AFTER_MAX, POLL_AFTER_MIN};
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::heavy;
use crate::limits::fixed;
use crate::model::{Answer, Change, OperationKind, nonsense};
use crate::plugin::{Called, OperationContext, Plugin};
use crate::sealer::place;
use crate::steps::now_ms;
use crate::store::customer::ID_BYTES_MAX;
use crate::store::json::{put, read, unchanged};
use crate::store::operation::{HELD, PendingRecord, pending_key};
use crate::store::{Key, Range, Space, Tx, commit_patiently};
use futures_util::FutureExt;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const TOKEN_BYTES_MAX: usize = fixed::PENDING_TOKEN_BYTES.max;
/// How long to wait after a poll that failed, at most.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// What the provider has accepted, as the plugin says it.
pub(super) struct Accepted {
    pub(super) token: String,
    pub(super) poll_after: Duration,
    /// The instance that is being created.
    pub(super) instance: Option<String>,
}

/// What a poll has come to.
pub(super) enum Polled {
    Settled(Answer),
    Again(Duration),
    /// A deletion has failed, and the creation that it was to cancel goes on.
    Restored(Answer, String),
    /// Cancelled, or its endpoint is gone.
    Nothing,
}

fn between(after: Duration) -> Duration {
    after.clamp(POLL_AFTER_MIN, POLL_AFTER_MAX)
}

/// Why, in one line of the log, whatever a plugin has put into it.
pub(super) fn cause(error: &Error) -> Option<String> {
    error.cause.as_ref().map(|cause| format!("{cause:#}"))
}

/// For people: `72h`.
pub(super) fn shown_time(time: Duration) -> String {
    jiff::SignedDuration::try_from(time).map(|time| format!("{time:#}")).unwrap_or_default()
}

fn age(record: &PendingRecord) -> Duration {
    Duration::from_millis(now_ms().saturating_sub(record.began_ms))
}

impl Journal {
    /// Follows everything that was pending when the host last stopped.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<usize> {
        let mut count = 0;
        for endpoint in self.endpoints.all().values() {
            let mut range = Range {
                space: Space::Pending,
                partition: endpoint.partition,
                prefix: pending_key(endpoint.id(), "").body,
                after: None,
                limit: 500,
            };
            loop {
                let page = self.store.scan(&range).await?;
                for (body, found) in &page.entries {
                    let name = body.get(range.prefix.len()..).unwrap_or_default();
                    let Ok(subject) = std::str::from_utf8(name) else { continue };
                    if subject.starts_with(HELD) {
                        continue;
                    }
                    let key = pending_key(endpoint.id(), subject);
                    let record: PendingRecord = crate::store::json::parse(&key, found)?;
                    if record.stuck.is_some() {
                        continue;
                    }
                    let wait = Duration::from_millis(record.due_ms.saturating_sub(now_ms()));
                    self.follow(endpoint.id(), subject, &record.operation, wait);
                    count += 1;
                }
                match page.entries.last() {
                    Some((body, _)) if page.more => range.after = Some(body.clone()),
                    _ => break,
                }
            }
        }
        Ok(count)
    }

    /// Whether something is pending for an instance.
    pub(crate) async fn is_pending(&self, endpoint: &str, instance: &str) -> Result<bool> {
        let key = pending_key(endpoint, &format!("instance/{instance}"));
        Ok(self.store.get(&key).await?.is_some())
    }

    /// Adds to a commit that the provider has accepted the work.
    pub(super) async fn begin_pending(
        &self,
        order: &Order,
        id: &str,
        plugin: &Plugin,
        mut tx: Tx,
        accepted: Accepted,
    ) -> Result<(Tx, Answer, String, Duration)> {
        let Accepted { token, poll_after, instance } = accepted;
        let kind = order.change.kind();
        let endpoint = order.endpoint.id();
        check_token(kind, &token)?;
        if let Some(instance) = &instance
            && !super::is_id(instance)
        {
            let text = format!("a pending instance's id has 1 to {ID_BYTES_MAX} bytes");
            return Err(nonsense(kind, &text));
        }
        let subject = match (&instance, order.change.subject()) {
            (Some(instance), _) => format!("instance/{instance}"),
            (None, Some(subject)) => subject,
            (None, None) => return Err(nonsense(kind, "pending without saying which instance")),
        };
        let after = between(poll_after);
        let now = now_ms();
        let body = self
            .sealer
            .seal(&place(endpoint, &subject, id), &order.body)
            .map_err(Error::internal)?;
        let record = PendingRecord {
            operation: id.to_owned(),
            change: kind.texts().name.to_owned(),
            body,
            request_id: order.request_id.clone(),
            fingerprint: order.fingerprint.clone(),
            instance: instance.clone(),
            caller: order.caller.clone(),
            token,
            plugin: Some(plugin.digest.to_string()),
            attempt: 1,
            began_ms: now,
            due_ms: now + after.as_millis() as u64,
            stuck: None,
        };
        let key = pending_key(endpoint, &subject);
        if instance.is_some() {
            // Other changes have put their condition on the subject already.
            tx.conditions.push(unchanged(key.clone(), None));
        }
        tx.operations.push(put(key, &record)?);
        let mut effects = Effects::new(&*self.store, endpoint, tx);
        if let Some(instance) = &instance {
            effects.created(&order.change, instance, None, "pending").await?;
        }
        let tx = effects.finish()?;
        let named = instance.as_deref().or(order.change.instance());
        let body = match named {
            Some(instance) => json!({"providerinstanceid": instance, "status": "pending"}),
            None => json!({"status": "pending"}),
        };
        let mut answer = Answer::done(kind, &body)?;
        answer.respcode = 200;
        answer.message = format!("{} is accepted and not finished yet", kind.texts().name);
        Ok((tx, answer, subject, after))
    }

    /// Waits a little for pending work to end; CNSP's callers expect a synchronous answer.
    pub(super) async fn await_pending(
        self: &Arc<Self>,
        endpoint: &str,
        subject: &str,
        operation: &str,
        after: Duration,
        pending: Answer,
    ) -> Answer {
        let mut landing = self.follow(endpoint, subject, operation, after);
        let wait = Duration::from_millis(self.settings.pending_wait_ms);
        match tokio::time::timeout(wait, landing.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => match &*landed {
                Some(Ok(settled)) => settled.answer.clone(),
                _ => pending,
            },
            _ => pending,
        }
    }

    pub(super) fn follow(
        self: &Arc<Self>,
        endpoint: &str,
        subject: &str,
        operation: &str,
        mut wait: Duration,
    ) -> Landing {
        let (land, landing) = watch::channel(None);
        let journal = self.clone();
        let [endpoint, subject, operation] = [endpoint, subject, operation].map(str::to_owned);
        self.tasks.spawn(heavy::task(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = journal.stopping.cancelled() => return,
                }
                match journal.poll(&endpoint, &subject, &operation).await {
                    Ok(Polled::Again(after)) => wait = after,
                    Ok(Polled::Nothing) => return,
                    Ok(Polled::Restored(answer, creation)) => {
                        journal.follow(&endpoint, &subject, &creation, POLL_AFTER_MIN);
                        let settled = super::Settled { answer, replayed: false };
                        let _ = land.send(Some(Ok(settled)));
                        return;
                    }
                    Ok(Polled::Settled(answer)) => {
                        let settled = super::Settled { answer, replayed: false };
                        let _ = land.send(Some(Ok(settled)));
                        return;
                    }
                    Err(error) => {
                        wait = (wait * 2).clamp(Duration::from_secs(1), BACKOFF_MAX);
                        let (code, cause) = (error.code.as_str(), cause(&error));
                        tracing::warn!(
                            endpoint,
                            subject,
                            code,
                            cause,
                            ?wait,
                            "a poll failed; it is tried again"
                        );
                    }
                }
            }
        }));
        landing
    }

    /// The record of an operation, while it is pending and the host asks for it. What cancelled it may be pending in
    /// its place.
    async fn pending(&self, key: &Key, operation: &str) -> Result<Option<(PendingRecord, u64)>> {
        let found = read::<PendingRecord>(&*self.store, key).await?;
        Ok(found.filter(|(record, _)| record.operation == operation && record.stuck.is_none()))
    }

    /// Sets pending work aside that the host cannot bring to an end by itself.
    async fn stick_pending(
        &self,
        endpoint: &str,
        key: Key,
        record: PendingRecord,
        why: &str,
        mut tx: Tx,
    ) -> std::result::Result<Polled, Attempted> {
        let operation = record.operation.clone();
        let record = PendingRecord { stuck: Some(why.to_owned()), ..record };
        tx.operations.push(put(key, &record)?);
        commit_patiently(&*self.store, tx).await?;
        super::open::tell_stuck(endpoint, &operation, why);
        Ok(Polled::Nothing)
    }

    /// Calls the plugin once more, and commits what came of it.
    async fn poll(&self, endpoint: &str, subject: &str, operation: &str) -> Result<Polled> {
        let Some(endpoint) = self.endpoints.get(endpoint) else { return Ok(Polled::Nothing) };
        let key = pending_key(endpoint.id(), subject);
        let Some((record, _)) = self.pending(&key, operation).await? else {
            return Ok(Polled::Nothing);
        };
        let sealed_at = place(endpoint.id(), subject, &record.operation);
        let body = self.sealer.open(&sealed_at, &record.body).map_err(Error::internal)?;
        let change = Change::parse(&record.change, &body)?;
        let _turn = match change.queue() {
            Some(account) => Some(endpoint.turn(account).await?),
            None => None,
        };
        for _ in 0..self.settings.conflict_attempts_max {
            // Read again: it may have been cancelled while this waited for its turn.
            let Some((record, version)) = self.pending(&key, operation).await? else {
                return Ok(Polled::Nothing);
            };
            let mut tx = Tx::new(endpoint.partition);
            tx.conditions.push(unchanged(key.clone(), Some(version)));
            match self.poll_once(&endpoint, subject, &change, record, tx).await {
                Err(Attempted::Conflict(_)) => {}
                Err(Attempted::Failed(error)) => return Err(error),
                Ok(polled) => return Ok(polled),
            }
        }
        Ok(Polled::Again(Duration::from_secs(1)))
    }

    async fn poll_once(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        change: &Change,
        record: PendingRecord,
        tx: Tx,
    ) -> std::result::Result<Polled, Attempted> {
        let kind = change.kind();
        let mut tx = tx;
        let (steps, plugin) = self.steps_of_poll(endpoint, &record).await?;
        let trail = steps.trail.clone();
        let context = OperationContext {
            id: record.operation.clone(),
            token: Some(record.token.clone()),
            steps,
        };
        let request = change.clone();
        let too_old = self.is_too_old(&record);
        let called = endpoint.call_with(&plugin, kind, Some(context), |adapter, store| {
            request.call(adapter, store).boxed()
        });
        let mut called = called.await;
        let refused = called.as_ref().is_ok_and(|called| called.answer.is_err());
        if let Some(why) = trail.diverged(called.is_ok() && !refused) {
            let key = pending_key(endpoint.id(), subject);
            return self.stick_pending(endpoint.id(), key, record, &why, tx).await;
        }
        if let Ok(Called { answer: Err(failure), operation: Some(operation), .. }) = &mut called
            && failure.retryable
        {
            operation.steps.take_back().await.map_err(Error::internal)?;
        }
        let called = match called {
            // Nothing was asked, so nothing is known. Its time is up only if this goes on.
            Err(error)
                if error.code == ErrorCode::EndpointUnavailable
                    && (!too_old || age(&record) < self.pending_max() + POLL_AFTER_MAX) =>
            {
                return Ok(Polled::Again(between(error.retry_after.unwrap_or(BACKOFF_MAX))));
            }
            Err(error) if !too_old => return Err(error.into()),
            Ok(Called { answer: Err(failure), .. }) if failure.retryable && !too_old => {
                let after = failure
                    .retry_after_ms
                    .map_or(BACKOFF_MAX.min(age(&record)), |ms| Duration::from_millis(ms.into()));
                return Ok(Polled::Again(between(after)));
            }
            called => called.ok(),
        };
        let before = tx.clone();
        let outcome = called.map(|Called { answer, kv, .. }| {
            let (conditions, writes) = kv.into_effects(endpoint.id(), endpoint.partition);
            tx.conditions.extend(conditions);
            // Also after a failure: the writes of a call that ends pending work say how it ended.
            tx.operations = writes;
            answer
        });
        let concluded = self.conclude(endpoint, subject, change, &record, tx, outcome);
        match concluded.await {
            // What cannot be committed now cannot be later, and what it is done to is blocked until it ends.
            Err(Attempted::Failed(error)) if too_old && is_plugins_fault(&error) => {
                let (code, cause) = (error.code.as_str(), cause(&error));
                tracing::warn!(
                    endpoint = endpoint.id(),
                    subject,
                    code,
                    cause,
                    "a poll is given up"
                );
                self.conclude(endpoint, subject, change, &record, before, None).await
            }
            concluded => concluded,
        }
    }

    /// Whether it has been pending for as long as anything may be.
    fn is_too_old(&self, record: &PendingRecord) -> bool {
        age(record) > self.pending_max()
    }

    pub(super) fn pending_max(&self) -> Duration {
        Duration::from_secs(self.settings.pending_s)
    }
}

/// Whether a plugin wants committed what cannot be.
fn is_plugins_fault(error: &Error) -> bool {
    matches!(error.code, ErrorCode::PluginAnswerInvalid | ErrorCode::TooLarge)
}

fn check_token(kind: OperationKind, token: &str) -> Result<()> {
    match token.len() {
        1..=TOKEN_BYTES_MAX => Ok(()),
        length => {
            Err(nonsense(kind, &format!("a token has 1 to {TOKEN_BYTES_MAX} bytes, not {length}")))
        }
    }
}
