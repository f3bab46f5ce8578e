//! Seats: which users may use an instance. There are as many as it has licences.

use crate::function::{Function, NOT_AUTHORIZED_TO};
use crate::ids::{self, InstanceId, UserId};
use crate::resource::{Resource, Status};
use crate::{misbehave, resource, user};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, kv, pending};

/// What `kv` lists at once.
const LIST_MAX: u32 = 1000;

/// How many seats of the instance are taken, counted up to `count_max`. The list makes this safe: a seat
/// that somebody else takes meanwhile makes the operation run again.
pub(crate) fn taken(instance: InstanceId<'_>, count_max: u64) -> Result<u64, Failure> {
    let prefix = instance.seats();
    let mut count = 0;
    let mut after: Option<String> = None;
    while count < count_max {
        let limit = u32::try_from(count_max - count).unwrap_or(LIST_MAX).min(LIST_MAX);
        let seats = kv::list(&prefix, after.as_deref(), limit)?;
        count += seats.len() as u64;
        match seats.into_iter().last() {
            Some(last) => after = Some(last.key),
            None => break,
        }
    }
    Ok(count)
}

pub(crate) fn assign(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    let function = Function::AssignSeat;
    let told = misbehave::change(function, "", &[&request.other])?;
    let (resource, user) = both(function, &request)?;
    let (Some(instance), Some(user)) = (resource.parts(), user.parts()) else {
        return Err(function.no_user());
    };
    if resource.status != Status::Active {
        let text = format!(
            "The subscription is {}: only an active one has seats to give.",
            resource.status
        );
        return Err(function.refuse(409, text));
    }
    let keys = ids::seat_keys(instance, user);
    if has_seat(&keys)? {
        let text = "The subscriber already has a seat for the subscription.";
        return Err(function.refuse(404, text));
    }
    if taken(instance, resource.licence)? >= resource.licence {
        let licence = resource.licence;
        let has = match licence {
            1 => "1 licence, and it is assigned. Revoke it,".to_owned(),
            _ => format!("{licence} licences, and each is assigned. Revoke one,"),
        };
        let text = format!("No seat is free: the subscription has {has} or buy more licences.");
        return Err(function.refuse(403, text));
    }
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    for key in keys {
        kv::set(&key, b"{}")?;
    }
    done(seat_ids(&resource, &told))
}

pub(crate) fn revoke(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    let function = Function::RevokeSeat;
    let told = misbehave::change(function, "", &[&request.other])?;
    let (resource, user) = both(function, &request)?;
    let (Some(instance), Some(user)) = (resource.parts(), user.parts()) else {
        return Err(function.no_user());
    };
    let keys = ids::seat_keys(instance, user);
    if !has_seat(&keys)? {
        return Err(function.refuse(404, "The subscriber has no seat for the subscription."));
    }
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    for key in keys {
        kv::delete(&key)?;
    }
    done(seat_ids(&resource, &told))
}

/// The instance and the user, when they are of one account and the caller may.
fn both(function: Function, request: &ChangeSeat) -> Result<(Resource, user::User), Failure> {
    let (account, user) = user::of_requestor(function, &request.requestor)?;
    account.admit(function)?;
    let id = &request.instanceinfo.providerinstanceid;
    let resource = resource::find(id)?.ok_or_else(|| function.no_resource(id))?;
    if user.parts().map(|user: UserId<'_>| user.account) != resource.parts().map(|id| id.account) {
        return Err(function.refuse(403, NOT_AUTHORIZED_TO));
    }
    resource.admit(function)?;
    Ok((resource, user))
}

fn has_seat(keys: &[String; 2]) -> Result<bool, Failure> {
    let [by_instance, _] = keys;
    Ok(kv::get(by_instance)?.is_some())
}

fn seat_ids(resource: &Resource, told: &misbehave::Told) -> SeatIds {
    let mut ids = SeatIds { providerinstanceid: resource.id.clone(), ..SeatIds::default() };
    told.spoil(&mut ids.other);
    told.spoil_id(&mut ids.providerinstanceid);
    ids
}
