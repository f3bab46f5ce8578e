//! The declared set-up: vendors, callers and endpoints in a folder of TOML files, made so.
//!
//! Applying it twice changes nothing the second time. It is validated whole, with every problem told at
//! once, before anything changes; then the plugins' bytes are kept, and everything else is one transaction.
//! What the store has and the folder does not say stays as it is, and is named.

mod check;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod plan;
mod read;
mod records;
mod report;
mod secrets;
#[cfg(test)]
mod tests;

pub(crate) use self::read::{Declaration, Declared, DeclaredCaller, DeclaredEndpoint, Password};
pub(crate) use self::report::Report;
#[cfg(test)]
pub(crate) use self::report::{Change, FieldChange};
use crate::blobs::{Blobs, Digest};
use crate::config::Config;
use crate::secrets::Vault;
use crate::store::setup::Records;
use crate::store::{Store, StoreError};
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Checks that a plugin can be run here, which compiles it. Blocks. It keeps no blob: applying does.
pub(crate) type Accept = Arc<dyn Fn(&[u8]) -> anyhow::Result<Digest> + Send + Sync>;

/// Something that is wrong in a declared set-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// The file it is in, as a name in the folder.
    pub(crate) file: String,
    /// Where in the file: `callers.bob.role`. May be empty.
    pub(crate) key: String,
    /// What is wrong, and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.file, self.text),
            key => write!(f, "{}: {key} {}", self.file, self.text),
        }
    }
}

/// Why a set-up was not applied.
#[derive(Debug)]
pub(crate) enum ApplyError {
    /// It is wrong; nothing was changed.
    Problems(Vec<Problem>),
    /// Something went wrong on the way.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for ApplyError {
    fn from(error: anyhow::Error) -> ApplyError {
        ApplyError::Failed(error)
    }
}

/// What it takes to apply a set-up.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) accept: Accept,
    pub(crate) vault: Arc<Vault>,
}

impl Setup {
    /// Applies the folder, or only says what that would do.
    pub(crate) async fn apply_folder(
        &self,
        folder: PathBuf,
        dry_run: bool,
    ) -> Result<Report, ApplyError> {
        let read = tokio::task::spawn_blocking(move || read::read_folder(&folder));
        let (declaration, problems) = read.await.context("reading the set-up failed")?;
        self.apply(declaration, problems, dry_run).await
    }

    /// Applies a declaration that was made here, or read with these problems.
    pub(crate) async fn apply(
        &self,
        declaration: Declaration,
        problems: Vec<Problem>,
        dry_run: bool,
    ) -> Result<Report, ApplyError> {
        let records = Records::load(&*self.store).await?;
        let setup = self.clone();
        let planned = tokio::task::spawn_blocking(move || {
            plan::plan(&setup, declaration, problems, &records)
        });
        let plan =
            planned.await.context("planning the set-up failed")?.map_err(ApplyError::Problems)?;
        let report = Report { dry_run, ..plan.report };
        if dry_run || plan.tx.operations.is_empty() {
            return Ok(report);
        }
        let (blobs, vault) = (self.blobs.clone(), self.vault.clone());
        let kept = tokio::task::spawn_blocking(move || {
            plan.plugins.iter().try_for_each(|bytes| blobs.put(bytes).map(drop))?;
            plan.keys.map_or(Ok(()), |keys| vault.keep(&keys))
        });
        kept.await.context("keeping the plugins and keys failed")??;
        match self.store.commit(plan.tx).await {
            Ok(_) => Ok(report),
            Err(error @ StoreError::Conflict(_)) => Err(anyhow!(error)
                .context("somebody else changed the set-up meanwhile; nothing was changed here: apply it again")
                .into()),
            Err(error) => Err(anyhow!(error)
                .context("the set-up may not have been stored; see with `cnsp apply --dry-run`")
                .into()),
        }
    }
}
