//! Operations that have no outcome yet, for whoever looks after them.

use super::Journal;
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::model::Change;
use crate::sealer::place;
use crate::steps::{StepTaken, steps_taken};
use crate::store::json::{parse, read};
use crate::store::operation::{HELD, OpenRecord, PendingRecord, open_key, pending_key};
use crate::store::{Key, Range};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// How many records are read at a time.
const AT_A_TIME: usize = 200;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It has asked the provider for something, and is run until it has come to an end.
    Open,
    /// The provider has accepted it, and is asked until it is done.
    Pending,
    /// The host does nothing more about it: somebody has to decide.
    Orphan,
}

/// An operation that has no outcome yet, or that has left something at the provider.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Unfinished {
    pub(super) endpoint: String,
    /// What `operation.id` tells the plugin.
    pub(super) id: String,
    /// `interface.function` of the contract.
    pub(super) operation: String,
    pub(super) state: State,
    /// When it began, RFC 3339.
    pub(super) began_at: String,
    /// Who asked for it.
    pub(super) caller: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    /// Whose it is, as the request says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// The provider's id of what is created or changed, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) providerinstanceid: Option<String>,
    /// SHA-256 of the plugin that began it, and ends it.
    pub(super) plugin: String,
    /// Whether its next request that changes something fails, so that its plugin undoes what it did.
    pub(super) compensating: bool,
    /// Why it is an orphan, or what came of it when the host tried it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// When the provider is asked again, RFC 3339. Only of what is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_at: Option<String>,
}

/// A page of operations.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnfinishedOperations {
    pub(crate) operations: Vec<Unfinished>,
    /// What `after` is to be for the next page. None: there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// An operation, and what it did at its provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct WithSteps {
    #[serde(flatten)]
    pub(crate) operation: Unfinished,
    /// In the order in which they were taken.
    pub(crate) steps: Vec<StepTaken>,
    /// Whether there are more steps than are shown.
    pub(crate) more_steps: bool,
}

/// Where an operation's record is.
pub(super) enum Found {
    Open(OpenRecord, u64),
    /// What it is done to, the record, and its version.
    Pending(String, PendingRecord, u64),
}

/// Which of the two kinds of record comes next in a list, and after which.
enum Cursor {
    Open(Option<String>),
    Pending(Option<String>),
}

impl Cursor {
    fn parse(after: Option<&str>) -> Result<Cursor> {
        let Some(after) = after else { return Ok(Cursor::Open(None)) };
        match after.split_once('/') {
            Some(("open", id)) => Ok(Cursor::Open(Some(id.to_owned()))),
            Some(("pending", "")) => Ok(Cursor::Pending(None)),
            Some(("pending", subject)) => Ok(Cursor::Pending(Some(subject.to_owned()))),
            _ => Err(Error::invalid("`after` is what the page before had as `next`.")),
        }
    }
}

impl Journal {
    /// The operations of an endpoint that are in one of these states: at most `limit`.
    pub(crate) async fn unfinished(
        &self,
        endpoint: &Endpoint,
        state: Option<State>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<UnfinishedOperations> {
        let wanted = |one: &Unfinished| state.is_none_or(|state| state == one.state);
        let mut operations = Vec::new();
        let mut cursor = Cursor::parse(after)?;
        loop {
            let (first, after) = match &cursor {
                Cursor::Open(after) => (open_key(endpoint.id(), ""), after),
                Cursor::Pending(after) => (pending_key(endpoint.id(), ""), after),
            };
            let mut range = of_endpoint(first);
            range.after = after
                .as_ref()
                .map(|after| [range.prefix.as_ref(), after.as_bytes()].concat().into());
            let page = self.store.scan(&range).await?;
            let mut last = None;
            for (body, found) in &page.entries {
                let name = body.get(range.prefix.len()..).unwrap_or_default();
                let Ok(name) = std::str::from_utf8(name) else { continue };
                last = Some(name.to_owned());
                let one = match &cursor {
                    // A deletion is pending in its place, and is listed.
                    Cursor::Pending(_) if name.starts_with(HELD) => continue,
                    Cursor::Open(_) => {
                        let record: OpenRecord = parse(&open_key(endpoint.id(), name), found)?;
                        self.unfinished_open(endpoint, name, &record)
                    }
                    Cursor::Pending(_) => {
                        let key = pending_key(endpoint.id(), name);
                        let record: PendingRecord = parse(&key, found)?;
                        self.unfinished_pending(endpoint, name, &record)
                    }
                };
                if !wanted(&one) {
                    continue;
                }
                operations.push(one);
                if operations.len() >= limit {
                    let kind = if matches!(cursor, Cursor::Open(_)) { "open" } else { "pending" };
                    return Ok(UnfinishedOperations {
                        operations,
                        next: Some(format!("{kind}/{name}")),
                    });
                }
            }
            cursor = match cursor {
                Cursor::Open(_) if page.more && last.is_some() => Cursor::Open(last),
                Cursor::Open(_) => Cursor::Pending(None),
                Cursor::Pending(_) if page.more && last.is_some() => Cursor::Pending(last),
                Cursor::Pending(_) => return Ok(UnfinishedOperations { operations, next: None }),
            };
        }
    }

    /// An operation with what it did.
    pub(crate) async fn unfinished_one(&self, endpoint: &Endpoint, id: &str) -> Result<WithSteps> {
        let operation = match self.found(endpoint, id).await? {
            Found::Open(record, _) => self.unfinished_open(endpoint, id, &record),
            Found::Pending(subject, record, _) => {
                self.unfinished_pending(endpoint, &subject, &record)
            }
        };
        let taken = steps_taken(&*self.store, &self.sealer, endpoint.id(), id).await;
        let (steps, more_steps) = taken.map_err(Error::internal)?;
        Ok(WithSteps { operation, steps, more_steps })
    }

    /// Where an operation's record is. What is pending lies under what it is done to, and is looked for.
    pub(super) async fn found(&self, endpoint: &Endpoint, id: &str) -> Result<Found> {
        let key = open_key(endpoint.id(), id);
        if let Some((record, version)) = read::<OpenRecord>(&*self.store, &key).await? {
            return Ok(Found::Open(record, version));
        }
        let mut range = of_endpoint(pending_key(endpoint.id(), ""));
        loop {
            let page = self.store.scan(&range).await?;
            for (body, found) in &page.entries {
                let name = body.get(range.prefix.len()..).unwrap_or_default();
                let Ok(subject) = std::str::from_utf8(name) else { continue };
                let record: PendingRecord = parse(&pending_key(endpoint.id(), subject), found)?;
                if record.operation == id && !subject.starts_with(HELD) {
                    return Ok(Found::Pending(subject.to_owned(), record, found.version));
                }
            }
            match page.entries.last() {
                Some((body, _)) if page.more => range.after = Some(body.clone()),
                _ => return Err(none_such(endpoint, id)),
            }
        }
    }

    pub(super) fn unfinished_open(
        &self,
        endpoint: &Endpoint,
        id: &str,
        record: &OpenRecord,
    ) -> Unfinished {
        let body = self.body_of(endpoint, id, record).ok();
        let change = body.and_then(|body| Change::parse(&record.change, &body).ok());
        let known = change.as_ref().and_then(Change::instance).map(str::to_owned);
        Unfinished {
            endpoint: endpoint.id().to_owned(),
            id: id.to_owned(),
            operation: record.change.clone(),
            state: if record.stuck.is_some() { State::Orphan } else { State::Open },
            began_at: at(record.began_ms),
            caller: record.caller.clone(),
            request_id: record.request_id.clone(),
            account: change.as_ref().and_then(Change::queue).map(str::to_owned),
            providerinstanceid: record.instance.clone().or(known),
            plugin: record.plugin.clone(),
            compensating: record.given_up,
            why: record.stuck.clone().or_else(|| self.last_failure(endpoint.id(), id)),
            next_at: None,
        }
    }

    pub(super) fn unfinished_pending(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        record: &PendingRecord,
    ) -> Unfinished {
        let sealed_at = place(endpoint.id(), subject, &record.operation);
        let body = self.sealer.open(&sealed_at, &record.body).ok();
        let change = body.and_then(|body| Change::parse(&record.change, &body).ok());
        let known = change.as_ref().and_then(Change::instance).map(str::to_owned);
        Unfinished {
            endpoint: endpoint.id().to_owned(),
            id: record.operation.clone(),
            operation: record.change.clone(),
            state: if record.stuck.is_some() { State::Orphan } else { State::Pending },
            began_at: at(record.began_ms),
            caller: record.caller.clone(),
            request_id: record.request_id.clone(),
            account: change.as_ref().and_then(Change::queue).map(str::to_owned),
            providerinstanceid: record.instance.clone().or(known),
            plugin: record.plugin.clone().unwrap_or_default(),
            compensating: false,
            why: record.stuck.clone(),
            next_at: record.stuck.is_none().then(|| at(record.due_ms)),
        }
    }

    /// What the caller of an open operation sent.
    pub(super) fn body_of(
        &self,
        endpoint: &Endpoint,
        id: &str,
        open: &OpenRecord,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let sealed_at = place(endpoint.id(), "open", id);
        self.sealer.open(&sealed_at, &open.body).map_err(Error::internal)
    }
}

fn of_endpoint(first: Key) -> Range {
    Range {
        space: first.space,
        partition: first.partition,
        prefix: first.body,
        after: None,
        limit: AT_A_TIME,
    }
}

fn at(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_string()
}

fn none_such(endpoint: &Endpoint, id: &str) -> Error {
    let text = format!(
        "Endpoint `{}` has no operation `{}` that is open, pending or an orphan. One that has ended is in nobody's list.",
        endpoint.id(),
        id.escape_debug()
    );
    Error::new(ErrorCode::NotFound, text)
}
