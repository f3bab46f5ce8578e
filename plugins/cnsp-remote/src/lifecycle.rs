//! What is done to an instance: licences, suspension, actions of the remote's own, the end.

use crate::account::is_pending;
use crate::body::{self, Body};
use crate::object::{Object, Wrong};
use crate::remote::{Answered, Change, Remote, Sent};
use crate::resource::{self, PATH};
use crate::settings::About;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, Outcome, done, operation, pending};

pub(crate) fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
    let remote = Remote::open()?;
    let mut body = common(&request.action, &request.resource, &request.instanceinfo)?;
    if let Some(parameters) = &request.parameters {
        let inner = Body::default().number("license", parameters.license);
        body = body.object("parameters", inner.others(&parameters.other));
    }
    let body = body
        .map("additionalparameters", &request.additionalparameters)
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Resource, "PUT", PATH, body, true)?;
    let instance = &request.instanceinfo.providerinstanceid;
    finish(&remote, &change, instance, &Goal::Any)
}

pub(crate) fn act(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    let remote = Remote::open()?;
    let mut body = common(&request.action, &request.resource, &request.instanceinfo)?;
    if !request.parameters.is_empty() {
        body = body.map("parameters", &request.parameters);
    }
    let body = body
        .map("additionalparameters", &request.additionalparameters)
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Resource, "PUT", PATH, body, false)?;
    let instance = &request.instanceinfo.providerinstanceid;
    let goal = match request.action.as_str() {
        "update.suspend" => Goal::Status("suspended"),
        "update.reactivate" => Goal::Status("active"),
        _ => Goal::Any,
    };
    finish(&remote, &change, instance, &goal)
}

pub(crate) fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
    let remote = Remote::open()?;
    let action = request.action.as_deref().unwrap_or("delete");
    let body = common(action, &None, &request.instanceinfo)?
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Resource, "DELETE", PATH, body, false)?;
    let instance = &request.instanceinfo.providerinstanceid;
    finish(&remote, &change, instance, &Goal::Status("cancel"))
}

fn common(
    action: &str,
    kind: &Option<ResourceKind>,
    instance: &InstanceInfo,
) -> Result<Body, Failure> {
    let mut body =
        Body::default().text("requestId", &operation::require_id()?).text("action", action);
    if let Some(kind) = kind {
        body = body.object("resource", body::resource_kind(kind));
    }
    Ok(body.object("instanceinfo", body::instance_info(instance)))
}

/// How an instance is once a change of it is made.
enum Goal {
    /// It has this status; one that is no more is cancelled.
    Status(&'static str),
    /// There is no telling.
    Any,
}

/// Makes a change, or looks how one stands that the remote has accepted.
fn finish<O>(remote: &Remote, change: &Change, instance: &str, goal: &Goal) -> Result<O, Failure>
where
    O: Outcome<Done = ResourceIds, Pending = Pending>,
{
    let polling = operation::token().is_some();
    if polling {
        let status = status(instance)?;
        match (status.as_str(), goal) {
            ("pending", _) => return pending("accepted", remote.settings.poll_after),
            // The remote knows the change by its id, and how it has ended.
            _ if remote.settings.does_once(About::Resource) => {}
            (now, Goal::Status(wanted)) if now == *wanted => {
                return done(ids(Object::default(), instance)?);
            }
            (now, Goal::Status(_)) | (now @ "cancel", Goal::Any) => {
                let text = format!("The provider has not done it: the instance is {now}.");
                return Err(Failure::refused(500, text).with("providerinstanceid", instance));
            }
            _ => return done(ids(Object::default(), instance)?),
        }
    }
    let sent = match (remote.send(change), goal) {
        (Sent::Unknown(_), Goal::Status(wanted)) if !change.repeats => {
            if status(instance)? == *wanted {
                return done(ids(Object::default(), instance)?);
            }
            remote.send(change)
        }
        (Sent::Unknown(failure), Goal::Any) if !change.repeats => {
            // To do it again could be to do it twice. This is remembered with the request, so nobody does.
            let text = format!(
                "{} It is not repeated, since the provider would do it twice. Look at the provider whether it was done.",
                failure.errormessage.replace(" Ask again with the same request id.", "")
            );
            return Err(Failure::refused(504, text).with("providerinstanceid", instance));
        }
        (sent, _) => sent,
    };
    let was_done = match (&sent, goal) {
        (Sent::Refused(failure), Goal::Status("cancel")) if failure.respcode == 410 => true,
        // A run of this operation before may have done it, and then the remote refuses to do it once more.
        (Sent::Refused(failure), Goal::Status(wanted))
            if !polling && operation::attempt() > 1 && !failure.retryable =>
        {
            status(instance)? == *wanted
        }
        _ => false,
    };
    if was_done {
        return done(ids(Object::default(), instance)?);
    }
    match sent {
        Sent::Refused(failure) | Sent::Unknown(failure) => Err(failure),
        Sent::Done(answered) if is_pending(&answered.response) => {
            pending("accepted", answered.poll_after)
        }
        Sent::Done(Answered { response, .. }) => done(ids(response, instance)?),
    }
}

/// How the instance is now.
fn status(instance: &str) -> Result<String, Failure> {
    match resource::get(instance) {
        Ok(info) => Ok(info.parameters.status.unwrap_or_else(|| "active".to_owned())),
        Err(failure) if failure.respcode == 404 => Ok("cancel".to_owned()),
        Err(failure) => Err(failure),
    }
}

fn ids(mut response: Object, instance: &str) -> Result<ResourceIds, Wrong> {
    Ok(ResourceIds {
        providerinstanceid: response.text_or("providerinstanceid", instance),
        other: response.rest()?,
    })
}
