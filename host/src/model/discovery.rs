//! What an endpoint offers and how it is: CNSP 1.0, Service discovery API and Health.

use super::json::{OpenMap, open_map};
use serde::Serialize;
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// One type of service or artifact. (CNSP 1.0, Service discovery API.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct Artifact {
    /// What `resource.type` is for it.
    #[component(name = "type")]
    pub r#type: String,
    /// The states that it can be in: `pending`, `active`, `suspended`, `cancel`.
    pub states: Vec<String>,
    /// The actions that it takes: `create`, `update`, `update.suspend`, `delete`, `assign`, `revoke`, …
    pub actions: Vec<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Service discovery API.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct Description {
    /// The version of the adapter or of the provider's API, for people.
    pub spversion: String,
    pub resources: Vec<Artifact>,
    /// The functions of this contract that do more than answer 501, as `interface.function`, for
    /// example `user.assign`.
    pub capabilities: Vec<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// One thing that was looked at. (CNSP 1.0, Health.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct HealthCheck {
    pub name: String,
    pub healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Health.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct HealthReport {
    /// `ok`, `degraded` or `down`.
    pub status: String,
    pub checks: Vec<HealthCheck>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}
