//! Usage: CNSP 1.0, Billing.

use super::json::{OpenMap, decimal_number, instant_text, open_map};
use super::{Decimal, Instant};
use serde::Serialize;
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// Whose usage is wanted. (CNSP 1.0, Billing, its three rows.)
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum BillingScope {
    /// A provideraccountid.
    #[component(name = "account")]
    Account(String),
    /// A subscriptionid.
    #[component(name = "subscription")]
    Subscription(String),
    /// A providerinstanceid.
    #[component(name = "instance")]
    Instance(String),
}

/// Half open: `start` belongs to it, `end` does not. UTC.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Window {
    pub start: Instant,
    pub end: Instant,
}

/// (CNSP 1.0, Usage feed, one of `usagefeed`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct UsageRecord {
    /// Left out of the answer when the scope is an instance, as CNSP samples it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriptionid: Option<String>,
    pub instanceid: String,
    /// A `charge.chargeid` of the instance's offering.
    pub chargeid: String,
    #[component(name = "usage-start-time")]
    #[serde(serialize_with = "instant_text::serialize")]
    #[schema(value_type = String)]
    pub usage_start_time: Instant,
    /// Exclusive.
    #[component(name = "usage-end-time")]
    #[serde(serialize_with = "instant_text::serialize")]
    #[schema(value_type = String)]
    pub usage_end_time: Instant,
    /// `UsageRecord`.
    #[component(name = "object-type")]
    pub object_type: String,
    #[component(name = "meter-name")]
    pub meter_name: String,
    #[component(name = "meter-region")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter_region: Option<String>,
    #[component(name = "meter-category")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter_category: Option<String>,
    /// What one of `quantity` is, for example `/mo`.
    #[component(name = "unit")]
    pub unit: String,
    #[component(name = "info-fields")]
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub info_fields: OpenMap,
    /// In `unit`s.
    #[serde(with = "decimal_number")]
    #[schema(value_type = f64)]
    pub quantity: Decimal,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Usage feed.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct UsageFeed {
    /// The account that pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accountid: Option<String>,
    #[component(name = "usage-start-time")]
    #[serde(serialize_with = "instant_text::serialize")]
    #[schema(value_type = String)]
    pub usage_start_time: Instant,
    #[component(name = "usage-end-time")]
    #[serde(serialize_with = "instant_text::serialize")]
    #[schema(value_type = String)]
    pub usage_end_time: Instant,
    pub usagefeed: Vec<UsageRecord>,
    /// Whether the provider said that more is still to come for this window: do not close the period.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    #[serde(skip)]
    #[schema(ignore)]
    pub next: Option<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}
