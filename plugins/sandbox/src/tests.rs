//! Every operation, and every error that CNSP 1.0 samples.

mod accounts;
mod bills;
mod catalogue;
mod misbehaviour;
mod resources;
mod sampled_errors;
mod seats;
mod users;

use crate::Sandbox;
use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure, OpenMapExt, testing};
use std::cell::Cell;

thread_local! {
    static OPERATIONS: Cell<u32> = const { Cell::new(0) };
}

/// An operation's id that no other has.
fn next_operation() -> String {
    OPERATIONS.set(OPERATIONS.get() + 1);
    format!("op-{}", OPERATIONS.get())
}

/// Runs a change to its end, in an operation of its own.
fn change<O: cnsp_sdk::Outcome<Pending: testing::Poll>>(
    f: impl FnMut() -> Result<O, Failure>,
) -> Result<O::Done, Failure> {
    testing::finish(&next_operation(), f)
}

/// An open map with a script in it.
fn told(script: &str) -> OpenMap {
    let mut map = OpenMap::new();
    map.put("sandbox", script);
    map
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn account_request(accountid: &str) -> CreateAccount {
    CreateAccount {
        accountid: accountid.to_owned(),
        accountname: format!("{accountid} Ltd"),
        ..CreateAccount::default()
    }
}

/// A new account; its provideraccountid.
fn account(accountid: &str) -> String {
    let request = account_request(accountid);
    change(|| Sandbox::create_account(request.clone())).unwrap().provideraccountid
}

fn of_account(provideraccountid: &str) -> Requestor {
    Requestor { provideraccountid: text(provideraccountid), ..Requestor::default() }
}

fn of_user(userid: &str) -> Requestor {
    Requestor { userid: text(userid), ..Requestor::default() }
}

fn user_request(account: &str, email: &str) -> CreateUser {
    CreateUser { email: email.to_owned(), requestor: of_account(account), ..CreateUser::default() }
}

/// A new user; the id.
fn user(account: &str, email: &str) -> String {
    let request = user_request(account, email);
    change(|| Sandbox::create_user(request.clone())).unwrap().provideruserid
}

fn order(account: &str, sku: &str, licences: u64) -> CreateResource {
    CreateResource {
        resource: ResourceKind { type_: "saas".to_owned(), ..ResourceKind::default() },
        parameters: CreateParameters {
            sku: sku.to_owned(),
            license_quantity: Some(licences),
            ..CreateParameters::default()
        },
        requestor: of_account(account),
        ..CreateResource::default()
    }
}

/// A new instance; its id.
fn instance(account: &str, sku: &str, licences: u64) -> String {
    let request = order(account, sku, licences);
    change(|| Sandbox::create_resource(request.clone())).unwrap().providerinstanceid
}

fn instance_info(id: &str) -> InstanceInfo {
    InstanceInfo { providerinstanceid: id.to_owned(), ..InstanceInfo::default() }
}

fn update_request(id: &str, licences: Option<u64>) -> UpdateResource {
    UpdateResource {
        action: "update".to_owned(),
        instanceinfo: instance_info(id),
        parameters: Some(UpdateParameters { license: licences, ..UpdateParameters::default() }),
        ..UpdateResource::default()
    }
}

fn update(id: &str, licences: u64) -> Result<ResourceIds, Failure> {
    change(|| Sandbox::update_resource(update_request(id, Some(licences))))
}

fn act(id: &str, action: &str) -> Result<ResourceIds, Failure> {
    let request = ActOnResource {
        action: action.to_owned(),
        instanceinfo: instance_info(id),
        ..ActOnResource::default()
    };
    change(|| Sandbox::act_on_resource(request.clone()))
}

fn cancel(id: &str) -> Result<ResourceIds, Failure> {
    let request = DeleteResource { instanceinfo: instance_info(id), ..DeleteResource::default() };
    change(|| Sandbox::delete_resource(request.clone()))
}

fn seat_request(instance: &str, user: &str) -> ChangeSeat {
    ChangeSeat {
        instanceinfo: instance_info(instance),
        requestor: of_user(user),
        ..ChangeSeat::default()
    }
}

fn assign(instance: &str, user: &str) -> Result<SeatIds, Failure> {
    change(|| Sandbox::assign_seat(seat_request(instance, user)))
}

fn revoke(instance: &str, user: &str) -> Result<SeatIds, Failure> {
    change(|| Sandbox::revoke_seat(seat_request(instance, user)))
}

fn status(id: &str) -> String {
    Sandbox::get_resource(id.to_owned()).unwrap().parameters.status.unwrap()
}

/// The failure is this one, to the letter.
#[track_caller]
fn assert_failure<T>(
    result: Result<T, Failure>,
    respcode: u16,
    text: &str,
    message: &str,
) -> Failure {
    let failure = result.err().expect("a failure");
    assert_eq!((failure.respcode, failure.errormessage.as_str()), (respcode, text));
    assert_eq!(failure.message.as_deref(), Some(message));
    assert!(!failure.retryable);
    failure
}
