//! What becomes of the endpoints' secrets: each is read once, where the set-up says, and kept sealed.

use super::Problem;
use super::check::problem;
use super::read::{Declaration, Declared};
use super::report::FieldChange;
use crate::secrets::Keys;
use crate::store::json::{put, unchanged};
use crate::store::setup::{Records, secret_key};
use crate::store::{Condition, Operation};
use std::collections::{BTreeMap, BTreeSet};

/// What a report says where a secret is, or was.
const KEPT: &str = "kept";

/// What becomes of those of one endpoint.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) fields: Vec<FieldChange>,
    pub(super) conditions: Vec<Condition>,
    pub(super) operations: Vec<Operation>,
}

/// Reads what is handed over, which may block on files, and compares it with what is kept. A variable or a file
/// that is not there any more hands nothing over, and what is kept stays.
pub(super) fn plan(
    declaration: &Declaration,
    current: &Records,
    keys: &Keys,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, Changes> {
    let mut all = BTreeMap::new();
    let none = BTreeMap::new();
    for (id, Declared { file, value }) in &declaration.endpoints {
        let stored = current.secrets.get(id).unwrap_or(&none);
        let names: BTreeSet<&String> = value.secrets.keys().chain(stored.keys()).collect();
        let mut changes = Changes::default();
        for name in names {
            let before = stored.get(name);
            let at = secret_key(id, name);
            let mut change = |before: Option<&str>, after: Option<&str>| {
                let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
                changes.fields.push(FieldChange {
                    field: format!("secrets.{name}"),
                    before,
                    after,
                });
            };
            changes.conditions.push(unchanged(at.clone(), before.map(|stored| stored.version)));
            let Some(source) = value.secrets.get(name) else {
                change(Some(KEPT), None);
                changes.operations.push(Operation::Delete(at));
                continue;
            };
            let key = format!("endpoints.{id}.secrets.{name}");
            let kept = before.map(|stored| keys.open(id, name, &stored.record));
            let handed = match (source.find(), &kept) {
                (Ok(Some(secret)), _) => secret,
                (Ok(None), Some(Ok(_))) => {
                    let text = format!("{source} is not there; the secret that is kept stays");
                    warnings.push(format!("{file}: {key}: {text}"));
                    continue;
                }
                (Ok(None), Some(Err(error))) => {
                    let text = format!("is not there, in {source}, and {error:#}");
                    problems.push(problem(file, key, text));
                    continue;
                }
                (Ok(None), None) => {
                    let text = format!("cannot be read: {source} is not there; put it there");
                    problems.push(problem(file, key, text));
                    continue;
                }
                (Err(error), _) => {
                    problems.push(problem(file, key, format!("cannot be read: {error:#}")));
                    continue;
                }
            };
            match kept {
                None => change(None, Some(KEPT)),
                Some(Ok(kept)) if kept == handed => continue,
                Some(Ok(_)) => change(None, None),
                Some(Err(error)) => {
                    warnings.push(format!("{file}: {key}: kept anew, since {error:#}"));
                    change(None, None);
                }
            }
            match keys.seal(id, name, &handed).and_then(|record| Ok(put(at, &record)?)) {
                Ok(operation) => changes.operations.push(operation),
                Err(error) => {
                    problems.push(problem(file, key, format!("cannot be kept: {error:#}")))
                }
            }
        }
        all.insert(id.clone(), changes);
    }
    all
}
