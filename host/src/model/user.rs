//! Users and seats: CNSP 1.0, Account / Users Management.

use super::json::{OpenMap, open_map};
use super::{InstanceInfo, Pending, Requestor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// (CNSP 1.0, Create User.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct CreateUser {
    #[serde(default)]
    pub firstname: Option<String>,
    #[serde(default)]
    pub lastname: Option<String>,
    /// Unique per provider.
    pub email: String,
    /// In clear; never logged. None: the provider makes one.
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalattributes: OpenMap,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// A field that is none, and an attribute that is absent, stay as they are. (CNSP 1.0, Update user.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct UpdateUser {
    #[serde(default)]
    pub firstname: Option<String>,
    #[serde(default)]
    pub lastname: Option<String>,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalattributes: OpenMap,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Delete User.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct DeleteUser {
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, the success of Create, Update and Delete User.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct UserIds {
    /// The id that the marketplace is to use. CNSP sends none in: the adapter makes it, or repeats
    /// the provider's.
    pub userid: String,
    /// The provider's own id; 1 to 200 bytes, no control characters.
    pub provideruserid: String,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Get a user, `userinfo`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct UserInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userid: Option<String>,
    pub provideruserid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firstname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lastname: Option<String>,
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalattributes: OpenMap,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Get All user.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct UserPage {
    pub users: Vec<UserInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Assign an instance to a user, or revoke it. `other` holds whatever else the provider wants, a seat
/// id for example. (CNSP 1.0, Other action on user.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct ChangeSeat {
    /// `assign` or `revoke`.
    pub action: String,
    pub instanceinfo: InstanceInfo,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, the success of Other action on user.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct SeatIds {
    pub providerinstanceid: String,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum CreateUserOutcome {
    #[component(name = "done")]
    Done(UserIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum UpdateUserOutcome {
    #[component(name = "done")]
    Done(UserIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum DeleteUserOutcome {
    #[component(name = "done")]
    Done(UserIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum ChangeSeatOutcome {
    #[component(name = "done")]
    Done(SeatIds),
    #[component(name = "pending")]
    Pending(Pending),
}
