//! Any Open Service Broker (OSB 2.17), as an adapter: its plans are sold as offerings, its instances are
//! resources, and its bindings are seats. `README.md` says what becomes of what, and how to configure it.

mod account;
mod broker;
mod catalog;
mod check;
mod deprovision;
mod describe;
mod ids;
mod instance;
mod offering;
mod page;
mod price;
mod progress;
mod provision;
mod schema;
mod seat;
mod settings;
mod sold;
mod update;
mod user;
mod verdict;
mod work;

#[cfg(test)]
mod tests;

use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure};

/// The adapter.
pub struct Osb;

impl Adapter for Osb {
    fn describe() -> Result<Description, Failure> {
        describe::describe()
    }

    fn list_offerings(page: Page) -> Result<CatalogPage, Failure> {
        offering::list(page)
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
        provision::create(request)
    }

    fn update_resource(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
        update::update(request)
    }

    fn act_on_resource(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
        update::act(request)
    }

    fn delete_resource(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
        deprovision::delete(request)
    }

    fn get_resource(providerinstanceid: String) -> Result<ResourceInfo, Failure> {
        instance::get(&providerinstanceid)
    }

    fn list_resources(account: String, page: Page) -> Result<ResourcePage, Failure> {
        instance::list(&account, page)
    }

    fn check_health(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
        describe::check(providerinstanceid)
    }
}

cnsp_sdk::export!(Osb);
