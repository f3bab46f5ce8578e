//! Differences that are settled by somebody: adopted, ignored, or not ignored any more.

use super::adopt::Adopting;
use super::asking::Asking;
use super::kept::{self, Ignored, Loaded};
use super::report::{Difference, DriftSettled, Skipped, Wanted};
use super::running::Running;
use super::{Drift, show};
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::heavy;
use crate::limits::fixed;
use crate::store::{StoreError, Tx, commit_patiently};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Who settles what.
pub(crate) struct Settling {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) caller: String,
    pub(crate) wanted: Vec<Wanted>,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

/// The differences of the last report that are meant, and those that it does not have.
struct Meant {
    differences: Vec<Difference>,
    skipped: Vec<Skipped>,
}

impl Drift {
    /// Takes the provider's state over. Goes on when the caller does not wait.
    pub(crate) async fn adopt(self: &Arc<Self>, settling: Settling) -> Result<DriftSettled> {
        let drift = self.clone();
        let adopting = async move { drift.adopt_all(&settling).await };
        let adopted = self.tasks.spawn(heavy::task(adopting));
        adopted.await.map_err(Error::internal)?
    }

    async fn adopt_all(&self, settling: &Settling) -> Result<DriftSettled> {
        let Settling { endpoint, caller, dry_run, .. } = settling;
        let loaded = Loaded::read(&*self.store, endpoint.id()).await?;
        let Meant { differences, mut skipped } = meant(&loaded, settling)?;
        let running = Running::new();
        let asking = Asking {
            endpoint,
            running: &running,
            pause: Duration::from_millis(self.settings.pause_ms),
        };
        let (store, sealer) = (&*self.store, &self.sealer);
        let adopting = Adopting { store, sealer, endpoint, asking, caller, dry_run: *dry_run };
        let mut by_instance: BTreeMap<String, Vec<Difference>> = BTreeMap::new();
        for difference in differences {
            let instance = difference.providerinstanceid.clone();
            by_instance.entry(instance).or_default().push(difference);
        }
        let mut settled: Vec<Difference> = Vec::new();
        let mut failed = None;
        for (number, (_, differences)) in by_instance.into_iter().enumerate() {
            let skip =
                |why: &str| differences.iter().map(|one| Skipped::new(&one.name, why)).collect();
            let not = match number < fixed::DRIFT_ADOPTED.max {
                true if self.stopping.is_cancelled() => skip("the host is stopping"),
                true => match adopting.adopt(&differences).await {
                    Ok(not) => not,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                },
                false => {
                    let max = fixed::DRIFT_ADOPTED.max;
                    skip(&format!("{max} resources are adopted at a time: adopt again"))
                }
            };
            if not.is_empty() {
                settled.extend(differences);
            }
            skipped.extend(not);
        }
        if !dry_run && !settled.is_empty() {
            self.take_out(endpoint, &settled).await?;
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(told(settling, &settled, skipped)),
        }
    }

    /// Takes what is settled out of the report.
    async fn take_out(&self, endpoint: &Endpoint, settled: &[Difference]) -> Result<()> {
        let kept = kept::change(&*self.store, endpoint.id(), |kept| {
            if let Some(report) = &mut kept.report {
                // A check that has ended meanwhile may have found another one of the same name.
                report.remove(|one| settled.contains(one));
            }
        });
        if let Some(report) = &kept.await?.report {
            show(endpoint, report);
        }
        Ok(())
    }

    /// Leaves differences out of reports until they change.
    pub(crate) async fn ignore(&self, settling: &Settling) -> Result<DriftSettled> {
        let Settling { endpoint, caller, dry_run, .. } = settling;
        loop {
            let loaded = Loaded::read(&*self.store, endpoint.id()).await?;
            let (mut ignored, version) = Ignored::read(&*self.store, endpoint.id()).await?;
            let Meant { mut differences, mut skipped } = meant(&loaded, settling)?;
            let room = fixed::DRIFT_IGNORED.max.saturating_sub(ignored.marks.len());
            for over in differences.drain(room.min(differences.len())..) {
                let max = fixed::DRIFT_IGNORED.max;
                skipped.push(Skipped::new(over.name, format!("{max} are ignored already")));
            }
            if *dry_run || differences.is_empty() {
                return Ok(told(settling, &differences, skipped));
            }
            let now = Timestamp::now().to_string();
            let marks = differences.iter().map(|one| (one.fingerprint.clone(), now.clone()));
            ignored.marks.extend(marks);
            let mut kept = loaded.kept.clone();
            if let Some(report) = &mut kept.report {
                report.ignored += report.remove(|one| differences.contains(one));
                show(endpoint, report);
            }
            let mut tx = Tx::new(endpoint.partition);
            loaded.replace(endpoint.id(), kept, &mut tx)?;
            ignored.replace(endpoint.id(), version, &mut tx)?;
            tx.event = Some(event(endpoint, caller, "drift.ignore", &differences));
            match commit_patiently(&*self.store, tx).await {
                Err(StoreError::Conflict(_)) => {}
                committed => {
                    committed?;
                    return Ok(told(settling, &differences, skipped));
                }
            }
        }
    }

    /// Forgets all that is ignored: the next check reports it again.
    pub(crate) async fn unignore(&self, endpoint: &Endpoint, caller: &str) -> Result<usize> {
        loop {
            let (ignored, version) = Ignored::read(&*self.store, endpoint.id()).await?;
            let count = ignored.marks.len();
            let mut tx = Tx::new(endpoint.partition);
            Ignored::default().replace(endpoint.id(), version, &mut tx)?;
            tx.event = Some(event(endpoint, caller, "drift.unignore", &[]));
            match commit_patiently(&*self.store, tx).await {
                Err(StoreError::Conflict(_)) => {}
                committed => return Ok(committed.map(|_| count)?),
            }
        }
    }
}

/// Which differences of the last report are meant.
fn meant(loaded: &Loaded, settling: &Settling) -> Result<Meant> {
    let Some(report) = &loaded.kept.report else {
        let id = settling.endpoint.id();
        let text = format!("Endpoint `{id}` has no drift report yet: check it first.");
        return Err(Error::new(ErrorCode::NotFound, text));
    };
    let is_meant = |one: &&Difference| settling.wanted.iter().any(|wanted| wanted.means(one));
    let differences: Vec<Difference> =
        report.differences.iter().filter(is_meant).cloned().collect();
    let unknown = settling.wanted.iter().filter_map(|wanted| match wanted {
        Wanted::One(name) if !differences.iter().any(|one| one.name == *name) => Some(name),
        _ => None,
    });
    let why = "the last report has no such difference";
    let skipped = unknown.map(|name| Skipped::new(name, why)).collect();
    Ok(Meant { differences, skipped })
}

fn told(settling: &Settling, settled: &[Difference], skipped: Vec<Skipped>) -> DriftSettled {
    DriftSettled {
        endpoint: settling.endpoint.id().to_owned(),
        dry_run: settling.dry_run,
        settled: settled.iter().map(|one| one.name.clone()).collect(),
        skipped,
    }
}

/// An audit row. One record of the store holds it: only so many are named.
fn event(endpoint: &Endpoint, caller: &str, operation: &str, of: &[Difference]) -> bytes::Bytes {
    const NAMED_MAX: usize = 40;
    let names: Vec<&str> = of.iter().take(NAMED_MAX).map(|one| one.name.as_str()).collect();
    let row = json!({
        "at_s": Timestamp::now().as_second(),
        "endpoint": endpoint.id(),
        "caller": caller,
        "operation": operation,
        "plugin": endpoint.record.plugin,
        "count": of.len(),
        "differences": names,
    });
    row.to_string().into()
}
