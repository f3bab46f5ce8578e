//! How pending work ends: with what the provider has made, with a refusal, for its age, or because a deletion was faster.

use super::super::{Attempted, AuditRow, Effects, Journal, given_up};
use super::{Polled, between, check_token, shown_time};
use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::journal::effects::Decided;
use crate::model::{Answer, Change, Done, Failure, OperationKind, Outcome, nonsense, shown};
use crate::sealer::place;
use crate::steps::now_ms;
use crate::store::json::{put, read, unchanged};
use crate::store::operation::{OpenRecord, PendingRecord, held_key, open_key, pending_key};
use crate::store::{Operation, Tx, commit_patiently};

impl Journal {
    /// Commits what came of a poll, beside what the plugin wrote. None: nothing, and it is too old.
    pub(super) async fn conclude(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        change: &Change,
        record: &PendingRecord,
        tx: Tx,
        outcome: Option<std::result::Result<Outcome, Failure>>,
    ) -> std::result::Result<Polled, Attempted> {
        self.end(endpoint, subject, change, record, tx, outcome, None).await
    }

    /// As [`Journal::conclude`], also of what somebody has decided.
    #[expect(clippy::too_many_arguments, reason = "they are what one commit is made of")]
    pub(in crate::journal) async fn end(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        change: &Change,
        record: &PendingRecord,
        tx: Tx,
        outcome: Option<std::result::Result<Outcome, Failure>>,
        decided: Option<Decided<'_>>,
    ) -> std::result::Result<Polled, Attempted> {
        let kind = change.kind();
        let key = pending_key(endpoint.id(), subject);
        let mut left_behind = None;
        let mut effects = Effects::new(&*self.store, endpoint.id(), tx);
        let answer = match outcome {
            Some(Ok(Outcome::Pending { token, poll_after, .. })) if !self.is_too_old(record) => {
                check_token(kind, &token)?;
                let after = between(poll_after);
                let record = PendingRecord {
                    token,
                    attempt: record.attempt + 1,
                    due_ms: now_ms() + after.as_millis() as u64,
                    ..record.clone()
                };
                let mut tx = effects.finish()?;
                tx.operations.push(put(key, &record)?);
                commit_patiently(&*self.store, tx).await?;
                return Ok(Polled::Again(after));
            }
            Some(Ok(Outcome::Done(done))) => {
                check_instance(kind, record, &done)?;
                effects.done(change, &done).await?;
                Answer::done(kind, &done)?
            }
            Some(Err(failure)) if !failure.retryable => {
                self.pending_failed(&mut effects, change, record).await?;
                Answer::refused(kind, &failure)?
            }
            _ => {
                self.pending_failed(&mut effects, change, record).await?;
                let longest = shown_time(self.pending_max());
                left_behind = Some(self.left(endpoint.id(), subject, record, &longest)?);
                let text = format!(
                    "The provider did not finish within {longest}. Look at the provider what has become of it."
                );
                given_up(kind, 504, "PENDING_TOO_LONG", &text)?
            }
        };
        answer.check_stored(kind)?;
        let mut tx = effects.finish()?;
        let held = self.held(endpoint, subject, change, &mut tx).await?;
        tx.operations.push(match &held {
            Some(creation) if !answer.success => put(key, creation)?,
            _ => Operation::Delete(key),
        });
        if let Some(creation) = held.as_ref().filter(|_| answer.success) {
            self.cancel(endpoint, creation, &mut tx)?;
        }
        if let Some(left) = &left_behind {
            tx.operations.push(put(open_key(endpoint.id(), &record.operation), left)?);
        }
        self.end_pending(endpoint, record, &answer, &mut tx)?;
        let mut audit = AuditRow::new(
            endpoint,
            &record.caller,
            &record.change,
            &record.operation,
            record.request_id.as_deref(),
            answer.respcode,
        );
        let creation = held.map(|creation| creation.operation);
        audit.cancelled = creation.as_deref().filter(|_| answer.success);
        audit.decided = decided;
        tx.event = Some(serde_json::to_vec(&audit).map_err(Error::internal)?.into());
        commit_patiently(&*self.store, tx).await?;
        if let Some(OpenRecord { stuck: Some(why), .. }) = &left_behind {
            crate::journal::open::tell_stuck(endpoint.id(), &record.operation, why);
        }
        Ok(match creation {
            Some(creation) if !answer.success => Polled::Restored(answer, creation),
            _ => Polled::Settled(answer),
        })
    }

    /// What stays of pending work whose caller is told that it failed, while nobody knows what the provider does.
    fn left(
        &self,
        endpoint: &str,
        subject: &str,
        record: &PendingRecord,
        longest: &str,
    ) -> Result<OpenRecord> {
        let id = &record.operation;
        let sealed = self.sealer.open(&place(endpoint, subject, id), &record.body);
        let sealed = sealed.and_then(|body| self.sealer.seal(&place(endpoint, "open", id), &body));
        let why = format!(
            "the provider did not finish within {longest}, and its caller was told that it failed"
        );
        Ok(OpenRecord {
            change: record.change.clone(),
            body: sealed.map_err(Error::internal)?,
            request_id: record.request_id.clone(),
            fingerprint: record.fingerprint.clone(),
            caller: record.caller.clone(),
            plugin: record.plugin.clone().unwrap_or_default(),
            began_ms: record.began_ms,
            instance: record.instance.clone(),
            runs: record.attempt,
            stuck: Some(why),
            since_ms: None,
            given_up: false,
            told: true,
        })
    }

    /// Takes out of the store the creation that a pending deletion was to cancel, if it was.
    async fn held(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        change: &Change,
        tx: &mut Tx,
    ) -> Result<Option<PendingRecord>> {
        if change.kind() != OperationKind::DeleteResource {
            return Ok(None);
        }
        let key = held_key(endpoint.id(), subject);
        let found = read::<PendingRecord>(&*self.store, &key).await?;
        tx.conditions.push(unchanged(key.clone(), found.as_ref().map(|(_, version)| *version)));
        if found.is_some() {
            tx.operations.push(Operation::Delete(key));
        }
        Ok(found.map(|(creation, _)| creation))
    }

    async fn pending_failed(
        &self,
        effects: &mut Effects<'_>,
        change: &Change,
        record: &PendingRecord,
    ) -> Result<()> {
        match &record.instance {
            Some(instance) => effects.created(change, instance, None, "cancel").await,
            None => Ok(()),
        }
    }

    /// Adds to a commit what replays are to answer from now on.
    fn end_pending(
        &self,
        endpoint: &Endpoint,
        record: &PendingRecord,
        answer: &Answer,
        tx: &mut Tx,
    ) -> Result<()> {
        if let Some(request_id) = &record.request_id {
            let (id, fingerprint) = (endpoint.id(), &record.fingerprint);
            let remembered =
                self.remember(id, &record.change, request_id, fingerprint, answer, false)?;
            tx.operations.push(remembered);
        }
        Ok(())
    }

    /// Adds to the commit of a deletion that it has cancelled a creation.
    pub(in crate::journal) fn cancel(
        &self,
        endpoint: &Endpoint,
        record: &PendingRecord,
        tx: &mut Tx,
    ) -> Result<()> {
        let text =
            "The creation was cancelled, by a deletion, before the provider had finished it.";
        let answer = given_up(OperationKind::CreateResource, 409, "OPERATION_CANCELLED", text)?;
        self.end_pending(endpoint, record, &answer, tx)
    }
}

/// The customer was told an instance's id when it began, so it has to be the one that it ends with.
fn check_instance(kind: OperationKind, record: &PendingRecord, done: &Done) -> Result<()> {
    match (&record.instance, done) {
        (Some(began), Done::Created(created)) if *began != created.providerinstanceid => {
            let ended = shown(&created.providerinstanceid);
            Err(nonsense(kind, &format!("`{ended}` was created, and pending was `{began}`")))
        }
        _ => Ok(()),
    }
}
