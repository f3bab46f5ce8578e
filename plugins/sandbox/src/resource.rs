//! Instances of an offering: buying one, and reading them.

use crate::account::{self, Account};
use crate::catalog::{self, Offering};
use crate::function::Function;
use crate::ids::{self, InstanceId};
use crate::script::Script;
use crate::{check, instant, misbehave, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, kv, operation, pending_resource, random};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The only type of artifact that this provider has.
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

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Cancel => "cancel",
        })
    }
}

/// From this second on, this many licences are to be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Change(pub(crate) i64, pub(crate) u64);

/// An instance, as it is kept.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) licence: u64,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<i64>,
    /// Every `customparamN`; an order's `customoptionN` is its first value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) params: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra: OpenMap,
    /// What bills are worked out from: 0 while suspended, and after the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<Change>,
}

impl Resource {
    /// Its id, taken apart.
    pub(crate) fn parts(&self) -> Option<InstanceId<'_>> {
        InstanceId::parse(&self.id)
    }

    /// What it was told for good.
    pub(crate) fn script(&self) -> Script {
        let sku = catalog::find(&self.sku).map_or("", |offering| offering.script);
        misbehave::lasting(sku, &self.extra)
    }

    /// Answers for the instance when it was told that its callers are not authorized.
    pub(crate) fn admit(&self, function: Function) -> Result<(), Failure> {
        if self.script().unauthorized { Err(function.unauthorized()) } else { Ok(()) }
    }

    /// Remembers what is to be paid for from now on. Time never runs backwards here, whatever clocks do.
    pub(crate) fn remember(&mut self, licence: u64) -> i64 {
        let now = instant::now().max(self.history.last().map_or(0, |change| change.0));
        self.history.push(Change(now, licence));
        now
    }

    pub(crate) fn save(&self) -> Result<(), Failure> {
        match self.parts() {
            Some(id) => kv::set_json(&id.key(), self),
            None => Ok(()),
        }
    }

    /// Bounds that every change keeps to.
    pub(crate) fn check_kept(&self) -> Result<(), Failure> {
        check::required("instancename", &self.name, check::TEXT_BYTES_MAX)?;
        check::map("parameters", &self.params)?;
        check::map("additionalparameters", &self.extra)
    }

    fn into_info(self) -> ResourceInfo {
        ResourceInfo {
            resource: ResourceKind { type_: TYPE.to_owned(), other: Vec::new() },
            parameters: ResourceParameters {
                providerinstanceid: self.id,
                instancename: Some(self.name),
                sku: Some(self.sku),
                license: Some(self.licence),
                status: Some(self.status.to_string()),
                startdate: self.start.map(instant::to_text),
                enddate: self.end.map(instant::to_text),
                other: self.params,
            },
            additionalparameters: self.extra,
            other: Vec::new(),
        }
    }
}

/// The instance with this id.
pub(crate) fn find(id: &str) -> Result<Option<Resource>, Failure> {
    match InstanceId::parse(id) {
        Some(id) => kv::get_json(&id.key()),
        None => Ok(None),
    }
}

/// The instance and its account, when there is one and the caller may.
pub(crate) fn open(function: Function, id: &str) -> Result<(Resource, Account), Failure> {
    let resource = find(id)?.ok_or_else(|| function.no_resource(id))?;
    let part = resource.parts().map_or("", |id| id.account);
    let account = account::of_part(part)?.ok_or_else(|| function.no_account())?;
    account.admit(function)?;
    resource.admit(function)?;
    Ok((resource, account))
}

/// An instance of the account that is not cancelled, when there is one.
pub(crate) fn first_live(account: &str) -> Result<Option<String>, Failure> {
    let mut page = Page::default();
    loop {
        let (resources, next) = page::read::<Resource>(&format!("r/{account}/"), &page)?;
        let live = resources.into_iter().find(|resource| resource.status != Status::Cancel);
        match (live, next) {
            (Some(live), _) => return Ok(Some(live.id)),
            (None, None) => return Ok(None),
            (None, next) => page.after = next,
        }
    }
}

pub(crate) fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let requestor = request.requestor.clone();
    let created = make(request);
    match &created {
        // The end of work that is known to be pending; what this writes is kept.
        Err(failure) if !failure.retryable && operation::token().is_some() => give_up(&requestor)?,
        _ => {}
    }
    created
}

/// Cancels the instance that this operation began and cannot finish.
fn give_up(requestor: &Requestor) -> Result<(), Failure> {
    let Ok(account) = account::of_requestor(Function::CreateResource, requestor) else {
        return Ok(());
    };
    let own = ids::mint(&operation::require_id()?);
    let id = InstanceId { account: account.part(), own: &own };
    match kv::get_json::<Resource>(&id.key())? {
        Some(mut resource) if resource.status == Status::Pending => {
            resource.status = Status::Cancel;
            resource.end = Some(instant::now());
            resource.save()
        }
        _ => Ok(()),
    }
}

fn make(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let function = Function::CreateResource;
    let CreateResource { resource: kind, parameters, requestor, other, .. } = request;
    check_type(function, Some(&kind))?;
    let offering = catalog::find(&parameters.sku).ok_or_else(|| {
        let sku: String = parameters.sku.chars().take(64).collect();
        function.refuse(400, format!("There is no offering with the sku `{sku}`."))
    })?;
    let maps = [&parameters.additionalparameters, &other];
    let told = misbehave::change(function, offering.script, &maps)?;
    let account = account::of_requestor(function, &requestor)?;
    account.admit(function)?;
    let licence = offering.licences(parameters.license_quantity)?;
    let params = offering.options(&parameters.custom_options)?;

    let own = ids::mint(&operation::require_id()?);
    let id = InstanceId { account: account.part(), own: &own };
    let name = parameters.additionalparameters.text("instancename");
    let mut resource = Resource {
        id: id.id(),
        sku: offering.sku.to_owned(),
        name: name.unwrap_or_else(|| offering.name.to_owned()),
        licence,
        status: Status::Pending,
        start: None,
        end: None,
        params,
        extra: parameters.additionalparameters,
        history: Vec::new(),
    };
    resource.check_kept()?;
    let before = kv::get_json::<Resource>(&id.key())?;
    match before.as_ref().map(|before| (before, before.status)) {
        Some((_, Status::Cancel)) => {
            let text = "The instance was cancelled while it was being made.";
            return Err(function.refuse(409, text).with("providerinstanceid", resource.id));
        }
        // This very operation has made it before.
        Some((before, Status::Active | Status::Suspended)) => {
            return done(created(before, id, offering, &told));
        }
        Some((_, Status::Pending)) | None => {}
    }
    if let Some(wait) = told.wait() {
        resource.save()?;
        return pending_resource(&resource.id, &wait.token, wait.poll_after);
    }
    resource.status = Status::Active;
    resource.start = Some(resource.remember(licence));
    resource.save()?;
    done(created(&resource, id, offering, &told))
}

fn created(
    resource: &Resource,
    id: InstanceId<'_>,
    offering: &Offering,
    told: &misbehave::Told,
) -> CreatedResource {
    let param = |label: &str, value: String| RespParam {
        label: Some(label.to_owned()),
        value: serde_json::Value::from(value).to_string(),
        other: Vec::new(),
    };
    let mut created = CreatedResource {
        providerinstanceid: resource.id.clone(),
        subscriptionid: Some(id.subscription()),
        username: Some(format!("admin@{}.sandbox.example", id.own)),
        // Answered once, and not kept: the simulated provider lets nobody in.
        password: Some(ids::encode(random::number())),
        status: resource.status.to_string(),
        respparams: vec![
            (
                "respparam1".to_owned(),
                param("Console", format!("https://{}.sandbox.example/", id.own)),
            ),
            ("respparam2".to_owned(), param("Plan", offering.name.to_owned())),
        ],
        other: Vec::new(),
    };
    told.spoil(&mut created.other);
    told.spoil_id(&mut created.providerinstanceid);
    created
}

/// A request may name the type again; it has to be ours.
pub(crate) fn check_type(function: Function, kind: Option<&ResourceKind>) -> Result<(), Failure> {
    match kind {
        Some(kind) if kind.type_ != TYPE => {
            Err(function.refuse(400, format!("`resource.type` has to be `{TYPE}`.")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn get(id: &str) -> Result<ResourceInfo, Failure> {
    let function = Function::GetResource;
    let told = misbehave::read(function)?;
    let (resource, _) = open(function, id)?;
    let mut info = resource.into_info();
    told.spoil(&mut info.additionalparameters);
    Ok(info)
}

pub(crate) fn list(account: &str, page: Page) -> Result<ResourcePage, Failure> {
    let function = Function::ListResources;
    misbehave::read(function)?;
    let account = account::find(account)?.ok_or_else(|| function.no_account())?;
    account.admit(function)?;
    let (resources, next) = page::read::<Resource>(&format!("r/{}/", account.part()), &page)?;
    Ok(ResourcePage { resources: resources.into_iter().map(Resource::into_info).collect(), next })
}
