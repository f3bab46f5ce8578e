//! Offerings and their prices: CNSP 1.0, Catalog.

use super::Decimal;
use super::json::{
    OpenMap, decimal_number, decimal_text, one_or_zero, open_map, optional_decimal_number,
};
use serde::Serialize;
use utoipa::ToSchema;
use wasmtime::component::{ComponentType, Lift, Lower};

/// (CNSP 1.0, Retrieve all offerings, `resource`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct OfferingKind {
    #[component(name = "type")]
    pub r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fulfillmenttype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether an account must exist before this can be bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isaccountrequired: Option<bool>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// The days between which an offering is shown as new. (CNSP 1.0, Retrieve all offerings.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct NewBetween {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fromdate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todate: Option<String>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Retrieve all offerings, `parameters`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct OfferingParameters {
    /// Unique within the endpoint.
    pub sku: String,
    pub name: String,
    /// HTML; whoever shows it sanitises it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortdescription: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setproductasnew: Option<NewBetween>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metatitle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metakeywords: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadescription: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saasurl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faqurl: Option<String>,
    /// Licences, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minpurchasequantity: Option<String>,
    /// Licences, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxpurchasequantity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autorenew: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plantype: Option<String>,
    /// Whether it can be bought now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isenabled: Option<bool>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// One step of a price. (CNSP 1.0, Retrieve all offerings, `tierpricing`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct Tier {
    /// From 1, in the order of `startingvalue`.
    pub sequencenumber: u32,
    /// The quantity at which this tier begins, in the charge's unit.
    #[serde(with = "decimal_number")]
    #[schema(value_type = f64)]
    pub startingvalue: Decimal,
    /// The quantity at which it ends. None: it does not.
    #[serde(with = "optional_decimal_number")]
    #[schema(value_type = Option<f64>)]
    pub endingvalue: Option<Decimal>,
    /// The price of one unit, in `currencycode`.
    #[serde(serialize_with = "decimal_text::serialize")]
    #[schema(value_type = String)]
    pub chargeamount: Decimal,
    /// What the price is for, for example `/mo`.
    pub chargeamountunit: String,
    /// ISO 4217, lower case as CNSP samples it, for example `usd`.
    pub currencycode: String,
    /// 1 or 0 on the wire.
    #[serde(with = "one_or_zero")]
    #[schema(value_type = u8)]
    pub isdefault: bool,
    /// 1 or 0 on the wire.
    #[serde(with = "one_or_zero")]
    #[schema(value_type = u8)]
    pub isenabled: bool,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Retrieve all offerings, `costprice`, `sellprice` and `erpprice`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct Price {
    /// How many `billingperiodunit`s one period lasts.
    pub billingperiodfrequency: u32,
    /// For example `month`.
    pub billingperiodunit: String,
    /// For example `recurring`, `setup` or `usage`.
    pub chargetype: String,
    pub tierpricing: Vec<Tier>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// What the marketplace pays, asks, and is recommended to ask. (CNSP 1.0, Retrieve all offerings.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct ServiceTerm {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub costprice: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sellprice: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erpprice: Option<Price>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// One thing that is charged for. (CNSP 1.0, Retrieve all offerings, `chargeattributes`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct Charge {
    /// Unique within the offering; usage records name it.
    pub chargeid: String,
    pub chargename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub subscriptionserviceterm: ServiceTerm,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Retrieve all offerings, one of `resources`.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct Offering {
    #[component(name = "resource")]
    pub resource: OfferingKind,
    pub parameters: OfferingParameters,
    #[serde(default, with = "open_map")]
    #[schema(value_type = Object)]
    pub additionalparameters: OpenMap,
    pub chargeattributes: Vec<Charge>,
    #[serde(flatten, with = "open_map")]
    #[schema(ignore)]
    pub other: OpenMap,
}

/// (CNSP 1.0, Retrieve all offerings.)
#[derive(Clone, ComponentType, Lift, Lower, Serialize, ToSchema)]
#[component(record)]
pub struct CatalogPage {
    pub resources: Vec<Offering>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
