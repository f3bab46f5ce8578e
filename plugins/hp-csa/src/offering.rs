//! What is sold: the offerings of CSA's catalogs, with their prices and options.

use crate::csa::{Csa, encode};
use crate::instance::TYPE;
use crate::options::Options;
use crate::terms::{Reader, Recurring, Terms};
use crate::xml::Element;
use crate::{check, ids, money};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, log};

/// Each takes a request, and a call may send 64.
const ITEMS_MAX: usize = 40;
/// The charges of every offering.
pub(crate) const SETUP: &str = "setup";
pub(crate) const RECURRING: &str = "recurring";

/// An offering of a catalog.
pub(crate) struct Sold {
    pub(crate) id: String,
    pub(crate) name: String,
    description: Option<String>,
    is_disabled: bool,
    pub(crate) options: Options,
    terms: Result<Option<Terms>, String>,
}

impl Sold {
    fn read(element: &Element, prices: &Reader) -> Option<Self> {
        let id = element.text_at(&["id"]).filter(|id| ids::is_plain(id))?.to_owned();
        let name = element.text_at(&["displayName"]).or(element.text_at(&["name"]));
        let terms = match prices.read(element, "basePrice") {
            Ok(None) => prices.read(element, "totalPrice"),
            terms => terms,
        };
        Some(Self {
            name: check::said(name.unwrap_or(&id)),
            description: element.owned(&["description"]),
            is_disabled: element.text_at(&["disabled"]) == Some("true"),
            options: element.child("optionModel").map(Options::read).unwrap_or_default(),
            terms,
            id,
        })
    }
}

/// Of an offering in a catalog.
pub(crate) fn sku(catalog: &str, offering: &str) -> String {
    format!("{catalog}/{offering}")
}

/// The catalog and the offering of a sku.
pub(crate) fn parts(sku: &str) -> Option<(&str, &str)> {
    sku.split_once('/').filter(|(one, other)| ids::is_plain(one) && ids::is_plain(other))
}

/// One offering, as a user sees it. None when there is no such thing.
pub(crate) fn find(
    csa: &Csa,
    catalog: &str,
    id: &str,
    user: &str,
) -> Result<Option<Sold>, Failure> {
    let path = format!(
        "/catalog/{}/offering/{}?userIdentifier={}&detail=standard",
        encode(catalog),
        encode(id),
        encode(user)
    );
    let prices = Reader::open()?;
    let root = csa.find(&path, "The offering")?;
    Ok(root.and_then(|root| Sold::read(&root, &prices)).filter(|sold| sold.id == id))
}

fn ids_in(root: &Element, name: &str) -> Vec<String> {
    let mut ids: Vec<String> = root
        .all(name)
        .filter_map(|element| element.text_at(&["id"]))
        .filter(|id| ids::is_plain(id))
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

pub(crate) fn list(page: Page) -> Result<CatalogPage, Failure> {
    let after = match page.after.as_deref() {
        None => None,
        Some(sku) => Some(
            parts(sku).ok_or_else(|| Failure::invalid("`after` is not a cursor of this list."))?,
        ),
    };
    let limit = page.limit.map_or(ITEMS_MAX, |limit| limit as usize).clamp(1, ITEMS_MAX);
    let csa = Csa::open()?;
    let admin = csa.admin()?;
    let root =
        csa.get(&format!("/catalog?userIdentifier={}", encode(&admin)), "The list of catalogs")?;
    let mut resources = Vec::new();
    let mut last = None;
    for catalog in ids_in(&root, "catalog") {
        if after.is_some_and(|(done, _)| catalog.as_str() < done) {
            continue;
        }
        let path =
            format!("/catalog/{}/offering?userIdentifier={}", encode(&catalog), encode(&admin));
        // One that was taken away between the two requests has no offerings.
        let Some(offerings) = csa.find(&path, "The list of offerings")? else { continue };
        for id in ids_in(&offerings, "ServiceOffering") {
            if after.is_some_and(|(done, last)| catalog == done && id.as_str() <= last) {
                continue;
            }
            if resources.len() == limit || csa.is_tired() {
                return Ok(CatalogPage { resources, next: last });
            }
            last = Some(sku(&catalog, &id));
            if let Some(sold) = find(&csa, &catalog, &id, &admin)? {
                resources.push(describe(&catalog, sold));
            }
        }
        if csa.is_tired() && last.is_some() {
            return Ok(CatalogPage { resources, next: last });
        }
    }
    Ok(CatalogPage { resources, next: None })
}

fn describe(catalog: &str, sold: Sold) -> Offering {
    let mut more = OpenMap::new();
    more.put("catalogid", catalog);
    sold.options.show(&mut more);
    let charges = match &sold.terms {
        Ok(terms) => terms.as_ref().map(charges).unwrap_or_default(),
        Err(why) => {
            log::warn(
                "The price of an offering cannot be told.",
                &[("offering", &sold.id), ("why", why)],
            );
            more.put("problem", format!("The price of this offering cannot be told: {why}."));
            Vec::new()
        }
    };
    let is_enabled = !sold.is_disabled && sold.terms.is_ok();
    Offering {
        resource: OfferingKind {
            type_: TYPE.to_owned(),
            isaccountrequired: Some(true),
            ..OfferingKind::default()
        },
        parameters: OfferingParameters {
            sku: sku(catalog, &sold.id),
            name: sold.name,
            description: sold.description,
            minpurchasequantity: Some("1".to_owned()),
            maxpurchasequantity: Some("1".to_owned()),
            isenabled: Some(is_enabled),
            ..OfferingParameters::default()
        },
        additionalparameters: more,
        chargeattributes: charges,
        other: Vec::new(),
    }
}

/// What is paid once, and what is paid again and again.
fn charges(terms: &Terms) -> Vec<Charge> {
    let setup = terms.setup.map(|amount| {
        charge(
            SETUP,
            "Setup",
            price(money::text(amount), &terms.currency, "month", "setup", "/once"),
        )
    });
    let recurring =
        terms.recurring.as_ref().map(|Recurring { price: amount, unit_price, every }| {
            let amount = money::text(*amount);
            let price = price(amount, &terms.currency, every.name(), "recurring", every.unit());
            let mut charge = charge(RECURRING, "Recurring", price);
            if !unit_price.is_zero() {
                charge.other.put("unitprice", money::text(*unit_price));
            }
            charge
        });
    setup.into_iter().chain(recurring).collect()
}

fn charge(id: &str, name: &str, sellprice: Price) -> Charge {
    Charge {
        chargeid: id.to_owned(),
        chargename: name.to_owned(),
        description: None,
        subscriptionserviceterm: ServiceTerm {
            sellprice: Some(sellprice),
            ..ServiceTerm::default()
        },
        other: Vec::new(),
    }
}

fn price(amount: String, currency: &str, period: &str, kind: &str, unit: &str) -> Price {
    Price {
        billingperiodfrequency: 1,
        billingperiodunit: period.to_owned(),
        chargetype: kind.to_owned(),
        tierpricing: vec![Tier {
            sequencenumber: 1,
            startingvalue: "0".to_owned(),
            endingvalue: None,
            chargeamount: amount,
            chargeamountunit: unit.to_owned(),
            currencycode: currency.to_owned(),
            isdefault: true,
            isenabled: true,
            other: Vec::new(),
        }],
        other: Vec::new(),
    }
}
