//! `cnsp secret`.

use super::local::Local;
use super::{Failure, Settings, say, start_log};
use crate::config::Config;
use crate::control;
use crate::secrets::{self, Listed, Rotated};
use crate::server::runtime;
use anyhow::{Context, ensure};
use clap::Args;
use std::fmt::Write;
use std::sync::Arc;

/// Encrypt every secret of the endpoints with another key.
///
/// Where the host keeps its own key, it makes a new one, and forgets the old one when nothing needs it any more.
/// Where the settings name a key file or a variable of yours, put a new key first there: this encrypts everything
/// with it, and tells which keys can go. A variable that a running host has is the one that it was started with.
///
/// It may be cut short at any point: run it again. Works on a running host and without one.
#[derive(Args)]
#[command(after_help = "Example:\n  cnsp secret rotate --data /var/lib/cnsp")]
pub(super) struct Rotate {
    /// Print {"key", "secrets", "resealed", "old_keys", "keys_in"} as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// List the secrets that are kept, each with the id of its key.
///
/// Works on a running host and without one. No secret is shown: nothing reads one back.
#[derive(Args)]
#[command(after_help = "Example:\n  cnsp secret list --endpoint acme --data /var/lib/cnsp")]
pub(super) struct List {
    /// Only those of this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Print {"secrets": [{"endpoint", "name", "key"}, …]}
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Rotate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load(None)?;
        start_log(&config.log)?;
        let rotated = runtime()?.block_on(rotate(config))?;
        if self.json {
            let text = serde_json::to_string(&rotated).context("the result cannot be written")?;
            return Ok(say(&format!("{text}\n"))?);
        }
        Ok(say(&rotated_for_people(&rotated))?)
    }
}

impl List {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load(None)?;
        start_log(&config.log)?;
        let listed = runtime()?.block_on(list(config, self.endpoint.as_deref()))?;
        if self.json {
            return Ok(say(&format!("{}\n", serde_json::json!({ "secrets": listed })))?);
        }
        Ok(say(&listed_for_people(&listed))?)
    }
}

async fn rotate(config: Arc<Config>) -> anyhow::Result<Rotated> {
    if let Some(rotated) = control::rotate(&config.data).await? {
        return Ok(rotated);
    }
    let local = open(config).await?;
    let rotated = secrets::rotate(&local.setup.vault, &*local.setup.store).await;
    close(local).await?;
    rotated
}

async fn list(config: Arc<Config>, endpoint: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    if let Some(listed) = control::secrets(&config.data, endpoint).await? {
        return Ok(listed);
    }
    let local = open(config).await?;
    let listed = secrets::list(&*local.setup.store, endpoint).await;
    close(local).await?;
    listed
}

async fn open(config: Arc<Config>) -> anyhow::Result<Local> {
    // Opening would make one.
    let data = &config.data;
    ensure!(
        data.is_dir(),
        "there is no data folder {}; name the host's with --data",
        data.display()
    );
    let opened = tokio::task::spawn_blocking(move || Local::open(&config)).await;
    opened.context("opening the data folder failed")?
}

async fn close(local: Local) -> anyhow::Result<()> {
    let closed = tokio::task::spawn_blocking(move || local.close()).await;
    closed.context("closing the data folder failed")
}

fn rotated_for_people(rotated: &Rotated) -> String {
    let Rotated { key, secrets, resealed, old_keys, keys_in } = rotated;
    let mut text = format!(
        "{secrets} secrets are encrypted with the key {key}, {resealed} of them since just now\n"
    );
    let old = old_keys.join(", ");
    let _ = match (keys_in, old_keys.is_empty()) {
        (None, true) => Ok(()),
        (None, false) => writeln!(text, "forgot the old key {old}"),
        (Some(place), true) => writeln!(
            text,
            "to change the key, put a new one before it in {place}, and run this again"
        ),
        (Some(place), false) => writeln!(text, "nothing needs these keys in {place} now: {old}"),
    };
    text
}

fn listed_for_people(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "no secret is kept\n".to_owned();
    }
    let line = |one: &Listed| format!("{} {} key {}\n", one.endpoint, one.name, one.key);
    listed.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_read_well() {
        let mut rotated = Rotated {
            key: "1a2b".into(),
            secrets: 3,
            resealed: 2,
            old_keys: vec!["3c4d".into()],
            keys_in: None,
        };
        let expected = "\
3 secrets are encrypted with the key 1a2b, 2 of them since just now
forgot the old key 3c4d
";
        assert_eq!(rotated_for_people(&rotated), expected);
        rotated.keys_in = Some("the variable KEYS".into());
        let text = rotated_for_people(&rotated);
        assert!(
            text.ends_with("nothing needs these keys in the variable KEYS now: 3c4d\n"),
            "{text}"
        );
        rotated.old_keys.clear();
        let text = rotated_for_people(&rotated);
        assert!(text.contains("put a new one before it in the variable KEYS"), "{text}");
        let one = Listed { endpoint: "files".into(), name: "token".into(), key: "1a2b".into() };
        assert_eq!(listed_for_people(&[one]), "files token key 1a2b\n");
        assert_eq!(listed_for_people(&[]), "no secret is kept\n");
    }
}
