//! Resources: CNSP 1.0, Resource Provisioning.

use super::json::{
    Json, OpenMap, all_but_custom_options, as_map, custom_options, json_text, open_map,
    optional_instant_text,
};
use super::{InstanceInfo, Instant, Pending, PendingResource, Requestor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// (CNSP 1.0, Create a Resource, `resource`.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, Serialize, ToSchema)]
#[component(record)]
pub struct ResourceKind {
    /// The artifact's type, for example `saas`, as `discovery` lists it.
    #[component(name = "type")]
    pub r#type: String,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// One `customoptionN` of an order. (CNSP 1.0, Create a Resource.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct CustomOption {
    #[serde(default)]
    pub title: Option<String>,
    #[serde(with = "json_text")]
    #[schema(value_type = serde_json::Value)]
    pub value: Json,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Create a Resource, `parameters`.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct CreateParameters {
    pub sku: String,
    /// How many licences, that is how many seats, are bought. None: the offering's least.
    #[component(name = "license-quantity")]
    #[serde(default, rename = "licenseQuantity", alias = "license")]
    pub license_quantity: Option<u64>,
    /// Every `customoptionN`, with its key.
    #[component(name = "custom-options")]
    #[serde(flatten, deserialize_with = "custom_options")]
    #[schema(ignore)]
    pub custom_options: Vec<(String, CustomOption)>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalparameters: OpenMap,
    #[serde(flatten, deserialize_with = "all_but_custom_options")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Create a Resource.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct CreateResource {
    #[serde(default, alias = "requestId")]
    pub requestid: Option<String>,
    #[serde(default)]
    pub action: Option<String>,
    #[component(name = "resource")]
    pub resource: ResourceKind,
    pub parameters: CreateParameters,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// One `respparamN` of an answer. (CNSP 1.0, Create a Resource.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct RespParam {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(with = "json_text")]
    #[schema(value_type = serde_json::Value)]
    pub value: Json,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Create a Resource, success.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct CreatedResource {
    /// The provider's own id; 1 to 200 bytes, no control characters.
    pub providerinstanceid: String,
    /// The provider's id of the subscription that bills this instance, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriptionid: Option<String>,
    /// How the customer signs in, answered once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// In clear; answered once, never logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `pending`, `active`, `suspended` or `cancel`.
    pub status: String,
    /// Every `respparamN`, with its key.
    #[serde(flatten, serialize_with = "as_map")]
    #[schema(ignore)]
    pub respparams: Vec<(String, RespParam)>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// `other` holds every `customparamN`. (CNSP 1.0, Update resource details, `parameters`.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct UpdateParameters {
    /// The new number of licences. None: unchanged.
    #[serde(default, alias = "licenseQuantity")]
    pub license: Option<u64>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// A value that is none or absent stays as it is. (CNSP 1.0, Update resource details.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct UpdateResource {
    #[serde(default, alias = "requestId")]
    pub requestid: Option<String>,
    pub action: String,
    #[component(name = "resource")]
    #[serde(default)]
    pub resource: Option<ResourceKind>,
    pub instanceinfo: InstanceInfo,
    #[serde(default)]
    pub parameters: Option<UpdateParameters>,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalparameters: OpenMap,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// `update.suspend`, `update.reactivate`, or an action of the provider's own that `discovery` lists.
/// (CNSP 1.0, Additional Action on Resource.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct ActOnResource {
    #[serde(default, alias = "requestId")]
    pub requestid: Option<String>,
    pub action: String,
    #[component(name = "resource")]
    #[serde(default)]
    pub resource: Option<ResourceKind>,
    pub instanceinfo: InstanceInfo,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub parameters: OpenMap,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalparameters: OpenMap,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Delete a resource.)
#[derive(Clone, ComponentType, Lift, Lower, Deserialize, ToSchema)]
#[component(record)]
pub struct DeleteResource {
    #[serde(default, alias = "requestId")]
    pub requestid: Option<String>,
    #[serde(default)]
    pub action: Option<String>,
    pub instanceinfo: InstanceInfo,
    pub requestor: Requestor,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, the success of every change of a resource.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct ResourceIds {
    pub providerinstanceid: String,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// `other` holds every `customparamN`. (CNSP 1.0, Get Resource/instance details, `parameters`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct ResourceParameters {
    pub providerinstanceid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instancename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// How many licences the instance has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<u64>,
    /// `pending`, `active`, `suspended` or `cancel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_instant_text::serialize"
    )]
    #[schema(value_type = Option<String>)]
    pub startdate: Option<Instant>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_instant_text::serialize"
    )]
    #[schema(value_type = Option<String>)]
    pub enddate: Option<Instant>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Get Resource/instance details, `resourceinfo`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct ResourceInfo {
    #[component(name = "resource")]
    pub resource: ResourceKind,
    pub parameters: ResourceParameters,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalparameters: OpenMap,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Get All Resources.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct ResourcePage {
    pub resources: Vec<ResourceInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum CreateResourceOutcome {
    #[component(name = "done")]
    Done(CreatedResource),
    #[component(name = "pending")]
    Pending(PendingResource),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum UpdateResourceOutcome {
    #[component(name = "done")]
    Done(ResourceIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum ActOnResourceOutcome {
    #[component(name = "done")]
    Done(ResourceIds),
    #[component(name = "pending")]
    Pending(Pending),
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum DeleteResourceOutcome {
    #[component(name = "done")]
    Done(ResourceIds),
    #[component(name = "pending")]
    Pending(Pending),
}
