//! The drift check: what a provider has, compared with what the host has of it.
//!
//! A check only looks. What it has found is kept as the endpoint's report; `adopt` takes the provider's state over
//! for what is named, `ignore` leaves it out of reports until it changes.

mod adopt;
mod asking;
mod busy;
mod check;
mod compare;
mod kept;
mod list;
mod ours;
mod report;
mod running;
mod scan;
mod schedule;
mod settle;
mod stop;

pub(crate) use self::report::{DriftSettled, DriftView, Wanted};
pub(crate) use self::settle::Settling;

use self::check::{Check, Found};
use self::kept::{Ignored, Kept, Loaded};
use self::report::{DriftReport, FailedCheck, Kind, WHY_BYTES_MAX, shortened};
use self::running::Running;
use self::schedule::Last;
use self::stop::{CANNOT_LIST, Stop};
use crate::config;
use crate::endpoints::{Endpoint, Endpoints};
use crate::error::{Error, Result};
use crate::heavy;
use crate::sealer::Sealer;
use crate::store::{Store, StoreError, Tx, commit_patiently};
use futures_util::FutureExt;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many checks run at a time: each holds the lists of both sides.
const AT_A_TIME: usize = 4;
const STOPPED: &str = "The host was stopped before the check had ended. Check again.";
const KILLED: &str = "The host ended before the check had. Check again.";

/// Checks endpoints, on demand and by itself.
pub(crate) struct Drift {
    store: Arc<dyn Store>,
    endpoints: Arc<Endpoints>,
    sealer: Sealer,
    settings: config::Drift,
    /// By endpoint.
    running: Mutex<HashMap<String, Arc<Running>>>,
    /// By endpoint.
    last: Mutex<HashMap<String, Last>>,
    places: Semaphore,
    tasks: TaskTracker,
    stopping: CancellationToken,
    endpoints_changed: Notify,
}

impl Drift {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        endpoints: Arc<Endpoints>,
        sealer: Sealer,
        settings: config::Drift,
    ) -> Arc<Drift> {
        Arc::new(Drift {
            store,
            endpoints,
            sealer,
            settings,
            running: Mutex::default(),
            last: Mutex::default(),
            places: Semaphore::new(AT_A_TIME),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            endpoints_changed: Notify::new(),
        })
    }

    /// Ends the checks that were under way when the host ended, and shows the metrics of the last reports.
    pub(crate) async fn resume(&self) -> Result<()> {
        for (id, endpoint) in &*self.endpoints.all() {
            let mut kept = Loaded::read(&*self.store, id).await?.kept;
            if let Some(began_at) = kept.begun_at {
                let failed = failed(began_at, &Stop::interrupted(KILLED));
                kept = self.keep_failure(id, failed).await?;
            }
            if let Some(at_s) = kept.began_s {
                let failed = kept.failed.is_some_and(|failed| failed.code != CANNOT_LIST);
                self.last().insert(id.clone(), Last { at_s, failed });
            }
            if let Some(report) = &kept.report {
                show(endpoint, report);
            }
        }
        Ok(())
    }

    /// Looks at once when the endpoints are due, which may have other settings now.
    pub(crate) fn endpoints_have_changed(&self) {
        self.endpoints_changed.notify_one();
    }

    /// Ends what is running.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn last(&self) -> std::sync::MutexGuard<'_, HashMap<String, Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last check of an endpoint: where there was none, it counts from when the endpoint was first seen.
    fn last_of(&self, endpoint: &str) -> Last {
        let mut all = self.last();
        *all.entry(endpoint.to_owned())
            .or_insert_with(|| Last { at_s: schedule::now_s(), failed: false })
    }

    /// Begins a check, unless one is running. Answers when it began.
    pub(crate) fn check(self: &Arc<Self>, endpoint: &Arc<Endpoint>) -> String {
        let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get(endpoint.id()) {
            return running.began_at();
        }
        let running = Arc::new(Running::new());
        let began_at = running.began_at();
        all.insert(endpoint.id().to_owned(), running.clone());
        drop(all);
        let last = Last { at_s: running.began_s(), failed: false };
        self.last().insert(endpoint.id().to_owned(), last);
        let (drift, endpoint) = (self.clone(), endpoint.clone());
        self.tasks.spawn(heavy::task(async move {
            let ran = AssertUnwindSafe(drift.run(&endpoint, &running)).catch_unwind().await;
            let kept = ran.unwrap_or_else(|_| {
                Err(Error::internal(anyhow::anyhow!("a drift check has panicked")))
            });
            if let Err(error) = kept {
                let (code, cause) = (error.code.as_str(), error.cause.as_ref());
                let cause = cause.map(|cause| format!("{cause:#}"));
                let endpoint = endpoint.id();
                tracing::error!(endpoint, code, cause, "what a drift check has found is not kept");
            }
            let mut all = drift.running.lock().unwrap_or_else(PoisonError::into_inner);
            all.remove(endpoint.id());
        }));
        began_at
    }

    async fn run(&self, endpoint: &Endpoint, running: &Running) -> Result<()> {
        let id = endpoint.id();
        let began_at = running.began_at();
        kept::change(&*self.store, id, |kept| {
            kept.begun_at = Some(began_at.clone());
            kept.began_s = Some(running.began_s());
        })
        .await?;
        let check = Check {
            store: &*self.store,
            sealer: &self.sealer,
            endpoint,
            running,
            pause: Duration::from_millis(self.settings.pause_ms),
        };
        let checked = async {
            // It is never closed.
            let _place = self.places.acquire().await;
            check.run().await
        };
        let found = tokio::select! {
            found = checked => found,
            () = self.stopping.cancelled() => Err(Stop::interrupted(STOPPED)),
        };
        let outcome = match &found {
            Ok(_) => "done",
            Err(stop) if stop.code == CANNOT_LIST => "cannot_list",
            Err(_) => "failed",
        };
        metrics::counter!("drift_checks_total", "endpoint" => id.to_owned(), "outcome" => outcome)
            .increment(1);
        match found {
            Ok(found) => self.keep(endpoint, found).await,
            Err(stop) => {
                let cause = stop.cause.as_ref().map(|cause| format!("{cause:#}"));
                let (code, reason) = (stop.code, &stop.reason);
                match code {
                    CANNOT_LIST => tracing::info!(endpoint = id, reason, "not checked for drift"),
                    _ => tracing::warn!(endpoint = id, code, reason, cause, "a drift check failed"),
                }
                let last = Last { at_s: running.began_s(), failed: code != CANNOT_LIST };
                self.last().insert(id.to_owned(), last);
                self.keep_failure(id, failed(began_at, &stop)).await.map(drop)
            }
        }
    }

    /// Keeps why a check has failed beside the report of the one before.
    async fn keep_failure(&self, endpoint: &str, failed: FailedCheck) -> Result<Kept> {
        kept::change(&*self.store, endpoint, |kept| {
            kept.begun_at = None;
            kept.failed = Some(failed.clone());
        })
        .await
    }

    /// Keeps what was found in place of the report before.
    async fn keep(&self, endpoint: &Endpoint, found: Found) -> Result<()> {
        let id = endpoint.id();
        loop {
            let before = Loaded::read(&*self.store, id).await?;
            let (mut ignored, version) = Ignored::read(&*self.store, id).await?;
            let (mut report, mut still) = (found.report.clone(), found.still_ignored.clone());
            // Somebody may have said so meanwhile.
            report.ignored += report.remove(|one| {
                let is_ignored = ignored.marks.contains_key(&one.fingerprint);
                is_ignored && still.insert(one.fingerprint.clone())
            });
            // What is not there any more is not ignored when it comes back. What was not looked at may be there.
            if report.is_whole() {
                ignored.marks.retain(|mark, _| still.contains(mark));
            }
            since(&mut report, before.kept.report.as_ref());
            let kept =
                Kept { begun_at: None, failed: None, report: Some(report), ..before.kept.clone() };
            show(endpoint, kept.report.as_ref().unwrap_or(&DriftReport::default()));
            let mut tx = Tx::new(endpoint.partition);
            before.replace(id, kept, &mut tx)?;
            ignored.replace(id, version, &mut tx)?;
            match commit_patiently(&*self.store, tx).await {
                Err(StoreError::Conflict(_)) => {}
                committed => return Ok(committed.map(drop)?),
            }
        }
    }

    /// What there is to see of an endpoint's checks.
    pub(crate) async fn view(&self, endpoint: &Endpoint) -> Result<DriftView> {
        // First: a check that ends in between is then in what is kept.
        let running = {
            let all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(endpoint.id()).map(|running| running.shown())
        };
        let Kept { failed, report, .. } = Loaded::read(&*self.store, endpoint.id()).await?.kept;
        let next = self.next_s(endpoint).and_then(|at| i64::try_from(at).ok());
        let next = next.and_then(|at| Timestamp::from_second(at).ok());
        Ok(DriftView {
            endpoint: endpoint.id().to_owned(),
            check_s: self.check_s(endpoint),
            next_check_at: next.map(|at| at.to_string()),
            running,
            failed,
            report,
        })
    }
}

fn failed(began_at: String, stop: &Stop) -> FailedCheck {
    let at = Timestamp::now().to_string();
    let reason = shortened(&stop.reason, 2 * WHY_BYTES_MAX);
    FailedCheck { began_at, at, code: stop.code.to_owned(), reason }
}

/// Says of each difference since when it is seen.
fn since(report: &mut DriftReport, before: Option<&DriftReport>) {
    let before = before.into_iter().flat_map(|report| &report.differences);
    let known: BTreeMap<&str, &str> =
        before.map(|one| (one.name.as_str(), one.since.as_str())).collect();
    let now = report.began_at.clone();
    for one in &mut report.differences {
        one.since = known.get(one.name.as_str()).copied().unwrap_or(&now).to_owned();
    }
}

/// Shows a report in the metrics.
fn show(endpoint: &Endpoint, report: &DriftReport) {
    for kind in Kind::ALL {
        let count = report.counts.get(&kind).copied().unwrap_or_default();
        let labels = [("endpoint", endpoint.id().to_owned()), ("kind", kind.name().to_owned())];
        metrics::gauge!("drift_differences", &labels).set(count as f64);
    }
    if let Ok(at) = report.ended_at.parse::<Timestamp>() {
        metrics::gauge!("drift_checked_at_s", "endpoint" => endpoint.id().to_owned())
            .set(at.as_second() as f64);
    }
}
