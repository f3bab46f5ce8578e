//! The contract's functions, and the error texts that CNSP 1.0 samples for them.

use cnsp_sdk::Failure;

pub(crate) const NOT_AUTHORIZED: &str = "The user is not authorized.";
pub(crate) const NOT_AUTHORIZED_TO: &str = "The user is not authorized to perform this operation.";

/// A function of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Describe,
    ListOfferings,
    CreateAccount,
    UpdateAccount,
    DeleteAccount,
    GetAccount,
    ListAccounts,
    CreateUser,
    UpdateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    AssignSeat,
    RevokeSeat,
    CreateResource,
    UpdateResource,
    ActOnResource,
    DeleteResource,
    GetResource,
    ListResources,
    /// Whether the scope is a subscription: CNSP gives that one an error code.
    Usage {
        subscription: bool,
    },
    CheckHealth,
}

impl Function {
    /// All of them, in the contract's order.
    pub(crate) const ALL: [Self; 22] = [
        Self::Describe,
        Self::ListOfferings,
        Self::CreateAccount,
        Self::UpdateAccount,
        Self::DeleteAccount,
        Self::GetAccount,
        Self::ListAccounts,
        Self::CreateUser,
        Self::UpdateUser,
        Self::DeleteUser,
        Self::GetUser,
        Self::ListUsers,
        Self::AssignSeat,
        Self::RevokeSeat,
        Self::CreateResource,
        Self::UpdateResource,
        Self::ActOnResource,
        Self::DeleteResource,
        Self::GetResource,
        Self::ListResources,
        Self::Usage { subscription: false },
        Self::CheckHealth,
    ];

    /// `interface.function`, as `discovery` lists it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Describe => "discovery.describe",
            Self::ListOfferings => "catalog.list",
            Self::CreateAccount => "account.create",
            Self::UpdateAccount => "account.update",
            Self::DeleteAccount => "account.delete",
            Self::GetAccount => "account.get",
            Self::ListAccounts => "account.list",
            Self::CreateUser => "user.create",
            Self::UpdateUser => "user.update",
            Self::DeleteUser => "user.delete",
            Self::GetUser => "user.get",
            Self::ListUsers => "user.list",
            Self::AssignSeat => "user.assign",
            Self::RevokeSeat => "user.revoke",
            Self::CreateResource => "resource.create",
            Self::UpdateResource => "resource.update",
            Self::ActOnResource => "resource.act",
            Self::DeleteResource => "resource.delete",
            Self::GetResource => "resource.get",
            Self::ListResources => "resource.list",
            Self::Usage { .. } => "billing.usage",
            Self::CheckHealth => "health.check",
        }
    }

    /// The envelope's `message` when this fails, where CNSP samples one that is not an error's own.
    fn failed(self) -> Option<&'static str> {
        Some(match self {
            Self::CreateAccount => "Account creation failed",
            Self::UpdateAccount => "Account updation failed",
            Self::DeleteAccount => "Account deletion failed",
            Self::GetAccount | Self::ListAccounts => "Account retrieval failed",
            Self::CreateUser => "User creation failed",
            Self::UpdateUser => "User updation failed",
            Self::DeleteUser => "User profile deletion failed",
            Self::AssignSeat => "Entitling of subscription failed",
            Self::RevokeSeat => "Revoking of the given subscription for the subscriber failed",
            Self::UpdateResource => "Resource details updation failed",
            Self::DeleteResource => "Resource deletion failed",
            Self::Describe
            | Self::ListOfferings
            | Self::GetUser
            | Self::ListUsers
            | Self::CreateResource
            | Self::ActOnResource
            | Self::GetResource
            | Self::ListResources
            | Self::Usage { .. }
            | Self::CheckHealth => return None,
        })
    }

    /// This fails with that text; the message is the sampled one.
    pub(crate) fn refuse(self, respcode: u16, text: impl Into<String>) -> Failure {
        let failure = Failure::refused(respcode, text);
        match self.failed() {
            Some(message) => failure.message(message),
            None => failure,
        }
    }

    /// The caller may not do this: each function as CNSP samples it.
    pub(crate) fn unauthorized(self) -> Failure {
        match self {
            Self::GetAccount | Self::ListAccounts | Self::UpdateResource | Self::DeleteResource => {
                self.refuse(500, NOT_AUTHORIZED)
            }
            Self::ListOfferings => Failure::refused(403, NOT_AUTHORIZED)
                .message("The user is not authorized. Unable to retrieve catalogue"),
            Self::Usage { subscription: false } => {
                Failure::refused(403, NOT_AUTHORIZED).message(NOT_AUTHORIZED)
            }
            Self::Usage { subscription: true } => {
                Failure::refused(403, NOT_AUTHORIZED).message(NOT_AUTHORIZED).code("BZSSS1452E")
            }
            Self::GetUser
            | Self::ListUsers
            | Self::CreateResource
            | Self::GetResource
            | Self::ListResources
            | Self::Describe
            | Self::CheckHealth => {
                Failure::refused(403, NOT_AUTHORIZED_TO).message(NOT_AUTHORIZED_TO)
            }
            Self::CreateAccount
            | Self::UpdateAccount
            | Self::DeleteAccount
            | Self::CreateUser
            | Self::UpdateUser
            | Self::DeleteUser
            | Self::AssignSeat
            | Self::RevokeSeat
            | Self::ActOnResource => self.refuse(403, NOT_AUTHORIZED_TO),
        }
    }

    /// The account that the request names is not there.
    pub(crate) fn no_account(self) -> Failure {
        self.refuse(404, "The account doesn't exist.")
    }

    /// The user that the request names is not there.
    pub(crate) fn no_user(self) -> Failure {
        self.refuse(404, "The user doesn't exist.")
    }

    /// The instance that the request names is not there.
    pub(crate) fn no_resource(self, providerinstanceid: &str) -> Failure {
        self.refuse(404, "Resource not found").with("providerinstanceid", providerinstanceid)
    }
}

/// The provider does not know who asks.
pub(crate) fn invalid_credentials() -> Failure {
    Failure::refused(401, "Invalid credentials provided.").message("Authentication failed")
}
