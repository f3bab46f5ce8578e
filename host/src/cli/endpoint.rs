//! `cnsp endpoint`.

use super::{Failure, Settings, say};
use crate::control::{self, View};
use crate::server::runtime;
use anyhow::anyhow;
use clap::Args;
use serde_json::Value;
use std::fmt::Write;

/// Show the last calls that an endpoint's plugin failed.
///
/// Each trap, timeout or limit that was hit, the last one first, with where the plugin was. The running host
/// keeps them in memory, a few per endpoint; its log has them all.
#[derive(Args)]
#[command(after_help = "Example:\n  cnsp endpoint failures acme --data /var/lib/cnsp")]
pub(super) struct Failures {
    #[command(flatten)]
    of: Of,
}

impl Failures {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.of.show(View::Failures, for_people)
    }
}

/// Show the limits of an endpoint as they are in force.
///
/// An endpoint has what the host gives to all, or less where its set-up says so under `limits`, by these names.
/// `cnsp limits` says why each is there.
#[derive(Args)]
#[command(after_help = "Example:\n  cnsp endpoint limits acme --data /var/lib/cnsp")]
pub(super) struct Limits {
    #[command(flatten)]
    of: Of,
}

impl Limits {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.of.show(View::Limits, limits_for_people)
    }
}

/// Which endpoint, and for whom what is seen of it is printed.
#[derive(Args)]
struct Of {
    /// The endpoint's id
    #[arg(value_name = "ID")]
    endpoint: String,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Of {
    fn show(self, view: View, for_people: fn(&Value) -> String) -> Result<(), Failure> {
        let config = self.settings.load(None)?;
        let looked = control::look(&config.data, view, &self.endpoint);
        let Some(listed) = runtime()?.block_on(looked)? else {
            let data = config.data.display();
            return Err(anyhow!("no host runs on the data folder {data}").into());
        };
        match self.json {
            true => Ok(say(&format!("{listed}\n"))?),
            false => Ok(say(&for_people(&listed))?),
        }
    }
}

fn limits_for_people(listed: &Value) -> String {
    let mut out = String::new();
    for limit in listed["limits"].as_array().into_iter().flatten() {
        let text = |key: &str| limit[key].as_str().unwrap_or_default();
        let number = |key: &str| limit[key].as_u64().unwrap_or_default();
        let of_whom = match limit["own"].as_bool() {
            Some(true) => format!("its own; the host gives {}", number("max")),
            _ => "the host's".to_owned(),
        };
        let (name, value, unit) = (text("name"), number("value"), text("unit"));
        let _ = writeln!(out, "{name:<24} {value:>12} {unit:<19} {of_whom} ({})", text("setting"));
    }
    out
}

fn for_people(listed: &Value) -> String {
    let of = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    if listed["unavailable"] == true {
        out.push_str("the endpoint is not called for now: its plugin keeps failing\n");
    }
    let failures = listed["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if failures.is_empty() {
        out.push_str("no call has failed since the host was started\n");
    }
    for failed in failures {
        let [at, operation, outcome, limit, reason] =
            ["at", "operation", "outcome", "limit", "reason"].map(|key| of(failed, key));
        let space = if limit.is_empty() { "" } else { " " };
        let _ = writeln!(out, "{at} {operation}: {outcome}{space}{limit}: {reason}");
        let plugin = ["name", "version", "digest"].map(|key| of(&failed["plugin"], key));
        let plugin: Vec<String> = plugin.into_iter().filter(|part| !part.is_empty()).collect();
        let _ = writeln!(out, "    plugin {}", plugin.join(" "));
        if let Some(id) = failed["operation_id"].as_str() {
            let _ = writeln!(out, "    operation {id}");
        }
        for frame in failed["backtrace"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "    in {}", frame.as_str().unwrap_or_default());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_read_well() {
        let listed = json!({"endpoint": "acme", "limits": [
            {"name": "cpu_ms", "value": 7, "unit": "ms", "own": true, "max": 2000, "setting": "calls.cpu_ms"},
            {"name": "concurrency_max", "value": 64, "unit": "calls at a time", "own": false, "max": 64,
             "setting": "calls.endpoint_concurrency_max"},
        ]});
        let expected = "\
cpu_ms                              7 ms                  its own; the host gives 2000 (calls.cpu_ms)
concurrency_max                    64 calls at a time     the host's (calls.endpoint_concurrency_max)
";
        assert_eq!(limits_for_people(&listed), expected);
    }

    #[test]
    fn failures_read_well() {
        let listed = json!({"endpoint": "acme", "unavailable": true, "failures": [{
            "at": "2026-03-01T12:00:00Z",
            "operation": "account.create",
            "operation_id": "op-1",
            "outcome": "limit",
            "limit": "CPU time",
            "reason": "wasm trap: interrupt",
            "backtrace": ["acme::find (acme.wasm+0x1c2f)"],
            "plugin": {"name": "acme", "version": "1.2.0", "digest": "6d1c"},
        }]});
        let expected = "\
the endpoint is not called for now: its plugin keeps failing
2026-03-01T12:00:00Z account.create: limit CPU time: wasm trap: interrupt
    plugin acme 1.2.0 6d1c
    operation op-1
    in acme::find (acme.wasm+0x1c2f)
";
        assert_eq!(for_people(&listed), expected);
        let none = for_people(&json!({"failures": []}));
        assert_eq!(none, "no call has failed since the host was started\n");
    }
}
