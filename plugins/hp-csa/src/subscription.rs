//! CSA's subscriptions: what somebody has, what it costs, and how it stands.

use crate::csa::{Csa, encode};
use crate::organization::Person;
use crate::terms::{Reader, Terms};
use crate::time::{self, Zone};
use crate::xml::Element;
use crate::{check, ids, settings};
use cnsp_sdk::Failure;
use serde_json::{Map, Number, Value};

/// The clock of CSA's server may be ahead.
const AHEAD_MS: i64 = 24 * 3600 * 1000;

/// A subscription, as it is now.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// As the subscriber has named it: what an invoice shows.
    pub(crate) name: String,
    description: Option<String>,
    /// The request that began it.
    pub(crate) request: Option<String>,
    pub(crate) catalog: Option<String>,
    pub(crate) offering: Option<String>,
    /// ACTIVE, CANCELLED, EXPIRED, PAUSED, PENDING, TERMINATED.
    pub(crate) status: String,
    /// Of the service instance, where there is one.
    pub(crate) state: Option<String>,
    pub(crate) instance: Option<String>,
    /// The group that shares it. Absent where only who ordered it owns it.
    pub(crate) group: Option<String>,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    /// What it costs, or in words why that cannot be told.
    pub(crate) terms: Result<Option<Terms>, String>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting for an approval, initializing, reserving, deploying.
    Before,
    /// All of it is there: from here on it is paid.
    Deployed,
    /// Something else is going on, a modification for one: what was stays.
    Between,
    /// Expired, cancelled, failed. With its end date, where it has come to that.
    Over(Option<i64>),
}

/// What reads subscriptions, once the settings that they depend on are known.
pub(crate) struct Subscriptions {
    pub(crate) zone: Zone,
    prices: Reader,
    deployed: Vec<String>,
}

/// What CSA lists for one person.
pub(crate) struct Listed {
    /// In the order of their ids, each once.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Whether the list says that it was cut.
    pub(crate) is_cut: bool,
}

impl Subscriptions {
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self {
            zone: Zone::of_server()?,
            prices: Reader::open()?,
            deployed: settings::deployed_states(),
        })
    }

    fn read(&self, element: &Element) -> Option<Subscription> {
        let id_at =
            |path: &[&str]| element.text_at(path).filter(|id| ids::is_plain(id)).map(str::to_owned);
        let upper = |path: &[&str]| element.text_at(path).map(str::to_ascii_uppercase);
        let moment = |path: &[&str]| element.text_at(path).and_then(|text| self.zone.parse(text));
        let id = id_at(&["id"])?;
        let name = element.text_at(&["displayName"]).or(element.text_at(&["name"]));
        Some(Subscription {
            name: check::said(name.unwrap_or(&id)),
            description: element.owned(&["description"]),
            request: id_at(&["initiatingServiceRequest", "id"]),
            catalog: id_at(&["catalogItem", "catalog", "id"]),
            offering: id_at(&["serviceOffering", "id"]),
            status: upper(&["subscriptionStatus", "name"]).unwrap_or_default(),
            state: upper(&["serviceInstance", "serviceInstanceState", "name"]),
            instance: id_at(&["serviceInstance", "id"]),
            group: element
                .text_at(&["ownerGroup"])
                .map(check::said)
                .or_else(|| element.text_at(&["ownerGroup", "displayName"]).map(check::said)),
            start: moment(&["startDate"]).or_else(|| moment(&["submittedOn"])),
            end: moment(&["endDate"]),
            terms: self.prices.read(element, "totalPrice"),
            id,
        })
    }

    /// How far it is at a moment.
    pub(crate) fn stage(&self, subscription: &Subscription, at: i64) -> Stage {
        let status = subscription.status.as_str();
        let state = subscription.state.as_deref().unwrap_or_default();
        let ended = subscription.end.filter(|end| *end <= at);
        if matches!(status, "CANCELLED" | "CANCELED" | "EXPIRED" | "TERMINATED")
            || matches!(state, "FAILED" | "CANCELLED" | "CANCELED" | "EXPIRED" | "TERMINATED")
            || ended.is_some()
        {
            return Stage::Over(ended);
        }
        let deployed = self.deployed.iter().any(|name| name == state);
        match (status, state) {
            ("PENDING", _) | (_, "" | "INITIALIZING" | "RESERVING" | "DEPLOYING") => Stage::Before,
            ("ACTIVE" | "PAUSED", _) if deployed => Stage::Deployed,
            _ => Stage::Between,
        }
    }

    /// What a person has, and what the groups of that person share.
    pub(crate) fn list(&self, csa: &Csa, person: &Person) -> Result<Option<Listed>, Failure> {
        // The white paper's own order; the dates bound the list, and are the server's.
        let path = format!(
            "/user/mysubscription?userIdentifier={}&requestor={}&scope=view&creationStartDate=1970-01-01T00:00:00&creationEndDate={}",
            encode(&person.id),
            encode(&person.name),
            encode(&self.zone.query(time::now().saturating_add(AHEAD_MS)))
        );
        let Some(root) = csa.find(&path, "The list of subscriptions")? else { return Ok(None) };
        let mut subscriptions: Vec<Subscription> =
            root.all("ServiceSubscription").filter_map(|element| self.read(element)).collect();
        let number = |name: &str| root.text_at(&[name]).and_then(|text| text.parse::<usize>().ok());
        // `count` alone says nothing: it is more than there is at times, also where nothing is cut.
        let is_cut = match (number("limit"), number("count")) {
            (Some(limit), Some(count)) => {
                limit > 0 && subscriptions.len() >= limit && count > limit
            }
            _ => false,
        };
        subscriptions.sort_by(|one, other| one.id.cmp(&other.id));
        subscriptions.dedup_by(|one, other| one.id == other.id);
        Ok(Some(Listed { subscriptions, is_cut }))
    }

    /// One of them. None when CSA does not have it any more.
    pub(crate) fn find(
        &self,
        csa: &Csa,
        catalog: &str,
        id: &str,
        person: &Person,
    ) -> Result<Option<Subscription>, Failure> {
        let path = format!(
            "/catalog/{}/subscription/{}?userIdentifier={}",
            encode(catalog),
            encode(id),
            encode(&person.id)
        );
        let what = "The subscription";
        let Some(root) = csa.find(&path, what)? else { return Ok(None) };
        match self.read(&root).filter(|found| found.id == id) {
            Some(found) => Ok(Some(found)),
            None => {
                let text = format!(
                    "{what} that CSA answered is not the one that was asked for. Its vendor must look."
                );
                Err(Failure::refused(502, text))
            }
        }
    }
}

impl Subscription {
    /// The guid that it was marked with when it was ordered here.
    pub(crate) fn marked(&self) -> Option<&str> {
        self.description.as_deref().and_then(ids::marked)
    }
}

/// What is reserved for a subscription: not what it uses, and not what it pays. None when CSA says nothing of it.
pub(crate) fn reservation(
    csa: &Csa,
    id: &str,
    person: &Person,
) -> Result<Option<Map<String, Value>>, Failure> {
    let path = format!("/utilization/{}?userIdentifier={}", encode(id), encode(&person.id));
    let Some(root) = csa.find(&path, "The utilization")? else { return Ok(None) };
    let mut reserved: Map<String, Value> = Map::new();
    for one in root.all("utilization") {
        let name = one
            .text_at(&["resourceType", "displayName"])
            .or(one.text_at(&["resourceType", "name"]));
        // Integers, as the white paper has them.
        let usage: Option<u64> = one.text_at(&["usage"]).and_then(|text| text.parse().ok());
        let (Some(name), Some(usage)) = (name.and_then(property), usage) else { continue };
        // Several components of one subscription may reserve the same.
        let before = reserved.get(name).and_then(Value::as_u64).unwrap_or(0);
        reserved.insert(name.to_owned(), Value::Number(Number::from(before.saturating_add(usage))));
    }
    Ok(Some(reserved))
}

/// The eleven that CSA defines, whatever the case and the separators.
fn property(name: &str) -> Option<&'static str> {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    Some(match plain.as_str() {
        "cpu" => "CPU",
        "ipv4addresses" | "ipv4address" | "ipv4" => "IPv4 Addresses",
        "ipv6addresses" | "ipv6address" | "ipv6" => "IPv6 Address",
        "license" => "License",
        "memory" | "memorymb" => "Memory MB",
        "physicalserver" => "Physical Server",
        "power" | "powerkw" => "Power KW",
        "storage" | "storagegb" => "Storage GB",
        "subnet" => "Subnet",
        "vlan" => "VLAN",
        "virtualserver" => "Virtual Server",
        _ => return None,
    })
}
