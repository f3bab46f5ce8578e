//! Seats: a user's binding to an instance.

use crate::account::Account;
use crate::broker::{Broker, Known, Target};
use crate::deprovision::unbind;
use crate::instance::{self, Instance, now};
use crate::progress::Progress;
use crate::user::{self, User};
use crate::verdict::{Body, Verdict};
use crate::work::{self, Phase, Removal, Step, Work};
use crate::{ids, settings};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, kv, operation};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A change's answer has at most 20 KiB, and one of a binding is nearly all credentials.
const CREDENTIALS_BYTES_MAX: usize = 14 * 1024;

/// A seat, as it is kept. Its credentials are not: they are answered once.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Seat {
    pub(crate) binding: String,
    pub(crate) user: String,
    since: i64,
}

impl Seat {
    fn keys(instance: &str, user: &str) -> [String; 2] {
        [
            format!("{}{user}", ids::seats_of_instance(instance)),
            format!("{}{instance}", ids::seats_of_user(user)),
        ]
    }

    fn find(instance: &str, user: &str) -> Result<Option<Self>, Failure> {
        let [key, _] = Self::keys(instance, user);
        kv::get_json(&key)
    }

    fn save(&self, instance: &str) -> Result<(), Failure> {
        for key in Self::keys(instance, &self.user) {
            kv::set_json(&key, self)?;
        }
        Ok(())
    }

    /// The binding is no more.
    pub(crate) fn forget(&self, instance: &str) -> Result<(), Failure> {
        for key in Self::keys(instance, &self.user) {
            kv::delete(&key)?;
        }
        Ok(())
    }
}

/// One of the instance's seats.
pub(crate) fn first(instance: &str) -> Result<Option<Seat>, Failure> {
    let seats = kv::list_json::<Seat>(&ids::seats_of_instance(instance), None, 1)?;
    Ok(seats.into_iter().next().map(|(_, seat)| seat))
}

/// Whether no more than so many seats are taken. The list makes this safe: a seat that somebody else takes
/// meanwhile makes the operation run again.
fn are_at_most(instance: &str, count_max: u64) -> Result<bool, Failure> {
    let prefix = ids::seats_of_instance(instance);
    let mut count = 0_u64;
    let mut after: Option<String> = None;
    loop {
        let seats = kv::list(&prefix, after.as_deref(), 1000)?;
        count = count.saturating_add(seats.len() as u64);
        match seats.into_iter().last() {
            Some(last) if count <= count_max => after = Some(last.key),
            _ => return Ok(count <= count_max),
        }
    }
}

/// Whether the seats that are taken allow for so many licences.
pub(crate) fn check_licence(instance: &Instance, licence: Option<u64>) -> Result<(), Failure> {
    match licence {
        Some(licence) if !are_at_most(&instance.id, licence)? => {
            let text =
                format!("More than {licence} seats are assigned: revoke some of them first.");
            Err(Failure::invalid(text).with("providerinstanceid", &instance.id))
        }
        _ => Ok(()),
    }
}

/// The instance and the user, when they are of one account.
fn both(request: &ChangeSeat) -> Result<(Account, Instance, User), Failure> {
    let (account, user) = user::of_requestor(&request.requestor)?;
    let instance = instance::open(&request.instanceinfo.providerinstanceid)?;
    if instance.account != account.id {
        let text = "The user is not authorized to perform this operation.";
        return Err(Failure::refused(403, text));
    }
    Ok((account, instance, user))
}

pub(crate) fn assign(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    let (account, instance, user) = both(&request)?;
    let broker = Broker::for_change(&request.requestor, None)?;
    let work = match Work::load()? {
        Some(work) => work,
        None => {
            check_free(&instance, &user)?;
            Work::new()
        }
    };
    let binding = ids::binding(&instance.id, &user.id);
    let target = Target { instance: &instance, binding: Some(&binding) };
    match bind(&broker, work, target, &account, &user.id)? {
        Step::Wait(wait) => Step::Wait(wait).outcome(|()| SeatIds::default()),
        Step::Done(body) => {
            let seat = Seat { binding: binding.clone(), user: user.id, since: now() };
            seat.save(&instance.id)?;
            Work::end()?;
            cnsp_sdk::done(seat_ids(&instance.id, &body))
        }
    }
}

fn check_free(instance: &Instance, user: &User) -> Result<(), Failure> {
    instance.check_bindable()?;
    if Seat::find(&instance.id, &user.id)?.is_some() {
        let text = "The subscriber already has a seat for the subscription.";
        return Err(Failure::refused(404, text));
    }
    match instance.licence {
        Some(licence) if licence == 0 || !are_at_most(&instance.id, licence - 1)? => {
            let text = format!(
                "No seat is free: the instance has {licence} licences, and each is assigned. Revoke one, or buy more."
            );
            Err(Failure::refused(403, text).with("providerinstanceid", &instance.id))
        }
        _ => Ok(()),
    }
}

/// From where the work stands to where it has to wait, or to its end.
fn bind(
    broker: &Broker,
    mut work: Work,
    target: Target<'_>,
    account: &Account,
    user: &str,
) -> Result<Step<Body>, Failure> {
    // Once: what is interrupted over and over is cleaned up.
    let mut sent_again = false;
    loop {
        if work.cleaning.is_some() {
            return clean(broker, work, target);
        }
        match &work.phase {
            Phase::Send => match broker.bind(target, account, user) {
                Verdict::Done(body) if is_answerable(&body) => return Ok(Step::Done(body)),
                Verdict::Done(_) => work.clean(too_large()),
                Verdict::Accepted { operation, wait } => {
                    work.poll(operation, settings::polling_s_max(target.instance.polling_s_max)?);
                    return work.wait(wait);
                }
                Verdict::Busy(_) | Verdict::Gone if work.is_exhausted() => {
                    return over(work::too_long().failure);
                }
                Verdict::Busy(wait) => return work.wait(wait),
                Verdict::Gone => return work.wait(broker.interval),
                // The run before ended while it asked. The same again is the same binding.
                Verdict::Not(trouble)
                    if trouble.unknown && !sent_again && operation::attempt() > 1 =>
                {
                    sent_again = true;
                }
                Verdict::Not(trouble) if trouble.orphan => work.clean(trouble.failure),
                Verdict::Not(trouble) => return over(trouble.failure),
            },
            Phase::Poll { operation } => {
                match broker.last_operation(target, operation.as_deref()) {
                    Progress::Succeeded => work.phase = Phase::Fetch,
                    Progress::Waiting(_) if work.is_overdue() => {
                        work.clean(work::too_long().failure);
                    }
                    Progress::Waiting(wait) => return work.wait(wait),
                    Progress::Failed(trouble) => work.clean(trouble.failure),
                    Progress::Gone => work.clean(vanished()),
                }
            }
            // What was bound in the background has to be asked for its credentials.
            Phase::Fetch => match broker.fetch_binding(target) {
                Known::Is(body) if is_answerable(&body) => return Ok(Step::Done(body)),
                Known::Is(_) => work.clean(too_large()),
                Known::Missing => work.clean(vanished()),
                Known::Unsaid(failure) if work.is_exhausted() => work.clean(failure),
                Known::Unsaid(_) => {
                    let wait = work.backoff(broker.interval);
                    return work.wait(wait);
                }
            },
            Phase::End(why) => return over(why.clone().into()),
        }
    }
}

/// Nothing was bound, or nothing is left of it.
fn over<T>(failure: Failure) -> Result<Step<T>, Failure> {
    if operation::token().is_some() && !failure.retryable {
        Work::end()?;
    }
    Err(failure)
}

/// Unbinds what may have been bound, until it is gone.
fn clean(broker: &Broker, mut work: Work, target: Target<'_>) -> Result<Step<Body>, Failure> {
    let removal = work.remove(broker, target, true)?;
    let Some(why) = work.cleaning.clone() else { return work.wait(broker.interval) };
    match removal {
        Removal::Wait(wait) => work.wait(wait),
        Removal::Gone => over(why.cleaned()),
        Removal::Not(_) => {
            work::orphan(target, &why)?;
            over(why.left())
        }
    }
}

fn vanished() -> Failure {
    Failure::refused(502, "The broker does not know the binding that it has made.")
}

fn is_answerable(body: &Body) -> bool {
    let bytes = serde_json::to_vec(&body.credentials).map_or(usize::MAX, |json| json.len());
    bytes <= CREDENTIALS_BYTES_MAX
}

fn too_large() -> Failure {
    let text = format!(
        "The broker's credentials have more than {CREDENTIALS_BYTES_MAX} bytes, which no answer can hold."
    );
    Failure::refused(502, text)
}

/// The credentials, answered once.
fn seat_ids(instance: &str, body: &Body) -> SeatIds {
    let mut other = OpenMap::new();
    for (number, (label, value)) in (1..).zip(body.credentials.iter().flatten()) {
        other.put(format!("respparam{number}"), json!({ "label": label, "value": value }));
    }
    SeatIds { providerinstanceid: instance.to_owned(), other }
}

pub(crate) fn revoke(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    let (_, instance, user) = both(&request)?;
    let Some(seat) = Seat::find(&instance.id, &user.id)? else {
        return Err(Failure::refused(404, "The subscriber has no seat for the subscription."));
    };
    let broker = Broker::for_change(&request.requestor, None)?;
    let mut work = Work::load()?.unwrap_or_else(Work::new);
    let step = match unbind(&broker, &mut work, &instance, &seat)? {
        Removal::Wait(wait) => work.wait(wait)?,
        Removal::Not(trouble) => over(trouble.failure)?,
        Removal::Gone => {
            seat.forget(&instance.id)?;
            Work::end()?;
            Step::Done(())
        }
    };
    step.outcome(|()| SeatIds { providerinstanceid: instance.id, other: Vec::new() })
}
