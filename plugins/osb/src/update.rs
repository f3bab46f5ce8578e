//! Changing an instance: its licences, its parameters, its plan; suspending it and taking that back.

use crate::account::Account;
use crate::broker::{Broker, Fetched, Known};
use crate::catalog::Catalog;
use crate::instance::{self, Instance, Status};
use crate::progress::Progress;
use crate::provision::{licence, parse, take_parameters};
use crate::schema::{Said, When};
use crate::verdict::{Trouble, Verdict};
use crate::work::{self, Phase, Step, Work};
use crate::{check, settings, sold};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, kv, operation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) const SUSPEND: &str = "update.suspend";
pub(crate) const REACTIVATE: &str = "update.reactivate";

/// What an update is to come to.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Change {
    /// The instance once it is done.
    pub(crate) next: Instance,
    /// Those that are to be told; what is absent must not change.
    pub(crate) parameters: Map<String, Value>,
}

fn key() -> Result<String, Failure> {
    Ok(format!("n/{}", operation::require_id()?))
}

impl Change {
    /// Whether there is anything to tell the broker.
    fn is_for_broker(&self, before: &Instance) -> bool {
        !self.parameters.is_empty() || self.next.plan_id != before.plan_id
    }

    /// Whether the broker has done it already.
    fn is_in(&self, fetched: &Fetched) -> bool {
        let plan = fetched.plan_id.as_ref().is_none_or(|plan| *plan == self.next.plan_id);
        let told = fetched.parameters.as_ref();
        plan && self
            .parameters
            .iter()
            .all(|(name, value)| told.and_then(|told| told.get(name)) == Some(value))
    }
}

pub(crate) fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let id = request.instanceinfo.providerinstanceid.clone();
    let (before, account) = instance::of_requestor(&id, &request.requestor)?;
    let broker = Broker::for_change(&request.requestor, request.requestid.as_deref())?;
    let step = match Work::load()? {
        Some(work) => go_on(&broker, work, before, &account)?,
        None => {
            before.check_live()?;
            let change = wanted(&broker, &before, request)?;
            begin(&broker, before, change, &account)?
        }
    };
    step.outcome(|()| ids(id))
}

/// What an update asks for.
fn wanted(broker: &Broker, before: &Instance, request: UpdateResource) -> Result<Change, Failure> {
    let mut extra = request.additionalparameters;
    let raw = take_parameters(&mut extra)?;
    let mut asked = request.parameters.unwrap_or_default();
    let catalog = Catalog::fetch(broker)?;
    let sku = match asked.other.iter().position(|(key, _)| key == "sku") {
        Some(position) => {
            let (_, json) = asked.other.remove(position);
            serde_json::from_str(&json)
                .map_err(|_| Failure::invalid("`parameters.sku` has to be a text."))?
        }
        None => before.plan_id.clone(),
    };
    let (service, plan) = catalog
        .plan(&sku)
        .filter(|(service, _)| service.id == before.service_id)
        .ok_or_else(|| Failure::invalid(format!(
            "The service of this instance has no plan `{}` now: it can have another one that there is, or be deleted.",
            check::said(&sku)
        )))?;
    let mut next = before.clone();
    if sku != before.plan_id {
        let now = catalog.plan(&before.plan_id);
        let movable = match now {
            Some((service, now)) => now.is_updateable(service),
            None => plan.is_updateable(service),
        };
        if !movable {
            return Err(Failure::invalid(
                "The broker cannot give an instance of this service another plan.",
            ));
        }
        next.follow(service, plan);
    }
    let mut said = Vec::new();
    for (key, json) in asked.other {
        if !key.starts_with("customparam") && !key.starts_with("customparm") {
            continue;
        }
        let value = parse(&key, &json)?;
        let title = value.get("title").and_then(Value::as_str).map(str::to_owned);
        let value = value.get("value").cloned().unwrap_or(value);
        next.params.put(&key, &value);
        said.push(Said { key, title, value });
    }
    let mut parameters = plan.options().choose(said, When::Update)?;
    parameters.extend(raw);
    if asked.license.is_some() {
        next.licence = asked.license;
        parameters.extend(licence(plan, asked.license, When::Update));
        crate::seat::check_licence(before, asked.license)?;
    }
    if let Some(name) = extra.text("instancename") {
        check::required("instancename", &name, check::TEXT_BYTES_MAX)?;
        next.name = name;
    }
    check::merge(&mut next.extra, extra);
    next.parameters.extend(parameters.clone());
    Ok(Change { next, parameters })
}

pub(crate) fn act(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let id = request.instanceinfo.providerinstanceid.clone();
    let (before, account) = instance::of_requestor(&id, &request.requestor)?;
    let broker = Broker::for_change(&request.requestor, request.requestid.as_deref())?;
    let step = match Work::load()? {
        Some(work) => go_on(&broker, work, before, &account)?,
        None => {
            before.check_live()?;
            let change = switched(&broker, &before, &request.action)?;
            begin(&broker, before, change, &account)?
        }
    };
    step.outcome(|()| ids(id))
}

/// OSB has no word for this. A plan whose schema declares a boolean for it can do it all the same.
fn switched(broker: &Broker, before: &Instance, action: &str) -> Result<Change, Failure> {
    let (on, status) = match (action, before.status) {
        (SUSPEND, Status::Active) => (true, Status::Suspended),
        (REACTIVATE, Status::Suspended) => (false, Status::Active),
        (SUSPEND | REACTIVATE, status) => {
            let text = format!("The instance is {} already.", status.name());
            return Err(Failure::refused(409, text).with("providerinstanceid", &before.id));
        }
        _ => {
            let text = format!("This provider knows the actions {SUSPEND} and {REACTIVATE}.");
            return Err(Failure::invalid(text));
        }
    };
    let name = settings::suspend_parameter();
    let catalog = Catalog::fetch(broker)?;
    let plan = catalog.plan(&before.plan_id).map(|(_, plan)| plan.options());
    if plan.is_none_or(|options| options.switch(&name).is_none()) {
        let text = format!(
            "Instances of this plan cannot be suspended: OSB has no such operation, and the plan's schema declares no boolean `{name}` that an update could set."
        );
        return Err(Failure::invalid(text).with("providerinstanceid", &before.id));
    }
    let parameters: Map<String, Value> = [(name, Value::from(on))].into_iter().collect();
    let mut next = Instance { status, ..before.clone() };
    next.parameters.extend(parameters.clone());
    Ok(Change { next, parameters })
}

fn ids(id: String) -> ResourceIds {
    ResourceIds { providerinstanceid: id, other: Vec::new() }
}

fn begin(
    broker: &Broker,
    before: Instance,
    change: Change,
    account: &Account,
) -> Result<Step<()>, Failure> {
    check::record("The instance", &change.next)?;
    if !change.is_for_broker(&before) {
        return applied(&before, change);
    }
    kv::set_json(&key()?, &change)?;
    go_on(broker, Work::new(), before, account)
}

fn go_on(
    broker: &Broker,
    mut work: Work,
    before: Instance,
    account: &Account,
) -> Result<Step<()>, Failure> {
    let change = || -> Result<Change, Failure> {
        let change = kv::get_json(&key()?)?;
        change.ok_or_else(|| {
            Failure::refused(500, "The adapter does not know any more what the update was.")
        })
    };
    match &work.phase {
        Phase::Send => {
            let mut change = change()?;
            match broker.update(&before, &change, account) {
                Verdict::Done(body) => {
                    change.next.dashboard_url = body.dashboard_url.or(change.next.dashboard_url);
                    applied(&before, change)
                }
                Verdict::Accepted { operation, wait } => {
                    work.poll(operation, settings::polling_s_max(before.polling_s_max)?);
                    work.wait(wait)
                }
                Verdict::Busy(_) | Verdict::Gone if work.is_exhausted() => {
                    failed(work, before, work::too_long())
                }
                Verdict::Busy(wait) => work.wait(wait),
                Verdict::Gone => work.wait(broker.interval),
                // Nobody knows whether it was done: look.
                Verdict::Not(mut trouble) if trouble.unknown => match before.fetch(broker) {
                    Some(Known::Is(fetched)) if change.is_in(&fetched) => applied(&before, change),
                    Some(Known::Is(_)) => failed(work, before, trouble),
                    // It may be at it.
                    Some(Known::Unsaid(_)) => {
                        work.phase = Phase::Fetch;
                        work.wait(broker.interval)
                    }
                    // Asking for the same twice need not be the same as asking once.
                    Some(Known::Missing) | None => {
                        trouble.failure.retryable = false;
                        failed(work, before, trouble)
                    }
                },
                Verdict::Not(trouble) => failed(work, before, trouble),
            }
        }
        // Nobody knew whether it was done, nor did the broker say.
        Phase::Fetch => match (before.fetch(broker), change()?) {
            (Some(Known::Is(fetched)), change) if change.is_in(&fetched) => {
                applied(&before, change)
            }
            (Some(Known::Unsaid(_)), _) if !work.is_exhausted() => {
                let wait = work.backoff(broker.interval);
                work.wait(wait)
            }
            _ => {
                let text = "The broker was asked to update the instance, did not answer, and has not done it.";
                let failure = Failure::refused(502, text);
                failed(work, before, Trouble { failure, ..work::too_long() })
            }
        },
        Phase::Poll { operation } => {
            let target = crate::broker::Target { instance: &before, binding: None };
            match broker.last_operation(target, operation.as_deref()) {
                Progress::Succeeded => applied(&before, change()?),
                Progress::Waiting(_) if work.is_overdue() => failed(work, before, work::too_long()),
                Progress::Waiting(wait) => work.wait(wait),
                Progress::Failed(trouble) => failed(work, before, trouble),
                Progress::Gone => {
                    let text =
                        "The broker does not know the instance any more that it was changing.";
                    let failure = Failure::refused(502, text);
                    failed(work, before, Trouble { failure, ..work::too_long() })
                }
            }
        }
        Phase::End(why) => {
            let failure = why.clone().into();
            work.fail(failure)
        }
    }
}

fn applied(before: &Instance, change: Change) -> Result<Step<()>, Failure> {
    let next = Instance { unusable: false, ..change.next };
    if next.plan_id != before.plan_id {
        sold::unmark(before)?;
    }
    next.save()?;
    kv::delete(&key()?)?;
    Work::end()?;
    Ok(Step::Done(()))
}

fn failed(work: Work, mut before: Instance, trouble: Trouble) -> Result<Step<()>, Failure> {
    let news = trouble.unusable && !before.unusable;
    if news {
        before.unusable = true;
        before.save()?;
    }
    if news || (operation::token().is_some() && !trouble.failure.retryable) {
        kv::delete(&key()?)?;
        return work.fail(trouble.failure);
    }
    Err(trouble.failure)
}
