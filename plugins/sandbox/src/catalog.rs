//! The catalogue.

use crate::function::Function;
pub(crate) use crate::offerings::{
    Charge, CustomOption as Choice, Kind, OFFERINGS, Offering, Tier,
};
use crate::resource::TYPE;
use crate::{misbehave, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};
use serde_json::json;

/// The offering with this SKU.
pub(crate) fn find(sku: &str) -> Option<&'static Offering> {
    OFFERINGS.iter().find(|offering| offering.sku == sku)
}

/// Every offering. A page's cursor is the SKU that it ended with.
pub(crate) fn list(page: Page) -> Result<CatalogPage, Failure> {
    let told = misbehave::read(Function::ListOfferings)?;
    let begin = match &page.after {
        None => 0,
        Some(sku) => OFFERINGS
            .iter()
            .position(|offering| offering.sku == sku)
            .map(|position| position + 1)
            .ok_or_else(|| Failure::invalid("`after` is not a cursor of this list."))?,
    };
    let rest = OFFERINGS.get(begin..).unwrap_or_default();
    let shown = rest.get(..page::limit(&page)).unwrap_or(rest);
    let next = if shown.len() < rest.len() { shown.last() } else { None };
    let mut resources: Vec<_> = shown.iter().map(Offering::to_record).collect();
    if let Some(first) = resources.first_mut() {
        told.spoil(&mut first.additionalparameters);
    }
    Ok(CatalogPage { resources, next: next.map(|offering| offering.sku.to_owned()) })
}

impl Offering {
    /// How many licences are bought: as many as said, or the least.
    pub(crate) fn licences(&self, said: Option<u64>) -> Result<u64, Failure> {
        let (min, max) = (self.licences_min, self.licences_max);
        match said.unwrap_or(min) {
            licences if (min..=max).contains(&licences) => Ok(licences),
            licences => Err(Failure::invalid(format!(
                "{} is sold with {min} to {max} licences, not with {licences}.",
                self.sku
            ))),
        }
    }

    /// The `customparamN` that an order's `customoptionN` become.
    pub(crate) fn options(&self, said: &[(String, CustomOption)]) -> Result<OpenMap, Failure> {
        if let Some((unknown, _)) =
            said.iter().find(|(key, _)| self.options.iter().all(|option| option.key != key))
        {
            let unknown: String = unknown.chars().take(64).collect();
            return Err(Failure::invalid(format!("{} has no option `{unknown}`.", self.sku)));
        }
        let mut params = OpenMap::new();
        for option in self.options {
            let said = said.iter().find(|(key, _)| option.key == key).map(|(_, said)| said);
            let key = option.key.replace("option", "param");
            params.put(key, option.choose(said)?);
        }
        Ok(params)
    }

    fn to_record(&self) -> cnsp_sdk::types::Offering {
        let mut additionalparameters = OpenMap::new();
        for option in self.options {
            additionalparameters
                .put(option.key, json!({ "title": option.title, "values": option.values }));
        }
        if !self.script.is_empty() {
            additionalparameters.put(misbehave::SANDBOX, self.script);
        }
        let text = |text: &str| Some(text.to_owned());
        cnsp_sdk::types::Offering {
            resource: OfferingKind {
                type_: TYPE.to_owned(),
                fulfillmenttype: text("automatic"),
                vendor: text("cnsp sandbox"),
                region: text("global"),
                isaccountrequired: Some(true),
                other: Vec::new(),
            },
            parameters: OfferingParameters {
                sku: self.sku.to_owned(),
                name: self.name.to_owned(),
                description: Some(format!("<p>{}</p>", self.summary)),
                shortdescription: text(self.summary),
                category: text(self.category),
                setproductasnew: None,
                metatitle: text(self.name),
                metakeywords: text(self.category),
                metadescription: text(self.summary),
                saasurl: text("https://sandbox.example/"),
                faqurl: text("https://sandbox.example/faq"),
                minpurchasequantity: Some(self.licences_min.to_string()),
                maxpurchasequantity: Some(self.licences_max.to_string()),
                autorenew: Some(true),
                plantype: text("monthly"),
                isenabled: Some(true),
                other: Vec::new(),
            },
            additionalparameters,
            chargeattributes: self.charges.iter().map(Charge::to_record).collect(),
            other: Vec::new(),
        }
    }
}

impl Choice {
    fn choose(&self, said: Option<&CustomOption>) -> Result<&'static str, Failure> {
        let Some(said) = said else { return Ok(self.values.first().copied().unwrap_or_default()) };
        let value: Option<String> = serde_json::from_str(&said.value).ok();
        let chosen = self.values.iter().find(|known| value.as_deref() == Some(**known));
        chosen.copied().ok_or_else(|| {
            Failure::invalid(format!(
                "`{}.value` ({}) has to be one of: {}.",
                self.key,
                self.title,
                self.values.join(", ")
            ))
        })
    }
}

impl Charge {
    /// What one of a quantity is.
    pub(crate) fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Recurring => "/mo",
            Kind::Setup => "/once",
            Kind::Metered { .. } => "/GB-day",
        }
    }

    fn to_record(&self) -> cnsp_sdk::types::Charge {
        let price = |amount: fn(&Tier) -> &'static str| Some(self.price(amount));
        cnsp_sdk::types::Charge {
            chargeid: self.id.to_owned(),
            chargename: self.name.to_owned(),
            description: None,
            subscriptionserviceterm: ServiceTerm {
                costprice: price(|tier| tier.cost),
                sellprice: price(|tier| tier.sell),
                erpprice: price(|tier| tier.erp),
                other: Vec::new(),
            },
            other: Vec::new(),
        }
    }

    fn price(&self, amount: fn(&Tier) -> &'static str) -> Price {
        let ends = self.tiers.iter().skip(1).map(|tier| Some(tier.from)).chain([None]);
        let tiers = self.tiers.iter().zip(ends).zip(1..);
        Price {
            billingperiodfrequency: 1,
            billingperiodunit: "month".to_owned(),
            chargetype: match self.kind {
                Kind::Recurring => "recurring",
                Kind::Setup => "setup",
                Kind::Metered { .. } => "usage",
            }
            .to_owned(),
            tierpricing: tiers
                .map(|((tier, end), number)| cnsp_sdk::types::Tier {
                    sequencenumber: number,
                    startingvalue: tier.from.to_owned(),
                    endingvalue: end.map(str::to_owned),
                    chargeamount: amount(tier).to_owned(),
                    chargeamountunit: self.unit().to_owned(),
                    currencycode: "usd".to_owned(),
                    isdefault: number == 1,
                    isenabled: true,
                    other: Vec::new(),
                })
                .collect(),
            other: Vec::new(),
        }
    }
}
