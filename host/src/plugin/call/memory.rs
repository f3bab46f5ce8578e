//! What the memories and tables of a call may grow to, and how often they may.

use super::CallState;
use crate::limits::fixed;
use crate::rate::Rate;
use async_trait::async_trait;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::ResourceLimiterAsync;

/// What may come at once: as much as is due in this time.
const BURST: Duration = Duration::from_millis(100);

/// Memories and tables of all instances of a call, added up.
pub(super) struct MemoryUse {
    bytes: usize,
    bytes_max: usize,
    pub(super) exceeded: bool,
}

/// When the guests of one endpoint make their memories larger.
pub(crate) struct Growths(Mutex<Rate>);

impl Default for Growths {
    fn default() -> Growths {
        Growths(Mutex::new(Rate::new(fixed::GROWTHS.max as u64, BURST)))
    }
}

impl Growths {
    async fn turn(&self) {
        let now = Instant::now();
        let due = self.0.lock().unwrap_or_else(PoisonError::into_inner).next(now);
        if due > now {
            tokio::time::sleep_until(due).await;
        }
    }
}

impl MemoryUse {
    pub(super) fn new(bytes_max: usize) -> MemoryUse {
        MemoryUse { bytes: 0, bytes_max, exceeded: false }
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let wanted = self.bytes.saturating_add(bytes);
        if wanted > self.bytes_max {
            self.exceeded = true;
            return false;
        }
        self.bytes = wanted;
        true
    }
}

#[async_trait]
impl ResourceLimiterAsync for CallState {
    async fn memory_growing(
        &mut self,
        now: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = wanted.saturating_sub(now);
        let grows = self.memory.grow(more);
        // Each changes the map of the whole process, where nobody else may look meanwhile, and every call has to at its
        // end. What a memory begins with is there already.
        if grows && now > 0 && more > 0 {
            self.scope.growths.turn().await;
        }
        Ok(grows)
    }

    async fn table_growing(
        &mut self,
        now: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.memory.grow(wanted.saturating_sub(now).saturating_mul(size_of::<usize>())))
    }
}
