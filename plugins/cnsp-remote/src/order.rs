//! Orders: instances are made, now or later, once.

use crate::account::{self, found};
use crate::body::{self, Body};
use crate::mark::{self, Owner};
use crate::object::{Object, Wrong};
use crate::page::{self, Listed};
use crate::remote::{Answered, Change, Remote, Sent, segment, unknown};
use crate::resource::{self, OF_ACCOUNT, PATH, known_status};
use crate::settings::About;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, kv, log, operation, pending_resource};
use std::time::Duration;

pub(crate) fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let remote = Remote::open()?;
    let operation = operation::require_id()?;
    let body = order(&remote, &request, &operation);
    let change = remote.change(About::Resource, "POST", PATH, body, false)?;
    if let Some(instance) = operation::token() {
        return poll(&remote, &change, &instance, &operation);
    }
    let before = match change.repeats {
        true => None,
        false => Some(Candidates::find(&remote, &request)?),
    };
    // A run before this one may have made it.
    if let Some(ours) = before.as_ref().and_then(|before| before.marked(&operation)) {
        return adopt(&remote, ours, &operation);
    }
    let failure = match remote.send(&change) {
        Sent::Refused(failure) => return Err(failure),
        Sent::Done(answered) => {
            let wait = answered.poll_after;
            match created(answered.response) {
                Ok(made) => return settle(&remote, made, wait, &operation),
                // It is made, but what it is called has to be found out.
                Err(Wrong(what)) => unknown(&what),
            }
        }
        Sent::Unknown(failure) => failure,
    };
    let Some(before) = before else { return Err(failure) };
    let now = Candidates::find(&remote, &request)?;
    if let Some(ours) = now.marked(&operation) {
        return adopt(&remote, ours, &operation);
    }
    // Without a mark it is the only one that was not there before: the host sends one change of an account at a
    // time.
    let whole = before.whole && now.whole;
    match now.new_since(&before, &operation).as_slice() {
        [only] if whole => adopt(&remote, only, &operation),
        [] if whole => Err(failure),
        _ => Err(Failure::refused(
            502,
            "The provider did not say whether it has made the instance, and its list does not tell which one that would be. Look at the provider for one of this account that nobody knows, and delete it before you order again.",
        )),
    }
}

fn order(remote: &Remote, request: &CreateResource, operation: &str) -> Body {
    let parameters = &request.parameters;
    let mut inner = Body::default()
        .text("sku", &parameters.sku)
        .number("licenseQuantity", parameters.license_quantity);
    for (key, option) in &parameters.custom_options {
        let option = Body::default()
            .maybe("title", &option.title)
            .json("value", option.value.clone())
            .others(&option.other);
        inner = inner.object(key, option);
    }
    let additional = &parameters.additionalparameters;
    let additional = mark::put(&remote.settings, About::Resource, additional, operation);
    let inner = inner.map("additionalparameters", &additional).others(&parameters.other);
    Body::default()
        .text("requestid", operation)
        .text("action", request.action.as_deref().unwrap_or("create"))
        .object("resource", body::resource_kind(&request.resource))
        .object("parameters", inner)
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other)
}

/// Instances of the account among which that of the order may be.
struct Candidates {
    infos: Vec<ResourceInfo>,
    /// Whether there are no others.
    whole: bool,
}

impl Candidates {
    fn find(remote: &Remote, request: &CreateResource) -> Result<Candidates, Failure> {
        let path = format!("{PATH}/{}", segment(account::of(&request.requestor)?)?);
        let listed = found(page::all(remote, &path, &[OF_ACCOUNT], "resources"))?;
        // Who shows us none has none of ours.
        let listed = listed.unwrap_or(Listed { items: Vec::new(), whole: true });
        let infos: Result<Vec<_>, Wrong> = listed.items.into_iter().map(resource::info).collect();
        let mut infos = infos?;
        let sku = &request.parameters.sku;
        infos.retain(|info| info.parameters.sku.as_ref().is_none_or(|of| of == sku));
        Ok(Candidates { infos, whole: listed.whole })
    }

    /// The one that this operation has made.
    fn marked(&self, operation: &str) -> Option<&ResourceInfo> {
        self.infos.iter().find(|info| owner(info, operation) == Owner::Ours)
    }

    /// Those that were not there before, as far as nobody else has made them.
    fn new_since(&self, before: &Candidates, operation: &str) -> Vec<&ResourceInfo> {
        let had = |info: &ResourceInfo| {
            let id = &info.parameters.providerinstanceid;
            before.infos.iter().any(|old| old.parameters.providerinstanceid == *id)
        };
        let new = self.infos.iter().filter(|info| !had(info));
        new.filter(|info| owner(info, operation) == Owner::Unmarked).collect()
    }
}

fn owner(info: &ResourceInfo, operation: &str) -> Owner {
    mark::take(&mut info.additionalparameters.clone(), Some(operation))
}

/// Takes an instance that was found for the one that was ordered. What is answered only once is lost.
fn adopt(
    remote: &Remote,
    info: &ResourceInfo,
    operation: &str,
) -> Result<CreateResourceOutcome, Failure> {
    let id = info.parameters.providerinstanceid.as_str();
    log::warn(
        "An instance was made whose answer did not arrive. It was found; its password was not.",
        &[("providerinstanceid", id)],
    );
    // A list says less than an instance does.
    let status = match &info.parameters.status {
        Some(status) => status.clone(),
        None => resource::get(id)?.parameters.status.unwrap_or_else(|| "active".to_owned()),
    };
    let made =
        CreatedResource { providerinstanceid: id.to_owned(), status, ..CreatedResource::default() };
    settle(remote, made, remote.settings.poll_after, operation)
}

/// The key of what the remote has answered to an order that it had not finished.
fn key(operation: &str) -> String {
    format!("created/{operation}")
}

/// The outcome of an order, of which the remote says how it stands.
fn settle(
    remote: &Remote,
    made: CreatedResource,
    wait: Duration,
    operation: &str,
) -> Result<CreateResourceOutcome, Failure> {
    // A password is answered once and kept nowhere, so it goes out at once, with the status that it has.
    if made.status != "pending" || made.password.is_some() {
        return done(made);
    }
    let id = made.providerinstanceid.clone();
    if !remote.settings.does_once(About::Resource) {
        kv::set_json(&key(operation), &made)?;
    }
    pending_resource(id.clone(), id, wait)
}

/// Looks how an order stands that the remote has accepted.
fn poll(
    remote: &Remote,
    change: &Change,
    instance: &str,
    operation: &str,
) -> Result<CreateResourceOutcome, Failure> {
    let again = |wait| pending_resource(instance, instance, wait);
    let status = match resource::get(instance) {
        Ok(info) => info.parameters.status.unwrap_or_else(|| "active".to_owned()),
        Err(failure) if failure.respcode == 404 => "cancel".to_owned(),
        Err(failure) => return Err(failure),
    };
    if status == "pending" {
        return again(remote.settings.poll_after);
    }
    if change.repeats {
        // The remote knows the order by its id, and how it has ended.
        return match remote.send(change) {
            Sent::Done(Answered { response, poll_after, .. }) => {
                let made = created(response)?;
                match made.status.as_str() {
                    "pending" => again(poll_after),
                    _ => done(made),
                }
            }
            Sent::Refused(failure) | Sent::Unknown(failure) => Err(failure),
        };
    }
    let made = kv::get_json::<CreatedResource>(&key(operation))?;
    kv::delete(&key(operation))?;
    if status == "cancel" {
        let text = "The provider has cancelled the instance before it could be used.";
        return Err(Failure::refused(500, text).with("providerinstanceid", instance));
    }
    let made = made.unwrap_or_default();
    done(CreatedResource { providerinstanceid: instance.to_owned(), status, ..made })
}

/// What an order has made.
fn created(mut response: Object) -> Result<CreatedResource, Wrong> {
    let mut respparams = Vec::new();
    for name in response.keys() {
        let number = name.strip_prefix("respparam");
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            && let Some(Ok(param)) = response.take_if(&name, resp_param)
        {
            respparams.push((name, param));
        }
    }
    Ok(CreatedResource {
        providerinstanceid: response.required_text("providerinstanceid")?,
        subscriptionid: response.text("subscriptionid"),
        username: response.text("username"),
        password: response.text("password"),
        // CNSP 1.0 is synchronous: an instance of which nothing is said can be used.
        status: known_status(response.text_or("status", "active")),
        respparams,
        other: response.rest()?,
    })
}

fn resp_param(mut object: Object) -> Option<Result<RespParam, Wrong>> {
    let label = object.text("label");
    let mut rest = match object.rest() {
        Ok(rest) => rest,
        Err(wrong) => return Some(Err(wrong)),
    };
    let at = rest.iter().position(|(key, _)| key == "value")?;
    let (_, value) = rest.remove(at);
    Some(Ok(RespParam { label, value, other: rest }))
}
