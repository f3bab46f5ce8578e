//! Instances, as they are kept, and reading them.

use crate::broker::{Broker, Fetched, Known};
use crate::catalog::{Plan, Service};
use crate::{account, ids, page, sold, verdict};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, clock, kv};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The only type of artifact: what a service is, OSB does not say.
pub(crate) const TYPE: &str = "saas";

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

/// An instance, as it is kept: with all of its plan that is needed once the catalog has it no longer.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) service_id: String,
    pub(crate) plan_id: String,
    /// What its plan is called, also once the catalog has it no longer.
    pub(crate) plan_name: String,
    pub(crate) name: String,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) licence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<i64>,
    /// The operation that makes it, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) creation: Option<String>,
    pub(crate) bindable: bool,
    pub(crate) retrievable: bool,
    pub(crate) bindings_retrievable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) polling_s_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maintenance_version: Option<String>,
    /// Whether a failed update has left it as something that cannot be used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unusable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dashboard_url: Option<String>,
    /// What the broker was told.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) parameters: Map<String, Value>,
    /// Every `customparamN`, as it was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) params: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra: OpenMap,
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX)
}

fn instant(second: i64) -> String {
    jiff::Timestamp::from_second(second).unwrap_or_default().strftime("%FT%T+00:00").to_string()
}

impl Instance {
    /// One that does not exist yet.
    pub(crate) fn new(
        id: String,
        account: String,
        name: String,
        service: &Service,
        plan: &Plan,
    ) -> Self {
        let mut instance = Self {
            id,
            account,
            service_id: service.id.clone(),
            plan_id: String::new(),
            plan_name: String::new(),
            name,
            status: Status::Pending,
            licence: None,
            start: None,
            end: None,
            creation: None,
            bindable: false,
            retrievable: false,
            bindings_retrievable: false,
            polling_s_max: None,
            maintenance_version: None,
            unusable: false,
            dashboard_url: None,
            parameters: Map::new(),
            params: Vec::new(),
            extra: Vec::new(),
        };
        instance.follow(service, plan);
        instance
    }

    /// Takes over what its plan says now.
    pub(crate) fn follow(&mut self, service: &Service, plan: &Plan) {
        self.plan_id = plan.id.clone();
        self.plan_name = plan.display_name(service);
        self.bindable = plan.is_bindable(service);
        self.retrievable = service.instances_retrievable;
        self.bindings_retrievable = service.bindings_retrievable;
        self.polling_s_max = plan.maximum_polling_duration;
        self.maintenance_version = plan.maintenance_version();
    }

    /// Keeps it, and what finds it.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        kv::set(&format!("{}{}", ids::instances_of(&self.account), self.id), b"{}")?;
        sold::mark(self)?;
        kv::set_json(&ids::instance_key(&self.id), self)
    }

    /// It exists, and is usable.
    pub(crate) fn activate(&mut self) {
        self.status = Status::Active;
        self.start = Some(now());
        self.creation = None;
    }

    /// It exists no longer.
    pub(crate) fn cancel(&mut self) {
        self.status = Status::Cancel;
        self.end = Some(now());
        self.creation = None;
    }

    /// Whether users can have seats of it, or why not.
    pub(crate) fn check_bindable(&self) -> Result<(), Failure> {
        let refused = |code, text: String| {
            Err(Failure::refused(code, text).with("providerinstanceid", &self.id))
        };
        match self {
            Self { bindable: false, .. } => {
                refused(400, "The instance's plan has no seats: the broker cannot bind to it.".to_owned())
            }
            Self { unusable: true, .. } => refused(
                409,
                "The broker says that the instance cannot be used since its last change failed: change it again, or delete it."
                    .to_owned(),
            ),
            Self { status: Status::Active, .. } => Ok(()),
            Self { status, .. } => refused(
                409,
                format!("The instance is {}: only an active one has seats to give.", status.name()),
            ),
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

    /// As the broker knows it, where it can be asked.
    pub(crate) fn fetch(&self, broker: &Broker) -> Option<Known<Fetched>> {
        self.retrievable.then(|| broker.fetch_instance(self))
    }

    fn into_info(self) -> ResourceInfo {
        let mut extra = self.extra;
        if !self.parameters.is_empty() {
            extra.put("parameters", &self.parameters);
        }
        if let Some(url) = &self.dashboard_url {
            extra.put("dashboardurl", url);
        }
        if self.unusable {
            extra.put("unusable", true);
        }
        ResourceInfo {
            resource: ResourceKind { type_: TYPE.to_owned(), other: Vec::new() },
            parameters: ResourceParameters {
                providerinstanceid: self.id,
                instancename: Some(self.name),
                sku: Some(self.plan_id),
                license: self.licence,
                status: Some(self.status.name().to_owned()),
                startdate: self.start.map(instant),
                enddate: self.end.map(instant),
                other: self.params,
            },
            additionalparameters: extra,
            other: Vec::new(),
        }
    }
}

fn missing(id: &str) -> Failure {
    Failure::refused(404, "Resource not found").with("providerinstanceid", id)
}

/// The instance with this id.
pub(crate) fn find(id: &str) -> Result<Option<Instance>, Failure> {
    if ids::is_guid(id) { kv::get_json(&ids::instance_key(id)) } else { Ok(None) }
}

/// As [`find`], or the failure that says that there is none.
pub(crate) fn open(id: &str) -> Result<Instance, Failure> {
    find(id)?.ok_or_else(|| missing(id))
}

/// The instance and its account, when the requestor speaks for it.
pub(crate) fn of_requestor(
    id: &str,
    requestor: &Requestor,
) -> Result<(Instance, account::Account), Failure> {
    let instance = open(id)?;
    let account = account::open(&instance.account)?;
    match account.is_requestors(requestor) {
        true => Ok((instance, account)),
        false => {
            Err(Failure::refused(403, "The user is not authorized to perform this operation."))
        }
    }
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

/// An instance of the account that is not deleted, when there is one.
pub(crate) fn first_live(account: &str) -> Result<Option<String>, Failure> {
    let prefix = ids::instances_of(account);
    let mut page = Page::default();
    loop {
        let (found, next) = page::records::<Instance>(&prefix, &page, ids::instance_key)?;
        let live = found.into_iter().find(|instance| instance.status != Status::Cancel);
        match (live, next) {
            (Some(live), _) => return Ok(Some(live.id)),
            (None, None) => return Ok(None),
            (None, next) => page.after = next,
        }
    }
}

pub(crate) fn get(id: &str) -> Result<ResourceInfo, Failure> {
    let mut instance = open(id)?;
    let mut note = None;
    // While it is being made or changed the broker may say 404 or 422 about it: the record is what counts.
    if matches!(instance.status, Status::Active | Status::Suspended) {
        match instance.fetch(&Broker::open()?) {
            Some(Known::Is(fetched)) => {
                instance.parameters = fetched.parameters.unwrap_or(instance.parameters);
                let url = fetched.dashboard_url.filter(|url| verdict::is_web_address(url));
                instance.dashboard_url = url.or(instance.dashboard_url);
            }
            Some(Known::Missing) => {
                note = Some("The broker does not know this instance.".to_owned())
            }
            Some(Known::Unsaid(failure)) => note = Some(failure.errormessage),
            None => {}
        }
    }
    let mut info = instance.into_info();
    if let Some(note) = note {
        info.additionalparameters.put("notfrombroker", note);
    }
    Ok(info)
}

pub(crate) fn list(account: &str, page: Page) -> Result<ResourcePage, Failure> {
    let account = account::open(account)?;
    let prefix = ids::instances_of(&account.id);
    let (found, next) = page::records::<Instance>(&prefix, &page, ids::instance_key)?;
    Ok(ResourcePage { resources: found.into_iter().map(Instance::into_info).collect(), next })
}
