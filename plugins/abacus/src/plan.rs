//! Abacus's three plans of a resource: what is measured and metered, how it is rated, and at what price.

use crate::abacus::{self, Abacus};
use crate::number;
use crate::settings::Service;
use cnsp_sdk::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;

/// What is measured, and the metrics that are made of it.
#[derive(Deserialize)]
pub(crate) struct Metering {
    #[serde(default)]
    measures: Vec<Measure>,
    pub(crate) metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Measure {
    name: String,
}

/// What is reported and charged for.
#[derive(Deserialize)]
pub(crate) struct Metric {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) unit: Option<String>,
}

/// How the cost of a metric is made of its quantity and its price.
#[derive(Deserialize)]
pub(crate) struct Rating {
    metrics: Vec<Rated>,
}

/// Functions of JavaScript. Where there is none, it is the price times the quantity.
#[derive(Deserialize)]
struct Rated {
    name: String,
    #[serde(default)]
    rate: Option<String>,
    #[serde(default)]
    charge: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Pricing {
    metrics: Vec<Priced>,
}

#[derive(Deserialize)]
struct Priced {
    name: String,
    #[serde(default)]
    prices: Vec<Price>,
}

#[derive(Deserialize)]
struct Price {
    country: String,
    price: Number,
}

impl Metering {
    pub(crate) fn fetch(abacus: &Abacus, id: &str) -> Result<Option<Self>, Failure> {
        fetch(abacus, "metering", id)
    }

    /// Whether usage of this measure means something to it. A plan that lists none takes any.
    pub(crate) fn takes(&self, measure: &str) -> bool {
        self.measures.is_empty() || self.measures.iter().any(|known| known.name == measure)
    }

    /// Its measures, for people.
    pub(crate) fn measures(&self) -> String {
        let names: Vec<&str> = self.measures.iter().map(|measure| measure.name.as_str()).collect();
        names.join("`, `")
    }

    /// What one of a metric is.
    pub(crate) fn unit(&self, metric: &str) -> Option<&str> {
        self.metrics.iter().find(|known| known.name == metric)?.unit.as_deref()
    }
}

impl Rating {
    pub(crate) fn fetch(abacus: &Abacus, id: &str) -> Result<Option<Self>, Failure> {
        fetch(abacus, "rating", id)
    }

    /// Whether the metric costs its price times its quantity, as far as one can tell from the text of a function.
    pub(crate) fn is_linear(&self, metric: &str) -> bool {
        let rated = self.metrics.iter().find(|known| known.name == metric);
        rated.is_some_and(|rated| {
            rated.rate.as_deref().is_none_or(is_product)
                && rated.charge.as_deref().is_none_or(is_identity)
        })
    }
}

impl Pricing {
    pub(crate) fn fetch(abacus: &Abacus, id: &str) -> Result<Option<Self>, Failure> {
        fetch(abacus, "pricing", id)
    }

    /// The price of one of a metric in a country.
    pub(crate) fn price(&self, metric: &str, country: &str) -> Option<String> {
        let priced = self.metrics.iter().find(|known| known.name == metric)?;
        let price = priced.prices.iter().find(|price| price.country == country)?;
        number::decimal(&price.price)
    }
}

fn fetch<T: DeserializeOwned>(abacus: &Abacus, kind: &str, id: &str) -> Result<Option<T>, Failure> {
    let path = format!("/v1/{kind}/plans/{}", abacus::segment(id)?);
    let answer = abacus.get(Service::Plans, &path, &format!("a {kind} plan"))?;
    match answer.status {
        404 => Ok(None),
        _ => Ok(Some(abacus::read(&format!("The {kind} plan"), &answer)?)),
    }
}

/// The parameters and the body of an arrow function, without spaces.
fn arrow(function: &str) -> Option<(Vec<String>, String)> {
    let plain: String = function.chars().filter(|c| !c.is_whitespace()).collect();
    let (parameters, body) = plain.split_once("=>")?;
    let parameters = parameters.strip_prefix('(')?.strip_suffix(')')?;
    let body = body.trim_end_matches(';');
    Some((parameters.split(',').map(str::to_owned).collect(), body.to_owned()))
}

/// `(p, qty) => p ? p * qty : 0`, and other ways to write the same.
fn is_product(function: &str) -> bool {
    let Some((parameters, body)) = arrow(function) else { return false };
    let [price, quantity, ..] = parameters.as_slice() else { return false };
    let products = [
        format!("{price}*{quantity}"),
        format!("{quantity}*{price}"),
        format!("newBigNumber({quantity}).mul({price}).toNumber()"),
        format!("newBigNumber({price}).mul({quantity}).toNumber()"),
        format!("newBigNumber({quantity}).times({price}).toNumber()"),
        format!("newBigNumber({price}).times({quantity}).toNumber()"),
    ];
    products.iter().any(|product| body == *product || body == format!("{price}?{product}:0"))
}

/// `(t, cost) => cost`.
fn is_identity(function: &str) -> bool {
    arrow(function).is_some_and(|(parameters, body)| parameters.get(1) == Some(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_times_a_quantity_is_told_from_other_functions() {
        for linear in [
            "(p, qty) => p ? p * qty : 0",
            "(price, qty) => new BigNumber(qty).mul(price).toNumber()",
            "(p,q)=>p*q;",
        ] {
            assert!(is_product(linear), "{linear}");
        }
        for other in [
            "(p, qty) => p ? p * qty * 2 : 0",
            "(p, qty) => Math.max(p * qty, 10)",
            "(p, qty) => qty > 100 ? p * qty : 0",
            "(p, qty) => p + qty",
            "function(p, qty) { return p * qty; }",
            "p => p",
            "",
        ] {
            assert!(!is_product(other), "{other}");
        }
        assert!(is_identity("(t, cost) => cost"));
        assert!(is_identity("(t, cost, from, to) => cost"));
        assert!(!is_identity("(t, cost) => cost * 2"));
        assert!(!is_identity("cost => cost"));
    }
}
