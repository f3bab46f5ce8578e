//! The operations of CNSP 1.0 and the texts that the specification gives them.

/// What a caller can ask for. Each is one function of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OperationKind {
    Describe,
    CheckHealth,
    ListCatalog,
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
    SuspendResource,
    ReactivateResource,
    ActOnResource,
    DeleteResource,
    GetResource,
    ListResources,
    Usage,
}

/// How an operation speaks. (CNSP 1.0, the samples; what they leave out is decided here.)
pub(crate) struct Texts {
    /// `interface.function` of the contract, as `discovery` and the metrics name it.
    pub(crate) name: &'static str,
    /// The `respcode` of success.
    pub(crate) respcode: u16,
    /// The `message` of success.
    pub(crate) success: &'static str,
    /// The `message` of failure. None: the error's own text, as the specification samples it.
    pub(crate) failure: Option<&'static str>,
}

/// Those that change something.
const CHANGES: [OperationKind; 14] = [
    OperationKind::CreateAccount,
    OperationKind::UpdateAccount,
    OperationKind::DeleteAccount,
    OperationKind::CreateUser,
    OperationKind::UpdateUser,
    OperationKind::DeleteUser,
    OperationKind::AssignSeat,
    OperationKind::RevokeSeat,
    OperationKind::CreateResource,
    OperationKind::UpdateResource,
    OperationKind::SuspendResource,
    OperationKind::ReactivateResource,
    OperationKind::ActOnResource,
    OperationKind::DeleteResource,
];

impl OperationKind {
    /// The change of this name.
    pub(crate) fn of_change(name: &str) -> Option<OperationKind> {
        CHANGES.into_iter().find(|kind| kind.texts().name == name)
    }

    pub(crate) fn texts(self) -> Texts {
        use OperationKind as K;
        let texts = |name, respcode, success, failure| Texts { name, respcode, success, failure };
        match self {
            K::Describe => texts(
                "discovery.describe",
                200,
                "Discovery retrieved successfully",
                Some("Discovery retrieval failed"),
            ),
            K::CheckHealth => texts(
                "health.check",
                200,
                "Health retrieved successfully",
                Some("Health retrieval failed"),
            ),
            K::ListCatalog => texts("catalog.list", 200, "Catalog retrieved successfully", None),
            K::CreateAccount => texts(
                "account.create",
                200,
                "Account created successfully",
                Some("Account creation failed"),
            ),
            K::UpdateAccount => texts(
                "account.update",
                200,
                "Account updated successfully",
                Some("Account updation failed"),
            ),
            K::DeleteAccount => texts(
                "account.delete",
                200,
                "Account deleted successfully",
                Some("Account deletion failed"),
            ),
            K::GetAccount => texts(
                "account.get",
                200,
                "Account retrieved successfully",
                Some("Account retrieval failed"),
            ),
            K::ListAccounts => texts(
                "account.list",
                200,
                "Accounts retrieved successfully",
                Some("Account retrieval failed"),
            ),
            K::CreateUser => {
                texts("user.create", 201, "User created successfully", Some("User creation failed"))
            }
            K::UpdateUser => {
                texts("user.update", 200, "User updated successfully", Some("User updation failed"))
            }
            K::DeleteUser => texts(
                "user.delete",
                200,
                "User profile deleted successfully",
                Some("User profile deletion failed"),
            ),
            K::GetUser => texts("user.get", 200, "User retrieved successfully", None),
            K::ListUsers => texts("user.list", 200, "Users retrieved successfully", None),
            K::AssignSeat => texts(
                "user.assign",
                200,
                "Subscription entitled successfully",
                Some("Entitling of subscription failed"),
            ),
            K::RevokeSeat => texts(
                "user.revoke",
                200,
                "The given subscription revoked successfully for the subscriber",
                Some("Revoking of the given subscription for the subscriber failed"),
            ),
            K::CreateResource => {
                texts("resource.create", 200, "Resource created successfully", None)
            }
            K::UpdateResource => texts(
                "resource.update",
                200,
                "Resource details updated successfully",
                Some("Resource details updation failed"),
            ),
            K::SuspendResource => texts(
                "resource.suspend",
                204,
                "Resource suspended successfully",
                Some("Suspension of resource failed"),
            ),
            K::ReactivateResource => texts(
                "resource.reactivate",
                204,
                "Resource reactivated successfully",
                Some("Reactivation of resource failed"),
            ),
            K::ActOnResource => texts(
                "resource.act",
                200,
                "Action on resource completed successfully",
                Some("Action on resource failed"),
            ),
            K::DeleteResource => texts(
                "resource.delete",
                200,
                "Resource deleted successfully",
                Some("Resource deletion failed"),
            ),
            K::GetResource => {
                texts("resource.get", 200, "Resource details retrieved successfully", None)
            }
            K::ListResources => {
                texts("resource.list", 200, "Resources retrieved successfully", None)
            }
            K::Usage => texts("billing.usage", 200, "Usage data retrieved successfully", None),
        }
    }

    /// The `message` of a failure whose `errormessage` is `text`.
    pub(crate) fn failure_message(self, respcode: u16, text: &str) -> String {
        match (self, respcode) {
            (_, 401) => "Authentication failed".to_owned(),
            (OperationKind::ListCatalog, _) => format!("{text} Unable to retrieve catalogue"),
            _ => self.texts().failure.unwrap_or(text).to_owned(),
        }
    }
}
