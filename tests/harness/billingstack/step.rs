//! What a request asks for, whatever its path is spelled like.

use crate::upstream::Received;
use serde_json::Value;

/// The twelve calls on the way to a subscription, the third of which is the catalog's; and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// 1: `POST /v2.0/users`
    CreateUser,
    /// 2: `POST /v2.0/tokens`, unscoped
    SignIn,
    /// 3: `GET …/plans`
    ListPlans,
    /// 4: `POST …/customers`
    CreateCustomer,
    /// 5: `POST …/tenants`, of a customer
    CreateCustomerTenant,
    /// 6: the role of OpenStack's administrator in it
    GrantAdmin,
    /// 7: the role of BillingStack's administrator
    GrantBillingAdmin,
    /// 8: `POST /v2.0/tokens`, scoped
    SignInToTenant,
    /// 9: `POST …/subscriptions`
    CreateSubscription,
    /// 10: `POST …/tenants`, of a subscription
    CreateSubscriptionTenant,
    /// 11: the role of OpenStack's administrator in it
    GrantSubscriptionAdmin,
    /// 12: `PATCH …/subscriptions/…`
    SetResource,
    /// The member's role, in either.
    GrantMember,
    /// Any role's end.
    TakeRole,
    /// `POST …/tenants/…`
    ChangeTenant,
    /// `PATCH …/customers/…`
    ChangeCustomer,
    /// `PUT …/OS-KSADM/password`
    SetPassword,
    /// `DELETE` of a user
    DeleteUser,
    /// `DELETE` of a customer
    DeleteCustomer,
    /// `DELETE` of a tenant
    DeleteTenant,
    /// `DELETE` of a subscription
    DeleteSubscription,
    /// `GET …/users?name=`
    FindUser,
    /// `GET …/tenants?name=`
    FindTenant,
    /// `GET …/customers`
    ListCustomers,
    /// `GET …/subscriptions`
    ListSubscriptions,
    /// `GET …/usage`
    ListUsage,
    /// Any other read
    Read,
    /// Anything else
    Unknown,
}

pub(super) fn of(received: &Received) -> Step {
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let last = words.last().copied().unwrap_or_default();
    let before = words.iter().rev().nth(1).copied().unwrap_or_default();
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let is_role = words.contains(&"tenants") && words.contains(&"users");
    match (received.method.as_str(), last, before) {
        ("POST", "users", _) => Step::CreateUser,
        ("POST", "tokens", _) if body["auth"]["tenantId"].is_string() => Step::SignInToTenant,
        ("POST", "tokens", _) => Step::SignIn,
        ("GET", "plans", _) => Step::ListPlans,
        ("POST", "customers", _) => Step::CreateCustomer,
        ("POST", "subscriptions", _) => Step::CreateSubscription,
        ("POST", "tenants", _) => {
            match body["tenant"]["name"].as_str().unwrap_or_default().starts_with("bs-customer-") {
                true => Step::CreateCustomerTenant,
                false => Step::CreateSubscriptionTenant,
            }
        }
        ("POST", _, "tenants") => Step::ChangeTenant,
        ("PUT", "password", _) => Step::SetPassword,
        ("PUT", "role-bs-admin", _) => Step::GrantBillingAdmin,
        ("PUT", "role-member", _) => Step::GrantMember,
        // Which of the two it is, the tenant's id tells: see `identity::act`.
        ("PUT", "role-admin", _) if path.contains("/tenants/ts-") => Step::GrantSubscriptionAdmin,
        ("PUT", "role-admin", _) => Step::GrantAdmin,
        ("PATCH", _, "subscriptions") => Step::SetResource,
        ("PATCH", _, "customers") => Step::ChangeCustomer,
        ("DELETE", ..) if is_role => Step::TakeRole,
        ("DELETE", _, "users") => Step::DeleteUser,
        ("DELETE", _, "tenants") => Step::DeleteTenant,
        ("DELETE", _, "customers") => Step::DeleteCustomer,
        ("DELETE", _, "subscriptions") => Step::DeleteSubscription,
        ("GET", "users", _) if query.starts_with("name=") => Step::FindUser,
        ("GET", "tenants", _) if query.starts_with("name=") => Step::FindTenant,
        ("GET", "customers", _) => Step::ListCustomers,
        ("GET", "subscriptions", _) => Step::ListSubscriptions,
        ("GET", "usage", _) => Step::ListUsage,
        ("GET", ..) => Step::Read,
        _ => Step::Unknown,
    }
}
