//! Accounts: CNSP 1.0, Account / Users Management.

use super::json::{OpenMap, open_map};
use super::{Address, Pending, Requestor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// The first user of a new account. (CNSP 1.0, Create Account, `userinfo`.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct AccountUser {
    #[serde(default)]
    pub firstname: Option<String>,
    #[serde(default)]
    pub lastname: Option<String>,
    /// Unique per provider.
    #[serde(default)]
    pub email: Option<String>,
    /// In clear; never logged. None: the provider makes one.
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Create Account.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct CreateAccount {
    /// The marketplace's id of the account.
    pub accountid: String,
    pub accountname: String,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub userinfo: Option<AccountUser>,
    #[serde(default)]
    pub address: Option<Address>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalattributes: OpenMap,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// A field that is none, and an attribute that is absent, stay as they are. (CNSP 1.0, Update Account.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct UpdateAccount {
    #[serde(default)]
    pub accountname: Option<String>,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub address: Option<Address>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalattributes: OpenMap,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Delete Account.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct DeleteAccount {
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, the success of Create, Update and Delete Account.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct AccountIds {
    pub accountid: String,
    /// The provider's own id; 1 to 200 bytes, no control characters.
    pub provideraccountid: String,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Get an Account, `accountinfo`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct AccountInfo {
    pub accountid: String,
    pub provideraccountid: String,
    pub accountname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounttype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalattributes: OpenMap,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Get All Accounts.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct AccountPage {
    pub accounts: Vec<AccountInfo>,
    /// What `page.after` has to be for the page that follows. None: this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum CreateAccountOutcome {
    #[component(name = "done")]
    Done(AccountIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum UpdateAccountOutcome {
    #[component(name = "done")]
    Done(AccountIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum DeleteAccountOutcome {
    #[component(name = "done")]
    Done(AccountIds),
    #[component(name = "pending")]
    Pending(Pending),
}
