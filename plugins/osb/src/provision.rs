//! Buying: provisioning an instance, and cleaning up after what failed.

use crate::account::{self, Account};
use crate::broker::{Broker, Target};
use crate::catalog::{Catalog, Plan};
use crate::instance::{self, Instance, Status};
use crate::progress::Progress;
use crate::schema::{Said, When};
use crate::verdict::Verdict;
use crate::work::{self, Phase, Removal, Step, TOKEN, Work};
use crate::{check, ids, settings};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, operation, pending_resource};
use serde_json::{Map, Value};

pub(crate) fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let broker = Broker::for_change(&request.requestor, request.requestid.as_deref())?;
    let id = ids::of_operation("instance")?;
    let (work, instance, account) = match Work::load()? {
        None => {
            let (instance, account) = ordered(&broker, id.clone(), request)?;
            (Work::new(), instance, account)
        }
        // What was ordered is in the record, whatever the catalog says by now.
        Some(work) => {
            let instance = instance::open(&id)?;
            let account = account::open(&instance.account)?;
            (work, instance, account)
        }
    };
    match go_on(&broker, work, instance, &account)? {
        Step::Done(instance) => done(created(&instance)),
        Step::Wait(wait) => pending_resource(id, TOKEN, wait),
    }
}

/// What an order comes to.
fn ordered(
    broker: &Broker,
    id: String,
    request: CreateResource,
) -> Result<(Instance, Account), Failure> {
    instance::check_type(Some(&request.resource))?;
    let account = account::of_requestor(&request.requestor)?;
    let CreateParameters {
        sku, license_quantity, custom_options, mut additionalparameters, ..
    } = request.parameters;
    let catalog = Catalog::fetch(broker)?;
    let (service, plan) = catalog.plan(&sku).ok_or_else(|| {
        Failure::invalid(format!("There is no offering with the sku `{}`.", check::said(&sku)))
    })?;
    let name = additionalparameters.text("instancename");
    let name = name.unwrap_or_else(|| plan.display_name(service));
    check::required("instancename", &name, check::TEXT_BYTES_MAX)?;

    let raw = take_parameters(&mut additionalparameters)?;
    let mut instance = Instance::new(id, account.id.clone(), name, service, plan);
    let mut said = Vec::new();
    for (key, option) in custom_options {
        let value = parse(&key, &option.value)?;
        instance.params.put(key.replacen("option", "param", 1), &value);
        said.push(Said { key, title: option.title, value });
    }
    let options = plan.options();
    instance.parameters = options.choose(said, When::Create)?;
    instance.parameters.extend(raw);
    instance.licence = license_quantity;
    instance.parameters.extend(licence(plan, license_quantity, When::Create));
    options.check_required(&instance.parameters)?;
    instance.extra = additionalparameters;
    instance.creation = Some(operation::require_id()?);
    check::record("The instance", &instance)?;
    Ok((instance, account))
}

/// The number of licences as a parameter, where the plan declares one for it.
pub(crate) fn licence(plan: &Plan, licence: Option<u64>, when: When) -> Option<(String, Value)> {
    let name = settings::licence_parameter();
    let declared = plan.options().declared(&name, when).is_some();
    licence.filter(|_| declared).map(|licence| (name, Value::from(licence)))
}

/// `additionalparameters.parameters`: parameters as the broker wants them.
pub(crate) fn take_parameters(map: &mut OpenMap) -> Result<Map<String, Value>, Failure> {
    let Some(position) = map.iter().position(|(key, _)| key == "parameters") else {
        return Ok(Map::new());
    };
    let (_, json) = map.remove(position);
    serde_json::from_str(&json)
        .map_err(|_| Failure::invalid("`additionalparameters.parameters` has to be an object."))
}

pub(crate) fn parse(key: &str, json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json).map_err(|_| Failure::invalid(format!("`{key}` is no JSON value.")))
}

/// From where the work stands to where it has to wait, or to its end.
fn go_on(
    broker: &Broker,
    mut work: Work,
    mut instance: Instance,
    account: &Account,
) -> Result<Step<Instance>, Failure> {
    // Once: what is interrupted over and over is cleaned up.
    let mut sent_again = false;
    loop {
        if work.cleaning.is_some() {
            return clean(broker, work, instance);
        }
        let target = Target { instance: &instance, binding: None };
        match &work.phase {
            Phase::Send | Phase::Fetch => match broker.provision(&instance, account) {
                Verdict::Done(body) => {
                    instance.dashboard_url = body.dashboard_url;
                    return active(instance);
                }
                Verdict::Accepted { operation, wait } => {
                    work.poll(operation, settings::polling_s_max(instance.polling_s_max)?);
                    return pending(&work, &instance, wait);
                }
                Verdict::Busy(_) if work.is_exhausted() => work.clean(work::too_long().failure),
                Verdict::Busy(wait) => return pending(&work, &instance, wait),
                Verdict::Gone => work.clean(work::too_long().failure),
                // The run before ended while it asked. The same again is the same instance.
                Verdict::Not(trouble)
                    if trouble.unknown && !sent_again && operation::attempt() > 1 =>
                {
                    sent_again = true;
                }
                Verdict::Not(trouble) if trouble.orphan => work.clean(trouble.failure),
                Verdict::Not(trouble) => return refused(instance, trouble.failure),
            },
            Phase::Poll { operation } => {
                match broker.last_operation(target, operation.as_deref()) {
                    Progress::Succeeded => return active(instance),
                    Progress::Waiting(_) if work.is_overdue() => {
                        work.clean(work::too_long().failure);
                    }
                    Progress::Waiting(wait) => return pending(&work, &instance, wait),
                    Progress::Failed(trouble) => work.clean(trouble.failure),
                    Progress::Gone => {
                        let text =
                            "The broker does not know the instance any more that it was making.";
                        work.clean(Failure::refused(502, text));
                    }
                }
            }
            Phase::End(why) => return refused(instance, why.clone().into()),
        }
    }
}

/// Keeps everything for the next call.
fn pending(
    work: &Work,
    instance: &Instance,
    wait: std::time::Duration,
) -> Result<Step<Instance>, Failure> {
    instance.save()?;
    work.wait(wait)
}

fn active(mut instance: Instance) -> Result<Step<Instance>, Failure> {
    instance.activate();
    instance.save()?;
    Work::end()?;
    Ok(Step::Done(instance))
}

/// Nothing was made, or nothing is left of it.
fn refused(mut instance: Instance, failure: Failure) -> Result<Step<Instance>, Failure> {
    // What is written beside a failure is kept only where the customer knows of the instance already.
    if operation::token().is_some() && !failure.retryable {
        instance.cancel();
        instance.save()?;
        Work::end()?;
    }
    Err(failure)
}

/// Deletes what may have been made, until it is gone.
fn clean(broker: &Broker, mut work: Work, instance: Instance) -> Result<Step<Instance>, Failure> {
    let target = Target { instance: &instance, binding: None };
    let removal = work.remove(broker, target, true)?;
    let Some(why) = work.cleaning.clone() else {
        return pending(&work, &instance, broker.interval);
    };
    match removal {
        Removal::Wait(wait) => pending(&work, &instance, wait),
        Removal::Gone => refused(instance, why.cleaned()),
        Removal::Not(_) => {
            work::orphan(target, &why)?;
            refused(instance, why.left())
        }
    }
}

fn created(instance: &Instance) -> CreatedResource {
    let mut respparams = Vec::new();
    if let Some(url) = &instance.dashboard_url {
        let param = RespParam {
            label: Some("Dashboard".to_owned()),
            value: Value::from(url.as_str()).to_string(),
            other: Vec::new(),
        };
        respparams.push(("respparam1".to_owned(), param));
    }
    CreatedResource {
        providerinstanceid: instance.id.clone(),
        status: Status::Active.name().to_owned(),
        respparams,
        ..CreatedResource::default()
    }
}
