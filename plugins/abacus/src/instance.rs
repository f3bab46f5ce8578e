//! Instances, as they are kept, and reading them. Abacus has no list of what it meters: the record is what there is.

use crate::target::Target;
use crate::{account, ids, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, kv};
use serde::{Deserialize, Serialize};

/// The only type of artifact.
pub(crate) const TYPE: &str = "saas";
/// Below what `kv` lists at once, so that one more tells whether there is a next page.
const ITEMS_MAX: u32 = 200;

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pending,
    Active,
    Suspended,
    Cancel,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Cancel => "cancel",
        }
    }
}

/// An instance, as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sku: String,
    pub(crate) target: Target,
    /// The measure that licences are metered as. None: only usage that is pushed is metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) measure: Option<String>,
    /// Whose measures usage has to be of.
    pub(crate) metering_plan: String,
    pub(crate) licence: u64,
    pub(crate) status: Status,
    /// When what is metered now began, or when it was last known not to be metered, in milliseconds since 1970.
    pub(crate) since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<i64>,
    /// When it was found that Abacus had not metered what it should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<i64>,
    /// Every `customparamN`, as it was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) params: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra: OpenMap,
}

impl Instance {
    /// Keeps it, and what finds it.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let index = format!("{}{}", ids::instances_of(&self.target.organization), self.id);
        kv::set(&index, b"{}")?;
        kv::set_json(&ids::instance_key(&self.id), self)
    }

    /// The measure of its licences, while they are metered.
    pub(crate) fn metered(&self) -> Option<&str> {
        self.measure.as_deref().filter(|_| self.status == Status::Active)
    }

    pub(crate) fn is_requestors(&self, requestor: &Requestor) -> Result<(), Failure> {
        let account = account::open(&self.target.organization)?;
        match account.is_requestors(requestor) {
            true => Ok(()),
            false => {
                Err(Failure::refused(403, "The user is not authorized to perform this operation."))
            }
        }
    }

    /// Only what is active or suspended can change.
    pub(crate) fn check_live(&self) -> Result<(), Failure> {
        let text = match self.status {
            Status::Active | Status::Suspended => return Ok(()),
            Status::Pending => "The instance is still pending: wait until it is active.",
            Status::Cancel => "The instance is deleted.",
        };
        Err(Failure::refused(409, text).with("providerinstanceid", &self.id))
    }

    /// Whether it was there at any time of a month that begins and ends then.
    pub(crate) fn lived_between(&self, begin: i64, end: i64) -> bool {
        let began = self.start.is_some_and(|start| start < end);
        began && self.end.is_none_or(|ended| ended >= begin)
    }

    fn into_info(self) -> ResourceInfo {
        let mut extra = self.extra;
        self.target.consumer.show(&mut extra);
        if let Some(measure) = &self.measure {
            extra.put("measure", measure);
        }
        if let Some(gap) = self.gap {
            extra.put("meteringgap", time::instant(gap));
        }
        ResourceInfo {
            resource: ResourceKind { type_: TYPE.to_owned(), other: Vec::new() },
            parameters: ResourceParameters {
                providerinstanceid: self.id,
                instancename: Some(self.name),
                sku: Some(self.sku),
                license: Some(self.licence),
                status: Some(self.status.name().to_owned()),
                startdate: self.start.map(time::instant),
                enddate: self.end.map(time::instant),
                other: self.params,
            },
            additionalparameters: extra,
            other: Vec::new(),
        }
    }
}

/// The instance with this id.
pub(crate) fn find(id: &str) -> Result<Option<Instance>, Failure> {
    if ids::is_guid(id) { kv::get_json(&ids::instance_key(id)) } else { Ok(None) }
}

/// As [`find`], or the failure that says that there is none.
pub(crate) fn open(id: &str) -> Result<Instance, Failure> {
    find(id)?
        .ok_or_else(|| Failure::refused(404, "Resource not found").with("providerinstanceid", id))
}

/// As [`open`], when the requestor speaks for it.
pub(crate) fn of_requestor(id: &str, requestor: &Requestor) -> Result<Instance, Failure> {
    let instance = open(id)?;
    instance.is_requestors(requestor)?;
    Ok(instance)
}

/// A request may name the type again; it has to be ours.
pub(crate) fn check_type(kind: Option<&ResourceKind>) -> Result<(), Failure> {
    match kind {
        Some(kind) if kind.type_ != TYPE => {
            Err(Failure::invalid(format!("`resource.type` has to be `{TYPE}`.")))
        }
        _ => Ok(()),
    }
}

/// Every instance of an organization, in the order of their ids.
pub(crate) fn all_of(organization: &str) -> Result<Vec<Instance>, Failure> {
    let mut all = Vec::new();
    let mut page = Page::default();
    loop {
        let (found, next) = part(organization, &page)?;
        all.extend(found);
        if next.is_none() {
            return Ok(all);
        }
        page.after = next;
    }
}

fn part(organization: &str, page: &Page) -> Result<(Vec<Instance>, Option<String>), Failure> {
    let prefix = ids::instances_of(organization);
    let after = match page.after.as_deref() {
        Some(cursor) if ids::is_guid(cursor) => Some(format!("{prefix}{cursor}")),
        Some(_) => return Err(Failure::invalid("`after` is not a cursor of this list.")),
        None => None,
    };
    let limit = page.limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX);
    let entries = kv::list(&prefix, after.as_deref(), limit.saturating_add(1))?;
    let more = entries.len() > limit as usize;
    let mut found = Vec::new();
    for entry in entries.iter().take(limit as usize) {
        let id = entry.key.strip_prefix(&prefix).unwrap_or_default();
        found.extend(find(id)?);
    }
    let next = found.last().filter(|_| more).map(|last| last.id.clone());
    Ok((found, next))
}

pub(crate) fn get(id: &str) -> Result<ResourceInfo, Failure> {
    Ok(open(id)?.into_info())
}

pub(crate) fn list(account: &str, page: Page) -> Result<ResourcePage, Failure> {
    let account = account::open(account)?;
    let (found, next) = part(&account.organization, &page)?;
    Ok(ResourcePage { resources: found.into_iter().map(Instance::into_info).collect(), next })
}
