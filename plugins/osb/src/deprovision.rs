//! Deleting an instance: first its bindings, then itself.

use crate::broker::{Broker, Known, Target};
use crate::instance::{self, Instance, Status};
use crate::seat::{self, Seat};
use crate::verdict::Trouble;
use crate::work::{Phase, Removal, Step, Work};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, kv, operation};
use std::time::Duration;

/// How many bindings one call takes back: a call may send 64 requests, and each binding may need two.
const SEATS_AT_ONCE: usize = 25;

pub(crate) fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
    let id = request.instanceinfo.providerinstanceid.clone();
    let (instance, _) = instance::of_requestor(&id, &request.requestor)?;
    let broker = Broker::for_change(&request.requestor, request.requestid.as_deref())?;
    // Who is not sure whether it happened may ask again.
    let step = match instance.status {
        Status::Cancel => Step::Done(()),
        _ => go_on(&broker, Work::load()?.unwrap_or_else(Work::new), instance)?,
    };
    step.outcome(|()| ResourceIds { providerinstanceid: id, other: Vec::new() })
}

fn go_on(broker: &Broker, mut work: Work, instance: Instance) -> Result<Step<()>, Failure> {
    if let Phase::End(why) = &work.phase {
        let failure = why.clone().into();
        return work.fail(failure);
    }
    let mut unbound = 0;
    // What is polled is always the first seat there is, and the instance only when there is none.
    while let Some(first) = seat::first(&instance.id)? {
        if unbound == SEATS_AT_ONCE {
            return work.wait(Duration::from_millis(100));
        }
        match unbind(broker, &mut work, &instance, &first)? {
            Removal::Gone => {
                first.forget(&instance.id)?;
                unbound += 1;
                work = Work::new();
            }
            Removal::Wait(wait) => return work.wait(wait),
            // The rest is still to be done, and an answer may come the next time.
            Removal::Not(trouble) if trouble.failure.retryable && !work.is_exhausted() => {
                let wait = work.backoff(broker.interval);
                return work.wait(wait);
            }
            Removal::Not(trouble) => return failed(work, instance, trouble, unbound > 0),
        }
    }
    let target = Target { instance: &instance, binding: None };
    match work.remove(broker, target, false)? {
        Removal::Gone => gone(instance),
        Removal::Wait(wait) => work.wait(wait),
        Removal::Not(trouble) if trouble.unknown => match instance.fetch(broker) {
            Some(Known::Missing) => gone(instance),
            _ => not_gone(broker, work, instance, trouble, unbound > 0),
        },
        Removal::Not(trouble) => not_gone(broker, work, instance, trouble, unbound > 0),
    }
}

/// Where seats may have been taken back for it, a deletion is not given up for what may pass: it would be half done.
fn not_gone(
    broker: &Broker,
    mut work: Work,
    instance: Instance,
    trouble: Trouble,
    progress: bool,
) -> Result<Step<()>, Failure> {
    let begun = progress || operation::token().is_some();
    if begun && (trouble.unknown || trouble.failure.retryable) && !work.is_exhausted() {
        let wait = work.backoff(broker.interval);
        return work.wait(wait);
    }
    failed(work, instance, trouble, progress)
}

/// One step of taking a binding back. Where nobody knows whether it is gone, the broker is asked.
pub(crate) fn unbind(
    broker: &Broker,
    work: &mut Work,
    instance: &Instance,
    seat: &Seat,
) -> Result<Removal, Failure> {
    let target = Target { instance, binding: Some(&seat.binding) };
    let removal = work.remove(broker, target, false)?;
    if let Removal::Not(trouble) = &removal
        && trouble.unknown
        && instance.bindings_retrievable
        && let Known::Missing = broker.fetch_binding(target)
    {
        return Ok(Removal::Gone);
    }
    Ok(removal)
}

fn gone(mut instance: Instance) -> Result<Step<()>, Failure> {
    // It may have been in the making: nobody asks for that any more.
    if let Some(creation) = &instance.creation {
        kv::delete(&format!("w/{creation}"))?;
    }
    instance.cancel();
    instance.save()?;
    Work::end()?;
    Ok(Step::Done(()))
}

/// With something to keep, it fails at the next call.
fn failed(
    work: Work,
    mut instance: Instance,
    trouble: Trouble,
    progress: bool,
) -> Result<Step<()>, Failure> {
    let news = trouble.unusable && !instance.unusable;
    if news {
        instance.unusable = true;
        instance.save()?;
    }
    let over = operation::token().is_some() && !trouble.failure.retryable;
    if news || progress || over { work.fail(trouble.failure) } else { Err(trouble.failure) }
}
