//! Buying: metering the licences of an instance from now on.

use crate::abacus::Abacus;
use crate::course::{Course, Reached, Step};
use crate::instance::{self, Instance, Status};
use crate::sampler::Event;
use crate::target::{Consumer, Target};
use crate::{account, check, ids, offering, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, operation, pending_resource};

pub(crate) fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let id = ids::of_operation("instance")?;
    let instance = match operation::token() {
        None => ordered(id, request)?,
        // What was ordered is in the record, whatever the offerings are by now.
        Some(_) => instance::open(&id)?,
    };
    let course = Course::resume(Step::Start, 0)?;
    let Some(measure) = instance.measure.clone() else { return active(instance, course.at) };
    let event = Event::Start { measure: &measure, quantity: instance.licence };
    match course.send(&Abacus::open()?, &instance.target, &event)? {
        Reached::Done => active(instance, course.at),
        Reached::Wait(wait) => {
            instance.save()?;
            pending_resource(instance.id, course.token()?, wait)
        }
        Reached::Unprocessable => refused(instance, crate::course::Why::Time.failure()),
        Reached::Not(_, failure) => refused(instance, failure),
    }
}

/// What an order comes to.
fn ordered(id: String, request: CreateResource) -> Result<Instance, Failure> {
    instance::check_type(Some(&request.resource))?;
    let account = account::of_requestor(&request.requestor)?;
    let CreateParameters {
        sku, license_quantity, custom_options, mut additionalparameters, ..
    } = request.parameters;
    let offering = offering::with_sku(&sku)?;
    let licence = license_quantity.unwrap_or(1);
    check_licence("licenseQuantity", licence)?;
    let consumer = Consumer::take(&mut additionalparameters, &id)?;
    let name = match additionalparameters.iter().position(|(key, _)| key == "instancename") {
        None => offering.name(),
        Some(position) => {
            let (_, json) = additionalparameters.remove(position);
            serde_json::from_str(&json)
                .map_err(|_| Failure::invalid("`instancename` has to be a text."))?
        }
    };
    check::required("instancename", &name)?;
    let mut params = OpenMap::new();
    for (key, option) in custom_options {
        let json: serde_json::Value = serde_json::from_str(&option.value)
            .map_err(|_| Failure::invalid(format!("`{key}` is no JSON value.")))?;
        params.put(key.replacen("option", "param", 1), json);
    }
    let instance = Instance {
        id,
        name,
        sku,
        target: Target {
            organization: account.organization,
            resource: offering.resource,
            plan: offering.plan,
            consumer,
        },
        measure: offering.measure,
        metering_plan: offering.metering,
        licence,
        status: Status::Pending,
        since: time::now(),
        start: None,
        end: None,
        gap: None,
        params,
        extra: additionalparameters,
    };
    check::record("The instance", &instance)?;
    check_alone(&instance)?;
    Ok(instance)
}

/// Abacus meters one thing at a time of each target, so two instances that are metered cannot have the same.
fn check_alone(instance: &Instance) -> Result<(), Failure> {
    if instance.measure.is_none() {
        return Ok(());
    }
    let all = instance::all_of(&instance.target.organization)?;
    let twin = all.iter().find(|other| {
        let lives = other.status != Status::Cancel && other.measure.is_some();
        lives && other.target == instance.target && other.id != instance.id
    });
    match twin {
        None => Ok(()),
        Some(twin) => {
            let text = format!(
                "The instance {} is metered for the same consumer, resource and plan already. Change its licences, or name another consumer, and ask again with a new request id.",
                twin.id
            );
            Err(Failure::refused(409, text).code("ALREADY_METERED"))
        }
    }
}

/// A whole number that JavaScript keeps whole.
pub(crate) fn check_licence(field: &str, licence: u64) -> Result<(), Failure> {
    const MAX: u64 = (1 << 53) - 1;
    match licence {
        1..=MAX => Ok(()),
        _ => Err(Failure::invalid(format!("`{field}` has to be a number from 1 to {MAX}."))),
    }
}

fn active(mut instance: Instance, at: i64) -> Result<CreateResourceOutcome, Failure> {
    instance.status = Status::Active;
    instance.start = Some(at);
    instance.since = at;
    instance.save()?;
    done(CreatedResource {
        providerinstanceid: instance.id,
        status: Status::Active.name().to_owned(),
        ..CreatedResource::default()
    })
}

/// Nothing is metered.
fn refused(mut instance: Instance, failure: Failure) -> Result<CreateResourceOutcome, Failure> {
    // What is written beside a failure is kept only where the customer knows of the instance already.
    if operation::token().is_some() && !failure.retryable {
        instance.status = Status::Cancel;
        instance.end = Some(time::now());
        instance.save()?;
    }
    Err(failure)
}
