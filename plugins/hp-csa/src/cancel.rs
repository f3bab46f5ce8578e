//! Ending an instance: its request while that waits, else its subscription, which is cancelled and then taken out of
//! CSA's list.

use crate::csa::{Csa, Sent, encode, is_given_up};
use crate::instance::{self, Instance, Status};
use crate::order::{AT_ONCE, find_subscription};
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

/// When a cancellation is first looked at.
const SOON: Duration = Duration::from_secs(1);

/// Where an ending stands, as the token says. What a call of it asks CSA for follows from this and from CSA's answers: what
/// is kept of the instance may change between a call and its repetition.
#[derive(Default, Deserialize, Serialize)]
pub(crate) enum Ending {
    /// It is found out what there is to end; nothing is changed.
    #[default]
    Begin,
    /// The order still waits, and is to be cancelled.
    Withdraw { request: String },
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
        match self {
            Self::Begin => self.begin(csa, reader, instance),
            Self::Withdraw { request } => {
                let request = request.clone();
                self.withdraw(csa, instance, &request)
            }
            Self::Ask(_) | Self::Cancel { .. } | Self::Delete { .. } => {
                self.end(csa, reader, instance, guid)
            }
        }
    }

    /// Finds out what there is to end.
    fn begin(
        &mut self,
        csa: &Csa,
        reader: &Subscriptions,
        instance: &mut Instance,
    ) -> Result<Ended, Failure> {
        if instance.subscription.is_none() {
            // Nobody knows yet whether the order has arrived: whoever looks for it will find out.
            let Some(request) = instance.request.clone() else {
                return Ok(Ended::Wait(settings::poll_interval()?));
            };
            let found = request::find(csa, &instance.catalog, &request, &instance.person)?;
            let state = found.map(|request| request.state);
            match state {
                None | Some(State::Rejected | State::Cancelled) => return gone(instance, false),
                Some(State::Pending) => {
                    *self = Self::Withdraw { request };
                    return Ok(Ended::Wait(AT_ONCE));
                }
                Some(State::Working | State::Completed | State::Failed) => {
                    find_subscription(csa, reader, instance, &request)?;
                }
            }
            if instance.subscription.is_none() {
                return match state {
                    Some(State::Failed) => gone(instance, false),
                    _ => Ok(Ended::Wait(settings::poll_interval()?)),
                };
            }
        }
        *self = Self::Ask(Sending::default());
        Ok(Ended::Wait(AT_ONCE))
    }

    /// Cancels an order. One that was approved meanwhile cannot be cancelled any more, and is looked at again.
    fn withdraw(
        &mut self,
        csa: &Csa,
        instance: &mut Instance,
        request: &str,
    ) -> Result<Ended, Failure> {
        match request::cancel(csa, &instance.catalog, request, &instance.person) {
            Sent::Answer(_) => gone(instance, false),
            Sent::Not(failure) if failure.retryable || is_given_up(&failure) => {
                Ok(Ended::Not(failure))
            }
            // How it stands tells what came of it.
            Sent::Not(_) | Sent::Unknown => {
                *self = Self::Begin;
                Ok(Ended::Wait(AT_ONCE))
            }
        }
    }

    /// Ends a subscription.
    fn end(
        &mut self,
        csa: &Csa,
        reader: &Subscriptions,
        instance: &mut Instance,
        guid: &str,
    ) -> Result<Ended, Failure> {
        let Some(subscription) = instance.fetch(csa, reader)? else {
            return gone(instance, false);
        };
        let now = time::now();
        if matches!(reader.stage(&subscription, now), Stage::Over(_)) {
            instance.observe(reader, &subscription, None, now).map_err(nonsense)?;
            // What has failed still takes room until it is cancelled.
            if subscription.status != "ACTIVE" && !matches!(self, Self::Delete { .. }) {
                *self = Self::Delete { tries: 0 };
            }
        }
        match self {
            Self::Begin | Self::Withdraw { .. } => Ok(Ended::Wait(AT_ONCE)),
            Self::Ask(sending) => {
                let wanted = Wanted {
                    catalog: &instance.catalog,
                    person: &instance.person,
                    guid,
                    action: "CANCEL_SUBSCRIPTION",
                    context: &subscription.id,
                    name: "Cancelled at the marketplace",
                    properties: &[],
                    options: None,
                };
                match sending.go_on(csa, &wanted) {
                    Ok(Step::Sent(request)) => {
                        *self = Self::Cancel { request };
                        // It may be over at once.
                        Ok(Ended::Wait(settings::poll_interval()?.min(SOON)))
                    }
                    Ok(Step::Wait(wait)) => Ok(Ended::Wait(wait)),
                    Err(failure) => Ok(Ended::Not(failure)),
                }
            }
            Self::Cancel { request } => how_far(csa, instance, request),
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

/// How far a cancellation is of what still goes on.
fn how_far(csa: &Csa, instance: &Instance, request: &str) -> Result<Ended, Failure> {
    let found = request::find(csa, &instance.catalog, request, &instance.person)?;
    let (respcode, text) = match found.map(|request| request.state) {
        Some(State::Rejected) => {
            (403, "The cancellation was not approved: the subscription goes on.")
        }
        Some(State::Cancelled) => {
            (409, "The cancellation was itself cancelled in CSA: the subscription goes on.")
        }
        Some(State::Failed) => {
            (502, "CSA could not cancel the subscription: it goes on. Its vendor must look.")
        }
        Some(State::Pending | State::Working | State::Completed) | None => {
            return Ok(Ended::Wait(settings::poll_interval()?));
        }
    };
    Ok(Ended::Not(Failure::refused(respcode, text)))
}

fn nonsense(why: String) -> Failure {
    snapshot::Trouble::Unreadable(why).into_failure()
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
