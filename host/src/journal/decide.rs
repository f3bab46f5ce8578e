//! What somebody decides about an operation that comes to no end by itself: to run it again, to take for done what
//! the provider has, to undo what it did, or to let it be. Nothing is decided about one that runs just now: it is set
//! aside first.

mod adopted;
mod aside;

use super::effects::{AuditRow, Decided, Effects};
use super::unfinished::{Found, Unfinished};
use super::{Attempted, Journal, given_up, turn};
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::fixed;
use crate::model::{Answer, Change, Failure, OperationKind, Outcome};
use crate::sealer::place;
use crate::steps::{now_ms, steps_taken};
use crate::store::json::{put, unchanged};
use crate::store::operation::{OpenRecord, PendingRecord, open_key, pending_key};
use crate::store::{Operation, Tx, commit_patiently};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

const NOTE_BYTES_MAX: usize = fixed::DECISION_NOTE_BYTES.max;

/// What becomes of an operation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Decision {
    /// Run it now, and then for as long as a new one.
    Retry {
        /// Run it with the plugin that the endpoint has now, and not with the one that began it.
        #[serde(default)]
        current_plugin: bool,
    },
    /// Take for done what the provider has.
    Adopt {
        /// The provider's id of what was created, where something was.
        #[serde(default)]
        id: Option<String>,
        /// The provider's id of the subscription that bills a new instance.
        #[serde(default)]
        subscriptionid: Option<String>,
        /// Why; for the audit trail.
        note: String,
    },
    /// Run it once more, with its next request to the provider failed, so that its plugin undoes what it did.
    Compensate { note: String },
    /// Let it be: what is left at the provider is somebody's to look after.
    Dismiss { note: String },
}

impl Decision {
    fn action(&self) -> &'static str {
        match self {
            Decision::Retry { .. } => "retry",
            Decision::Adopt { .. } => "adopt",
            Decision::Compensate { .. } => "compensate",
            Decision::Dismiss { .. } => "dismiss",
        }
    }

    fn note(&self) -> &str {
        match self {
            Decision::Retry { .. } => "",
            Decision::Adopt { note, .. }
            | Decision::Compensate { note }
            | Decision::Dismiss { note } => note,
        }
    }

    fn check(&self) -> Result<()> {
        let note = self.note();
        if matches!(self, Decision::Retry { .. }) {
            return Ok(());
        }
        if note.trim().is_empty() || note.len() > NOTE_BYTES_MAX {
            let text = format!(
                "`note` says why, for the audit trail: it has 1 to {NOTE_BYTES_MAX} bytes."
            );
            return Err(Error::invalid(text));
        }
        Ok(())
    }
}

/// What came of a decision.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Ruling {
    /// It goes on.
    Goes(Unfinished),
    /// It has ended.
    Ended {
        endpoint: String,
        id: String,
        /// `ended`.
        state: &'static str,
        /// What its caller is answered from now on.
        respcode: u16,
        message: String,
    },
}

impl Journal {
    /// Carries out a decision of `by` about an operation.
    pub(crate) async fn decide(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        id: &str,
        by: &str,
        decision: Decision,
    ) -> Result<Ruling> {
        decision.check()?;
        let decided = Decided { by, action: decision.action(), note: decision.note() };
        let ruling = match self.found(endpoint, id).await? {
            Found::Open(open, version) => {
                self.decide_open(endpoint, id, open, version, &decision, decided).await?
            }
            Found::Pending(subject, record, version) => {
                self.decide_pending(endpoint, &subject, record, version, &decision, decided).await?
            }
        };
        tracing::info!(
            endpoint = endpoint.id(),
            operation = id,
            by,
            action = decision.action(),
            note = decision.note(),
            "decided about an operation"
        );
        Ok(ruling)
    }

    async fn decide_open(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        id: &str,
        open: OpenRecord,
        version: u64,
        decision: &Decision,
        decided: Decided<'_>,
    ) -> Result<Ruling> {
        if open.told && !matches!(decision, Decision::Dismiss { .. }) {
            let text = "Its caller was told that it failed, so it can only be dismissed. Look first whether the provider has anything of it, and delete that there.";
            return Err(Error::new(ErrorCode::Conflict, text));
        }
        let (mut open, mut version) = (open, version);
        let runs_by_itself = matches!(decision, Decision::Retry { current_plugin: false });
        let sets_aside = open.stuck.is_none() && !runs_by_itself;
        if sets_aside {
            (open, version) = self.set_aside(endpoint, id, open, version, decided.by).await?;
        }
        let ruling = self.carry_out(endpoint, id, open, version, decision, decided).await;
        if sets_aside && ruling.is_err() {
            self.put_back(endpoint, id, version).await;
        }
        ruling
    }

    /// Carries out a decision about an open operation that does not run.
    async fn carry_out(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        id: &str,
        open: OpenRecord,
        version: u64,
        decision: &Decision,
        decided: Decided<'_>,
    ) -> Result<Ruling> {
        match decision {
            Decision::Retry { current_plugin } => {
                let plugin = match current_plugin {
                    true => endpoint.plugin().digest.to_string(),
                    false => open.plugin.clone(),
                };
                let record = OpenRecord { plugin, ..open };
                self.set_going(endpoint, id, record, version, decided).await
            }
            Decision::Compensate { .. } => {
                let (steps, _) = steps_taken(&*self.store, &self.sealer, endpoint.id(), id)
                    .await
                    .map_err(Error::internal)?;
                if steps.iter().any(|step| step.effect && step.has_failed()) {
                    let text = "A request of it has failed already, so what it did after that may be undoing. Run it again instead.";
                    return Err(Error::new(ErrorCode::Conflict, text));
                }
                let record = OpenRecord { given_up: true, ..open };
                self.set_going(endpoint, id, record, version, decided).await
            }
            Decision::Adopt { id: made, subscriptionid, .. } => {
                let body = self.body_of(endpoint, id, &open)?;
                let change = Change::parse(&open.change, &body)?;
                let done = self
                    .adopted(endpoint, &change, made.as_deref(), subscriptionid.clone())
                    .await?;
                let answer = Answer::done(change.kind(), &done)?;
                let tx = self.ending(endpoint, id, &open, version, &answer, decided)?;
                let mut effects = Effects::new(&*self.store, endpoint.id(), tx);
                effects.done(&change, &done).await.map_err(not_adopted)?;
                commit_patiently(&*self.store, effects.finish()?).await?;
                Ok(ended(endpoint, id, &answer))
            }
            Decision::Dismiss { .. } => {
                let answer = dismissed(&open.change)?;
                let tx = self.ending(endpoint, id, &open, version, &answer, decided)?;
                commit_patiently(&*self.store, tx).await?;
                Ok(ended(endpoint, id, &answer))
            }
        }
    }

    async fn decide_pending(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        subject: &str,
        record: PendingRecord,
        version: u64,
        decision: &Decision,
        decided: Decided<'_>,
    ) -> Result<Ruling> {
        let body = self
            .sealer
            .open(&place(endpoint.id(), subject, &record.operation), &record.body)
            .map_err(Error::internal)?;
        let change = Change::parse(&record.change, &body)?;
        let key = pending_key(endpoint.id(), subject);
        // No poll runs meanwhile.
        let _turn = match change.queue() {
            Some(account) => Some(turn(endpoint, account).await?),
            None => None,
        };
        let mut tx = Tx::new(endpoint.partition);
        tx.conditions.push(unchanged(key.clone(), Some(version)));
        let outcome = match decision {
            Decision::Retry { current_plugin } => {
                let plugin = match current_plugin {
                    true => Some(endpoint.plugin().digest.to_string()),
                    false => record.plugin.clone(),
                };
                let was_stuck = record.stuck.is_some();
                let record = PendingRecord { plugin, stuck: None, due_ms: now_ms(), ..record };
                tx.operations.push(put(key, &record)?);
                let request_id = record.request_id.as_deref();
                let (caller, change) = (&record.caller, &record.change);
                let row =
                    AuditRow::new(endpoint, caller, change, &record.operation, request_id, 200);
                tx.event = Some(audited(row, decided)?);
                commit_patiently(&*self.store, tx).await.map_err(changed_meanwhile)?;
                if was_stuck {
                    self.follow(endpoint.id(), subject, &record.operation, Duration::ZERO);
                }
                return Ok(Ruling::Goes(self.unfinished_pending(endpoint, subject, &record)));
            }
            Decision::Compensate { .. } => {
                let text = "The provider has accepted it and is at work. Delete what it is about to undo it: the deletion of a pending creation cancels it.";
                return Err(Error::new(ErrorCode::Conflict, text));
            }
            Decision::Adopt { id, subscriptionid, .. } => {
                let made = id.as_deref().or(record.instance.as_deref());
                let done = self.adopted(endpoint, &change, made, subscriptionid.clone()).await?;
                Ok(Outcome::Done(done))
            }
            Decision::Dismiss { .. } => Err(dismissal()),
        };
        let answer = match &outcome {
            Ok(Outcome::Done(done)) => Answer::done(change.kind(), done)?,
            _ => dismissed(&record.change)?,
        };
        let ending =
            self.end(endpoint, subject, &change, &record, tx, Some(outcome), Some(decided)).await;
        match ending {
            Ok(super::pending::Polled::Restored(_, creation)) => {
                self.follow(endpoint.id(), subject, &creation, super::POLL_AFTER_MIN);
            }
            Ok(_) => {}
            Err(Attempted::Conflict(error)) => return Err(changed_meanwhile(error)),
            Err(Attempted::Failed(error)) => return Err(not_adopted(error)),
        }
        Ok(ended(endpoint, &record.operation, &answer))
    }

    /// Has an operation run from now on, as it is in this record.
    async fn set_going(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        id: &str,
        record: OpenRecord,
        version: u64,
        decided: Decided<'_>,
    ) -> Result<Ruling> {
        let key = open_key(endpoint.id(), id);
        let record = OpenRecord { stuck: None, since_ms: Some(now_ms()), ..record };
        let mut tx = Tx::new(endpoint.partition);
        tx.conditions.push(unchanged(key.clone(), Some(version)));
        tx.operations.push(put(key, &record)?);
        let request_id = record.request_id.as_deref();
        let row = AuditRow::new(endpoint, &record.caller, &record.change, id, request_id, 200);
        tx.event = Some(audited(row, decided)?);
        commit_patiently(&*self.store, tx).await.map_err(changed_meanwhile)?;
        self.take_up_now(endpoint.id(), id);
        Ok(Ruling::Goes(self.unfinished_open(endpoint, id, &record)))
    }

    /// A commit that ends an open operation with an answer, to which the records of what was done are to be added.
    fn ending(
        &self,
        endpoint: &Endpoint,
        id: &str,
        open: &OpenRecord,
        version: u64,
        answer: &Answer,
        decided: Decided<'_>,
    ) -> Result<Tx> {
        let key = open_key(endpoint.id(), id);
        let mut tx = Tx::new(endpoint.partition);
        tx.conditions.push(unchanged(key.clone(), Some(version)));
        tx.operations.push(Operation::Delete(key));
        // Who was told that it failed is told nothing else.
        if let Some(request_id) = open.request_id.as_deref().filter(|_| !open.told) {
            tx.operations.push(self.remember(
                endpoint.id(),
                &open.change,
                request_id,
                &open.fingerprint,
                answer,
                false,
            )?);
        }
        let (request_id, respcode) = (open.request_id.as_deref(), answer.respcode);
        let row = AuditRow::new(endpoint, &open.caller, &open.change, id, request_id, respcode);
        tx.event = Some(audited(row, decided)?);
        Ok(tx)
    }
}

/// A row of the audit trail, with the decision it tells of.
fn audited<'a>(mut row: AuditRow<'a>, decided: Decided<'a>) -> Result<bytes::Bytes> {
    row.decided = Some(decided);
    Ok(serde_json::to_vec(&row).map_err(Error::internal)?.into())
}

/// Somebody let an operation be.
fn dismissal() -> Failure {
    Failure {
        respcode: 409,
        message: None,
        errormessage: "The operation came to no end at the provider and was given up by the operator. Ask the operator what has become of it before you ask for it again.".to_owned(),
        errorcode: Some("OPERATION_DISMISSED".to_owned()),
        retryable: false,
        retry_after_ms: None,
        other: Vec::new(),
    }
}

fn dismissed(change: &str) -> Result<Answer> {
    let Failure { respcode, errormessage, .. } = dismissal();
    let kind = OperationKind::of_change(change).ok_or_else(|| {
        Error::internal(anyhow::anyhow!("`{change}` is not a change that this version knows"))
    })?;
    given_up(kind, respcode, "OPERATION_DISMISSED", &errormessage)
}

fn ended(endpoint: &Endpoint, id: &str, answer: &Answer) -> Ruling {
    Ruling::Ended {
        endpoint: endpoint.id().to_owned(),
        id: id.to_owned(),
        state: "ended",
        respcode: answer.respcode,
        message: answer.message.clone(),
    }
}

/// What a plugin must not answer somebody must not decide either; here it is theirs to mend.
fn not_adopted(error: Error) -> Error {
    match error.code {
        ErrorCode::PluginAnswerInvalid => {
            let why = error.cause.as_ref().map(|cause| format!("{cause:#}")).unwrap_or_default();
            Error::invalid(format!("This cannot be taken for done: {why}."))
        }
        _ => error,
    }
}

fn changed_meanwhile(error: crate::store::StoreError) -> Error {
    match error {
        crate::store::StoreError::Conflict(_) => {
            let text = "The operation has changed meanwhile. Look at it again before you decide.";
            Error::new(ErrorCode::Conflict, text)
        }
        error => error.into(),
    }
}
