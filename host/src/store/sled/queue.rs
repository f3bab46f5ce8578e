//! Where commits wait for the planner, and the planner for the writer.

use super::super::{StoreError, Tx};
use super::health::{self, Health};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// The most commits in one group.
const GROUP_COUNT_MAX: usize = 256;
/// A group that has reached this many bytes takes no more commits.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// A commit that waits.
pub(super) struct Request {
    pub(super) tx: Tx,
    pub(super) size: Size,
    pub(super) since: Instant,
    pub(super) reply: Reply,
}

/// Where the outcome of a commit goes.
pub(super) type Reply = oneshot::Sender<Result<u64, StoreError>>;

/// How much commits are.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Size {
    pub(super) fn add(&mut self, other: Size) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// What the planner does next.
pub(super) enum Next {
    /// Adds a commit to its group.
    Plan(Box<Request>),
    /// Hands its group to the writer, which waits for it.
    Write,
    /// Ends: everything was planned and written, or the store has failed.
    End,
}

/// Commits wait here until the writer takes their group.
pub(super) struct Queue {
    health: Arc<Health>,
    max: Size,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    requests: VecDeque<Box<Request>>,
    /// Of these and of the group that is being planned.
    waiting: Size,
    writer_waits: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(health: Arc<Health>, max: Size) -> Queue {
        let state = State {
            requests: VecDeque::new(),
            waiting: Size::default(),
            writer_waits: true,
            closed: false,
        };
        Queue { health, max, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a commit, unless too many wait.
    pub(super) fn push(&self, request: Request) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(self.health.check().err().unwrap_or_else(health::closed));
        }
        let mut waiting = state.waiting;
        waiting.add(request.size);
        // One that is alone over the limit of bytes must be possible.
        if waiting.count > self.max.count
            || waiting.bytes > self.max.bytes && state.waiting.bytes > 0
        {
            return Err(StoreError::Overloaded);
        }
        state.waiting = waiting;
        state.requests.push_back(Box::new(request));
        metrics::gauge!("store_queue_depth").set(waiting.count as f64);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for something to do, with so much in the planner's group.
    pub(super) fn next(&self, planned: Size) -> Next {
        let room = planned.count < GROUP_COUNT_MAX && planned.bytes < GROUP_BYTES_MAX;
        let mut state = self.lock();
        loop {
            if self.health.is_failed() {
                return Next::End;
            }
            if room && let Some(request) = state.requests.pop_front() {
                return Next::Plan(request);
            }
            if planned.count > 0 && state.writer_waits {
                state.writer_waits = false;
                state.waiting.count -= planned.count;
                state.waiting.bytes -= planned.bytes;
                metrics::gauge!("store_queue_depth").set(state.waiting.count as f64);
                return Next::Write;
            }
            if planned.count == 0 && state.closed {
                return Next::End;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that the writer has done its group.
    pub(super) fn written(&self) {
        self.lock().writer_waits = true;
        self.changed.notify_one();
    }

    /// Takes no more commits. What is left of those that wait is for the planner, or after a failure for
    /// [`Queue::drain`].
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Empties it for good.
    pub(super) fn drain(&self) -> VecDeque<Box<Request>> {
        let mut state = self.lock();
        state.closed = true;
        state.waiting = Size::default();
        metrics::gauge!("store_queue_depth").set(0.0);
        std::mem::take(&mut state.requests)
    }
}
