//! How far a check is.

use super::report::RunningCheck;
use super::stop::Stop;
use jiff::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A check that is running.
pub(super) struct Running {
    began_at: Timestamp,
    accounts: AtomicUsize,
    accounts_known: AtomicUsize,
    resources: AtomicUsize,
    pages: AtomicUsize,
}

impl Running {
    pub(super) fn new() -> Running {
        Running {
            began_at: Timestamp::now(),
            accounts: AtomicUsize::new(0),
            accounts_known: AtomicUsize::new(0),
            resources: AtomicUsize::new(0),
            pages: AtomicUsize::new(0),
        }
    }

    pub(super) fn began_at(&self) -> String {
        self.began_at.to_string()
    }

    pub(super) fn began_s(&self) -> u64 {
        u64::try_from(self.began_at.as_second()).unwrap_or_default()
    }

    /// The plugin is about to be called, which is done only so often.
    pub(super) fn call(&self, pages_max: usize) -> Result<(), Stop> {
        let before = self.pages.fetch_add(1, Ordering::Relaxed);
        match before >= pages_max {
            true => Err(Stop::too_long("pages in its lists", before + 1)),
            false => Ok(()),
        }
    }

    pub(super) fn accounts_known(&self, count: usize) {
        self.accounts_known.store(count, Ordering::Relaxed);
    }

    pub(super) fn account_is_listed(&self) {
        self.accounts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn resources(&self, count: usize) {
        self.resources.store(count, Ordering::Relaxed);
    }

    pub(super) fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    pub(super) fn shown(&self) -> RunningCheck {
        RunningCheck {
            began_at: self.began_at(),
            accounts: self.accounts.load(Ordering::Relaxed),
            accounts_known: self.accounts_known.load(Ordering::Relaxed),
            resources: self.resources.load(Ordering::Relaxed),
            pages: self.pages(),
        }
    }
}
