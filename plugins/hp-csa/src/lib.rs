//! HP Cloud Service Automation 4.x as an adapter: organizations are accounts, persons users, subscriptions instances,
//! and snapshots of their prices become the usage feed. `README.md` says what becomes of what, and how to configure it.

mod account;
mod billing;
mod cancel;
mod change;
mod check;
mod csa;
mod describe;
mod ids;
mod instance;
mod meter;
mod money;
mod offering;
mod options;
mod order;
mod organization;
mod parts;
mod read;
mod request;
mod settings;
mod snapshot;
mod subscription;
mod terms;
mod time;
mod xml;

#[cfg(test)]
mod tests;

use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure};

/// The adapter.
pub struct HpCsa;

impl Adapter for HpCsa {
    fn describe() -> Result<Description, Failure> {
        describe::describe()
    }

    fn list_offerings(page: Page) -> Result<CatalogPage, Failure> {
        offering::list(page)
    }

    fn create_account(_: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
        account::managed_elsewhere("Accounts")
    }

    fn update_account(_: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
        account::managed_elsewhere("Accounts")
    }

    fn delete_account(_: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
        account::managed_elsewhere("Accounts")
    }

    fn get_account(id: String) -> Result<AccountInfo, Failure> {
        account::get(&id)
    }

    fn list_accounts(page: Page) -> Result<AccountPage, Failure> {
        account::list(page)
    }

    fn create_user(_: CreateUser) -> Result<CreateUserOutcome, Failure> {
        account::managed_elsewhere("Users")
    }

    fn update_user(_: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
        account::managed_elsewhere("Users")
    }

    fn delete_user(_: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
        account::managed_elsewhere("Users")
    }

    fn get_user(id: String) -> Result<UserInfo, Failure> {
        account::get_user(&id)
    }

    fn list_users(account: String, page: Page) -> Result<UserPage, Failure> {
        account::list_users(&account, page)
    }

    fn create_resource(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
        order::create(request)
    }

    fn update_resource(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
        change::update(request)
    }

    fn act_on_resource(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
        match request.action.as_str() {
            describe::SNAPSHOT => snapshot::take(request),
            "update.suspend" | "update.reactivate" => Err(Failure::refused(
                501,
                "CSA has paused subscriptions, and no documented call that pauses one.",
            )),
            _ => Err(Failure::invalid(format!("`action` has to be `{}`.", describe::SNAPSHOT))),
        }
    }

    fn delete_resource(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
        cancel::delete(request)
    }

    fn get_resource(providerinstanceid: String) -> Result<ResourceInfo, Failure> {
        read::get(&providerinstanceid)
    }

    fn list_resources(account: String, page: Page) -> Result<ResourcePage, Failure> {
        read::list(&account, page)
    }

    fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
        billing::usage(scope, window, page)
    }

    fn check_health(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
        describe::check(providerinstanceid)
    }
}

cnsp_sdk::export!(HpCsa);
