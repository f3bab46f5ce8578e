//! The command line: one file per verb. Results go to stdout, everything else to stderr.

mod apply;
mod compile_worker;
mod demo;
mod drift;
mod endpoint;
mod local;
mod operations;
mod plugin;
mod secret;
mod serve;

use crate::config::{self, Config, ConfigError, Flags};
use crate::limits;
use crate::server::StoreFailed;
use crate::setup::Problem;
use crate::store::{OpenError, StoreError};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// One API, CNSP 1.0, over every cloud provider.
///
/// cnsp lets a cloud marketplace talk to every provider through one API, and lets any provider join with a
/// small sandboxed WebAssembly component, its adapter plugin.
#[derive(Parser)]
#[command(name = "cnsp", version, after_help = AFTER_HELP, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  cnsp demo                          try everything, with a simulated provider
  cnsp serve --data /var/lib/cnsp    run a host
  cnsp apply setup/                  declare its vendors, callers and endpoints

Exit status:
  0   done
  1   it did not work; stderr says why and what to do
  2   the command line, a setting or the declared set-up is wrong; nothing was changed
  70  the store has failed: start the host again, and see its log if that does not help";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Apply(apply::Apply),
    Demo(demo::Demo),
    #[command(subcommand)]
    Endpoint(Endpoint),
    #[command(subcommand)]
    Operations(operations::Operations),
    #[command(subcommand)]
    Plugin(Plugin),
    #[command(subcommand)]
    Secret(Secret),
    /// Print every setting with its default, its unit and what it is for.
    ///
    /// The output is a configuration file: change what you need and give it to `cnsp serve --config`.
    Config,
    /// Print every limit with its default, why it is there and what is still possible inside it.
    ///
    /// The output is Markdown, and is in SECURITY.md too. `cnsp endpoint limits` shows what is in force for one.
    Limits,
    #[command(hide = true)]
    CompileWorker(compile_worker::CompileWorker),
}

/// Look at the endpoints of a running host, and at how they differ from their providers.
#[derive(Subcommand)]
#[command(arg_required_else_help = true)]
enum Endpoint {
    Drift(drift::Drift),
    Failures(endpoint::Failures),
    Limits(endpoint::Limits),
}

/// Look after the secrets of endpoints that a data folder keeps.
#[derive(Subcommand)]
#[command(arg_required_else_help = true)]
enum Secret {
    Rotate(secret::Rotate),
    List(secret::List),
}

/// Build adapter plugins.
#[derive(Subcommand)]
#[command(arg_required_else_help = true)]
enum Plugin {
    Build(Build),
}

/// Build adapter plugins to WebAssembly components.
///
/// Takes the Rust crates at PATHS, or every one in plugins/, finds a toolchain that can build them, and writes
/// one component each to the folder of --out.
#[derive(Args)]
#[command(after_help = "Example:\n  cnsp plugin build plugins/sandbox --out target/plugins")]
struct Build {
    /// Folders of plugin crates [default: every one in plugins/]
    paths: Vec<PathBuf>,
    /// Where the components go
    #[arg(long, value_name = "DIR", default_value = demo::PLUGINS)]
    out: PathBuf,
    /// Print {"components": [PATH, …]} instead of one path per line
    #[arg(long)]
    json: bool,
}

/// The settings that every command which touches a data folder takes.
#[derive(Args)]
struct Settings {
    /// A TOML file of settings; `cnsp config` prints one with them all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder [default: the setting `data`]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Any setting, over file and environment, as often as needed: --set http.body_bytes_max=65536
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Settings {
    fn load(self, listen: Option<String>) -> Result<Arc<Config>, Failure> {
        let Settings { config, data, set } = self;
        let flags = Flags { file: config, listen, data, set };
        Ok(Arc::new(Config::load(&flags)?))
    }
}

/// Why a command did not do what it should.
enum Failure {
    /// What the user wrote is wrong.
    Wrong(String),
    Failed(anyhow::Error),
    /// The same, of a host: it is in the log already.
    Logged(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Failed(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Failed(error.into())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Wrong(error.to_string())
    }
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Failure::Wrong(_) => 2,
            Failure::Failed(error) | Failure::Logged(error) => match is_store_failure(error) {
                true => 70,
                false => 1,
            },
        }
    }
}

/// Whether the store is at fault, and not somebody who uses it.
fn is_store_failure(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let opening = cause.downcast_ref::<OpenError>();
        let running = cause.downcast_ref::<StoreError>();
        cause.is::<StoreFailed>()
            || opening.is_some_and(|e| !matches!(e, OpenError::InUse { .. }))
            || running.is_some_and(|e| {
                matches!(e, StoreError::Stopped(_) | StoreError::Unknown | StoreError::Damaged(_))
            })
    })
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let failure = match run(Cli::parse().command) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    match &failure {
        Failure::Wrong(text) => note(&format!("cnsp: {text}")),
        Failure::Failed(error) => note(&format!("cnsp: {error:#}")),
        Failure::Logged(_) => {}
    }
    ExitCode::from(failure.code())
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Apply(apply) => apply.run(),
        Command::Demo(demo) => demo.run(),
        Command::Endpoint(Endpoint::Drift(drift)) => drift.run(),
        Command::Endpoint(Endpoint::Failures(failures)) => failures.run(),
        Command::Endpoint(Endpoint::Limits(limits)) => limits.run(),
        Command::Operations(operations) => operations.run(),
        Command::Plugin(Plugin::Build(build)) => build.run(),
        Command::Secret(Secret::Rotate(rotate)) => rotate.run(),
        Command::Secret(Secret::List(list)) => list.run(),
        Command::CompileWorker(worker) => worker.run(),
        Command::Config => Ok(say(config::DEFAULT)?),
        Command::Limits => Ok(say(&limits::table())?),
    }
}

impl Build {
    fn run(self) -> Result<(), Failure> {
        let built = plugin::build(&self.paths, &self.out, &mut |line| note(line))?;
        if self.json {
            return Ok(say(&format!("{}\n", serde_json::json!({ "components": built })))?);
        }
        Ok(say(&built.iter().map(|path| format!("{}\n", path.display())).collect::<String>())?)
    }
}

/// Writes a result to stdout, at once: who reads it may be waiting for it.
fn say(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line for people to stderr.
fn note(line: &str) {
    // Where stderr is gone, there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// What is wrong with a declared set-up, one problem per line.
fn describe(problems: &[Problem]) -> String {
    let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    let count = problems.len();
    let what = if count == 1 { "a problem" } else { "problems" };
    format!("the set-up has {what}; nothing was changed:{lines}")
}

/// Starts the log, on stderr.
fn start_log(log: &config::Log) -> anyhow::Result<()> {
    let filter = log.parsed_filter().context("log.filter is no filter")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        config::LogFormat::Json => builder.json().flatten_event(true).try_init(),
        config::LogFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn exit_codes_tell_what_failed() {
        let code = |error: anyhow::Error| Failure::from(error.context("while serving")).code();
        assert_eq!(Failure::Wrong(String::new()).code(), 2);
        assert_eq!(code(anyhow::anyhow!("no")), 1);
        assert_eq!(code(StoreFailed("I/O error".into()).into()), 70);
        assert_eq!(code(StoreError::Stopped("I/O error".into()).into()), 70);
        assert_eq!(code(StoreError::Overloaded.into()), 1);
        assert_eq!(code(OpenError::InUse { directory: "x".into() }.into()), 1);
        assert_eq!(code(OpenError::DiskFull { directory: "x".into() }.into()), 70);
    }
}
