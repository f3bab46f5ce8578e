//! Cloud Foundry Abacus, which meters, rates and reports usage, as an adapter: organizations are accounts, metered
//! licences are instances, and the report is the usage feed. `README.md` says what becomes of what, and how to
//! configure it.

mod abacus;
mod account;
mod billing;
mod change;
mod check;
mod course;
mod describe;
mod document;
mod ids;
mod instance;
mod number;
mod offering;
mod order;
mod plan;
mod push;
mod report;
mod sampler;
mod settings;
mod target;
mod time;

#[cfg(test)]
mod tests;

use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure};

/// The adapter.
pub struct Abacus;

impl Adapter for Abacus {
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

    fn create_resource(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
        order::create(request)
    }

    fn update_resource(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
        change::update(request)
    }

    fn act_on_resource(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
        match request.action.as_str() {
            describe::SUSPEND => change::suspend(request),
            describe::REACTIVATE => change::reactivate(request),
            describe::PUSH => push::push(request),
            _ => Err(Failure::invalid(format!(
                "`action` has to be `{}`, `{}` or `{}`.",
                describe::SUSPEND,
                describe::REACTIVATE,
                describe::PUSH
            ))),
        }
    }

    fn delete_resource(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
        change::delete(request)
    }

    fn get_resource(providerinstanceid: String) -> Result<ResourceInfo, Failure> {
        instance::get(&providerinstanceid)
    }

    fn list_resources(account: String, page: Page) -> Result<ResourcePage, Failure> {
        instance::list(&account, page)
    }

    fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
        billing::usage(scope, window, page)
    }

    fn check_health(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
        describe::check(providerinstanceid)
    }
}

cnsp_sdk::export!(Abacus);
