//! BillingStack's prices as CNSP's tiers. A plan's pricing is free-form: what is not understood is not sold, since half
//! of a price is worse than none.
//!
//! `volume-range` gives the whole quantity the price of the range that it falls into. Where one range ends at 9.99 and
//! the next begins at 10, nothing says what 9.995 costs. The smallest step that the written digits allow is taken for
//! an end that belongs to its range; a wider gap, or an overlap, is refused.

use cnsp_sdk::OpenMapExt;
use cnsp_sdk::types::{Price, Tier};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Number, Value};

/// More than this no price has.
const TIERS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Rule {
    Fixed { price: Number },
    VolumeRange { ranges: Vec<Range> },
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    from: Option<Number>,
    #[serde(default)]
    to: Option<Number>,
    price: Number,
}

/// What a product costs in a plan.
#[derive(Debug, PartialEq)]
pub(crate) struct Priced {
    pub(crate) price: Price,
    /// Ends that were moved to where the next range begins.
    pub(crate) closed: Vec<Closed>,
}

/// A number of either service, digit for digit; an exponent is written out.
pub(crate) fn decimal(number: &Number) -> Option<Decimal> {
    let text = number.to_string();
    let parsed = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text));
    // The contract has numbers of at most 28 digits, and so has this.
    parsed.ok()
}

/// The price of a product in a plan, or why it is none.
pub(crate) fn read(
    pricing: &Value,
    chargetype: &str,
    unit: &str,
    currency: &str,
) -> Result<Priced, String> {
    // One rule, or a list of one.
    let rule = match pricing {
        Value::Array(rules) => match rules.as_slice() {
            [rule] => rule,
            rules => {
                return Err(format!("it has {} rules, and one is what is understood", rules.len()));
            }
        },
        rule => rule,
    };
    let rule = Rule::deserialize(rule).map_err(|_| {
        "it is neither `fixed` nor `volume-range`, with prices that are numbers".to_owned()
    })?;
    let (steps, closed) = match rule {
        Rule::Fixed { price } => (vec![(Decimal::ZERO, None, amount(&price)?)], Vec::new()),
        Rule::VolumeRange { ranges } => steps(ranges)?,
    };
    let tierpricing = (1..)
        .zip(&steps)
        .map(|(sequencenumber, (start, end, amount))| Tier {
            sequencenumber,
            startingvalue: start.to_string(),
            endingvalue: end.map(|end: Decimal| end.to_string()),
            chargeamount: amount.to_string(),
            chargeamountunit: format!("/{unit}"),
            currencycode: currency.to_owned(),
            isdefault: sequencenumber == 1,
            isenabled: true,
            other: Vec::new(),
        })
        .collect();
    let mut price = Price {
        billingperiodfrequency: 1,
        billingperiodunit: "month".to_owned(),
        chargetype: chargetype.to_owned(),
        tierpricing,
        other: Vec::new(),
    };
    if steps.len() > 1 {
        // Not graduated: one tier prices all of it.
        price.other.put("tiermode", "volume");
    }
    Ok(Priced { price, closed })
}

/// From and to.
pub(crate) type Closed = (String, String);
/// Where it begins and ends, and what one costs there.
type Step = (Decimal, Option<Decimal>, Decimal);

fn steps(ranges: Vec<Range>) -> Result<(Vec<Step>, Vec<Closed>), String> {
    if ranges.is_empty() || ranges.len() > TIERS_MAX {
        return Err(format!("it has {} ranges, not 1 to {TIERS_MAX}", ranges.len()));
    }
    let mut read = Vec::with_capacity(ranges.len());
    for range in &ranges {
        let bound = |number: &Option<Number>| {
            number.as_ref().map(|number| decimal(number).ok_or(TOO_LONG)).transpose()
        };
        let from = bound(&range.from)?.unwrap_or_default();
        read.push((from, bound(&range.to)?, amount(&range.price)?));
    }
    read.sort_by_key(|(from, _, _)| *from);
    if read.first().is_some_and(|(from, _, _)| !from.is_zero()) {
        return Err("its first range does not begin at 0".to_owned());
    }
    let mut closed = Vec::new();
    let nexts: Vec<Option<Decimal>> =
        read.iter().skip(1).map(|(from, _, _)| Some(*from)).chain([None]).collect();
    for ((from, to, _), next) in read.iter_mut().zip(nexts) {
        let Some(next) = next else {
            match to {
                Some(end) if *end <= *from => {
                    return Err(format!("a range ends at {end}, where it begins"));
                }
                _ => break,
            }
        };
        let Some(end) = *to else {
            return Err(format!(
                "the range that begins at {from} never ends, and another begins at {next}"
            ));
        };
        let gap = next - end;
        let step = Decimal::new(1, end.scale().max(next.scale()));
        if gap.is_sign_negative() && !gap.is_zero() {
            return Err(format!("two ranges overlap between {next} and {end}"));
        }
        if gap > step || next <= *from {
            return Err(format!("nothing says what a quantity between {end} and {next} costs"));
        }
        if !gap.is_zero() {
            closed.push((end.to_string(), next.to_string()));
        }
        *to = Some(next);
    }
    Ok((read, closed))
}

const TOO_LONG: &str = "a number of it has more than 28 digits";

fn amount(number: &Number) -> Result<Decimal, String> {
    match decimal(number) {
        Some(amount) if amount.is_sign_negative() && !amount.is_zero() => {
            Err("a price of it is below 0".to_owned())
        }
        Some(amount) => Ok(amount),
        None => Err(TOO_LONG.to_owned()),
    }
}
