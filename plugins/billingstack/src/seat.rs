//! Seats: the member role in a subscription's tenant. Giving a role again says nothing, so it is looked for first.

use crate::keystone::{Keystone, Purpose};
use crate::record::{self, Instance, User};
use crate::settings::Settings;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done};

pub(crate) fn assign(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    let settings = Settings::read()?;
    let (instance, user) = both(&request)?;
    let keystone = Keystone { settings: &settings };
    let tenant = keystone.tenant(&instance.tenant)?;
    match tenant {
        Some(tenant) if tenant.enabled => {}
        Some(_) => {
            let text = "The subscription is suspended: only an active one has seats to give.";
            return Err(Failure::refused(409, text));
        }
        None => return Err(Instance::missing(instance.tenant.as_str())),
    }
    let member = &settings.roles.member;
    let is_kept = record::has_seat(&instance.tenant, &user.id)?;
    // One that is not kept was given by a run of this operation before, or by hand: it is ours from now on.
    if is_kept && keystone.has_role(&instance.tenant, &user.id, member)? {
        let text = "The subscriber already has a seat for the subscription.";
        return Err(Failure::refused(404, text));
    }
    if !is_kept && record::seats_taken(&instance.tenant, instance.licence)? >= instance.licence {
        let text = format!(
            "No seat is free: the subscription has {} licences, and each is assigned. Revoke one, or buy more.",
            instance.licence
        );
        return Err(
            Failure::refused(403, text).with("providerinstanceid", instance.tenant.as_str())
        );
    }
    let purpose = Purpose::Subscription(instance.subscription.clone());
    keystone.grant(&purpose, &instance.tenant, &user.id, member, "member_role")?;
    record::keep_seat(&instance.tenant, &user.id)?;
    done(seat_ids(&instance))
}

pub(crate) fn revoke(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    let settings = Settings::read()?;
    let (instance, user) = both(&request)?;
    if !record::has_seat(&instance.tenant, &user.id)? {
        return Err(Failure::refused(404, "The subscriber has no seat for the subscription."));
    }
    let purpose = Purpose::Subscription(instance.subscription.clone());
    let member = &settings.roles.member;
    Keystone { settings: &settings }.take_role(&purpose, &instance.tenant, &user.id, member)?;
    record::forget_seat(&instance.tenant, &user.id)?;
    done(seat_ids(&instance))
}

fn both(request: &ChangeSeat) -> Result<(Instance, User), Failure> {
    let (_, user) = User::of_requestor(&request.requestor)?;
    let of_user =
        Requestor { provideraccountid: Some(user.customer.to_string()), ..Requestor::default() };
    let instance = Instance::of_requestor(&request.instanceinfo.providerinstanceid, &of_user)?;
    Ok((instance, user))
}

fn seat_ids(instance: &Instance) -> SeatIds {
    SeatIds { providerinstanceid: instance.tenant.to_string(), other: Vec::new() }
}
