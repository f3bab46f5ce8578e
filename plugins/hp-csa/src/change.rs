//! Changing an instance: a modification that is requested like an order, and may be denied like one.

use crate::csa::Csa;
use crate::instance::{self, Instance};
use crate::options::Said;
use crate::order::{AT_ONCE, check_licence, dates, take_text};
use crate::request::{self, Sending, State, Step, Wanted};
use crate::subscription::Subscriptions;
use crate::{check, ids, offering, settings, snapshot, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, operation, pending};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a modification stands, as its token says.
#[derive(Deserialize, Serialize)]
enum Stage {
    Send(Sending),
    /// CSA is at it, with this request.
    Wait(String),
}

pub(crate) fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let id = request.instanceinfo.providerinstanceid.clone();
    let instance = instance::of_requestor(&id, &request.requestor)?;
    let csa = Csa::open()?;
    let reader = Subscriptions::open()?;
    let stage = match operation::token() {
        None => {
            instance.check_live()?;
            check(&csa, &reader, &instance, request)?;
            // At the next call: what is asked for there must not depend on how the instance was just now.
            return pending(token(&Stage::Send(Sending::default()))?, AT_ONCE);
        }
        Some(token) => serde_json::from_str(&token).map_err(|_| {
            Failure::refused(500, "The host has called with a token that is not this adapter's.")
        })?,
    };
    match stage {
        Stage::Send(sending) => send(&csa, &reader, instance, request, sending),
        Stage::Wait(id) => wait(&csa, &reader, instance, request, id),
    }
}

/// What a modification comes to.
struct Modification {
    properties: Vec<(&'static str, String)>,
    options: Option<String>,
}

fn check(
    csa: &Csa,
    reader: &Subscriptions,
    instance: &Instance,
    request: UpdateResource,
) -> Result<Modification, Failure> {
    let mut parameters = request.parameters.unwrap_or_default();
    check_licence("license", parameters.license)?;
    let mut extra = request.additionalparameters;
    let mut properties = dates(&mut extra, reader)?;
    if let Some(name) = take_text(&mut extra, "instancename")? {
        check::required("instancename", &name)?;
        properties.push(("SERVICE_NAME", name));
    }
    let said = said(&mut parameters)?;
    if properties.is_empty() && said.is_empty() {
        let text = "There is nothing to change: name an option in a `customparamN`, or `instancename`, `startdate` or `enddate` in `additionalparameters`.";
        return Err(Failure::invalid(text));
    }
    let options = match said.is_empty() {
        true => None,
        false => options(csa, instance, &said)?,
    };
    Ok(Modification { properties, options })
}

fn send(
    csa: &Csa,
    reader: &Subscriptions,
    instance: Instance,
    request: UpdateResource,
    mut sending: Sending,
) -> Result<UpdateResourceOutcome, Failure> {
    let Modification { properties, options } = check(csa, reader, &instance, request)?;
    let Some(subscription) = instance.subscription.clone() else {
        return Err(Failure::refused(409, "The instance has no subscription yet."));
    };
    let guid = ids::of_operation("modify")?;
    let action = settings::modify_action();
    let wanted = Wanted {
        catalog: &instance.catalog,
        person: &instance.person,
        guid: &guid,
        action: &action,
        context: &subscription,
        name: "Modified at the marketplace",
        properties: &properties,
        options: options.as_deref(),
    };
    let (stage, wait) = match sending.go_on(csa, &wanted)? {
        Step::Sent(request) => (Stage::Wait(request), settings::poll_interval()?),
        Step::Wait(wait) => (Stage::Send(sending), wait),
    };
    pending(token(&stage)?, wait)
}

fn token(stage: &Stage) -> Result<String, Failure> {
    serde_json::to_string(stage)
        .map_err(|_| Failure::refused(500, "The modification's stage cannot be written as JSON."))
}

/// Every `customparamN`, as a value, or as an object with `title` and `value`.
fn said(parameters: &mut UpdateParameters) -> Result<Vec<Said>, Failure> {
    let mut said = Vec::new();
    for (key, json) in std::mem::take(&mut parameters.other) {
        if !key.starts_with("customparam") && !key.starts_with("customparm") {
            continue;
        }
        let value: Value = serde_json::from_str(&json)
            .map_err(|_| Failure::invalid(format!("`{}` is no JSON value.", check::said(&key))))?;
        let title = value.get("title").and_then(Value::as_str).map(str::to_owned);
        let value = value.get("value").cloned().unwrap_or(value);
        said.push(Said { key, title, value });
    }
    Ok(said)
}

fn options(csa: &Csa, instance: &Instance, said: &[Said]) -> Result<Option<String>, Failure> {
    let missing = || {
        Failure::refused(
            409,
            "CSA does not have the offering of this instance any more, so its options cannot be changed.",
        )
    };
    let id = instance.offering.as_ref().ok_or_else(missing)?;
    let sold = offering::find(csa, &instance.catalog, id, &instance.person.id)?;
    sold.ok_or_else(missing)?.options.choose(said)
}

/// Looks how far CSA is.
fn wait(
    csa: &Csa,
    reader: &Subscriptions,
    mut instance: Instance,
    request: UpdateResource,
    id: String,
) -> Result<UpdateResourceOutcome, Failure> {
    let found = request::find(csa, &instance.catalog, &id, &instance.person)?;
    let (respcode, text) = match found.map(|request| request.state) {
        Some(State::Pending | State::Working) => {
            return pending(token(&Stage::Wait(id))?, settings::poll_interval()?);
        }
        Some(State::Completed) => {
            if let Some(subscription) = instance.fetch(csa, reader)? {
                snapshot::look(csa, reader, &mut instance, &subscription, time::now())
                    .map_err(snapshot::Trouble::into_failure)?;
            }
            for said in said(&mut request.parameters.unwrap_or_default())? {
                instance.params.put(said.key, said.value);
            }
            instance.save()?;
            return done(ResourceIds { providerinstanceid: instance.id, other: Vec::new() });
        }
        Some(State::Rejected) => (
            403,
            "The modification was not approved, or not in time. The subscription is as before.",
        ),
        Some(State::Cancelled) => {
            (409, "The modification was cancelled in CSA. The subscription is as before.")
        }
        Some(State::Failed) => {
            (502, "CSA could not modify the subscription. Its vendor must look.")
        }
        None => (404, "CSA does not have the modification any more."),
    };
    Err(Failure::refused(respcode, text).with("providerinstanceid", &instance.id))
}
