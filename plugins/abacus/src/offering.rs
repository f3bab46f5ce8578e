//! What is sold: resources and plans that the vendor names, since Abacus has no list of them. Prices are Abacus's.

use crate::abacus::Abacus;
use crate::instance::TYPE;
use crate::plan::{Metering, Metric, Pricing, Rating};
use crate::{check, settings};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, config, log};
use serde::Deserialize;
use std::collections::BTreeSet;

/// A page asks for three plans of each, and a call may send 64 requests.
const ITEMS_MAX: usize = 20;
/// As seen in usage documents: a metering plan, whatever the plan of the service.
const PLAN: &str = "standard";

/// One of the setting `offerings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offering {
    /// Abacus's `resource_id`.
    pub(crate) resource: String,
    /// Abacus's `plan_id`.
    #[serde(default = "standard")]
    pub(crate) plan: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// Ids of its plans.
    pub(crate) metering: String,
    #[serde(default)]
    rating: Option<String>,
    #[serde(default)]
    pricing: Option<String>,
    /// The measure that licences are metered as.
    #[serde(default)]
    pub(crate) measure: Option<String>,
}

fn standard() -> String {
    PLAN.to_owned()
}

impl Offering {
    pub(crate) fn sku(&self) -> String {
        format!("{}/{}", self.resource, self.plan)
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.sku())
    }

    fn is_right(&self) -> bool {
        let plans = [Some(&self.metering), self.rating.as_ref(), self.pricing.as_ref()];
        let ids = [Some(&self.resource), Some(&self.plan), self.measure.as_ref()];
        let sku = self.sku();
        let mut all = ids.into_iter().chain(plans).flatten().chain([&sku]);
        all.all(|id| check::is_id(id)) && check::required("name", &self.name()).is_ok()
    }
}

/// All that the vendor sells.
pub(crate) fn all() -> Result<Vec<Offering>, Failure> {
    let text = config::require("offerings")?;
    let offerings: Vec<Offering> = serde_json::from_str(&text).map_err(|error| {
        let what = format!("a list of offerings as JSON ({})", check::said(&error.to_string()));
        settings::wrong("offerings", &what)
    })?;
    let mut skus = BTreeSet::new();
    for offering in &offerings {
        if !offering.is_right() {
            let what = format!(
                "right about `{}`: ids have 1 to 200 bytes and no control characters",
                check::said(&offering.sku())
            );
            return Err(settings::wrong("offerings", &what));
        }
        if !skus.insert(offering.sku()) {
            let what = format!("without a second `{}`", check::said(&offering.sku()));
            return Err(settings::wrong("offerings", &what));
        }
    }
    Ok(offerings)
}

pub(crate) fn with_sku(sku: &str) -> Result<Offering, Failure> {
    all()?.into_iter().find(|offering| offering.sku() == sku).ok_or_else(|| {
        Failure::invalid(format!("There is no offering with the sku `{}`.", check::said(sku)))
    })
}

pub(crate) fn list(page: Page) -> Result<CatalogPage, Failure> {
    let mut offerings = all()?;
    if let Some(after) = &page.after {
        let position = offerings.iter().position(|offering| offering.sku() == *after);
        let Some(position) = position else {
            return Err(Failure::invalid("`after` is not a cursor of this list."));
        };
        offerings.drain(..=position);
    }
    let limit = page.limit.map_or(ITEMS_MAX, |limit| limit as usize).clamp(1, ITEMS_MAX);
    let more = offerings.len() > limit;
    offerings.truncate(limit);
    let next = offerings.last().filter(|_| more).map(Offering::sku);
    let (country, currency) = settings::market()?;
    let abacus = Abacus::open()?;
    let mut resources = Vec::with_capacity(offerings.len());
    for offering in offerings {
        resources.push(Plans::fetch(&abacus, &offering)?.describe(offering, &country, &currency));
    }
    Ok(CatalogPage { resources, next })
}

/// Abacus's plans of an offering, as far as it has them.
struct Plans {
    metering: Option<Metering>,
    rating: Option<Rating>,
    pricing: Option<Pricing>,
}

impl Plans {
    fn fetch(abacus: &Abacus, offering: &Offering) -> Result<Self, Failure> {
        let rating = offering.rating.as_deref().map(|id| Rating::fetch(abacus, id)).transpose()?;
        let pricing =
            offering.pricing.as_deref().map(|id| Pricing::fetch(abacus, id)).transpose()?;
        Ok(Self {
            metering: Metering::fetch(abacus, &offering.metering)?,
            rating: rating.flatten(),
            pricing: pricing.flatten(),
        })
    }

    /// What an offering lacks, in words.
    fn problem(&self, offering: &Offering) -> Option<String> {
        let lacks = |kind: &str, id: Option<&String>, has: bool| {
            let id = id.filter(|_| !has)?;
            Some(format!("Abacus does not have the {kind} plan `{id}`."))
        };
        lacks("metering", Some(&offering.metering), self.metering.is_some())
            .or_else(|| {
                let (measure, plan) = (offering.measure.as_ref()?, self.metering.as_ref()?);
                (!plan.takes(measure))
                    .then(|| format!("The metering plan has no measure `{measure}`."))
            })
            .or_else(|| lacks("rating", offering.rating.as_ref(), self.rating.is_some()))
            .or_else(|| lacks("pricing", offering.pricing.as_ref(), self.pricing.is_some()))
    }

    fn describe(
        self,
        offering: Offering,
        country: &str,
        currency: &str,
    ) -> cnsp_sdk::types::Offering {
        let mut more = OpenMap::new();
        more.put("pricingcountry", country);
        if let Some(measure) = &offering.measure {
            more.put("measure", measure);
        }
        let problem = self.problem(&offering);
        if let Some(problem) = &problem {
            log::warn(
                "An offering cannot be what it should.",
                &[("sku", &offering.sku()), ("why", problem)],
            );
            more.put("problem", problem);
        }
        let sells = self.metering.as_ref().is_some_and(|plan| {
            offering.measure.as_deref().is_none_or(|measure| plan.takes(measure))
        });
        let metrics = self.metering.as_ref().map_or(&[][..], |plan| &plan.metrics);
        let mut names = BTreeSet::new();
        let usable = metrics
            .iter()
            .filter(|metric| check::is_id(&metric.name) && names.insert(&metric.name));
        let charges = usable.map(|metric| self.charge(metric, country, currency)).collect();
        cnsp_sdk::types::Offering {
            resource: OfferingKind {
                type_: TYPE.to_owned(),
                isaccountrequired: Some(true),
                ..OfferingKind::default()
            },
            parameters: OfferingParameters {
                sku: offering.sku(),
                name: offering.name(),
                description: offering.description,
                minpurchasequantity: Some("1".to_owned()),
                isenabled: Some(sells),
                ..OfferingParameters::default()
            },
            additionalparameters: more,
            chargeattributes: charges,
            other: Vec::new(),
        }
    }

    /// One charge per metric. A price that is not simply one per unit is left out: only Abacus can work it out.
    fn charge(&self, metric: &Metric, country: &str, currency: &str) -> Charge {
        let unit =
            metric.unit.clone().map_or_else(|| metric.name.clone(), |unit| check::said(&unit));
        let price = self.pricing.as_ref().and_then(|plan| plan.price(&metric.name, country));
        let linear = self.rating.as_ref().is_some_and(|plan| plan.is_linear(&metric.name));
        let mut other = OpenMap::new();
        let sellprice = match price {
            Some(amount) if linear => Some(Price {
                billingperiodfrequency: 1,
                billingperiodunit: "month".to_owned(),
                chargetype: "usage".to_owned(),
                tierpricing: vec![Tier {
                    sequencenumber: 1,
                    startingvalue: "0".to_owned(),
                    endingvalue: None,
                    chargeamount: amount,
                    chargeamountunit: unit.clone(),
                    currencycode: currency.to_owned(),
                    isdefault: true,
                    isenabled: true,
                    other: Vec::new(),
                }],
                other: Vec::new(),
            }),
            Some(_) => {
                other.put(
                    "pricing",
                    "Abacus rates it with a function of its own: the charge is in the usage feed.",
                );
                None
            }
            None => {
                other.put("pricing", format!("Abacus has no price of it for `{country}`."));
                None
            }
        };
        other.put("unit", unit);
        Charge {
            chargeid: metric.name.clone(),
            chargename: metric.name.clone(),
            description: None,
            subscriptionserviceterm: ServiceTerm { sellprice, ..ServiceTerm::default() },
            other,
        }
    }
}
