//! Records that several bodies share.

use super::json::{OpenMap, open_map};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// A postal address. (CNSP 1.0, Create Account.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, Serialize, ToSchema)]
#[component(record)]
pub struct Address {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressline1: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressline2: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postalcode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// Who asks, and for whom. For user update, delete, assign and revoke `userid` (or `provideruserid`)
/// is the user acted on. (CNSP 1.0, every request with a body except Create Account.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, Serialize, ToSchema)]
#[component(record)]
pub struct Requestor {
    /// The marketplace's id of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accountid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accountname: Option<String>,
    /// The provider's id of the account, as the adapter answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provideraccountid: Option<String>,
    /// The marketplace's id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userid: Option<String>,
    /// The provider's id of the user, as the adapter answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provideruserid: Option<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

impl Requestor {
    /// The account, by the provider's id where that is known.
    pub(crate) fn account(&self) -> Option<&str> {
        self.provideraccountid.as_deref().or(self.accountid.as_deref())
    }

    /// All ids that name the account.
    pub(crate) fn accounts(&self) -> Vec<&str> {
        [&self.provideraccountid, &self.accountid]
            .into_iter()
            .filter_map(|id| id.as_deref())
            .collect()
    }

    /// All ids that name the user.
    pub(crate) fn users(&self) -> Vec<&str> {
        [&self.provideruserid, &self.userid].into_iter().filter_map(|id| id.as_deref()).collect()
    }
}

/// Which instance is meant. (CNSP 1.0, Update resource details.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct InstanceInfo {
    /// The provider's id of the instance, as the adapter answered it.
    pub providerinstanceid: String,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}
