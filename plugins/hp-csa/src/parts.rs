//! The parts of the calendar's periods that intervals cover, as they are billed. No part is told before it is certain, so
//! that one that was told never changes.

use crate::meter::Interval;
use crate::money;
use crate::settings::Proration;
use crate::terms::Recurring;
use crate::time::{Period, Zone};
use rust_decimal::Decimal;
use std::ops::Range;

/// A part of an interval inside of one period.
#[derive(Debug, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// In periods.
    pub(crate) quantity: Decimal,
    /// The same share of the price.
    pub(crate) charge: Decimal,
    pub(crate) of: &'a Interval,
    pub(crate) recurring: &'a Recurring,
}

/// How parts are made.
pub(crate) struct Rule<'a> {
    pub(crate) zone: &'a Zone,
    pub(crate) proration: Proration,
}

impl Rule<'_> {
    /// The parts that begin in a window, and whether there are more that are not certain yet. Intervals are in their
    /// order, the one that goes on last; until `known` all of them are known.
    pub(crate) fn parts<'a>(
        &self,
        intervals: &'a [Interval],
        known: i64,
        window: &Range<i64>,
    ) -> (Vec<Part<'a>>, bool) {
        let mut parts = Vec::new();
        let mut more = false;
        for (index, of) in intervals.iter().enumerate() {
            let Some(recurring) = of.terms.as_ref().and_then(|terms| terms.recurring.as_ref())
            else {
                continue;
            };
            let ends = of.to.unwrap_or(i64::MAX);
            let mut period = recurring.every.around(of.from.max(window.start), self.zone);
            while let Some(now) = period {
                if now.start >= window.end || now.start >= ends {
                    break;
                }
                let start = of.from.max(now.start);
                if window.contains(&start) {
                    let is_certain = match (of.to, self.proration) {
                        (Some(_), Proration::Actual | Proration::Nominal) => true,
                        (None, _) | (_, Proration::Full) => known >= now.end,
                    };
                    if !is_certain {
                        more = true;
                        break;
                    }
                    let end = ends.min(now.end);
                    let (quantity, charge) =
                        self.share(intervals, index, recurring, now, start..end);
                    parts.push(Part { start, end, quantity, charge, of, recurring });
                }
                period = recurring
                    .every
                    .around(now.end, self.zone)
                    .filter(|next| next.start > now.start);
            }
        }
        (parts, more)
    }

    /// What a part is of its period, and of the price.
    fn share(
        &self,
        intervals: &[Interval],
        index: usize,
        recurring: &Recurring,
        period: Period,
        part: Range<i64>,
    ) -> (Decimal, Decimal) {
        let mut part = part;
        let whole = match self.proration {
            Proration::Actual | Proration::Full => period.end.saturating_sub(period.start),
            Proration::Nominal => recurring.every.nominal_ms(),
        };
        if self.proration == Proration::Full {
            // The first part of a period begins with it, and each goes on to the next one, or to the period's end: all
            // of them together are one.
            let is_alike = |of: &&Interval| {
                let every = of.terms.as_ref().and_then(|terms| terms.recurring.as_ref());
                every.is_some_and(|other| other.every == recurring.every)
            };
            let before = intervals.get(..index).unwrap_or_default();
            let is_first =
                !before.iter().filter(is_alike).any(|of| of.to.is_some_and(|to| to > period.start));
            if is_first {
                part.start = period.start;
            }
            let after = intervals.get(index.saturating_add(1)..).unwrap_or_default();
            let next = after.iter().find(is_alike).map(|next| next.from);
            part.end = next.filter(|next| *next < period.end).unwrap_or(period.end);
        }
        let (start, end) =
            (part.start.saturating_sub(period.start), part.end.saturating_sub(period.start));
        let price = recurring.price;
        (
            money::share(end, whole) - money::share(start, whole),
            money::charge(price, end, whole) - money::charge(price, start, whole),
        )
    }
}
