//! What a request id has come to, kept so that a repeat is answered and not run again.

use super::{Journal, Order, POLL_AFTER_MAX, now_s};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Answer, OperationKind};
use crate::sealer::place;
use crate::store::Operation;
use crate::store::json::{put, read};
use crate::store::operation::{OperationRecord, operation_key};

/// What is known of a request id.
pub(super) enum Remembered {
    Answer(Answer),
    /// The version of a record that is too old to count, if there is one.
    Nothing(Option<u64>),
}

impl Journal {
    /// Whether a request id has an outcome already, so that what it asks for need not be looked at again.
    pub(crate) async fn has_outcome(
        &self,
        endpoint: &str,
        kind: OperationKind,
        request_id: &str,
    ) -> Result<bool> {
        let key = operation_key(endpoint, kind.texts().name, request_id);
        Ok(self.store.get(&key).await?.is_some())
    }

    pub(super) async fn remembered(&self, order: &Order, request_id: &str) -> Result<Remembered> {
        let kind = order.change.kind();
        let key = operation_key(order.endpoint.id(), kind.texts().name, request_id);
        let Some((record, version)) = read::<OperationRecord>(&*self.store, &key).await? else {
            return Ok(Remembered::Nothing(None));
        };
        if record.at_s.saturating_add(self.settings.replay_hours * 3600) < now_s() {
            return Ok(Remembered::Nothing(Some(version)));
        }
        if record.fingerprint != order.fingerprint {
            return Err(reused(request_id));
        }
        metrics::counter!("operation_replays_total", "endpoint" => order.endpoint.id().to_owned())
            .increment(1);
        let place = place(order.endpoint.id(), kind.texts().name, request_id);
        let answer = self.sealer.open(&place, &record.answer).map_err(Error::internal)?;
        let answer = serde_json::from_slice(&answer).map_err(Error::internal)?;
        Ok(Remembered::Answer(answer))
    }

    /// The record that replays are answered from.
    pub(super) fn remember(
        &self,
        endpoint: &str,
        change: &str,
        request_id: &str,
        fingerprint: &str,
        answer: &Answer,
        pending: bool,
    ) -> Result<Operation> {
        let plain = serde_json::to_vec(answer).map_err(Error::internal)?;
        let sealed = self
            .sealer
            .seal(&place(endpoint, change, request_id), &plain)
            .map_err(Error::internal)?;
        // What is pending does not grow old: the same request must not run a second time beside its polls.
        let pending_s = match pending {
            true => self.settings.pending_s + POLL_AFTER_MAX.as_secs(),
            false => 0,
        };
        let at_s = now_s() + pending_s;
        let record = OperationRecord { fingerprint: fingerprint.to_owned(), at_s, answer: sealed };
        Ok(put(operation_key(endpoint, change, request_id), &record)?)
    }
}

pub(super) fn reused(request_id: &str) -> Error {
    let text = format!(
        "The request id `{}` was used before with another body. Nothing was done; use a new id for a new request.",
        request_id.escape_debug()
    );
    Error::new(ErrorCode::RequestIdReused, text)
}
