//! `cnsp endpoint drift`.

use super::{Failure, Settings, note, say};
use crate::control::{self, DriftCommand};
use crate::server::runtime;
use anyhow::anyhow;
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// How often a running check is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Show how what an endpoint's provider has differs from what the host has.
///
/// Without options: the report of the last check, which the host makes by itself once in a while. A check only
/// looks. Differences are named KIND/INSTANCE, or KIND for all of a kind: missing (the provider does not have it),
/// extra (the host does not have it), state, quantity, seats.
///
/// Exit status 0 also where there are differences.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cnsp endpoint drift acme --check
  cnsp endpoint drift acme --adopt state --dry-run
  cnsp endpoint drift acme --adopt quantity/ins-77aa01 --adopt missing/ins-3
  cnsp endpoint drift acme --ignore extra")]
pub(super) struct Drift {
    /// The endpoint's id
    #[arg(value_name = "ID")]
    endpoint: String,
    /// Check now, and wait for the report
    #[arg(long, conflicts_with_all = ["adopt", "ignore", "unignore"])]
    check: bool,
    /// Take the provider's state over into the host's records
    #[arg(long, value_name = "DIFFERENCE", conflicts_with_all = ["ignore", "unignore"])]
    adopt: Vec<String>,
    /// Leave it out of reports until it changes
    #[arg(long, value_name = "DIFFERENCE", conflicts_with = "unignore")]
    ignore: Vec<String>,
    /// Report everything again, from the next check on
    #[arg(long)]
    unignore: bool,
    /// Only tell what --adopt or --ignore would do
    #[arg(long, conflicts_with_all = ["check", "unignore"])]
    dry_run: bool,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Drift {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Drift { endpoint, check, adopt, ignore, unignore, dry_run, json, settings } = self;
        if dry_run && adopt.is_empty() && ignore.is_empty() {
            let text = "--dry-run goes with --adopt or --ignore; a check only looks anyway";
            return Err(Failure::Wrong(text.to_owned()));
        }
        let config = settings.load(None)?;
        let data = &config.data;
        let command = match (adopt.is_empty(), ignore.is_empty(), unignore) {
            (false, ..) => DriftCommand::Adopt { endpoint, differences: adopt, dry_run },
            (_, false, _) => DriftCommand::Ignore { endpoint, differences: ignore, dry_run },
            (_, _, true) => DriftCommand::Unignore { endpoint },
            _ => DriftCommand::Show { endpoint },
        };
        let (seen, failed) = runtime()?.block_on(async {
            let failed = match &command {
                DriftCommand::Show { endpoint } if check => wait(data, endpoint).await?,
                _ => None,
            };
            anyhow::Ok((ask(data, &command).await?, failed))
        })?;
        if json {
            say(&format!("{seen}\n"))?;
        } else {
            say(&for_people(&command, &seen))?;
        }
        match failed {
            None => Ok(()),
            Some(reason) => Err(anyhow!("the check came to no report: {reason}").into()),
        }
    }
}

async fn ask(data: &Path, command: &DriftCommand) -> anyhow::Result<Value> {
    let seen = control::drift(data, command).await?;
    seen.ok_or_else(|| anyhow!("no host runs on the data folder {}", data.display()))
}

/// Checks now, and tells how far it is. Answers why it came to no report.
async fn wait(data: &Path, endpoint: &str) -> anyhow::Result<Option<String>> {
    let command = DriftCommand::Check { endpoint: endpoint.to_owned() };
    let begun = &ask(data, &command).await?;
    let command = DriftCommand::Show { endpoint: endpoint.to_owned() };
    let mut told = String::new();
    loop {
        let seen = &ask(data, &command).await?;
        if seen.pointer("/running/began_at") != begun.get("began_at") {
            let failed = &seen["failed"];
            let is_it = failed["began_at"] == begun["began_at"];
            let reason = failed["reason"].as_str().filter(|_| is_it);
            return Ok(reason.map(str::to_owned));
        }
        let progress = progress(&seen["running"]);
        if progress != told {
            note(&progress);
            told = progress;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn progress(running: &Value) -> String {
    let number = |key: &str| running[key].as_u64().unwrap_or_default();
    let [accounts, known, resources, pages] =
        ["accounts", "accounts_known", "resources", "pages"].map(number);
    format!("checking: {accounts} of {known} accounts, {resources} resources, {pages} calls")
}

fn for_people(command: &DriftCommand, seen: &Value) -> String {
    match command {
        DriftCommand::Show { .. } | DriftCommand::Check { .. } => view(seen),
        DriftCommand::Adopt { .. } => settled(seen, "adopted", "would adopt"),
        DriftCommand::Ignore { .. } => settled(seen, "ignored", "would ignore"),
        DriftCommand::Unignore { .. } => {
            format!("{} were ignored; the next check reports them\n", seen["count"])
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A time, to the second.
fn moment(value: &Value, key: &str) -> String {
    let at = text(value, key);
    at.split_once('.').map_or_else(|| at.to_owned(), |(second, _)| format!("{second}Z"))
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn settled(seen: &Value, done: &str, would: &str) -> String {
    let verb = if seen["dry_run"] == true { would } else { done };
    let mut out = String::new();
    for name in items(seen, "settled") {
        let _ = writeln!(out, "{verb} {}", name.as_str().unwrap_or_default());
    }
    for skipped in items(seen, "skipped") {
        let _ = writeln!(out, "skipped {}: {}", text(skipped, "what"), text(skipped, "why"));
    }
    if out.is_empty() {
        out.push_str("the last report has no such difference\n");
    }
    out
}

fn view(seen: &Value) -> String {
    let mut out = String::new();
    if seen["running"].is_object() {
        let began = moment(&seen["running"], "began_at");
        let _ = writeln!(out, "{} (since {began})", progress(&seen["running"]));
    }
    let failed = &seen["failed"];
    if failed.is_object() {
        let _ = writeln!(
            out,
            "the check of {} failed: {}",
            moment(failed, "began_at"),
            text(failed, "reason")
        );
    }
    let report = &seen["report"];
    if report.is_object() {
        out.push_str(&self::report(report));
    } else {
        out.push_str("there is no report yet: see with --check\n");
    }
    match seen["next_check_at"].as_str() {
        Some(at) => drop(writeln!(out, "next check: {at}")),
        None => out.push_str("it is checked on demand only\n"),
    }
    out
}

fn report(report: &Value) -> String {
    let mut out = String::new();
    let listed = &report["listed"];
    let _ = writeln!(
        out,
        "{}: {} resources compared; the provider lists {}, for {} {}",
        moment(report, "ended_at"),
        report["compared"],
        listed["resources"],
        listed["accounts"],
        if listed["accounts"] == 1 { "account" } else { "accounts" }
    );
    for (key, what) in [("duplicates", "listed twice"), ("unlisted", "there, and not in its list")]
    {
        if listed[key] != 0 {
            let _ = writeln!(out, "{} {what}", listed[key]);
        }
    }
    let counts = report["counts"].as_object().into_iter().flatten();
    let counts: Vec<String> = counts
        .filter(|(_, count)| **count != 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let _ = match counts.is_empty() {
        true => writeln!(out, "no differences"),
        false => writeln!(out, "differences: {}", counts.join(", ")),
    };
    for one in items(report, "differences") {
        let account = match (text(one, "accountid"), text(one, "provideraccountid")) {
            ("", id) | (id, "") => id.to_owned(),
            (id, other) => format!("{id} ({other})"),
        };
        let _ = writeln!(
            out,
            "  {}  account {account}, since {}",
            text(one, "name"),
            moment(one, "since")
        );
        for (side, who) in [("ours", "here"), ("provider", "provider")] {
            let _ = writeln!(out, "    {who:<9} {}", self::side(&one[side]));
        }
    }
    for (key, what) in [("left_out", "more are not listed"), ("ignored", "are ignored")] {
        if report[key] != 0 {
            let _ = writeln!(out, "{} {what}", report[key]);
        }
    }
    for skipped in items(report, "skipped") {
        let _ = writeln!(out, "not compared: {}: {}", text(skipped, "what"), text(skipped, "why"));
    }
    if report["skipped_left_out"] != 0 {
        let _ = writeln!(out, "not compared: {} more", report["skipped_left_out"]);
    }
    for note in items(report, "notes") {
        let _ = writeln!(out, "note: {}", note.as_str().unwrap_or_default());
    }
    out
}

fn side(side: &Value) -> String {
    if !side.is_object() {
        return "nothing".to_owned();
    }
    let mut parts = Vec::new();
    parts.extend(side["status"].as_str().map(str::to_owned));
    parts.extend(side["sku"].as_str().map(|sku| format!("sku {sku}")));
    parts.extend(side["license"].as_u64().map(|count| format!("{count} licences")));
    parts.extend(side["seats"].as_u64().map(|count| format!("{count} seats")));
    let users: Vec<&str> = items(side, "users_only_here").filter_map(Value::as_str).collect();
    if !users.is_empty() {
        parts.push(format!("only here: {}", users.join(" ")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_reads_well() {
        let seen = json!({
            "endpoint": "acme", "check_s": 86400, "next_check_at": "2026-03-02T04:17:12Z",
            "failed": { "began_at": "2026-03-01T05:00:00Z", "code": "REFUSED", "reason": "No." },
            "report": {
                "began_at": "2026-03-01T04:17:12Z", "ended_at": "2026-03-01T04:19:40.25Z",
                "listed": { "accounts": 3, "resources": 12, "pages": 6, "duplicates": 0, "unlisted": 1 },
                "compared": 11, "counts": { "quantity": 1, "state": 0 }, "ignored": 2, "left_out": 0,
                "skipped": [{ "what": "i-3", "why": "resource.update is pending: operation op-1" }],
                "skipped_left_out": 4, "notes": ["A note."],
                "differences": [{
                    "name": "quantity/i-7", "kind": "quantity", "providerinstanceid": "i-7",
                    "accountid": "C-1", "provideraccountid": "pa-1", "since": "2026-02-27T04:17:12Z",
                    "ours": { "sku": "MAIL-S", "status": "active", "license": 5, "seats": 2, "users_only_here": ["pu-1"] },
                    "provider": { "status": "active", "license": 8 },
                }],
            },
        });
        let expected = "\
the check of 2026-03-01T05:00:00Z failed: No.
2026-03-01T04:19:40Z: 11 resources compared; the provider lists 12, for 3 accounts
1 there, and not in its list
differences: 1 quantity
  quantity/i-7  account C-1 (pa-1), since 2026-02-27T04:17:12Z
    here      active, sku MAIL-S, 5 licences, 2 seats, only here: pu-1
    provider  active, 8 licences
2 are ignored
not compared: i-3: resource.update is pending: operation op-1
not compared: 4 more
note: A note.
next check: 2026-03-02T04:17:12Z
";
        assert_eq!(view(&seen), expected);
        let running = json!({ "began_at": "now", "accounts": 1, "accounts_known": 3, "resources": 4, "pages": 5 });
        let expected = "\
checking: 1 of 3 accounts, 4 resources, 5 calls (since now)
there is no report yet: see with --check
it is checked on demand only
";
        assert_eq!(view(&json!({ "running": running })), expected);
        let seen = json!({ "dry_run": true, "settled": ["state/i-1"], "skipped": [{ "what": "state/i-2", "why": "no" }] });
        assert_eq!(
            settled(&seen, "adopted", "would adopt"),
            "would adopt state/i-1\nskipped state/i-2: no\n"
        );
    }
}
