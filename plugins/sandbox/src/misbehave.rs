//! Doing what the sandbox is told: by the endpoint's settings, by a SKU, by the request itself, and by
//! the account or instance that the request is about.

use crate::function::{Function, invalid_credentials};
use crate::script::{Nonsense, Script};
use cnsp_sdk::types::OpenMap;
use cnsp_sdk::{Failure, OpenMapExt, clock, config, operation};
use std::time::Duration;

/// The member of an open map, and the setting, that holds a script.
pub(crate) const SANDBOX: &str = "sandbox";
const POLL: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_millis(200);
/// How much work lies between two looks at the clock. Inside an operation the host keeps every look, so
/// there should be few: this is some milliseconds.
const WORK: u64 = 2_000_000;

/// What one call was told, once it has done the part of it that comes first.
#[derive(Default)]
pub(crate) struct Told {
    script: Script,
    wait: Option<Wait>,
}

/// Stay pending once more.
pub(crate) struct Wait {
    pub(crate) token: String,
    pub(crate) poll_after: Duration,
}

/// A call that reads: only the endpoint's settings can tell it something.
pub(crate) fn read(function: Function) -> Result<Told, Failure> {
    let mut script = Script::default();
    add_settings(&mut script, function)?;
    obey(&script, function, None)?;
    Ok(Told { script, wait: None })
}

/// A call that changes something, with the open maps of its request, and the script of its SKU.
pub(crate) fn change(function: Function, sku: &str, maps: &[&OpenMap]) -> Result<Told, Failure> {
    let mut script = Script::default();
    add_settings(&mut script, function)?;
    script.add(sku)?;
    // Said by the account or instance itself, it holds from the next call on: see `lasting`.
    let unauthorized = script.unauthorized;
    for map in maps {
        add_member(&mut script, map)?;
    }
    script.unauthorized = unauthorized;
    let wait = wait(&script)?;
    obey(&script, function, wait.as_ref())?;
    Ok(Told { script, wait })
}

/// What an account or an instance was told for good, by its attributes or parameters, and its SKU.
pub(crate) fn lasting(sku: &str, map: &OpenMap) -> Script {
    let mut script = Script::default();
    // What was kept has been read once before; nobody is served by a failure now.
    let _ = script.add(sku).and_then(|()| add_member(&mut script, map));
    script
}

fn add_settings(script: &mut Script, function: Function) -> Result<(), Failure> {
    for setting in [SANDBOX, &format!("{SANDBOX}.{}", function.name())] {
        if let Some(text) = config::get(setting) {
            script.add(&text)?;
        }
    }
    Ok(())
}

fn add_member(script: &mut Script, map: &OpenMap) -> Result<(), Failure> {
    match map.json(SANDBOX) {
        None => Ok(()),
        Some(_) => match map.text(SANDBOX) {
            Some(text) => script.add(&text),
            None => Err(Failure::invalid("`sandbox` has to be a text, for example `pending:3`.")),
        },
    }
}

fn obey(script: &Script, function: Function, wait: Option<&Wait>) -> Result<(), Failure> {
    if script.slow_ms > 0 {
        be_busy(Duration::from_millis(script.slow_ms.into()));
    }
    if script.trap {
        trap();
    }
    if script.credentials {
        return Err(invalid_credentials());
    }
    if script.unauthorized {
        return Err(function.unauthorized());
    }
    // What was accepted first is refused at its end.
    if let Some(respcode) = script.refuse.filter(|_| wait.is_none()) {
        return Err(function.refuse(respcode, "The sandbox was told to refuse this.").code("TOLD"));
    }
    if script.fail >= operation::attempt() {
        let text = "The sandbox was told to fail this time. Try again.";
        return Err(function.refuse(503, text).code("TOLD").after(RETRY));
    }
    Ok(())
}

/// The token is how many times this operation has been pending.
fn wait(script: &Script) -> Result<Option<Wait>, Failure> {
    let polls = match operation::token() {
        None => 0,
        Some(token) => token.parse::<u32>().map_err(|_| {
            Failure::refused(500, "The host answered with a token that the sandbox did not give.")
        })?,
    };
    Ok((polls < script.pending).then(|| Wait {
        token: polls.saturating_add(1).to_string(),
        poll_after: script.poll_ms.map_or(POLL, |ms| Duration::from_millis(ms.into())),
    }))
}

fn be_busy(time: Duration) {
    let begin = clock::now();
    let mut work = 1;
    while clock::now().saturating_sub(begin) < time {
        for step in 0..WORK {
            work = std::hint::black_box(work ^ step);
        }
    }
}

/// As a bug in an adapter would.
fn trap() {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

impl Told {
    /// Whether to answer pending, once the request has been looked at.
    pub(crate) fn wait(&self) -> Option<&Wait> {
        self.wait.as_ref()
    }

    /// What `health` is to say.
    pub(crate) fn health(&self) -> Option<&'static str> {
        self.script.health
    }

    /// Spoils the open map of an answer, when told.
    pub(crate) fn spoil(&self, other: &mut OpenMap) {
        if self.script.nonsense == Some(Nonsense::Json) {
            other.push((SANDBOX.to_owned(), "{\"broken\":".to_owned()));
        }
    }

    /// Spoils a new id, when told.
    pub(crate) fn spoil_id(&self, id: &mut String) {
        if self.script.nonsense == Some(Nonsense::Id) {
            *id = "\u{7}".repeat(300);
        }
    }

    /// Spoils a quantity, when this call or the instance is told.
    pub(crate) fn spoil_quantity(&self, instance: &Script, quantity: &mut String) {
        let decimal = Some(Nonsense::Decimal);
        if self.script.nonsense == decimal || instance.nonsense == decimal {
            "12,5O".clone_into(quantity);
        }
    }
}
