//! Buying: an order of CSA's, which may wait for an approval, and the deployment after it.

use crate::cancel::{Ended, Ending};
use crate::csa::Csa;
use crate::instance::{self, Instance, Status};
use crate::meter::Owner;
use crate::options::Said;
use crate::organization::{self, Members, Person};
use crate::request::{self, Sending, State, Step, Wanted};
use crate::subscription::{Stage as How, Subscriptions};
use crate::{check, ids, offering, settings, snapshot, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, operation, pending_resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What an operation that goes on at its next call waits for it.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(100);

/// Where an order stands, as its token says.
#[derive(Deserialize, Serialize)]
enum Stage {
    Send(Sending),
    /// CSA is at it.
    Wait,
    /// It has failed, and what there is of it is cancelled.
    Clean(Ending),
}

pub(crate) fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let id = ids::of_operation("instance")?;
    let csa = Csa::open()?;
    let reader = Subscriptions::open()?;
    let stage = match operation::token() {
        None => None,
        Some(token) => Some(serde_json::from_str(&token).map_err(|_| {
            Failure::refused(500, "The host has called with a token that is not this adapter's.")
        })?),
    };
    let instance = match stage {
        None => None,
        Some(_) => Some(instance::open(&id)?),
    };
    match (stage, instance) {
        (Some(Stage::Send(sending)), Some(instance)) => {
            // What it was made of is read again: only then can it be sent again as it was.
            let order = Order::of(&csa, &reader, id, request)?;
            send(&csa, Some(instance), order, sending)
        }
        (Some(Stage::Wait), Some(instance)) => wait(&csa, &reader, instance),
        (Some(Stage::Clean(ending)), Some(instance)) => clean(&csa, &reader, instance, ending),
        _ => {
            let order = Order::of(&csa, &reader, id, request)?;
            send(&csa, None, order, Sending::default())
        }
    }
}

/// What an order comes to.
struct Order {
    instance: Instance,
    offering: String,
    properties: Vec<(&'static str, String)>,
    options: Option<String>,
}

impl Order {
    fn of(
        csa: &Csa,
        reader: &Subscriptions,
        id: String,
        request: CreateResource,
    ) -> Result<Self, Failure> {
        instance::check_type(Some(&request.resource))?;
        let CreateParameters {
            sku,
            license_quantity,
            custom_options,
            mut additionalparameters,
            ..
        } = request.parameters;
        check_licence("licenseQuantity", license_quantity)?;
        let no_offering = || {
            Failure::invalid(format!("There is no offering with the sku `{}`.", check::said(&sku)))
        };
        let (catalog, offering) = offering::parts(&sku).ok_or_else(no_offering)?;
        let account = instance::organization_of(&request.requestor)?;
        let members = organization::open(csa, &csa.admin()?, account)?;
        if !members.catalogs.iter().any(|one| one == catalog) {
            return Err(no_offering());
        }
        let person = buyer(csa, &members, &request.requestor)?;
        let sold = offering::find(csa, catalog, offering, &person.id)?.ok_or_else(no_offering)?;
        let name = take_text(&mut additionalparameters, "instancename")?;
        let name = name.unwrap_or_else(|| sold.name.clone());
        check::required("instancename", &name)?;
        let mut properties = dates(&mut additionalparameters, reader)?;
        properties.push(("SERVICE_NAME", name.clone()));
        properties.push(("SERVICE_DESCRIPTION", ids::mark(&id)));
        let mut said = Vec::new();
        let mut params = OpenMap::new();
        for (key, option) in custom_options {
            let value: Value = serde_json::from_str(&option.value).map_err(|_| {
                Failure::invalid(format!("`{}` is no JSON value.", check::said(&key)))
            })?;
            params.put(key.replacen("option", "param", 1), &value);
            said.push(Said { key, title: option.title, value });
        }
        let options = sold.options.choose(&said)?;
        let mut instance = Instance::new(id, members.organization.id, catalog.to_owned(), person);
        instance.offering = Some(sold.id.clone());
        instance.name = name;
        instance.params = params;
        instance.extra = additionalparameters;
        check::record("The instance", &instance)?;
        Ok(Self { instance, offering: sold.id, properties, options })
    }
}

/// CSA has no licences: a subscription is one.
pub(crate) fn check_licence(field: &str, licence: Option<u64>) -> Result<(), Failure> {
    match licence {
        None | Some(1) => Ok(()),
        Some(_) => Err(Failure::invalid(format!(
            "`{field}` has to be 1: CSA sells subscriptions one by one. How large one is, its options say."
        ))),
    }
}

/// The user who orders: the request's, else the setting's. Signing in makes a person of an LDAP user.
fn buyer(csa: &Csa, members: &Members, requestor: &Requestor) -> Result<Person, Failure> {
    let asked = requestor.provideruserid.clone().or_else(|| requestor.userid.clone());
    let Some(asked) = asked.or_else(settings::buyer) else {
        let text = "`requestor` names no user: it needs a provideruserid, the id of the person who orders. The endpoint has no setting `buyer` for those that name none.";
        return Err(Failure::invalid(text));
    };
    let known = members.persons.iter().find(|one| one.id == asked || one.name == asked);
    let name = known.map_or(asked.as_str(), |person| person.name.as_str());
    check::id("provideruserid", name)?;
    let id = csa.login(&members.organization.name, name)?.ok_or_else(|| {
        Failure::invalid(format!(
            "The organization has no user `{}`: users are LDAP's.",
            check::said(&asked)
        ))
    })?;
    Ok(Person { id, name: name.to_owned(), display_name: None, email: None })
}

/// A text out of a map that callers send.
pub(crate) fn take_text(map: &mut OpenMap, key: &str) -> Result<Option<String>, Failure> {
    let Some(position) = map.iter().position(|(name, _)| name == key) else { return Ok(None) };
    let (_, json) = map.remove(position);
    let text: String = serde_json::from_str(&json)
        .map_err(|_| Failure::invalid(format!("`{key}` has to be a text.")))?;
    Ok(Some(text))
}

/// `startdate` and `enddate` of an order or a modification, as CSA wants them.
pub(crate) fn dates(
    map: &mut OpenMap,
    reader: &Subscriptions,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut properties = Vec::new();
    for (key, property) in [("startdate", "START_DATE"), ("enddate", "END_DATE")] {
        let Some(text) = take_text(map, key)? else { continue };
        let at = time::parse(&text).ok_or_else(|| {
            Failure::invalid(format!(
                "`{key}` is a time with an offset, for example 2026-08-01T00:00:00+00:00."
            ))
        })?;
        properties.push((property, reader.zone.with_offset(at)));
    }
    Ok(properties)
}

fn send(
    csa: &Csa,
    kept: Option<Instance>,
    order: Order,
    mut sending: Sending,
) -> Result<CreateResourceOutcome, Failure> {
    let is_new = kept.is_none();
    let asked = &order.instance;
    let wanted = Wanted {
        catalog: &asked.catalog,
        person: &asked.person,
        guid: &asked.id,
        action: "ORDER",
        context: &order.offering,
        name: &asked.name,
        properties: &order.properties,
        options: order.options.as_deref(),
    };
    let sent = sending.go_on(csa, &wanted);
    let mut instance = kept.unwrap_or(order.instance);
    let (stage, wait) = match sent {
        Ok(Step::Sent(request)) => {
            instance.set_request(request)?;
            (Stage::Wait, settings::poll_interval()?)
        }
        Ok(Step::Wait(wait)) => (Stage::Send(sending), wait),
        Err(failure) if is_new => return Err(failure),
        Err(failure) => return refused(instance, failure),
    };
    match is_new {
        true => instance.add()?,
        false => instance.save()?,
    }
    pending_resource(instance.id, token(&stage)?, wait)
}

fn token(stage: &Stage) -> Result<String, Failure> {
    serde_json::to_string(stage)
        .map_err(|_| Failure::refused(500, "The order's stage cannot be written as JSON."))
}

/// Looks how far CSA is.
fn wait(
    csa: &Csa,
    reader: &Subscriptions,
    mut instance: Instance,
) -> Result<CreateResourceOutcome, Failure> {
    if instance.is_deleted {
        let text = "The order was cancelled while it was at work.";
        return Err(Failure::refused(409, text).with("providerinstanceid", &instance.id));
    }
    let Some(request) = instance.request.clone() else {
        return Err(Failure::refused(500, "The adapter has lost the order's request."));
    };
    let found = request::find(csa, &instance.catalog, &request, &instance.person)?;
    if let (None, Some(by)) =
        (&instance.owner, found.as_ref().and_then(|one| one.created_by.clone()))
    {
        instance.owner = Some(Owner::Person(by));
    }
    let failure = match found.map(|request| request.state) {
        Some(State::Pending | State::Working | State::Completed) => None,
        Some(State::Failed) => Some(failed()),
        Some(State::Rejected) => {
            let text = "The order was not approved, or not in time. Nothing was made, and nothing is charged.";
            Some(Failure::refused(403, text).code("REJECTED"))
        }
        Some(State::Cancelled) => {
            Some(Failure::refused(409, "The order was cancelled in CSA.").code("CANCELLED"))
        }
        None => Some(Failure::refused(404, "CSA does not have the order any more.")),
    };
    if instance.subscription.is_none() && failure.is_none() {
        find_subscription(csa, reader, &mut instance, &request)?;
    }
    let subscription = instance.fetch(csa, reader)?;
    match (failure, subscription) {
        // What was rejected, or failed before there was anything to deploy.
        (Some(failure), None) => refused(instance, failure),
        (Some(failure), Some(_)) if failure.respcode != 502 => refused(instance, failure),
        (Some(_), Some(_)) => begin_cleaning(instance),
        (None, None) => again(instance, Stage::Wait),
        (None, Some(subscription)) => {
            let now = time::now();
            snapshot::look(csa, reader, &mut instance, &subscription, now)
                .map_err(snapshot::Trouble::into_failure)?;
            match reader.stage(&subscription, now) {
                How::Deployed => {
                    instance.save()?;
                    done(CreatedResource {
                        providerinstanceid: instance.id,
                        subscriptionid: instance.subscription,
                        status: instance.status.name().to_owned(),
                        ..CreatedResource::default()
                    })
                }
                How::Over(_) => begin_cleaning(instance),
                How::Before | How::Between => again(instance, Stage::Wait),
            }
        }
    }
}

/// By the request that began it, among those of whoever has ordered.
pub(crate) fn find_subscription(
    csa: &Csa,
    reader: &Subscriptions,
    instance: &mut Instance,
    request: &str,
) -> Result<(), Failure> {
    let listed = reader.list(csa, &instance.person)?;
    let all = listed.map(|listed| listed.subscriptions).unwrap_or_default();
    match all.into_iter().find(|one| one.request.as_deref() == Some(request)) {
        Some(subscription) => instance.set_subscription(&subscription.id),
        None => Ok(()),
    }
}

/// At the next call: what is asked for there must not depend on what this one has found out.
fn begin_cleaning(instance: Instance) -> Result<CreateResourceOutcome, Failure> {
    instance.save()?;
    pending_resource(instance.id, token(&Stage::Clean(Ending::default()))?, AT_ONCE)
}

fn again(instance: Instance, stage: Stage) -> Result<CreateResourceOutcome, Failure> {
    instance.save()?;
    pending_resource(instance.id, token(&stage)?, settings::poll_interval()?)
}

fn failed() -> Failure {
    let text = "CSA could not deploy it. What there was of it is cancelled, and nothing is charged: ask anew, with a new request id.";
    Failure::refused(502, text).code("DEPLOYMENT_FAILED")
}

/// Nothing was made.
fn refused(mut instance: Instance, failure: Failure) -> Result<CreateResourceOutcome, Failure> {
    // What is written beside a failure is kept only where it is final.
    if !failure.retryable {
        instance.status = Status::Cancel;
        instance.is_deleted = true;
        instance.end = Some(time::now());
        instance.save()?;
    }
    Err(failure.with("providerinstanceid", &instance.id))
}

/// What has failed is cancelled, so that nobody pays for it and it takes no room.
fn clean(
    csa: &Csa,
    reader: &Subscriptions,
    mut instance: Instance,
    mut ending: Ending,
) -> Result<CreateResourceOutcome, Failure> {
    let guid = ids::of_operation("cleanup")?;
    match ending.go_on(csa, reader, &mut instance, &guid)? {
        Ended::Gone { .. } => {
            instance.save()?;
            Err(failed().with("providerinstanceid", &instance.id))
        }
        Ended::Wait(wait) => {
            instance.status = Status::Cancel;
            instance.save()?;
            pending_resource(instance.id, token(&Stage::Clean(ending))?, wait)
        }
        Ended::Not(why) => {
            instance.status = Status::Cancel;
            instance.save()?;
            let mut failure = failed();
            failure.errormessage = format!(
                "CSA could not deploy it, and it could not be cancelled: {}",
                why.errormessage
            );
            Err(failure.with("providerinstanceid", &instance.id))
        }
    }
}
