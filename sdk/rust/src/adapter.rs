//! The trait that an adapter implements.

use crate::types::*;

/// One method per exported function of the contract. Each default answers `501`: write the ones that
/// your provider can do, and name those in `describe`'s capabilities.
///
/// There is no `self`: every call runs in an instance of its own, so there is nothing to keep. What
/// has to last goes into [`kv`](crate::kv).
#[allow(unused_variables, reason = "the defaults need no argument; the names are documentation")]
pub trait Adapter {
    /// What the endpoint offers: states and actions per type, and the functions that do something.
    fn describe() -> Result<Description, Failure> {
        Err(Failure::unsupported("discovery.describe"))
    }

    /// Every offering, in a stable order.
    fn list_offerings(page: Page) -> Result<CatalogPage, Failure> {
        Err(Failure::unsupported("catalog.list"))
    }

    /// Creates an account at the provider.
    fn create_account(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
        Err(Failure::unsupported("account.create"))
    }

    /// Changes an account. What the request leaves out stays as it is.
    fn update_account(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
        Err(Failure::unsupported("account.update"))
    }

    /// Deletes the account that the requestor names.
    fn delete_account(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
        Err(Failure::unsupported("account.delete"))
    }

    /// The account with this provideraccountid or accountid.
    fn get_account(id: String) -> Result<AccountInfo, Failure> {
        Err(Failure::unsupported("account.get"))
    }

    /// Every account, in a stable order.
    fn list_accounts(page: Page) -> Result<AccountPage, Failure> {
        Err(Failure::unsupported("account.list"))
    }

    /// Creates a user of an account.
    fn create_user(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
        Err(Failure::unsupported("user.create"))
    }

    /// Changes the user that the requestor names.
    fn update_user(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
        Err(Failure::unsupported("user.update"))
    }

    /// Deletes the user that the requestor names.
    fn delete_user(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
        Err(Failure::unsupported("user.delete"))
    }

    /// The user with this provideruserid or userid.
    fn get_user(id: String) -> Result<UserInfo, Failure> {
        Err(Failure::unsupported("user.get"))
    }

    /// The users of one account, by provideraccountid or accountid.
    fn list_users(account: String, page: Page) -> Result<UserPage, Failure> {
        Err(Failure::unsupported("user.list"))
    }

    /// Gives the user a seat of the instance.
    fn assign_seat(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
        Err(Failure::unsupported("user.assign"))
    }

    /// Takes the user's seat of the instance back.
    fn revoke_seat(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
        Err(Failure::unsupported("user.revoke"))
    }

    /// Provisions an instance of an offering.
    fn create_resource(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
        Err(Failure::unsupported("resource.create"))
    }

    /// Changes licences and parameters of an instance.
    fn update_resource(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
        Err(Failure::unsupported("resource.update"))
    }

    /// Suspends, reactivates, or does an action of the provider's own.
    fn act_on_resource(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
        Err(Failure::unsupported("resource.act"))
    }

    /// Cancels an instance, also one whose creation is pending.
    fn delete_resource(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
        Err(Failure::unsupported("resource.delete"))
    }

    /// The instance with this providerinstanceid.
    fn get_resource(providerinstanceid: String) -> Result<ResourceInfo, Failure> {
        Err(Failure::unsupported("resource.get"))
    }

    /// The instances of one account, by provideraccountid or accountid.
    fn list_resources(account: String, page: Page) -> Result<ResourcePage, Failure> {
        Err(Failure::unsupported("resource.list"))
    }

    /// The usage in the window. The same window later answers the same records or more, never others.
    fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
        Err(Failure::unsupported("billing.usage"))
    }

    /// The health of the provider, or of one instance.
    fn check_health(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
        Err(Failure::unsupported("health.check"))
    }
}
