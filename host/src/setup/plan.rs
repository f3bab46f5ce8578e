//! From a declaration and what the store has to one transaction, or to every problem there is.

use super::check::{self, problem};
use super::read::{Declaration, DeclaredCaller, Password};
use super::report::{Change, FieldChange, Report, differences};
use super::secrets::{self, Changes};
use super::{Problem, Setup};
use crate::callers::Passwords;
use crate::secrets::Keys;
use crate::store::setup::{
    CallerRecord, EndpointAccess, EndpointRecord, Records, Stored, caller_key, endpoint_key,
    vendor_key,
};
use crate::store::{
    Condition, Key, Operation, Partition, Space, TX_BYTES_MAX, TX_OPERATION_COUNT_MAX, Tx,
    VALUE_BYTES_MAX,
};
use anyhow::Context;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The most records that an audit row names: it has to fit into one value.
const AUDIT_COUNT_MAX: usize = 100;
/// What a transaction holds besides keys and values.
const TX_OVERHEAD_BYTES: usize = 64 << 10;

/// What is to be done.
pub(super) struct Plan {
    pub(super) report: Report,
    pub(super) tx: Tx,
    /// The bytes of the plugins that the declaration names, each once.
    pub(super) plugins: Vec<Vec<u8>>,
    /// What secrets of the transaction are sealed with. None: it has none.
    pub(super) keys: Option<Keys>,
}

/// Checks everything, compiles plugins and hashes passwords: blocks for long.
pub(super) fn plan(
    setup: &Setup,
    mut declaration: Declaration,
    mut problems: Vec<Problem>,
    current: &Records,
) -> Result<Plan, Vec<Problem>> {
    let mut warnings = Vec::new();
    check::references(&declaration, current, &mut problems);
    check::limits(&declaration, setup, &mut problems);
    check::grants(&declaration, &mut warnings);
    let keys = setup.vault.keys();
    let secrets = match &keys {
        Ok(keys) => secrets::plan(&declaration, current, keys, &mut problems, &mut warnings),
        Err(error) => {
            problems.push(general(format!("{error:#}")));
            BTreeMap::new()
        }
    };
    let passwords = Passwords::new(&setup.config.auth);
    match &passwords {
        Ok(passwords) => check::hashes(&declaration, passwords, current, &mut problems),
        Err(error) => problems.push(general(format!("{error:#}"))),
    }
    let plugins = check::accept_plugins(&mut declaration, setup, &mut problems);
    let (Ok(passwords), Ok(keys), true) = (passwords, keys, problems.is_empty()) else {
        return Err(problems);
    };
    let mut draft = Draft::new(warnings);
    draft
        .add(&declaration, &passwords, secrets, current)
        .map_err(|e| vec![general(format!("{e:#}"))])?;
    draft.rely_on(&declaration, current);
    draft.finish(plugins, keys)
}

fn general(text: String) -> Problem {
    Problem { file: "the set-up".to_owned(), key: String::new(), text }
}

/// The plan in the making.
struct Draft {
    report: Report,
    tx: Tx,
    bytes: usize,
    problems: Vec<Problem>,
}

impl Draft {
    fn new(warnings: Vec<String>) -> Draft {
        let report = Report { warnings, ..Report::default() };
        Draft { report, tx: Tx::new(Partition::SETUP), bytes: 0, problems: Vec::new() }
    }

    fn add(
        &mut self,
        declaration: &Declaration,
        passwords: &Passwords,
        mut secrets: BTreeMap<String, Changes>,
        current: &Records,
    ) -> anyhow::Result<()> {
        for (id, declared) in &declaration.vendors {
            let before = current.vendors.get(id);
            let file = &declared.file;
            self.compare("vendor", id, file, vendor_key(id), before, &declared.value, vec![])?;
        }
        for (name, declared) in &declaration.callers {
            let before = current.callers.get(name);
            let record = caller_record(name, &declared.value, passwords, before)?;
            let file = &declared.file;
            self.compare("caller", name, file, caller_key(name), before, &record, vec![])?;
        }
        for (id, declared) in &declaration.endpoints {
            let before = current.endpoints.get(id);
            let record: &EndpointRecord = &declared.value.record;
            let Changes { fields, conditions, operations } = secrets.remove(id).unwrap_or_default();
            self.compare("endpoint", id, &declared.file, endpoint_key(id), before, record, fields)?;
            self.tx.conditions.extend(conditions);
            for operation in operations {
                self.push(operation);
            }
        }
        let kept = |what: &str, ids: Vec<&String>| {
            ids.into_iter().map(|id| format!("{what} {id}")).collect::<Vec<_>>()
        };
        let (vendors, callers, endpoints) =
            (&declaration.vendors, &declaration.callers, &declaration.endpoints);
        self.report.kept = [
            kept(
                "vendor",
                current.vendors.keys().filter(|id| !vendors.contains_key(*id)).collect(),
            ),
            kept(
                "caller",
                current.callers.keys().filter(|id| !callers.contains_key(*id)).collect(),
            ),
            kept(
                "endpoint",
                current.endpoints.keys().filter(|id| !endpoints.contains_key(*id)).collect(),
            ),
        ]
        .concat();
        Ok(())
    }

    /// `beside`: what changes with the record, and is no part of it.
    #[expect(clippy::too_many_arguments, reason = "what is compared, and where it is from")]
    fn compare<T: Serialize + PartialEq>(
        &mut self,
        what: &str,
        id: &str,
        file: &str,
        key: Key,
        before: Option<&Stored<T>>,
        after: &T,
        beside: Vec<FieldChange>,
    ) -> anyhow::Result<()> {
        let record = format!("{what} {id}");
        let value = serde_json::to_vec(after).with_context(|| record.clone())?;
        self.tx.conditions.push(match before {
            None => Condition::Absent(key.clone()),
            Some(stored) => Condition::Version(key.clone(), stored.version),
        });
        match before {
            Some(stored) if stored.record == *after => {
                match beside.is_empty() {
                    true => self.report.unchanged.push(record),
                    false => self.report.changed.push(Change { record, fields: beside }),
                }
                return Ok(());
            }
            Some(stored) => {
                let (old, new) =
                    (serde_json::to_value(&stored.record)?, serde_json::to_value(after)?);
                let fields = [differences(&old, &new), beside].concat();
                self.report.changed.push(Change { record, fields });
            }
            None => self.report.created.push(record),
        }
        if value.len() > VALUE_BYTES_MAX {
            let text =
                format!("takes {} bytes; the store takes {VALUE_BYTES_MAX} for one", value.len());
            self.problems.push(problem(file, format!("{what}s.{id}"), text));
        }
        self.push(Operation::Put(key, value.into()));
        Ok(())
    }

    fn push(&mut self, operation: Operation) {
        self.bytes += match &operation {
            Operation::Put(key, value) => key.body.len() + value.len(),
            Operation::Delete(key) => key.body.len(),
        };
        self.tx.operations.push(operation);
    }

    /// What is referred to and not declared has to be still there when this commits.
    fn rely_on(&mut self, declaration: &Declaration, current: &Records) {
        let mut vendors = BTreeSet::new();
        let mut endpoints = BTreeSet::new();
        for declared in declaration.callers.values() {
            vendors.extend(&declared.value.vendor);
            if let EndpointAccess::List(ids) = &declared.value.endpoints {
                endpoints.extend(ids);
            }
        }
        vendors.extend(declaration.endpoints.values().map(|e| &e.value.record.vendor));
        for id in vendors.into_iter().filter(|id| !declaration.vendors.contains_key(*id)) {
            if let Some(stored) = current.vendors.get(id) {
                self.tx.conditions.push(Condition::Version(vendor_key(id), stored.version));
            }
        }
        for id in endpoints.into_iter().filter(|id| !declaration.endpoints.contains_key(*id)) {
            if let Some(stored) = current.endpoints.get(id) {
                self.tx.conditions.push(Condition::Version(endpoint_key(id), stored.version));
            }
        }
    }

    fn finish(mut self, plugins: Vec<Vec<u8>>, keys: Keys) -> Result<Plan, Vec<Problem>> {
        let (count, bytes) = (self.tx.operations.len(), self.bytes);
        if count > TX_OPERATION_COUNT_MAX || bytes > TX_BYTES_MAX - TX_OVERHEAD_BYTES {
            self.problems.push(general(format!(
                "changes {count} records of {bytes} bytes at once; the store takes {TX_OPERATION_COUNT_MAX} of \
                 {} bytes: split the folder and apply one part after the other",
                TX_BYTES_MAX - TX_OVERHEAD_BYTES
            )));
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let first = |names: Vec<&String>| {
            names.into_iter().take(AUDIT_COUNT_MAX).cloned().collect::<Vec<_>>()
        };
        let event = serde_json::json!({
            "at_s": jiff::Timestamp::now().as_second(),
            "operation": "apply set-up",
            "record_count": count,
            "created": first(self.report.created.iter().collect()),
            "changed": first(self.report.changed.iter().map(|change| &change.record).collect()),
        });
        self.tx.event = Some(event.to_string().into());
        let is_secret = |operation: &Operation| matches!(operation, Operation::Put(key, _) if key.space == Space::Secret);
        let keys = Some(keys).filter(|_| self.tx.operations.iter().any(is_secret));
        Ok(Plan { report: self.report, tx: self.tx, plugins, keys })
    }
}

/// The caller as it is to be stored. A password that is already the stored one keeps its hash.
fn caller_record(
    name: &str,
    declared: &DeclaredCaller,
    passwords: &Passwords,
    before: Option<&Stored<CallerRecord>>,
) -> anyhow::Result<CallerRecord> {
    let stored = before.map(|stored| &stored.record.password_hash);
    let password_hash = match (&declared.password, stored) {
        (Password::Hash(hash), _) => hash.clone(),
        (Password::Clear(password), Some(stored)) if is_same(passwords, password, stored) => {
            stored.clone()
        }
        (Password::Clear(password), _) => {
            passwords.hash(password).with_context(|| format!("the password of caller {name}"))?
        }
    };
    Ok(CallerRecord {
        name: name.to_owned(),
        role: declared.role,
        vendor: declared.vendor.clone(),
        endpoints: declared.endpoints.clone(),
        password_hash,
    })
}

fn is_same(passwords: &Passwords, password: &str, stored: &str) -> bool {
    Passwords::parse(stored)
        .is_ok_and(|hash| passwords.is_current(&hash) && passwords.verify(password, &hash))
}
