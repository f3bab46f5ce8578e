//! What happens to an instance after it was bought: licences, suspension, a new name, its end.

use crate::account::Account;
use crate::function::Function;
use crate::resource::{Resource, Status};
use crate::{catalog, check, instant, misbehave, resource, seat};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, pending};

pub(crate) const SUSPEND: &str = "update.suspend";
pub(crate) const REACTIVATE: &str = "update.reactivate";
pub(crate) const RENAME: &str = "update.rename";

/// More changes than this an instance does not remember, so that it fits a value. Its end always does.
const HISTORY_MAX: usize = 250;

pub(crate) fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
    let function = Function::UpdateResource;
    let maps = [&request.additionalparameters, &request.other];
    let told = misbehave::change(function, "", &maps)?;
    resource::check_type(function, request.resource.as_ref())?;
    let id = &request.instanceinfo.providerinstanceid;
    let mut resource = open(function, id, &request.requestor)?;
    check_live(function, &resource)?;

    let parameters = request.parameters.unwrap_or_default();
    if let Some(licence) = parameters.license.filter(|licence| *licence != resource.licence) {
        change_licences(function, &mut resource, licence)?;
    }
    check::merge(&mut resource.params, parameters.other);
    check::merge(&mut resource.extra, request.additionalparameters);
    resource.check_kept()?;
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    resource.save()?;
    done(resource_ids(&resource, &told))
}

fn change_licences(
    function: Function,
    resource: &mut Resource,
    licence: u64,
) -> Result<(), Failure> {
    let licence = match catalog::find(&resource.sku) {
        Some(offering) => offering.licences(Some(licence))?,
        None => licence,
    };
    if let Some(instance) = resource.parts() {
        let taken = seat::taken(instance, resource.licence)?;
        if licence < taken {
            let licences = if licence == 1 { "licence" } else { "licences" };
            let text = format!(
                "{taken} seats are assigned: revoke {} of them before going down to {licence} {licences}.",
                taken - licence
            );
            return Err(function.refuse(400, text));
        }
    }
    resource.licence = licence;
    // A suspended instance is paid for again when it is reactivated, then with the new number.
    if resource.status == Status::Active {
        remember(function, resource, licence)?;
    }
    Ok(())
}

pub(crate) fn act(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    let function = Function::ActOnResource;
    let maps = [&request.additionalparameters, &request.parameters, &request.other];
    let told =
        misbehave::change(function, "", &maps).map_err(|error| named(error, &request.action))?;
    let mut resource = acted(&request).map_err(|error| named(error, &request.action))?;
    check::merge(&mut resource.extra, request.additionalparameters);
    resource.check_kept()?;
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    resource.save()?;
    done(resource_ids(&resource, &told))
}

/// The instance after the action.
fn acted(request: &ActOnResource) -> Result<Resource, Failure> {
    let function = Function::ActOnResource;
    resource::check_type(function, request.resource.as_ref())?;
    let id = &request.instanceinfo.providerinstanceid;
    let mut resource = open(function, id, &request.requestor)?;
    check_live(function, &resource)?;
    match (request.action.as_str(), resource.status) {
        (SUSPEND, Status::Active) => {
            remember(function, &mut resource, 0)?;
            resource.status = Status::Suspended;
        }
        (REACTIVATE, Status::Suspended) => {
            let licence = resource.licence;
            remember(function, &mut resource, licence)?;
            resource.status = Status::Active;
        }
        (SUSPEND | REACTIVATE, status) => {
            let text = format!("The subscription is {status} already.");
            return Err(function.refuse(409, text).with("providerinstanceid", id));
        }
        (RENAME, _) => {
            resource.name = request.parameters.text("instancename").ok_or_else(|| {
                function.refuse(400, "`parameters.instancename` has to be the new name.")
            })?;
        }
        (action, _) => {
            let action: String = action.chars().take(64).collect();
            let text = format!(
                "This provider does not know the action `{action}`. It knows {SUSPEND}, {REACTIVATE} and \
                 {RENAME}."
            );
            return Err(function.refuse(400, text));
        }
    }
    Ok(resource)
}

/// One function does several actions, each with a message of its own when it fails.
fn named(failure: Failure, action: &str) -> Failure {
    match (&failure.message, action) {
        (None, SUSPEND) => failure.message("Suspension of resource failed"),
        (None, REACTIVATE) => failure.message("Reactivation of resource failed"),
        _ => failure,
    }
}

pub(crate) fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
    let function = Function::DeleteResource;
    let told = misbehave::change(function, "", &[&request.other])?;
    let id = &request.instanceinfo.providerinstanceid;
    let mut resource = open(function, id, &request.requestor)?;
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    // Cancelling twice is no error: who is not sure whether it happened may ask again.
    if resource.status != Status::Cancel {
        resource.end = Some(match resource.status {
            Status::Active => resource.remember(0),
            _ => instant::now(),
        });
        resource.status = Status::Cancel;
        resource.save()?;
    }
    done(resource_ids(&resource, &told))
}

/// The instance, when the requestor's account is its own.
fn open(function: Function, id: &str, requestor: &Requestor) -> Result<Resource, Failure> {
    let (resource, account): (Resource, Account) = resource::open(function, id)?;
    if account.is_requestors(requestor) { Ok(resource) } else { Err(function.unauthorized()) }
}

/// Only what is active or suspended can change.
fn check_live(function: Function, resource: &Resource) -> Result<(), Failure> {
    let text = match resource.status {
        Status::Active | Status::Suspended => return Ok(()),
        Status::Pending => "The subscription is still pending: wait until it is active.",
        Status::Cancel => "The subscription is cancelled.",
    };
    Err(function.refuse(409, text).with("providerinstanceid", &resource.id))
}

fn remember(function: Function, resource: &mut Resource, licence: u64) -> Result<(), Failure> {
    if resource.history.len() >= HISTORY_MAX {
        let text = format!(
            "The subscription was changed {HISTORY_MAX} times, and the sandbox remembers no more: buy \
             another one."
        );
        return Err(function.refuse(400, text));
    }
    resource.remember(licence);
    Ok(())
}

fn resource_ids(resource: &Resource, told: &misbehave::Told) -> ResourceIds {
    let mut ids = ResourceIds { providerinstanceid: resource.id.clone(), ..ResourceIds::default() };
    told.spoil(&mut ids.other);
    told.spoil_id(&mut ids.providerinstanceid);
    ids
}
