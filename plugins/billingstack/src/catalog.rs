//! BillingStack's plans as CNSP's offerings: each product of a plan is a charge.

use crate::billingstack::{BillingStack, Plan, Product};
use crate::id::Id;
use crate::resource::TYPE;
use crate::settings::Settings;
use crate::{check, page, price};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, log};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What BillingStack's products are.
const KINDS: [&str; 2] = ["gauge", "cumulative"];

/// Products by id.
pub(crate) type Products = BTreeMap<Id, Product>;

pub(crate) fn products(billingstack: &BillingStack<'_>) -> Result<Products, Failure> {
    let products = billingstack.products()?;
    Ok(products.into_iter().map(|product| (product.id.clone(), product)).collect())
}

pub(crate) fn list(page: Page) -> Result<CatalogPage, Failure> {
    let settings = Settings::read()?;
    let billingstack = BillingStack { settings: &settings };
    let mut plans = billingstack.plans()?;
    plans.sort_by(|a, b| a.id.cmp(&b.id));
    plans.dedup_by(|a, b| a.id == b.id);
    let products = products(&billingstack)?;
    let (plans, next) = page::cut(plans, &page, |plan| plan.id.to_string())?;
    let resources = plans.iter().map(|plan| offering(plan, &products, &settings.currency));
    Ok(CatalogPage { resources: resources.collect(), next })
}

/// Text as HTML: `description` is shown as such.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn offering(plan: &Plan, products: &Products, currency: &str) -> Offering {
    let mut additionalparameters = OpenMap::new();
    if let Some(properties) = &plan.properties {
        additionalparameters.put("properties", properties);
    }
    let mut chargeattributes: Vec<Charge> = Vec::new();
    let (mut problems, mut closed) = (Vec::new(), Vec::new());
    for item in plan.items.iter().flatten() {
        let id = item.product_id.to_string();
        let Some(product) = products.get(&item.product_id) else {
            problems.push(format!("the product {id} is not one of the merchant's"));
            continue;
        };
        if chargeattributes.iter().any(|charge| charge.chargeid == id) {
            problems.push(format!("the product {id} is in it twice"));
            continue;
        }
        let kind = product.property("type").filter(|kind| KINDS.contains(kind));
        let chargetype = kind.unwrap_or("usage");
        let measure = check::said(product.property("measure").unwrap_or("unit"));
        match price::read(&item.pricing, chargetype, &measure, currency) {
            Ok(priced) => {
                closed.extend(
                    priced
                        .closed
                        .into_iter()
                        .map(|(end, next)| json!({ "chargeid": id, "end": end, "movedto": next })),
                );
                chargeattributes.push(charge(product, priced.price));
            }
            Err(why) => {
                problems.push(format!("the price of {}: {why}", check::said(&product.name)))
            }
        }
    }
    if !closed.is_empty() {
        additionalparameters.put("pricinggaps", &closed);
    }
    if !problems.is_empty() {
        log::warn(
            "A plan cannot be sold: its pricing is not understood.",
            &[("plan", plan.id.as_str()), ("problems", &problems.join("; "))],
        );
        additionalparameters.put("pricingproblems", &problems);
    }
    let name = plan.title.as_deref().or(plan.name.as_deref()).unwrap_or(plan.id.as_str());
    Offering {
        resource: OfferingKind {
            type_: TYPE.to_owned(),
            fulfillmenttype: Some("automatic".to_owned()),
            vendor: None,
            region: None,
            isaccountrequired: Some(true),
            other: Vec::new(),
        },
        parameters: OfferingParameters {
            sku: plan.id.to_string(),
            name: check::said(name),
            description: plan.description.as_deref().map(html),
            shortdescription: plan.name.as_deref().map(check::said),
            minpurchasequantity: Some("1".to_owned()),
            plantype: Some("month".to_owned()),
            isenabled: Some(problems.is_empty()),
            ..OfferingParameters::default()
        },
        additionalparameters,
        chargeattributes,
        other: Vec::new(),
    }
}

fn charge(product: &Product, price: Price) -> Charge {
    let mut other = OpenMap::new();
    if let Some(properties) = &product.properties {
        other.put("properties", Value::from(properties.clone()));
    }
    Charge {
        chargeid: product.id.to_string(),
        chargename: check::said(&product.name),
        description: product.description.clone(),
        subscriptionserviceterm: ServiceTerm { sellprice: Some(price), ..ServiceTerm::default() },
        other,
    }
}

/// Whether an order of this plan could be billed.
pub(crate) fn check_sellable(
    plan: &Plan,
    products: &Products,
    currency: &str,
) -> Result<(), Failure> {
    match offering(plan, products, currency).parameters.isenabled {
        Some(false) => {
            let text = format!(
                "The plan {} cannot be bought now: its pricing is not understood, as /catalog says. Its vendor has to correct it.",
                plan.id
            );
            Err(Failure::refused(400, text))
        }
        _ => Ok(()),
    }
}
