//! What can only be checked once everything is read: references, limits, hashes and plugins.

use super::read::{Declaration, Declared, Password};
use super::{Problem, Setup};
use crate::blobs::{BLOB_BYTES_MAX, Digest};
use crate::callers::Passwords;
use crate::limits::{About, Limit};
use crate::plugin;
use crate::store::setup::{EndpointAccess, HttpGrant, Records, Role, Scheme};
use anyhow::{Context, anyhow, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A problem at a key of a file. The text goes on from the key.
pub(super) fn problem(file: &str, key: String, text: impl Into<String>) -> Problem {
    Problem { file: file.to_owned(), key, text: text.into() }
}

pub(super) fn references(
    declaration: &Declaration,
    current: &Records,
    problems: &mut Vec<Problem>,
) {
    let has_vendor =
        |id: &str| declaration.vendors.contains_key(id) || current.vendors.contains_key(id);
    let vendor_of = |id: &str| match declaration.endpoints.get(id) {
        Some(declared) => Some(&declared.value.record.vendor),
        None => current.endpoints.get(id).map(|stored| &stored.record.vendor),
    };
    let unknown = |what: &str, id: &str| {
        let id = id.escape_debug();
        format!("names the {what} \"{id}\", which is neither declared here nor known to the host")
    };
    for (id, Declared { file, value }) in &declaration.endpoints {
        let vendor = &value.record.vendor;
        // An empty one is a problem already.
        if !vendor.is_empty() && !has_vendor(vendor) {
            let key = format!("endpoints.{id}.vendor");
            problems.push(problem(file, key, unknown("vendor", vendor)));
        }
    }
    for (name, Declared { file, value: caller }) in &declaration.callers {
        if let Some(vendor) = caller.vendor.as_ref().filter(|vendor| !has_vendor(vendor)) {
            let key = format!("callers.{name}.vendor");
            problems.push(problem(file, key, unknown("vendor", vendor)));
        }
        let EndpointAccess::List(ids) = &caller.endpoints else { continue };
        for id in ids {
            let key = format!("callers.{name}.endpoints");
            match vendor_of(id) {
                None => problems.push(problem(file, key, unknown("endpoint", id))),
                Some(owner)
                    if caller.role == Role::Vendor && caller.vendor.as_ref() != Some(owner) =>
                {
                    let text = format!("lists \"{id}\", which belongs to vendor \"{owner}\"");
                    problems.push(problem(file, key, text));
                }
                Some(_) => {}
            }
        }
    }
}

/// An endpoint has at most what the host gives to any.
pub(super) fn limits(declaration: &Declaration, setup: &Setup, problems: &mut Vec<Problem>) {
    for (id, Declared { file, value }) in &declaration.endpoints {
        for limit in Limit::ALL {
            let max = limit.ceiling(&setup.config);
            let wanted = value.record.limits.get(limit).filter(|wanted| *wanted > max);
            let About { key, setting, .. } = limit.about();
            if let Some(wanted) = wanted {
                let text =
                    format!("is {wanted}; the host gives at most {max} (its setting {setting})");
                problems.push(problem(file, format!("endpoints.{id}.limits.{key}"), text));
            }
        }
    }
}

/// What may be a mistake.
pub(super) fn grants(declaration: &Declaration, warnings: &mut Vec<String>) {
    for (id, Declared { file, value }) in &declaration.endpoints {
        for grant in value.record.grants.iter().filter(|grant| sends_in_clear(grant)) {
            warnings.push(format!(
                "{file}: endpoints.{id}.grants: secrets go to http://{}:{} unencrypted",
                grant.host, grant.port
            ));
        }
    }
}

fn sends_in_clear(grant: &HttpGrant) -> bool {
    let here = matches!(grant.host.as_str(), "localhost" | "::1") || grant.host.starts_with("127.");
    grant.scheme == Scheme::Http && !grant.secrets.is_empty() && !here
}

/// A hash of another cost takes another time, and times tell which names exist.
pub(super) fn hashes(
    declaration: &Declaration,
    passwords: &Passwords,
    current: &Records,
    problems: &mut Vec<Problem>,
) {
    for (name, Declared { file, value }) in &declaration.callers {
        let Password::Hash(text) = &value.password else { continue };
        let known = current.callers.get(name).is_some_and(|c| c.record.password_hash == *text);
        let other_cost = Passwords::parse(text).is_ok_and(|hash| !passwords.is_current(&hash));
        if other_cost && !known {
            let text = format!(
                "has another cost than the host's settings under auth say; make it with {}, \
                 or give the password itself",
                passwords.cost()
            );
            problems.push(problem(file, format!("callers.{name}.password_hash"), text));
        }
    }
}

/// Reads each file once, has it accepted, and writes its digest and version into the endpoints that name it.
pub(super) fn accept_plugins(
    declaration: &mut Declaration,
    setup: &Setup,
    problems: &mut Vec<Problem>,
) -> Vec<Vec<u8>> {
    let mut by_path: BTreeMap<PathBuf, Result<(Digest, Option<String>), String>> = BTreeMap::new();
    let mut plugins: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
    for (id, Declared { file, value }) in &mut declaration.endpoints {
        if value.record.plugin_name.is_empty() {
            // There is no plugin key, which is a problem already.
            continue;
        }
        let accepted = by_path.entry(value.plugin.clone()).or_insert_with(|| {
            let bytes = read_plugin(&value.plugin).map_err(|error| format!("{error:#}"))?;
            let digest = (setup.accept)(&bytes).map_err(|error| format!("{error:#}"))?;
            let version = plugin::version(&bytes);
            plugins.insert(digest, bytes);
            Ok((digest, version))
        });
        match accepted {
            Ok((digest, version)) => {
                value.record.plugin = digest.to_string();
                value.record.plugin_version.clone_from(version);
            }
            Err(error) => {
                let text = format!("is {}, which cannot be used: {error}", value.plugin.display());
                problems.push(problem(file, format!("endpoints.{id}.plugin"), text));
            }
        }
    }
    plugins.into_values().collect()
}

fn read_plugin(path: &Path) -> anyhow::Result<Vec<u8>> {
    let help = "build it with `cnsp plugin build`, or correct the path";
    let metadata = std::fs::metadata(path).map_err(|error| anyhow!("{error}; {help}"))?;
    ensure!(metadata.is_file(), "it is no ordinary file; {help}");
    let bytes = metadata.len();
    ensure!(
        bytes <= BLOB_BYTES_MAX as u64,
        "it has {bytes} bytes, and a plugin at most {BLOB_BYTES_MAX}"
    );
    std::fs::read(path).context("it cannot be read")
}
