//! Ending an instance: its request while that waits, else its subscription, which is cancelled and then taken out of
//! CSA's list.

use crate::csa::{Csa, Sent, encode};
use crate::instance::{self, Instance, Status};
use crate::order::find_subscription;
use crate::request::{self, Sending, State, Step, Wanted};
use crate::subscription::{Stage, Subscription, Subscriptions};
use crate::xml::{self, escape};
use crate::{ids, settings, snapshot, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, log, operation, pending};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a subscription that is over is to be taken out of the list. It costs nothing more.
const DELETIONS_MAX: u32 = 3;

/// Where an ending stands, as the token says.
#[derive(Default, Deserialize, Serialize)]
pub(crate) enum Ending {
    #[default]
    Begin,
    /// The subscription's cancellation is asked for.
    Ask(Sending),
    /// It is asked for, with this request.
    Cancel { request: String },
    /// It is over, and to be taken out of the list.
    Delete { tries: u32 },
}

/// What an ending has come to.
pub(crate) enum Ended {
    /// It is over. `is_left` says that CSA still lists it.
    Gone { is_left: bool },
    /// Call again after this.
    Wait(Duration),
    /// It goes on as before.
    Not(Failure),
}

pub(crate) fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
    let id = request.instanceinfo.providerinstanceid;
    let mut instance = instance::of_requestor(&id, &request.requestor)?;
    let ids = |is_left: bool| {
        let mut other = OpenMap::new();
        if is_left {
            other.put("leftatprovider", "It is cancelled, and CSA still lists it.");
        }
        ResourceIds { providerinstanceid: id, other }
    };
    // Who is not sure whether it happened may ask again.
    if instance.is_deleted {
        return done(ids(false));
    }
    let mut ending = match operation::token() {
        None => Ending::default(),
        Some(token) => serde_json::from_str(&token).map_err(|_| {
            Failure::refused(500, "The host has called with a token that is not this adapter's.")
        })?,
    };
    let guid = ids::of_operation("cancel")?;
    match ending.go_on(&Csa::open()?, &Subscriptions::open()?, &mut instance, &guid)? {
        Ended::Gone { is_left } => {
            instance.save()?;
            done(ids(is_left))
        }
        Ended::Wait(wait) => {
            instance.save()?;
            let token = serde_json::to_string(&ending)
                .map_err(|_| Failure::refused(500, "The stage cannot be written as JSON."))?;
            pending(token, wait)
        }
        Ended::Not(failure) => Err(failure),
    }
}

impl Ending {
    /// From where it stands to where it has to wait, or to its end. The instance is changed, and not saved.
    pub(crate) fn go_on(
        &mut self,
        csa: &Csa,
        reader: &Subscriptions,
        instance: &mut Instance,
        guid: &str,
    ) -> Result<Ended, Failure> {
        if matches!(self, Self::Begin)
            && instance.subscription.is_none()
            && let Some(ended) = end_request(csa, reader, instance)?
        {
            return Ok(ended);
        }
        let Some(subscription) = instance.fetch(csa, reader)? else {
            return gone(instance, false);
        };
        let now = time::now();
        let is_over = matches!(reader.stage(&subscription, now), Stage::Over(_));
        if is_over {
            snapshot::look(csa, reader, instance, &subscription, now)
                .map_err(snapshot::Trouble::into_failure)?;
        }
        // What has failed still takes room until it is cancelled.
        let is_cancelled = is_over && subscription.status != "ACTIVE";
        match self {
            Self::Delete { .. } => {}
            _ if is_cancelled => *self = Self::Delete { tries: 0 },
            Self::Begin => *self = Self::Ask(Sending::default()),
            Self::Ask(_) | Self::Cancel { .. } => {}
        }
        match self {
            Self::Begin => Ok(Ended::Wait(settings::poll_interval()?)),
            Self::Ask(sending) => {
                let name = format!("Cancel {}", instance.name);
                let wanted = Wanted {
                    catalog: &instance.catalog,
                    person: &instance.person,
                    guid,
                    action: "CANCEL_SUBSCRIPTION",
                    context: &subscription.id,
                    name: &name,
                    properties: &[],
                    options: None,
                };
                match sending.go_on(csa, &wanted) {
                    Ok(Step::Sent(request)) => {
                        *self = Self::Cancel { request };
                        // It may be over at once.
                        Ok(Ended::Wait(settings::poll_interval()?.min(Duration::from_secs(1))))
                    }
                    Ok(Step::Wait(wait)) => Ok(Ended::Wait(wait)),
                    Err(failure) => Ok(Ended::Not(failure)),
                }
            }
            Self::Cancel { request } => {
                let found = request::find(csa, &instance.catalog, request, &instance.person)?;
                let (respcode, text) = match found.map(|request| request.state) {
                    Some(State::Rejected) => {
                        (403, "The cancellation was not approved: the subscription goes on.")
                    }
                    Some(State::Cancelled) => (
                        409,
                        "The cancellation was itself cancelled in CSA: the subscription goes on.",
                    ),
                    Some(State::Failed) => (
                        502,
                        "CSA could not cancel the subscription: it goes on. Its vendor must look.",
                    ),
                    Some(State::Pending | State::Working | State::Completed) | None => {
                        return Ok(Ended::Wait(settings::poll_interval()?));
                    }
                };
                Ok(Ended::Not(Failure::refused(respcode, text)))
            }
            Self::Delete { tries } => {
                *tries = tries.saturating_add(1);
                match take_out(csa, reader, instance, &subscription)? {
                    true => gone(instance, false),
                    false if *tries < DELETIONS_MAX => Ok(Ended::Wait(settings::poll_interval()?)),
                    false => {
                        log::warn(
                            "CSA still lists a subscription that is over.",
                            &[("subscription", &subscription.id)],
                        );
                        gone(instance, true)
                    }
                }
            }
        }
    }
}

/// Ends an order that has no subscription yet. None: it has one now.
fn end_request(
    csa: &Csa,
    reader: &Subscriptions,
    instance: &mut Instance,
) -> Result<Option<Ended>, Failure> {
    let wait = settings::poll_interval()?;
    // Nobody knows yet whether the order has arrived: whoever looks for it will find out.
    let Some(id) = instance.request.clone() else { return Ok(Some(Ended::Wait(wait))) };
    let mut asked = false;
    loop {
        let found = request::find(csa, &instance.catalog, &id, &instance.person)?;
        match found.map(|request| request.state) {
            None | Some(State::Rejected | State::Cancelled) => {
                return gone(instance, false).map(Some);
            }
            Some(State::Pending) if asked => return Ok(Some(Ended::Wait(wait))),
            Some(State::Pending) => {
                match request::cancel(csa, &instance.catalog, &id, &instance.person) {
                    Sent::Answer(_) => return gone(instance, false).map(Some),
                    Sent::Not(failure) if failure.retryable => {
                        return Ok(Some(Ended::Not(failure)));
                    }
                    // It was approved meanwhile, or nobody knows: how it stands tells.
                    Sent::Not(_) | Sent::Unknown => asked = true,
                }
            }
            Some(State::Working | State::Completed | State::Failed) => {
                find_subscription(csa, reader, instance, &id)?;
                return match (&instance.subscription, found_failed(csa, instance, &id)?) {
                    (Some(_), _) => Ok(None),
                    (None, true) => gone(instance, false).map(Some),
                    (None, false) => Ok(Some(Ended::Wait(wait))),
                };
            }
        }
    }
}

/// Whether a request has come to nothing, so that no subscription will follow.
fn found_failed(csa: &Csa, instance: &Instance, id: &str) -> Result<bool, Failure> {
    let found = request::find(csa, &instance.catalog, id, &instance.person)?;
    Ok(found.is_none_or(|request| request.state == State::Failed))
}

/// Takes a subscription that is over out of CSA's list. That it was asked for is answered with 200 in any case: which
/// ones are gone, the XML says.
fn take_out(
    csa: &Csa,
    reader: &Subscriptions,
    instance: &Instance,
    subscription: &Subscription,
) -> Result<bool, Failure> {
    let path =
        format!("/user/multipleSubscription/delete?userIdentifier={}", encode(&instance.person.id));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ServiceSubscriptionList><ServiceSubscription><id>{}</id><catalogItem><catalog><id>{}</id></catalog></catalogItem></ServiceSubscription></ServiceSubscriptionList>",
        escape(&subscription.id),
        escape(&instance.catalog)
    );
    if let Sent::Answer(answer) = csa.change("POST", &path, Some(body), "to delete a subscription")
    {
        let root = xml::parse("The list of deleted subscriptions", &answer.body).ok();
        let is_listed = root.is_some_and(|root| {
            root.all("ServiceSubscription")
                .any(|one| one.text_at(&["id"]) == Some(subscription.id.as_str()))
        });
        if is_listed {
            return Ok(true);
        }
    }
    Ok(instance.fetch(csa, reader)?.is_none())
}

/// It is over, whatever was known of it.
fn gone(instance: &mut Instance, is_left: bool) -> Result<Ended, Failure> {
    if instance.meter.over.is_none() {
        instance.vanish(time::now())?;
    }
    instance.status = Status::Cancel;
    instance.is_deleted = true;
    Ok(Ended::Gone { is_left })
}
