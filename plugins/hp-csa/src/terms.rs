//! What something costs, as CSA tells it: once to set it up, and again and again.

use crate::time::Every;
use crate::xml::Element;
use crate::{check, money, settings};
use cnsp_sdk::Failure;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The prices of a subscription or an offering, options and all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Terms {
    /// ISO 4217, in lower case.
    pub(crate) currency: String,
    /// Paid once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) setup: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recurring: Option<Recurring>,
}

/// What is paid for each period.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Recurring {
    pub(crate) price: Decimal,
    /// For one unit more of what CSA does not say. Passed on, and never multiplied.
    pub(crate) unit_price: Decimal,
    pub(crate) every: Every,
}

/// Which of the two prices one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    Setup,
    Recurring,
}

/// Reads prices, once the settings that they depend on are known.
pub(crate) struct Reader {
    is_adjusted: bool,
}

impl Reader {
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self { is_adjusted: settings::is_adjusted()? })
    }

    /// The prices of this name, `totalPrice` or `basePrice`. None when there are none; an error says in words what is
    /// wrong with them.
    pub(crate) fn read(&self, element: &Element, name: &str) -> Result<Option<Terms>, String> {
        let mut setup = None;
        let mut recurring = None;
        for price in element.all(name) {
            let place = match category(price)? {
                Category::Setup => &mut setup,
                Category::Recurring => &mut recurring,
            };
            if place.replace(price).is_some() {
                return Err(format!("it has two prices of one category in `{name}`"));
            }
        }
        if setup.is_none() && recurring.is_none() {
            return Ok(None);
        }
        let model = element.child("pricingModel").ok_or("it has a price, and no `pricingModel`")?;
        let multiplier = match model.text_at(&["priceAdjustmentMultiplier"]) {
            Some(text) if self.is_adjusted => amount("priceAdjustmentMultiplier", text)?,
            Some(_) | None => Decimal::ONE,
        };
        let priced = |price: &Element, name: &str| -> Result<Decimal, String> {
            let text = price.text_at(&[name]).unwrap_or("0");
            let adjusted = amount(name, text)?.checked_mul(multiplier);
            adjusted
                .filter(|amount| money::fits(*amount))
                .map(|amount| amount.normalize())
                .ok_or_else(|| format!("`{name}` is too large"))
        };
        let currency =
            model.text_at(&["currency", "name"]).ok_or("it has a price, and no currency")?;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(format!("`{}` is no currency", check::said(currency)));
        }
        let recurring = match recurring {
            None => None,
            Some(price) => {
                let period = model.text_at(&["recurrencePeriod", "name"]).unwrap_or_default();
                let every = Every::named(period).ok_or_else(|| {
                    format!("`{}` is no period that is known", check::said(period))
                })?;
                Some(Recurring {
                    price: priced(price, "fixedPrice")?,
                    unit_price: priced(price, "unitPrice")?,
                    every,
                })
            }
        };
        Ok(Some(Terms {
            currency: currency.to_ascii_lowercase(),
            setup: setup.map(|price| priced(price, "fixedPrice")).transpose()?,
            recurring,
        }))
    }
}

fn amount(name: &str, text: &str) -> Result<Decimal, String> {
    money::parse(text).ok_or_else(|| format!("`{name}` is no amount (`{}`)", check::said(text)))
}

/// By its type or by its category: CSA tells both, one, and seldom the same in all of its answers.
fn category(price: &Element) -> Result<Category, String> {
    let kind =
        price.kind().map(|kind| kind.rsplit(':').next().unwrap_or(kind).to_ascii_lowercase());
    let by_type = match kind.as_deref() {
        Some("initialpricingvo") => Some(Category::Setup),
        Some("recurrentpricingvo") => Some(Category::Recurring),
        _ => None,
    };
    let name = price.text_at(&["priceCategory", "name"]).map(str::to_ascii_uppercase);
    let by_name = match name.as_deref() {
        Some("SETUP") => Some(Category::Setup),
        Some("RECURRING") => Some(Category::Recurring),
        _ => None,
    };
    match (by_type, by_name) {
        (Some(one), Some(other)) if one != other => {
            Err("a price is of one category by its type, and of the other by its name".to_owned())
        }
        (Some(category), _) | (None, Some(category)) => Ok(category),
        (None, None) => Err("a price is neither SETUP nor RECURRING".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml;

    const MODEL: &str = "<pricingModel><currency><name>USD</name></currency>\
        <priceAdjustmentMultiplier>1.1</priceAdjustmentMultiplier>\
        <recurrencePeriod><name>MONTH</name></recurrencePeriod></pricingModel>";

    fn read(prices: &str, is_adjusted: bool) -> Result<Option<Terms>, String> {
        let text = format!("<ServiceSubscription>{prices}</ServiceSubscription>");
        Reader { is_adjusted }.read(&xml::parse("It", text.as_bytes()).unwrap(), "totalPrice")
    }

    #[test]
    fn a_price_is_told_by_its_type_or_by_its_category() {
        let prices = [
            "<totalPrice xmlns:xsi='x' xsi:type='recurrentPricingVO'><fixedPrice>150.0</fixedPrice></totalPrice>\
             <totalPrice xmlns:xsi='x' xsi:type='initialPricingVO'><fixedPrice>1200.0</fixedPrice></totalPrice>",
            "<totalPrice><priceCategory><name>SETUP</name></priceCategory><fixedPrice>1200.0</fixedPrice></totalPrice>\
             <totalPrice><priceCategory><name>RECURRING</name></priceCategory><fixedPrice>150.0</fixedPrice></totalPrice>",
        ];
        for prices in prices {
            let terms = read(&format!("{prices}{MODEL}"), true).unwrap().unwrap();
            assert_eq!(
                (money::text(terms.setup.unwrap()), terms.currency.as_str()),
                ("1320".to_owned(), "usd")
            );
            let recurring = terms.recurring.unwrap();
            assert_eq!(
                (money::text(recurring.price), recurring.every),
                ("165".to_owned(), Every::Month)
            );
            let plain = read(&format!("{prices}{MODEL}"), false).unwrap().unwrap();
            assert_eq!(money::text(plain.recurring.unwrap().price), "150");
        }
        assert_eq!(read(MODEL, true), Ok(None));
    }

    #[test]
    fn a_price_that_cannot_be_told_is_no_price() {
        let recurring = "<totalPrice><priceCategory><name>RECURRING</name></priceCategory><fixedPrice>1</fixedPrice></totalPrice>";
        let both = "<totalPrice xsi:type='initialPricingVO'><priceCategory><name>RECURRING</name></priceCategory></totalPrice>";
        for (prices, why) in [
            (format!("{recurring}{recurring}{MODEL}"), "two prices"),
            (format!("{both}{MODEL}"), "by its name"),
            (format!("<totalPrice><fixedPrice>1</fixedPrice></totalPrice>{MODEL}"), "neither"),
            (recurring.to_owned(), "no `pricingModel`"),
            (format!("{recurring}{}", MODEL.replace("USD", "Dollars")), "no currency"),
            (format!("{recurring}{}", MODEL.replace("MONTH", "MOON")), "`MOON`"),
            (format!("{}{MODEL}", recurring.replace(">1<", ">one<")), "no amount (`one`)"),
        ] {
            let refused = read(&prices, true).unwrap_err();
            assert!(refused.contains(why), "{prices}: {refused}");
        }
    }
}
