//! What is set up: vendors, callers, endpoints and their sealed secrets, as JSON records in [`Partition::SETUP`].
//!
//! A record that an older host does not fully understand is refused, not half used: what it cannot read
//! might be a restriction.

use super::{Key, Page, Partition, Range, Space, Store, Versioned};
use crate::config::SecretSource;
use crate::limits::OwnLimits;
use anyhow::Context;
use bytes::Bytes;
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many records one read takes from the store.
const PAGE_COUNT: usize = 256;

/// A business that sells through the marketplace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VendorRecord {
    pub(crate) id: String,
    /// For people.
    pub(crate) name: String,
}

/// Somebody who calls the API.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerRecord {
    /// The user name of HTTP Basic.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Whose endpoints: exactly where the role is [`Role::Vendor`].
    pub(crate) vendor: Option<String>,
    pub(crate) endpoints: EndpointAccess,
    /// argon2id in PHC form.
    pub(crate) password_hash: String,
}

// By hand, so that no hash gets into a log.
impl fmt::Debug for CallerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerRecord")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("vendor", &self.vendor)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

/// What a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Runs the host.
    Operator,
    /// Acts for one vendor, on that vendor's endpoints only.
    Vendor,
    /// Buys for its customers.
    Marketplace,
    /// Reads and changes nothing.
    Auditor,
}

/// Which endpoints a caller may use, within what its role may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndpointAccess {
    /// Those that there are and those to come.
    All,
    /// These, by id.
    List(BTreeSet<String>),
}

/// A vendor's registered endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointRecord {
    pub(crate) id: String,
    pub(crate) vendor: String,
    /// SHA-256 of the component's bytes, in lower-case hex: its name among the blobs.
    pub(crate) plugin: String,
    /// For people: the name of the file that the bytes came from, without `.wasm`.
    pub(crate) plugin_name: String,
    /// For people: the version that the component says it has.
    #[serde(default)]
    pub(crate) plugin_version: Option<String>,
    pub(crate) mode: Mode,
    /// What `config.get` answers.
    pub(crate) config: BTreeMap<String, String>,
    /// Secrets that grants may name and that are not kept yet: what a host kept before secrets were. Nothing
    /// writes any.
    #[serde(default, rename = "secrets", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) secret_references: BTreeMap<String, SecretSource>,
    pub(crate) grants: Vec<HttpGrant>,
    /// Certificates that its providers' may be signed with, beside the system's, in PEM.
    #[serde(default)]
    pub(crate) ca_pem: Option<String>,
    /// The only certificates that its providers may have: SHA-256 of the whole of each, in lower-case hex. None: any that
    /// is signed well.
    #[serde(default)]
    pub(crate) certificate_sha256: BTreeSet<String>,
    /// Where it has less than the host gives.
    pub(crate) limits: OwnLimits,
    /// How often its resources are compared with its provider's, in seconds. 0: only on demand. None: as often as
    /// the host says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drift_check_s: Option<u64>,
}

/// Whether money changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Sandbox,
    Live,
}

/// One secret of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretRecord {
    /// The id of the key that it is sealed with.
    pub(crate) key: String,
    /// For its endpoint and name, in base64.
    pub(crate) sealed: String,
}

/// Hosts that an endpoint's plugin may send requests to, and what may go with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpGrant {
    pub(crate) scheme: Scheme,
    /// In lower case: a name, an address (IPv6 without brackets), or `*.` and a name for all names below it.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Begins with a slash: what lies below is granted.
    pub(crate) path: String,
    /// In capitals. None: all.
    pub(crate) methods: BTreeSet<String>,
    /// Addresses that are not public and may be reached there all the same.
    pub(crate) addresses: Vec<IpNet>,
    /// Names of the endpoint's secrets.
    pub(crate) secrets: BTreeSet<String>,
}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// A record and the version at which the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored<T> {
    pub(crate) version: u64,
    pub(crate) record: T,
}

/// Everything that is set up, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) vendors: BTreeMap<String, Stored<VendorRecord>>,
    pub(crate) callers: BTreeMap<String, Stored<CallerRecord>>,
    pub(crate) endpoints: BTreeMap<String, Stored<EndpointRecord>>,
    /// By endpoint and name.
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, Stored<SecretRecord>>>,
}

impl Records {
    /// Reads everything. While a set-up is being applied, it may see part of it: one at a time applies or
    /// rotates secrets, and who applies reloads afterwards.
    pub(crate) async fn load(store: &dyn Store) -> anyhow::Result<Records> {
        let mut secrets: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
        for (key, stored) in load_space(store, Space::Secret).await? {
            let (endpoint, name) = key.split_once('\0').context("a secret's key has no name")?;
            secrets.entry(endpoint.to_owned()).or_default().insert(name.to_owned(), stored);
        }
        Ok(Records {
            secrets,
            vendors: load_space(store, Space::Vendor).await?,
            callers: load_space(store, Space::Caller).await?,
            endpoints: load_space(store, Space::Endpoint).await?,
        })
    }

    /// Whether nothing is set up yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.vendors.is_empty() && self.callers.is_empty() && self.endpoints.is_empty()
    }
}

/// Where a vendor lies.
pub(crate) fn vendor_key(id: &str) -> Key {
    Key::new(Space::Vendor, Partition::SETUP, &[id])
}

/// Where a caller lies.
pub(crate) fn caller_key(name: &str) -> Key {
    Key::new(Space::Caller, Partition::SETUP, &[name])
}

/// Where an endpoint lies.
pub(crate) fn endpoint_key(id: &str) -> Key {
    Key::new(Space::Endpoint, Partition::SETUP, &[id])
}

/// Where a secret lies.
pub(crate) fn secret_key(endpoint: &str, name: &str) -> Key {
    Key::new(Space::Secret, Partition::SETUP, &[endpoint, name])
}

async fn load_space<T: DeserializeOwned>(
    store: &dyn Store,
    space: Space,
) -> anyhow::Result<BTreeMap<String, Stored<T>>> {
    let mut range = Range {
        space,
        partition: Partition::SETUP,
        prefix: Bytes::new(),
        after: None,
        limit: PAGE_COUNT,
    };
    let mut records = BTreeMap::new();
    loop {
        let Page { entries, more } =
            store.scan(&range).await.with_context(|| format!("cannot read {space:?} records"))?;
        let last = entries.last().map(|(body, _)| body.clone());
        for (body, versioned) in entries {
            let (id, stored) = decode(&body, &versioned)
                .with_context(|| format!("the {space:?} record {}", body.escape_ascii()))?;
            records.insert(id, stored);
        }
        match last {
            Some(last) if more => range.after = Some(last),
            _ => return Ok(records),
        }
    }
}

fn decode<T: DeserializeOwned>(
    body: &Bytes,
    versioned: &Versioned,
) -> anyhow::Result<(String, Stored<T>)> {
    let id = std::str::from_utf8(body).context("has a key that is no text")?;
    let record = serde_json::from_slice(&versioned.value).context(
        "is not one that this version of cnsp writes; start the version that wrote it, or restore a backup",
    )?;
    Ok((id.to_owned(), Stored { version: versioned.version, record }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_comes_back_as_it_was() {
        let record = EndpointRecord {
            id: "sandbox".into(),
            vendor: "acme".into(),
            plugin: "ab".repeat(32),
            plugin_name: "sandbox".into(),
            plugin_version: Some("1.2.0".into()),
            mode: Mode::Live,
            config: BTreeMap::from([("region".into(), "eu".into())]),
            secret_references: BTreeMap::new(),
            grants: vec![HttpGrant {
                scheme: Scheme::Https,
                host: "*.example.com".into(),
                port: 443,
                path: "/v2".into(),
                methods: BTreeSet::from(["GET".into()]),
                addresses: vec!["10.0.0.0/8".parse().unwrap()],
                secrets: BTreeSet::from(["key".into()]),
            }],
            ca_pem: None,
            certificate_sha256: BTreeSet::from(["cd".repeat(32)]),
            limits: OwnLimits::default(),
            drift_check_s: None,
        };
        let value = Bytes::from(serde_json::to_vec(&record).unwrap());
        let (id, stored) =
            decode::<EndpointRecord>(&"sandbox".into(), &Versioned { version: 7, value }).unwrap();
        assert_eq!((id.as_str(), stored), ("sandbox", Stored { version: 7, record }));
    }

    #[test]
    fn a_newer_record_is_refused() {
        let value = Bytes::from_static(br#"{"id":"acme","name":"Acme","closed":true}"#);
        let error = decode::<VendorRecord>(&"acme".into(), &Versioned { version: 1, value });
        assert!(error.unwrap_err().to_string().contains("start the version that wrote it"));
    }

    #[test]
    fn a_hash_is_not_printed() {
        let record = CallerRecord {
            name: "bob".into(),
            role: Role::Auditor,
            vendor: None,
            endpoints: EndpointAccess::All,
            password_hash: "$argon2id$hush".into(),
        };
        assert!(!format!("{record:?}").contains("hush"));
    }
}
