//! What the vendor set for the endpoint.

use crate::id::Id;
use cnsp_sdk::{Failure, config};
use std::time::Duration;

/// The secrets' names: `key:secret` of the merchant, and Keystone's administrator's token.
pub(crate) const MERCHANT_SECRET: &str = "billingstack";
pub(crate) const ADMIN_SECRET: &str = "keystone";

/// The endpoint's settings.
pub(crate) struct Settings {
    pub(crate) billingstack: String,
    pub(crate) merchant: Id,
    /// What stands before the merchant's id where a customer is made.
    pub(crate) create_customer_below: String,
    pub(crate) keystone: String,
    /// Where the tenants of subscriptions are made and given roles.
    pub(crate) subscription_tenants: String,
    /// What stands between a user and a role, for the tenant of a customer and that of a subscription.
    pub(crate) account_role_path: String,
    pub(crate) subscription_role_path: String,
    pub(crate) roles: Roles,
    pub(crate) password_key: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) currency: String,
}

/// Roles of Keystone, by id.
pub(crate) struct Roles {
    /// Of the first user, in the tenants of the customer and of its subscriptions.
    pub(crate) openstack_admin: Id,
    /// Of the first user in the customer's tenant.
    pub(crate) billingstack_admin: Id,
    /// Of any other user in the customer's tenant, and of any user who has a seat in a subscription's.
    pub(crate) member: Id,
}

impl Settings {
    pub(crate) fn read() -> Result<Settings, Failure> {
        let keystone = url("keystone_url")?;
        let roles = Roles {
            openstack_admin: id("openstack_admin_role")?,
            billingstack_admin: id("billingstack_admin_role")?,
            member: id("member_role")?,
        };
        if roles.member == roles.openstack_admin || roles.member == roles.billingstack_admin {
            // Revoking a seat would take the first user's own role away.
            return Err(wrong("member_role", "a role of its own"));
        }
        Ok(Settings {
            billingstack: url("billingstack_url")?,
            merchant: id("merchant")?,
            create_customer_below: path("create_customer_below", "merchants")?,
            subscription_tenants: match config::get("subscription_tenants_url") {
                Some(_) => url("subscription_tenants_url")?,
                None => keystone.clone(),
            },
            keystone,
            account_role_path: path("account_role_path", "roles/OS-KSADM")?,
            subscription_role_path: path("subscription_role_path", "roles/OS-KSADM")?,
            roles,
            password_key: config::get("password_key")
                .unwrap_or_else(|| "OS-KSADM:password".to_owned()),
            timeout: timeout()?,
            currency: config::get("currency")
                .unwrap_or_else(|| "usd".to_owned())
                .to_ascii_lowercase(),
        })
    }
}

/// Without a slash at its end.
fn url(name: &str) -> Result<String, Failure> {
    Ok(config::require(name)?.trim_end_matches('/').to_owned())
}

fn id(name: &str) -> Result<Id, Failure> {
    Id::parse(&config::require(name)?).ok_or_else(|| wrong(name, "an id"))
}

/// One or more segments, without slashes around them.
fn path(name: &str, default: &str) -> Result<String, Failure> {
    let path = config::get(name).unwrap_or_else(|| default.to_owned());
    let path = path.trim_matches('/');
    match path.split('/').all(|segment| Id::parse(segment).is_some()) {
        true => Ok(path.to_owned()),
        false => Err(wrong(name, "a part of a path")),
    }
}

fn timeout() -> Result<Option<Duration>, Failure> {
    let Some(text) = config::get("timeout_ms") else { return Ok(None) };
    match text.parse() {
        Ok(number @ 1..) => Ok(Some(Duration::from_millis(number))),
        _ => Err(wrong("timeout_ms", "a whole number of milliseconds above 0")),
    }
}

fn wrong(name: &str, expected: &str) -> Failure {
    let text =
        format!("The endpoint's setting `{name}` is not {expected}; its vendor must correct it.");
    Failure::refused(500, text)
}
