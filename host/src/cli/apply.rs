//! `cnsp apply`.

use super::local::Local;
use super::{Failure, Settings, describe, note, say, start_log};
use crate::config::Config;
use crate::control;
use crate::server::runtime;
use crate::setup::{ApplyError, Problem, Report};
use anyhow::Context;
use clap::Args;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Declare vendors, callers and endpoints.
///
/// Reads every *.toml file of DIR, checks them as a whole, and makes the host's set-up so. Where something is
/// wrong, every problem is told and nothing changes. Applying the same again changes nothing. What is set up
/// and not declared stays as it is.
///
/// A host that runs on the data folder takes the set-up over at once, without a dropped call; it reads DIR and
/// the secrets itself. Where none runs, the next one starts with it. A secret is read now and kept, encrypted:
/// afterwards its variable or file is not needed.
#[derive(Args)]
#[command(after_help = "\
Example: a file setup/acme.toml
  [vendors.acme]
  name = \"Acme\"

  [callers.shop]
  role = \"marketplace\"            # operator, vendor, marketplace or auditor
  endpoints = [\"files\"]           # or [\"*\"]
  password_env = \"SHOP_PASSWORD\"  # or password, password_file, password_hash

  [endpoints.files]
  vendor = \"acme\"
  plugin = \"files.wasm\"           # relative to the file
  mode = \"live\"                   # or sandbox
  config = { region = \"eu\" }
  secrets.api-key = { file = \"/run/secrets/acme\" }
  grants = [{ url = \"https://*.acme.example\", secrets = [\"api-key\"] }]
  limits = { call_timeout_ms = 10000 }

  cnsp apply setup --dry-run")]
pub(super) struct Apply {
    /// The folder of TOML files
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only tell what would change
    #[arg(long)]
    dry_run: bool,
    /// Print the difference, or {"problems": […]}, as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Apply {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load(None)?;
        start_log(&config.log)?;
        let directory = std::path::absolute(&self.directory)
            .with_context(|| format!("{} is no path", self.directory.display()))?;
        match runtime()?.block_on(apply(config, &directory, self.dry_run)) {
            Ok(report) if self.json => {
                let text =
                    serde_json::to_string(&report).context("the report cannot be written")?;
                Ok(say(&format!("{text}\n"))?)
            }
            Ok(report) => {
                for warning in &report.warnings {
                    note(&format!("warning: {warning}"));
                }
                Ok(say(&for_people(&report))?)
            }
            Err(ApplyError::Problems(problems)) => {
                if self.json {
                    say(&format!("{}\n", serde_json::json!({ "problems": problems })))?;
                }
                Err(wrong(&problems))
            }
            Err(ApplyError::Failed(error)) => Err(error.into()),
        }
    }
}

fn wrong(problems: &[Problem]) -> Failure {
    Failure::Wrong(describe(problems))
}

async fn apply(config: Arc<Config>, directory: &Path, dry_run: bool) -> Result<Report, ApplyError> {
    if let Some(applied) = control::apply(&config.data, directory, dry_run).await {
        return applied;
    }
    let opened = tokio::task::spawn_blocking(move || Local::open(&config)).await;
    let local = opened.context("opening the data folder failed")??;
    let applied = local.setup.apply_folder(directory.to_owned(), dry_run).await;
    let closed = tokio::task::spawn_blocking(move || local.close()).await;
    closed.context("closing the data folder failed")?;
    applied
}

fn for_people(report: &Report) -> String {
    let mut text = String::new();
    let (create, change) = match report.dry_run {
        true => ("would create", "would change"),
        false => ("created", "changed"),
    };
    for record in &report.created {
        let _ = writeln!(text, "{create} {record}");
    }
    for changed in &report.changed {
        let _ = writeln!(text, "{change} {}", changed.record);
        for field in &changed.fields {
            let shown =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
            let _ = match (&field.before, &field.after) {
                (None, None) => writeln!(text, "    {}", field.field),
                (before, after) => {
                    writeln!(text, "    {}: {} -> {}", field.field, shown(before), shown(after))
                }
            };
        }
    }
    for record in &report.kept {
        let _ = writeln!(text, "kept {record}, which is not declared");
    }
    let (created, changed) = (report.created.len(), report.changed.len());
    if created + changed == 0 {
        let _ = writeln!(text, "nothing to do: everything is as declared");
    } else {
        let unchanged = report.unchanged.len();
        let _ = writeln!(text, "{create} {created}, {change} {changed}, unchanged {unchanged}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::{Change, FieldChange};

    #[test]
    fn the_report_reads_well() {
        let field = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
            field: field.into(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        };
        let report = Report {
            created: vec!["vendor acme".into()],
            changed: vec![Change {
                record: "caller shop".into(),
                fields: vec![field("password", None, None), field("role", Some("a"), Some("b"))],
            }],
            unchanged: vec!["caller root".into()],
            kept: vec!["endpoint old".into()],
            ..Report::default()
        };
        let expected = "\
created vendor acme
changed caller shop
    password
    role: a -> b
kept endpoint old, which is not declared
created 1, changed 1, unchanged 1
";
        assert_eq!(for_people(&report), expected);
        let nothing = Report { dry_run: true, ..Report::default() };
        assert_eq!(for_people(&nothing), "nothing to do: everything is as declared\n");
    }
}
