//! What becomes of an instance: other licences, suspended, active again, deleted. Each is an end of metering, a
//! beginning, or both at the same moment.

use crate::abacus::Abacus;
use crate::course::{Course, Reached, Step, Why};
use crate::instance::{self, Instance, Status};
use crate::order::check_licence;
use crate::sampler::Event;
use crate::{check, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, log, pending};

pub(crate) fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let id = &request.instanceinfo.providerinstanceid;
    let mut instance = instance::of_requestor(id, &request.requestor)?;
    instance.check_live()?;
    let parameters = request.parameters.unwrap_or_default();
    let licence = parameters.license.unwrap_or(instance.licence);
    check_licence("license", licence)?;
    check_unchanged(&request.additionalparameters)?;
    check::merge(&mut instance.params, parameters.other);
    check::merge(&mut instance.extra, request.additionalparameters);
    check::record("The instance", &instance)?;
    match instance.metered().map(str::to_owned) {
        Some(measure) if licence != instance.licence => change(instance, &measure, licence),
        // Nothing is being metered, or what is stays as it is.
        _ => {
            instance.licence = licence;
            instance.save()?;
            done(ids_of(&instance))
        }
    }
}

/// Whose usage it is cannot change: what is metered until now is somebody's.
fn check_unchanged(map: &OpenMap) -> Result<(), Failure> {
    for key in ["spaceid", "appid", "bindingid", "serviceinstanceid"] {
        if map.iter().any(|(name, _)| name == key) {
            let text = format!(
                "`{key}` cannot change: what is metered is its consumer's. Delete the instance and order another."
            );
            return Err(Failure::invalid(text));
        }
    }
    Ok(())
}

/// What was metered ends, and what is from now on begins, at the same moment.
fn change(
    mut instance: Instance,
    measure: &str,
    licence: u64,
) -> Result<UpdateResourceOutcome, Failure> {
    let mut course = Course::resume(Step::Stop, instance.since)?;
    let abacus = Abacus::open()?;
    loop {
        let quantity = match course.step {
            Step::Restore(_) => instance.licence,
            Step::Stop | Step::Start | Step::Lost(_) => licence,
        };
        let event = match course.step {
            Step::Stop => Event::Stop,
            Step::Start | Step::Restore(_) | Step::Lost(_) => Event::Start { measure, quantity },
        };
        let reached = course.send(&abacus, &instance.target, &event)?;
        match (course.step, reached) {
            (_, Reached::Wait(wait)) => return pending(course.token()?, wait),
            (Step::Stop, Reached::Done) => course.advance(Step::Start),
            (Step::Stop, Reached::Unprocessable) => {
                missing(&mut instance, course.at);
                course.advance(Step::Start);
            }
            // What is metered goes on as before.
            (Step::Stop, Reached::Not(_, failure)) => return Err(failure),
            (Step::Start, Reached::Done) => {
                instance.licence = licence;
                instance.since = course.at;
                instance.save()?;
                return done(ids_of(&instance));
            }
            (Step::Start, Reached::Unprocessable) => course.advance(Step::Restore(Why::Time)),
            (Step::Start, Reached::Not(why, _)) => course.advance(Step::Restore(why)),
            (Step::Restore(why), Reached::Done) => {
                let mut failure = why.failure();
                failure.errormessage += " The licences are as before.";
                return Err(failure.with("providerinstanceid", &instance.id));
            }
            (Step::Restore(why), Reached::Unprocessable | Reached::Not(..)) => {
                course.advance(Step::Lost(why));
            }
            (Step::Lost(why), _) => return lost(instance, &course, why),
        }
    }
}

/// Nothing is metered any more, and it could not be begun again.
fn lost(
    mut instance: Instance,
    course: &Course,
    why: Why,
) -> Result<UpdateResourceOutcome, Failure> {
    if let Some(wait) = Course::before_failing() {
        return pending(course.token()?, wait);
    }
    log::error(
        "The licences of an instance are not metered any more: ended for a change, they could not begin again.",
        &[("instance", &instance.id), ("at", &course.at.to_string())],
    );
    instance.status = Status::Suspended;
    instance.since = course.at;
    instance.gap = Some(course.at);
    instance.save()?;
    let mut failure = why.failure();
    failure.errormessage +=
        " What was metered before has ended, so the instance is suspended: reactivate it.";
    Err(failure.with("providerinstanceid", &instance.id))
}

pub(crate) fn suspend(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    let mut instance = acted_on(&request)?;
    if instance.status == Status::Suspended {
        return done(ids_of(&instance));
    }
    match stop(&mut instance)? {
        Stopped::At(at) => {
            instance.status = Status::Suspended;
            instance.since = at;
            instance.save()?;
            done(ids_of(&instance))
        }
        Stopped::Wait(token, wait) => pending(token, wait),
    }
}

pub(crate) fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
    let id = &request.instanceinfo.providerinstanceid;
    let mut instance = instance::of_requestor(id, &request.requestor)?;
    // Who is not sure whether it happened may ask again.
    if instance.status == Status::Cancel {
        return done(ids_of(&instance));
    }
    match stop(&mut instance)? {
        Stopped::At(at) => {
            instance.status = Status::Cancel;
            instance.since = at;
            instance.end = Some(at);
            instance.save()?;
            done(ids_of(&instance))
        }
        Stopped::Wait(token, wait) => pending(token, wait),
    }
}

enum Stopped {
    At(i64),
    Wait(String, std::time::Duration),
}

/// Ends what is metered of it, if anything is or may be.
fn stop(instance: &mut Instance) -> Result<Stopped, Failure> {
    // An order whose answer is still open may have begun.
    let may_run = matches!(instance.status, Status::Active | Status::Pending);
    let course = Course::resume(Step::Stop, instance.since)?;
    if instance.measure.is_none() || !may_run {
        return Ok(Stopped::At(course.at));
    }
    match course.send(&Abacus::open()?, &instance.target, &Event::Stop)? {
        Reached::Done => {}
        Reached::Wait(wait) => return Ok(Stopped::Wait(course.token()?, wait)),
        Reached::Not(_, failure) => return Err(failure),
        Reached::Unprocessable if instance.status == Status::Pending => {}
        Reached::Unprocessable => missing(instance, course.at),
    }
    Ok(Stopped::At(course.at))
}

/// Abacus was to end something, and had nothing there: what is wanted is so, and something before was not metered.
fn missing(instance: &mut Instance, at: i64) {
    log::error(
        "Abacus was not metering what it was told to end: some of it is missing in its report.",
        &[("instance", &instance.id), ("at", &time::instant(at))],
    );
    instance.gap = Some(at);
}

pub(crate) fn reactivate(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    let mut instance = acted_on(&request)?;
    if instance.status == Status::Active {
        return done(ids_of(&instance));
    }
    let course = Course::resume(Step::Start, instance.since)?;
    if let Some(measure) = &instance.measure {
        let event = Event::Start { measure, quantity: instance.licence };
        match course.send(&Abacus::open()?, &instance.target, &event)? {
            Reached::Done => {}
            Reached::Wait(wait) => return pending(course.token()?, wait),
            Reached::Unprocessable => return Err(Why::Time.failure()),
            Reached::Not(_, failure) => return Err(failure),
        }
    }
    instance.status = Status::Active;
    instance.since = course.at;
    instance.save()?;
    done(ids_of(&instance))
}

fn acted_on(request: &ActOnResource) -> Result<Instance, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let id = &request.instanceinfo.providerinstanceid;
    let instance = instance::of_requestor(id, &request.requestor)?;
    instance.check_live()?;
    Ok(instance)
}

pub(crate) fn ids_of(instance: &Instance) -> ResourceIds {
    ResourceIds { providerinstanceid: instance.id.clone(), other: Vec::new() }
}
