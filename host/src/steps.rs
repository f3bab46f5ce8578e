//! The steps of one call inside an operation: what its plugin has asked the provider for, and what came back.
//!
//! Before a request that changes something is sent, it is durable that it will be; before the plugin sees the answer,
//! that is durable, too. What only reads is kept along with the next of those. When the call is run again, after a
//! crash or for any other reason, it gets the same answers without anybody asking the provider, until it comes to
//! what was not answered when the host stopped: whether the provider acted on that is unknown, and the plugin looks.
//! Everything else that a plugin could tell two runs apart by is the same in all of them: after each step the clock
//! begins where it was then, and what is random follows from the operation.

mod evidence;
mod row;
mod trail;

pub(crate) use self::evidence::{StepTaken, steps_taken};
pub(crate) use self::trail::Trail;

use self::row::{GIVEN_UP, Kept, NOT_REACHED, Row, digest, lost, what};
use crate::plugin::bindings::cnsp::adapter::http::{HttpError, Request, Response};
use crate::sealer::{Sealer, place};
use crate::store::json::{parse, put, read, unchanged};
use crate::store::operation::{OpenRecord, StepRecord, open_key, step_key};
use crate::store::{
    Key, Operation, Partition, Range, Store, Tx, VALUE_BYTES_MAX, commit_patiently,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How often the clock says the same between two steps: no plugin looks more often that does not wait.
const LOOKS_ALIKE_MAX: u32 = 100;
/// How much of a row's sealed text lies in one record.
const PART_BYTES_MAX: usize = VALUE_BYTES_MAX - 1024;
/// How many digits of a key say which part it is.
pub(crate) const PART_DIGITS: usize = 8;
/// How many of those are written in one commit.
const PARTS_AT_A_TIME: usize = 24;
/// How many are read at a time: 2 MiB at most.
const RECORDS_AT_A_TIME: usize = 64;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Which call of which operation.
#[derive(Clone)]
pub(crate) struct CallOf {
    pub(crate) endpoint: String,
    pub(crate) operation: String,
    /// When the operation began, in milliseconds since 1970: a request id that is used again much later makes an
    /// operation with the same id.
    pub(crate) began_ms: u64,
    /// 1, and one more for each time that it was pending.
    pub(crate) call: u32,
}

/// An operation that is not open yet, with what its caller sent.
pub(crate) struct Opening {
    pub(crate) record: OpenRecord,
    pub(crate) body: Bytes,
}

/// The steps of a call that is about to run, or runs.
pub(crate) struct Steps {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    of: CallOf,
    /// Those of the runs before, then those of this one.
    rows: Vec<Row>,
    /// Which comes next.
    next: usize,
    /// How many of the rows are durable as they are now.
    durable: usize,
    run: u32,
    /// Whether what it does next has to fail, so that the plugin undoes what it did.
    given_up: bool,
    opening: Option<Opening>,
    /// What the clock said when it was first looked at since the last step.
    looked: Option<(u64, Instant)>,
    /// How often it was looked at since.
    looks: u32,
    /// What it said last: it does not go back.
    said_ms: u64,
    random: blake3::OutputReader,
    pub(crate) trail: Trail,
}

impl Steps {
    /// Those of an operation that has taken none yet.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        sealer: Arc<Sealer>,
        of: CallOf,
        opening: Option<Opening>,
    ) -> Steps {
        let CallOf { endpoint, operation, began_ms, call } = &of;
        let seed = sealer.random(&format!("{endpoint}\0{operation}\0{began_ms}\0{call}"));
        let trail = Trail::default();
        trail.lock().opened = opening.is_none();
        Steps {
            store,
            sealer,
            of,
            rows: Vec::new(),
            next: 0,
            durable: 0,
            run: 1,
            given_up: false,
            opening,
            looked: None,
            looks: 0,
            said_ms: 0,
            random: seed,
            trail,
        }
    }

    /// Those of an operation that is open, with what earlier runs of the same call have asked for.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        sealer: Arc<Sealer>,
        of: CallOf,
    ) -> anyhow::Result<Steps> {
        let mut steps = Steps::new(store, sealer, of, None);
        let mut range = Range { limit: RECORDS_AT_A_TIME, ..steps.range() };
        // Part 0 of a row is written last, and comes first: a row without it was not written.
        let mut whole: Vec<(u32, StepRecord, Vec<String>)> = Vec::new();
        loop {
            let page = steps.store.scan(&range).await?;
            for (body, found) in &page.entries {
                let Some((number, part)) = numbers(body) else { continue };
                if part == 0 {
                    let record = parse(&steps.key(number, 0), found)?;
                    whole.push((number, record, Vec::new()));
                } else if let Some((of, _, parts)) = whole.last_mut()
                    && *of == number
                {
                    parts.push(String::from_utf8_lossy(&found.value).into_owned());
                }
            }
            match page.entries.last() {
                Some((body, _)) if page.more => range.after = Some(body.clone()),
                _ => break,
            }
        }
        for (number, record, parts) in whole {
            if number as usize != steps.rows.len() {
                break;
            }
            // A longer row that was written before may have left parts behind.
            let parts = parts.into_iter().take(record.parts as usize);
            let sealed: String = std::iter::once(record.sealed).chain(parts).collect();
            let plain = steps.sealer.open(&steps.place(number), &sealed)?;
            steps.rows.push(serde_json::from_slice(&plain)?);
        }
        steps.durable = steps.rows.len();
        steps.run = steps.rows.iter().map(|row| row.run).max().unwrap_or(0) + 1;
        steps.tell_left();
        Ok(steps)
    }

    /// Those of a call that is in nobody's journal: nothing of it can be durable.
    pub(crate) fn alone(store: Arc<dyn Store>, endpoint: &str) -> Steps {
        let (endpoint, operation) = (endpoint.to_owned(), endpoint.to_owned());
        let of = CallOf { endpoint, operation, began_ms: 0, call: 1 };
        Steps::new(store, Arc::new(Sealer::new(&[0; 32])), of, None)
    }

    /// As a run that has at least this number.
    pub(crate) fn in_run(mut self, run: u32) -> Steps {
        self.run = self.run.max(run);
        self
    }

    /// As those of an operation that somebody has given up.
    pub(crate) fn given_up(mut self, given_up: bool) -> Steps {
        self.given_up = given_up;
        self
    }

    /// Fails what would change something next, once, if the operation is given up: the plugin then does what it does
    /// wherever it cannot go on, and that goes through.
    pub(crate) fn refused(&mut self, request: &Request, effect: bool) -> Option<HttpError> {
        let told = |row: &Row| row.answer.as_ref().is_some_and(Kept::is_given_up);
        if !effect || !self.given_up || self.rows.iter().any(told) {
            return None;
        }
        let message = "somebody has given up this operation; undo what it did".to_owned();
        let refused = HttpError { code: GIVEN_UP, message, outcome_unknown: false };
        self.push(request, effect, Some((&Err(refused.clone())).into()));
        Some(refused)
    }

    /// The number of the run that the plugin is in, as it was when it came here first.
    pub(crate) fn attempt(&self) -> u32 {
        self.rows.get(self.next).map_or(self.run, |row| row.run)
    }

    /// Milliseconds since 1970: at the first look after each step, as they were when the plugin came here first. It stays
    /// there, since what a plugin sends may have the clock in it, and in another run another time passes; but not for a
    /// plugin that looks and looks, and waits.
    pub(crate) fn now_ms(&mut self) -> u64 {
        self.looks = self.looks.saturating_add(1);
        let (first_ms, looked) = self.look();
        let passed = match self.looks > LOOKS_ALIKE_MAX {
            true => u64::try_from(looked.elapsed().as_millis()).unwrap_or(u64::MAX),
            false => 0,
        };
        self.said_ms = self.said_ms.max(first_ms.saturating_add(passed));
        self.said_ms
    }

    /// What the clock said first since the last step. It does not go back.
    fn look(&mut self) -> (u64, Instant) {
        let recorded = self.rows.get(self.next).map(|row| row.at_ms);
        let said_ms = self.said_ms;
        let first_ms = || recorded.unwrap_or_else(now_ms).max(said_ms);
        *self.looked.get_or_insert_with(|| (first_ms(), Instant::now()))
    }

    /// Bytes that nobody can foresee, and that are the same in each run.
    pub(crate) fn random(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    /// What came of a request in an earlier run. None: there was none, and it is to be made.
    pub(crate) async fn recorded(
        &mut self,
        request: &Request,
        effect: bool,
    ) -> Option<Result<Response, HttpError>> {
        let row = self.rows.get(self.next)?;
        if row.digest != digest(request, effect) {
            let (now, before) = (what(request), &row.what);
            let with = if now == *before { "with another body or other headers" } else { "now" };
            let number = self.next + 1;
            let text = format!("step {number} was `{before}` and is `{now}` {with}");
            self.trail.lock().diverged.get_or_insert(text);
            return Some(Err(lost("the operation does not do what it did before")));
        }
        let answer = match &row.answer {
            Some(kept) => kept.answer(),
            None => {
                let message =
                    "the host was stopped before it had the answer; look whether the provider acted"
                        .to_owned();
                let unknown = Err(HttpError { code: NOT_REACHED, message, outcome_unknown: true });
                // Asked again, it has to come to the same.
                if let Err(error) = self.keep_answer(self.next, &unknown).await {
                    return Some(Err(lost(&error.to_string())));
                }
                unknown
            }
        };
        self.advance();
        Some(answer)
    }

    /// How many bytes of answers are held until the call ends.
    pub(crate) fn held(&self) -> usize {
        self.rows.iter().filter_map(|row| row.answer.as_ref()).map(Kept::bytes).sum()
    }

    /// Takes down that a request will be sent. When it returns, that is durable.
    pub(crate) async fn intend(&mut self, request: &Request) -> Result<(), HttpError> {
        self.push(request, true, None);
        self.flush().await.map_err(|error| {
            self.rows.pop();
            self.next = self.rows.len();
            HttpError { outcome_unknown: false, ..lost(&error.to_string()) }
        })
    }

    /// Takes down what came of the request that was intended. When it returns, that is durable.
    pub(crate) async fn answered(
        &mut self,
        answer: Result<Response, HttpError>,
    ) -> Result<Response, HttpError> {
        let last = self.rows.len().saturating_sub(1);
        match self.keep_answer(last, &answer).await {
            Ok(()) => answer,
            Err(error) => Err(lost(&error.to_string())),
        }
    }

    /// Takes down what came of a request that changes nothing, or that was not sent.
    pub(crate) fn read(
        &mut self,
        request: &Request,
        effect: bool,
        answer: &Result<Response, HttpError>,
    ) {
        self.push(request, effect, Some(answer.into()));
    }

    /// Takes back the last steps, for a plugin that said that the same may succeed later: what only read last, and the
    /// request before it, if that failed, with what was read for it. So a plugin that looks before it makes something
    /// looks anew. Where nothing is left of it then, the operation is not open any more.
    pub(crate) async fn take_back(&mut self) -> anyhow::Result<()> {
        let before_reads = |kept: usize| {
            let some = self.rows.get(..kept).unwrap_or_default();
            some.iter().rposition(|row| row.effect).map_or(0, |last| last + 1)
        };
        let mut kept = before_reads(self.rows.len());
        let last = kept.checked_sub(1).and_then(|last| self.rows.get(last)?.answer.as_ref());
        if last.is_some_and(Kept::is_failure) {
            kept = before_reads(kept - 1);
        }
        // What has no answer, or one that the provider's own failure made, may have been done all the same.
        let taken = self.rows.get(kept..).unwrap_or_default();
        let acted = taken.iter().any(|row| row.effect && row.may_have_acted());
        let left = acted || before_reads(kept) > 0;
        if !left {
            kept = 0;
        }
        // From the last to the first, and the first part of each before the others: what is left is whole at any time.
        let mut gone = Vec::new();
        for number in (kept..self.durable).rev() {
            let (_, parts) = self.seal(number)?;
            let number = u32::try_from(number)?;
            let parts = 0..=u32::try_from(parts.len())?;
            gone.extend(parts.map(|part| Operation::Delete(self.key(number, part))));
        }
        let open = open_key(&self.of.endpoint, &self.of.operation);
        let mut conditions = Vec::new();
        if !left && self.opening.is_none() {
            // The provider is as it was: nothing has to be brought to an end.
            gone.insert(0, Operation::Delete(open));
            self.trail.lock().opened = false;
        } else if acted
            && let Some((record, version)) = read::<OpenRecord>(&*self.store, &open).await?
        {
            // Somebody may be setting it aside just now.
            conditions.push(unchanged(open.clone(), Some(version)));
            // The rows that are left need not tell that there was a run.
            gone.insert(0, put(open, &OpenRecord { runs: self.run, ..record })?);
        }
        for some in gone.chunks(PARTS_AT_A_TIME) {
            let mut tx = Tx::new(Partition::of(&self.of.endpoint));
            tx.operations = some.to_vec();
            tx.conditions = std::mem::take(&mut conditions);
            commit_patiently(&*self.store, tx).await?;
        }
        self.rows.truncate(kept);
        self.durable = self.durable.min(kept);
        Ok(())
    }

    fn push(&mut self, request: &Request, effect: bool, answer: Option<Kept>) {
        let row = Row {
            what: what(request),
            digest: digest(request, effect),
            effect,
            at_ms: self.look().0,
            run: self.run,
            answer,
        };
        self.rows.push(row);
        self.advance();
    }

    fn advance(&mut self) {
        self.next += 1;
        self.looked = None;
        self.looks = 0;
        self.tell_left();
    }

    fn tell_left(&self) {
        let left = self.rows.get(self.next).map(|row| format!("`{}`", row.what));
        self.trail.lock().left = left;
    }

    async fn keep_answer(
        &mut self,
        number: usize,
        answer: &Result<Response, HttpError>,
    ) -> anyhow::Result<()> {
        if let Some(row) = self.rows.get_mut(number) {
            row.answer = Some(answer.into());
        }
        self.durable = self.durable.min(number);
        self.flush().await
    }

    /// Makes all rows durable; with the first of them, that the operation is open.
    async fn flush(&mut self) -> anyhow::Result<()> {
        let mut operations = Vec::new();
        if let Some(Opening { record, body }) = &self.opening {
            let CallOf { endpoint, operation, .. } = &self.of;
            let body = self.sealer.seal(&place(endpoint, "open", operation), body)?;
            let record = OpenRecord { body, ..record.clone() };
            operations.push(put(open_key(endpoint, operation), &record)?);
        }
        for number in self.durable..self.rows.len() {
            let (head, parts) = self.seal(number)?;
            operations.extend(parts);
            operations.push(head);
        }
        let partition = Partition::of(&self.of.endpoint);
        for some in operations.chunks(PARTS_AT_A_TIME) {
            let mut tx = Tx::new(partition);
            tx.operations = some.to_vec();
            commit_patiently(&*self.store, tx).await?;
        }
        self.opening = None;
        self.trail.lock().opened = true;
        self.durable = self.rows.len();
        Ok(())
    }

    /// A row as records: part 0, and the others.
    fn seal(&self, number: usize) -> anyhow::Result<(Operation, Vec<Operation>)> {
        let row = self.rows.get(number).ok_or_else(|| anyhow::anyhow!("there is no such step"))?;
        let number = u32::try_from(number)?;
        let sealed = self.sealer.seal(&self.place(number), &serde_json::to_vec(row)?)?;
        // Base64 is ASCII.
        let (first, rest) = sealed.split_at(sealed.len().min(PART_BYTES_MAX));
        let parts: Vec<Operation> = rest
            .as_bytes()
            .chunks(PART_BYTES_MAX)
            .zip(1..)
            .map(|(part, index)| {
                Operation::Put(self.key(number, index), Bytes::copy_from_slice(part))
            })
            .collect();
        let record = StepRecord {
            at_ms: row.at_ms,
            parts: u32::try_from(parts.len())?,
            sealed: first.to_owned(),
        };
        Ok((put(self.key(number, 0), &record)?, parts))
    }

    fn key(&self, number: u32, part: u32) -> Key {
        let CallOf { endpoint, operation, began_ms, call } = &self.of;
        step_key(endpoint, operation, &format!("{began_ms:016x}{call:08x}{number:08x}{part:08x}"))
    }

    fn range(&self) -> Range {
        let CallOf { endpoint, operation, began_ms, call } = &self.of;
        let key = step_key(endpoint, operation, &format!("{began_ms:016x}{call:08x}"));
        Range {
            space: key.space,
            partition: key.partition,
            prefix: key.body,
            after: None,
            limit: 1,
        }
    }

    /// Where a row belongs: it opens nowhere else.
    fn place(&self, number: u32) -> String {
        let CallOf { endpoint, operation, began_ms, call } = &self.of;
        place(endpoint, operation, &format!("{began_ms}/{call}/{number}"))
    }
}

/// Which row, and which part of it, a key's body ends with.
fn numbers(body: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(body.get(body.len().checked_sub(16)?..)?).ok()?;
    let (number, part) = text.split_at_checked(8)?;
    Some((u32::from_str_radix(number, 16).ok()?, u32::from_str_radix(part, 16).ok()?))
}

#[cfg(test)]
mod tests;
