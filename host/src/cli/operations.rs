//! `cnsp operations`.

use super::{Failure, Settings, say};
use crate::control;
use crate::journal::Decision;
use crate::server::runtime;
use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write;

/// Look after the operations of a running host that have come to no end.
///
/// An operation is `open` while the host runs it again by itself, `pending` while the provider is at work, and an
/// `orphan` when the host does nothing more about it: then somebody has to look, and to decide.
#[derive(Subcommand)]
#[command(arg_required_else_help = true)]
pub(super) enum Operations {
    List(List),
    Show(Show),
    Retry(Retry),
    Adopt(Adopt),
    Compensate(Compensate),
    Dismiss(Dismiss),
}

impl Operations {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Operations::List(list) => list.run(),
            Operations::Show(show) => show.run(),
            Operations::Retry(Retry { one, current_plugin }) => {
                one.decide(&Decision::Retry { current_plugin })
            }
            Operations::Adopt(Adopt { one, id, subscription, note }) => {
                one.decide(&Decision::Adopt { id, subscriptionid: subscription, note })
            }
            Operations::Compensate(Compensate { one, note }) => {
                one.decide(&Decision::Compensate { note })
            }
            Operations::Dismiss(Dismiss { one, note }) => one.decide(&Decision::Dismiss { note }),
        }
    }
}

/// List them, those of one endpoint or all.
#[derive(Args)]
#[command(after_help = "Example:\n  cnsp operations list --state orphan --data /var/lib/cnsp")]
pub(super) struct List {
    /// The endpoint's id [default: all of them]
    #[arg(value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<Only>,
    /// Print {"operations": [...]}
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, ValueEnum)]
enum Only {
    Open,
    Pending,
    Orphan,
}

/// Show one, with every request that it has made to its provider.
#[derive(Args)]
#[command(
    after_help = "Example:\n  cnsp operations show acme 0a8f6c3e-9d0b-5c1e-8a53-1f6d3c2b7a90"
)]
pub(super) struct Show {
    #[command(flatten)]
    one: One,
}

/// Run one now, and then for as long as a new one.
///
/// It goes on from where it was: what its provider has answered already is not asked for again.
#[derive(Args)]
pub(super) struct Retry {
    #[command(flatten)]
    one: One,
    /// Run it with the plugin that the endpoint has now, and not with the one that began it
    #[arg(long)]
    current_plugin: bool,
}

/// Take for done what the provider has.
///
/// Its caller is answered that it has succeeded. The plugin is not asked, so what it would have kept is not kept.
#[derive(Args)]
pub(super) struct Adopt {
    #[command(flatten)]
    one: One,
    /// The provider's id of what was created, where something was
    #[arg(long)]
    id: Option<String>,
    /// The provider's id of the subscription that bills a new instance
    #[arg(long)]
    subscription: Option<String>,
    /// Why, for the audit trail
    #[arg(long)]
    note: String,
}

/// Have its plugin undo what it did.
///
/// It is run once more, with its next request to the provider failed, so that the plugin does what it does wherever
/// it cannot go on.
#[derive(Args)]
pub(super) struct Compensate {
    #[command(flatten)]
    one: One,
    /// Why, for the audit trail
    #[arg(long)]
    note: String,
}

/// Let one be.
///
/// Nothing is deleted anywhere: what is left at the provider is yours to look after. Its caller is answered that it
/// has failed.
#[derive(Args)]
pub(super) struct Dismiss {
    #[command(flatten)]
    one: One,
    /// Why, for the audit trail
    #[arg(long)]
    note: String,
}

/// Which operation.
#[derive(Args)]
struct One {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    /// The operation's id
    #[arg(value_name = "ID")]
    operation: String,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let config = self.settings.load(None)?;
        let state = self.state.map(|state| match state {
            Only::Open => "open",
            Only::Pending => "pending",
            Only::Orphan => "orphan",
        });
        let listed = control::operations(&config.data, self.endpoint.as_deref(), state);
        let Some(listed) = runtime()?.block_on(listed)? else { return Err(no_host(&config.data)) };
        match self.json {
            true => Ok(say(&format!("{}\n", json!({ "operations": listed })))?),
            false => Ok(say(&listed_for_people(&listed))?),
        }
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let One { endpoint, operation, json, settings } = self.one;
        let config = settings.load(None)?;
        let shown = control::operation(&config.data, &endpoint, &operation, None);
        let Some(shown) = runtime()?.block_on(shown)? else { return Err(no_host(&config.data)) };
        match json {
            true => Ok(say(&format!("{shown}\n"))?),
            false => Ok(say(&shown_for_people(&shown))?),
        }
    }
}

impl One {
    fn decide(self, decision: &Decision) -> Result<(), Failure> {
        let One { endpoint, operation, json, settings } = self;
        let config = settings.load(None)?;
        let ruling = control::operation(&config.data, &endpoint, &operation, Some(decision));
        let Some(ruling) = runtime()?.block_on(ruling)? else { return Err(no_host(&config.data)) };
        match json {
            true => Ok(say(&format!("{ruling}\n"))?),
            false => Ok(say(&ruling_for_people(&ruling))?),
        }
    }
}

fn no_host(data: &std::path::Path) -> Failure {
    anyhow!("no host runs on the data folder {}", data.display()).into()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// One line per operation.
fn listed_for_people(listed: &[Value]) -> String {
    if listed.is_empty() {
        return "every operation has come to its end\n".to_owned();
    }
    let mut out = String::new();
    for one in listed {
        let [state, began, endpoint, id, operation] =
            ["state", "began_at", "endpoint", "id", "operation"].map(|key| text(one, key));
        let why = one["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(out, "{state:<8} {began} {endpoint} {id} {operation}{why}");
    }
    out
}

fn shown_for_people(shown: &Value) -> String {
    let mut out = String::new();
    let names = [
        ("operation", "operation"),
        ("state", "state"),
        ("why", "why"),
        ("began_at", "began at"),
        ("next_at", "asked again at"),
        ("caller", "caller"),
        ("request_id", "request id"),
        ("account", "account"),
        ("providerinstanceid", "instance"),
        ("plugin", "plugin"),
    ];
    for (key, name) in names {
        if let Some(value) = shown[key].as_str() {
            let _ = writeln!(out, "{name:<16} {value}");
        }
    }
    if shown["compensating"] == true {
        out.push_str("it is being undone\n");
    }
    let steps = shown["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let _ = writeln!(out, "steps            {}", steps.len());
    for (step, number) in steps.iter().zip(1..) {
        let came = match (step["status"].as_u64(), step["error"].as_str()) {
            (Some(status), _) => status.to_string(),
            (None, Some(error)) => error.to_owned(),
            (None, None) => String::new(),
        };
        let unknown = match step["outcome_unknown"].as_bool() {
            Some(true) => "; whether the provider acted is not known",
            _ => "",
        };
        let (at, request) = (text(step, "at"), text(step, "request"));
        let _ = writeln!(out, "{number:>5} {at} {request} -> {came}{unknown}");
    }
    if shown["more_steps"] == true {
        out.push_str("      and more\n");
    }
    out
}

fn ruling_for_people(ruling: &Value) -> String {
    let id = text(ruling, "id");
    match text(ruling, "state") {
        "ended" => {
            let (respcode, message) = (&ruling["respcode"], text(ruling, "message"));
            format!("{id} has ended; its caller is answered {respcode}: {message}\n")
        }
        state => {
            let endpoint = text(ruling, "endpoint");
            format!("{id} is {state} and goes on: cnsp operations show {endpoint} {id}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_read_well() {
        assert_eq!(listed_for_people(&[]), "every operation has come to its end\n");
        let mut one = json!({
            "endpoint": "acme", "id": "0a8f", "operation": "resource.create", "state": "orphan",
            "began_at": "2026-03-01T12:00:00Z", "caller": "market", "account": "acc-1", "plugin": "6d1c",
            "compensating": false, "why": "it came to no end within 72h"
        });
        assert_eq!(
            listed_for_people(std::slice::from_ref(&one)),
            "orphan   2026-03-01T12:00:00Z acme 0a8f resource.create: it came to no end within 72h\n"
        );
        one["steps"] = json!([
            {"call": 1, "run": 1, "at": "2026-03-01T12:00:01Z", "request": "POST https://a/b", "effect": true, "status": 201, "outcome_unknown": false},
            {"call": 1, "run": 1, "at": "2026-03-01T12:00:02Z", "request": "POST https://a/c", "effect": true, "error": "no answer", "outcome_unknown": true}
        ]);
        let expected = "\
operation        resource.create
state            orphan
why              it came to no end within 72h
began at         2026-03-01T12:00:00Z
caller           market
account          acc-1
plugin           6d1c
steps            2
    1 2026-03-01T12:00:01Z POST https://a/b -> 201
    2 2026-03-01T12:00:02Z POST https://a/c -> no answer; whether the provider acted is not known
";
        assert_eq!(shown_for_people(&one), expected);
        let ended = json!({"endpoint": "acme", "id": "0a8f", "state": "ended", "respcode": 409, "message": "No"});
        assert_eq!(ruling_for_people(&ended), "0a8f has ended; its caller is answered 409: No\n");
        assert_eq!(
            ruling_for_people(&one),
            "0a8f is orphan and goes on: cnsp operations show acme 0a8f\n"
        );
    }
}
