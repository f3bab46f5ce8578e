//! What an operation did, for whoever has to decide what becomes of it.

use super::row::{Kept, Row};
use super::{RECORDS_AT_A_TIME, numbers, place};
use crate::limits::fixed;
use crate::sealer::Sealer;
use crate::store::json::parse;
use crate::store::operation::{StepRecord, step_key};
use crate::store::{Range, Store};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

const STEPS_MAX: usize = fixed::STEPS_SHOWN.max;

/// One request of an operation to its provider. No bodies and no headers: they may hold passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StepTaken {
    /// In which call of the plugin: 1, and one more for each time that the operation was pending.
    pub(super) call: u32,
    /// In which run of that call it was made.
    pub(super) run: u32,
    /// RFC 3339.
    pub(super) at: String,
    /// Method and address.
    pub(super) request: String,
    /// Whether it changes something.
    pub(crate) effect: bool,
    /// The status that the provider answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Whether the provider may have acted on it without anybody knowing.
    pub(crate) outcome_unknown: bool,
}

impl StepTaken {
    /// Whether it is known that the provider did not do it.
    pub(crate) fn has_failed(&self) -> bool {
        !self.outcome_unknown && self.status.is_none_or(|status| status >= 400)
    }

    fn of(call: u32, row: &Row) -> StepTaken {
        let (status, error, outcome_unknown) = match &row.answer {
            Some(Kept::Answered { status, .. }) => (Some(*status), None, false),
            Some(Kept::Failed { message, outcome_unknown, .. }) => {
                (None, Some(message.clone()), *outcome_unknown)
            }
            None => (None, Some("the host was stopped before it had the answer".to_owned()), true),
        };
        let at = i64::try_from(row.at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        StepTaken {
            call,
            run: row.run,
            at: at.unwrap_or_default().to_string(),
            request: row.what.clone(),
            effect: row.effect,
            status,
            error,
            outcome_unknown,
        }
    }
}

/// The steps of an operation that are kept, in the order in which they were taken, and whether there are more.
pub(crate) async fn steps_taken(
    store: &dyn Store,
    sealer: &Sealer,
    endpoint: &str,
    operation: &str,
) -> anyhow::Result<(Vec<StepTaken>, bool)> {
    let key = step_key(endpoint, operation, "");
    let mut range = Range {
        space: key.space,
        partition: key.partition,
        prefix: key.body,
        after: None,
        limit: RECORDS_AT_A_TIME,
    };
    let mut taken = Vec::new();
    // One row at a time: with its answer it may have megabytes.
    let mut sealed: Option<(String, u32, StepRecord, Vec<String>)> = None;
    let open = |(row, call, record, parts): (String, u32, StepRecord, Vec<String>)| {
        let parts = parts.into_iter().take(record.parts as usize);
        let sealed: String = std::iter::once(record.sealed).chain(parts).collect();
        let plain = sealer.open(&place(endpoint, operation, &row), &sealed)?;
        anyhow::Ok(StepTaken::of(call, &serde_json::from_slice(&plain)?))
    };
    loop {
        let page = store.scan(&range).await?;
        for (body, found) in &page.entries {
            let Some((began, call, number, part)) = key_of(body) else { continue };
            let row = format!("{began}/{call}/{number}");
            if part == 0 {
                if let Some(whole) = sealed.take() {
                    taken.push(open(whole)?);
                }
                if taken.len() >= STEPS_MAX {
                    return Ok((taken, true));
                }
                let record = parse(&step_key(endpoint, operation, &row), found)?;
                sealed = Some((row, call, record, Vec::new()));
            } else if let Some((of, _, _, parts)) = &mut sealed
                && *of == row
            {
                parts.push(String::from_utf8_lossy(&found.value).into_owned());
            }
        }
        match page.entries.last() {
            Some((body, _)) if page.more => range.after = Some(body.clone()),
            _ => break,
        }
    }
    if let Some(whole) = sealed {
        taken.push(open(whole)?);
    }
    Ok((taken, false))
}

/// When the operation began, which call, which row and which part of it a key's body ends with.
fn key_of(body: &[u8]) -> Option<(u64, u32, u32, u32)> {
    let (number, part) = numbers(body)?;
    let before = body.get(..body.len().checked_sub(16)?)?;
    let text = std::str::from_utf8(before.get(before.len().checked_sub(24)?..)?).ok()?;
    let (began, call) = text.split_at_checked(16)?;
    Some((u64::from_str_radix(began, 16).ok()?, u32::from_str_radix(call, 16).ok()?, number, part))
}
