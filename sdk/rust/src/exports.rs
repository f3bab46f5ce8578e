//! The contract's exported functions, each handed to the adapter's method.

use crate::Adapter;
use crate::bindings::exports::cnsp::adapter as exports;
use crate::types::*;
use std::marker::PhantomData;

/// Carries an [`Adapter`] to the component's exports. Only [`export!`](crate::export) names it.
#[doc(hidden)]
pub struct Exports<A>(PhantomData<A>);

impl<A: Adapter> exports::discovery::Guest for Exports<A> {
    fn describe() -> Result<Description, Failure> {
        A::describe()
    }
}

impl<A: Adapter> exports::catalog::Guest for Exports<A> {
    fn list(page: Page) -> Result<CatalogPage, Failure> {
        A::list_offerings(page)
    }
}

impl<A: Adapter> exports::account::Guest for Exports<A> {
    fn create(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
        A::create_account(request)
    }

    fn update(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
        A::update_account(request)
    }

    fn delete(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
        A::delete_account(request)
    }

    fn get(id: String) -> Result<AccountInfo, Failure> {
        A::get_account(id)
    }

    fn list(page: Page) -> Result<AccountPage, Failure> {
        A::list_accounts(page)
    }
}

impl<A: Adapter> exports::user::Guest for Exports<A> {
    fn create(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
        A::create_user(request)
    }

    fn update(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
        A::update_user(request)
    }

    fn delete(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
        A::delete_user(request)
    }

    fn get(id: String) -> Result<UserInfo, Failure> {
        A::get_user(id)
    }

    fn list(account: String, page: Page) -> Result<UserPage, Failure> {
        A::list_users(account, page)
    }

    fn assign(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
        A::assign_seat(request)
    }

    fn revoke(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
        A::revoke_seat(request)
    }
}

impl<A: Adapter> exports::resource::Guest for Exports<A> {
    fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
        A::create_resource(request)
    }

    fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
        A::update_resource(request)
    }

    fn act(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
        A::act_on_resource(request)
    }

    fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
        A::delete_resource(request)
    }

    fn get(providerinstanceid: String) -> Result<ResourceInfo, Failure> {
        A::get_resource(providerinstanceid)
    }

    fn list(account: String, page: Page) -> Result<ResourcePage, Failure> {
        A::list_resources(account, page)
    }
}

impl<A: Adapter> exports::billing::Guest for Exports<A> {
    fn usage(scope: BillingScope, window: Window, page: Page) -> Result<UsageFeed, Failure> {
        A::usage(scope, window, page)
    }
}

impl<A: Adapter> exports::health::Guest for Exports<A> {
    fn check(providerinstanceid: Option<String>) -> Result<HealthReport, Failure> {
        A::check_health(providerinstanceid)
    }
}

/// Makes a type that implements [`Adapter`] the component's exports.
///
/// On a WebAssembly target it also installs [`Arena`](crate::Arena) as the global allocator. On any
/// other target it only checks the type, so that the crate's unit tests build.
#[macro_export]
macro_rules! export {
    ($adapter:ty) => {
        const _: () = {
            type Exported = $crate::Exports<$adapter>;

            #[cfg(target_family = "wasm")]
            #[global_allocator]
            static ARENA: $crate::Arena = $crate::Arena::new();

            #[cfg(target_family = "wasm")]
    $crate::bindings::export!(Exported with_types_in $crate::bindings);

            #[cfg(not(target_family = "wasm"))]
            const _: fn() = $crate::adapter_only::<$adapter>;

            #[cfg(not(target_family = "wasm"))]
            const _: ::core::marker::PhantomData<Exported> = ::core::marker::PhantomData;
        };
    };
}

/// Builds only for a type that is an adapter.
#[doc(hidden)]
pub fn adapter_only<A: Adapter>() {}
