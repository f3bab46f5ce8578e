//! Any HTTP endpoint that itself speaks CNSP 1.0. `README.md` says how to configure it, what maps to what, and
//! what is done about each slip of the specification's samples.

mod account;
mod billing;
mod body;
mod catalog;
mod discovery;
mod envelope;
mod health;
mod lenient;
mod lifecycle;
mod mark;
mod number;
mod object;
mod order;
mod page;
mod remote;
mod resource;
mod seat;
mod settings;
mod user;

#[cfg(test)]
mod tests;

use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure};

/// The connector.
pub struct CnspRemote;

impl Adapter for CnspRemote {
    fn describe() -> Result<Description, Failure> {
        discovery::describe()
    }

    fn list_offerings(page: Page) -> Result<CatalogPage, Failure> {
        catalog::list(page)
    }

    fn create_account(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
        account::create(request)
    }

    fn update_account(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
        account::update(request)
    }

    fn delete_account(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
        account::delete(request)
    }

    fn get_account(id: String) -> Result<AccountInfo, Failure> {
        account::get(&id)
    }

    fn list_accounts(page: Page) -> Result<AccountPage, Failure> {
        account::list(page)
    }

    fn create_user(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
        user::create(request)
    }

    fn update_user(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
        user::update(request)
    }

    fn delete_user(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
        user::delete(request)
    }

    fn get_user(id: String) -> Result<UserInfo, Failure> {
        user::get(&id)
    }

    fn list_users(account: String, page: Page) -> Result<UserPage, Failure> {
        user::list(&account, page)
    }

    fn assign_seat(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
        seat::assign(request)
    }

    fn revoke_seat(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
        seat::revoke(request)
    }

    fn create_resource(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
        order::create(request)
    }

    fn update_resource(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
        lifecycle::update(request)
    }

    fn act_on_resource(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
        lifecycle::act(request)
    }

    fn delete_resource(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
        lifecycle::delete(request)
    }

    fn get_resource(providerinstanceid: String) -> Result<ResourceInfo, Failure> {
        resource::get(&providerinstanceid)
    }

    fn list_resources(account: String, page: Page) -> Result<ResourcePage, Failure> {
        resource::list(&account, page)
    }

    fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
        billing::usage(scope, window, page)
    }

    fn check_health(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
        health::check(providerinstanceid)
    }
}

cnsp_sdk::export!(CnspRemote);
