//! Discovery. CNSP 1.0 names it and leaves its shape open, so many remotes have none: those are probed.

use crate::object::{Object, Wrong};
use crate::remote::{Answered, Remote};
use crate::{catalog, settings};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};
use serde::Serialize;

const PATH: &str = "/discovery";
const VERSION: &str = "CNSP 1.0";
const STATES: [&str; 4] = ["pending", "active", "suspended", "cancel"];
const ACTIONS: [&str; 7] =
    ["create", "update", "update.suspend", "update.reactivate", "delete", "assign", "revoke"];
/// The type of every sample.
const TYPE: &str = "saas";

/// What CNSP 1.0 has every endpoint do. It cannot be tried without doing it.
const FUNCTIONS: [&str; 17] = [
    "account.create",
    "account.update",
    "account.delete",
    "account.get",
    "user.create",
    "user.update",
    "user.delete",
    "user.get",
    "user.list",
    "user.assign",
    "user.revoke",
    "resource.create",
    "resource.update",
    "resource.act",
    "resource.delete",
    "resource.get",
    "resource.list",
];
const USAGE: &str = "billing.usage";
/// What this adapter answers whatever the remote has.
const OWN: [&str; 2] = ["discovery.describe", "health.check"];

/// What a request that changes nothing has shown.
#[derive(Serialize)]
pub(crate) struct Probe {
    path: &'static str,
    answered: String,
}

pub(crate) fn describe() -> Result<Description, Failure> {
    let remote = Remote::open()?;
    match remote.get(PATH, "") {
        Ok(Answered { mut response, .. }) => match response.list("resources")? {
            Some(resources) => Ok(described(response, resources)?),
            None => {
                // It has one of another shape: what it says is passed on beside what is found out.
                let mut description = probe(&remote, "200, without `resources`")?;
                description.other.extend(response.rest()?);
                Ok(description)
            }
        },
        Err(failure) if is_absent(&failure) => probe(&remote, &shown(&failure)),
        Err(failure) => Err(failure),
    }
}

/// Whether an operation is one that the remote does not have.
pub(crate) fn is_absent(failure: &Failure) -> bool {
    matches!(failure.respcode, 404 | 405 | 501)
}

fn described(mut response: Object, resources: Vec<Object>) -> Result<Description, Wrong> {
    let spversion = response.text_or("spversion", VERSION);
    let mut capabilities = match response.texts("capabilities") {
        Some(said) => said,
        None => {
            response.take("capabilities");
            let known = FUNCTIONS.into_iter().chain([USAGE, "catalog.list", "account.list"]);
            known.map(str::to_owned).collect()
        }
    };
    for own in OWN {
        if !capabilities.iter().any(|known| known == own) {
            capabilities.push(own.to_owned());
        }
    }
    Ok(Description {
        spversion,
        resources: resources.into_iter().map(artifact).collect::<Result<_, _>>()?,
        capabilities,
        other: response.rest()?,
    })
}

fn artifact(mut object: Object) -> Result<Artifact, Wrong> {
    // Where it does not say, what CNSP 1.0 has.
    let list = |object: &mut Object, key: &str, usual: &[&str]| match object.texts(key) {
        Some(texts) => Ok(texts),
        None if object.has(key) => Err(object.wrong(key, "a list of texts")),
        None => {
            object.take(key);
            Ok(own(usual))
        }
    };
    Ok(Artifact {
        type_: object.required_text("type")?,
        states: list(&mut object, "states", &STATES)?,
        actions: list(&mut object, "actions", &ACTIONS)?,
        other: object.rest()?,
    })
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Finds out by asking, for what can be asked without changing anything, and says how it was found out.
fn probe(remote: &Remote, discovery: &str) -> Result<Description, Failure> {
    let mut probes = vec![Probe { path: PATH, answered: discovery.to_owned() }];
    let mut capabilities: Vec<String> =
        OWN.into_iter().chain(FUNCTIONS).map(str::to_owned).collect();
    let catalog = ask(remote, catalog::PATH, &mut probes)?;
    let accounts = ask(remote, "/account", &mut probes)?;
    let found = [("catalog.list", catalog.is_some()), ("account.list", accounts.is_some())];
    for (function, _) in found.into_iter().filter(|(_, found)| *found) {
        capabilities.push(function.to_owned());
    }
    capabilities.push(USAGE.to_owned());
    let types = match catalog {
        Some(catalog) => types(catalog)?,
        None => vec![TYPE.to_owned()],
    };
    let actions = [own(&ACTIONS), settings::actions()].concat();
    let artifact = |type_| Artifact {
        type_,
        states: own(&STATES),
        actions: actions.clone(),
        other: OpenMap::new(),
    };
    let mut other = OpenMap::new();
    other.put("probed", probes);
    Ok(Description {
        spversion: VERSION.to_owned(),
        resources: types.into_iter().map(artifact).collect(),
        capabilities,
        other,
    })
}

/// Asks for one thing. None when the remote does not have it, or not for us; what may pass is no answer.
fn ask(
    remote: &Remote,
    path: &'static str,
    probes: &mut Vec<Probe>,
) -> Result<Option<Object>, Failure> {
    let (answered, found) = match remote.get(path, "") {
        Ok(answered) => ("200".to_owned(), Some(answered.response)),
        Err(failure) if failure.retryable => return Err(failure),
        Err(failure) => (shown(&failure), None),
    };
    probes.push(Probe { path, answered });
    Ok(found)
}

fn shown(failure: &Failure) -> String {
    format!("{}: {}", failure.respcode, failure.errormessage)
}

/// The types that are offered, each once.
fn types(mut catalog: Object) -> Result<Vec<String>, Wrong> {
    let mut types = Vec::new();
    for mut offering in catalog.list("resources")?.unwrap_or_default() {
        let kind = offering.required_object("resource")?.required_text("type")?;
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    Ok(types)
}
