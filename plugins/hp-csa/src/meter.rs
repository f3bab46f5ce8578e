//! What is billable: observations of a subscription become intervals in which nothing changed.

use crate::subscription::Stage;
use crate::terms::Terms;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What was reserved, by property.
pub(crate) type Reservation = Map<String, Value>;

/// What is known of one subscription.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct Meter {
    /// When it was last looked at, in milliseconds since 1970, as every time here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<i64>,
    /// When it was last seen and was not deployed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
    /// When it was first deployed, and what that costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<Begun>,
    /// What goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<Interval>,
    /// When it was over, or was found to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) over: Option<i64>,
}

/// What it is called, and who pays: what an invoice shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Label {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
}

/// Who pays.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Owner {
    /// The group that shares it.
    Group(String),
    /// Whoever has ordered it.
    Person(String),
}

/// The beginning.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Begun {
    pub(crate) at: i64,
    pub(crate) label: Label,
    /// At the prices of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) terms: Option<Terms>,
}

/// A time in which nothing changed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Interval {
    pub(crate) from: i64,
    /// How much earlier it may have begun, since nobody looked meanwhile.
    #[serde(default)]
    pub(crate) from_slack: i64,
    /// Exclusive. None: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<i64>,
    #[serde(default)]
    pub(crate) to_slack: i64,
    pub(crate) label: Label,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) terms: Option<Terms>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) reservation: Reservation,
}

/// What was seen of a subscription at a moment.
pub(crate) struct Observation<'a> {
    pub(crate) at: i64,
    pub(crate) stage: Stage,
    /// When CSA says that it starts.
    pub(crate) start: Option<i64>,
    pub(crate) label: &'a Label,
    pub(crate) terms: Option<&'a Terms>,
    /// None: not asked, or not said.
    pub(crate) reservation: Option<&'a Reservation>,
}

impl Meter {
    /// Takes an observation in, and hands back the interval that has ended with it. What is the same as before leaves
    /// nothing behind but its time.
    pub(crate) fn observe(&mut self, seen: &Observation<'_>) -> Option<Interval> {
        let at = seen.at;
        // A clock that was set back: what is known stays.
        if self.seen.is_some_and(|last| last >= at) {
            return None;
        }
        let last = self.seen.replace(at);
        match (seen.stage, self.open.take()) {
            (Stage::Deployed, None) => {
                let (from, from_slack) = self.beginning(seen, last);
                if self.begun.is_none() {
                    self.begun = Some(Begun {
                        at: from,
                        label: seen.label.clone(),
                        terms: seen.terms.cloned(),
                    });
                }
                self.over = None;
                self.open = Some(interval(from, from_slack, seen));
                None
            }
            (Stage::Deployed, Some(open)) => {
                let same = open.terms.as_ref() == seen.terms
                    && open.label == *seen.label
                    && seen.reservation.is_none_or(|reserved| *reserved == open.reservation);
                if same {
                    self.open = Some(open);
                    return None;
                }
                let slack = last.map_or(0, |last| at.saturating_sub(last));
                let mut next = interval(at, slack, seen);
                if seen.reservation.is_none() {
                    next.reservation = open.reservation.clone();
                }
                self.open = Some(next);
                ended(open, at, slack)
            }
            // It is not deployed, and was: a modification goes on.
            (Stage::Before | Stage::Between, Some(open)) => {
                self.open = Some(open);
                None
            }
            (Stage::Before | Stage::Between, None) => {
                self.before = Some(at);
                None
            }
            (Stage::Over(end), open) => {
                let last = last.unwrap_or(at);
                // Not before it was last seen deployed: that may have been told already.
                let (to, slack) = match end {
                    Some(end) => (end.max(last).min(at), 0),
                    None => (at, at.saturating_sub(last)),
                };
                self.over.get_or_insert(to);
                ended(open?, to, slack)
            }
        }
    }

    /// It is no longer there, and nobody knows since when.
    pub(crate) fn vanish(&mut self, at: i64) -> Option<Interval> {
        self.observe(&Observation {
            at,
            stage: Stage::Over(None),
            start: None,
            label: &Label::default(),
            terms: None,
            reservation: None,
        })
    }

    /// When what is deployed now became so, and how much earlier that may have been.
    fn beginning(&self, seen: &Observation<'_>, last: Option<i64>) -> (i64, i64) {
        let at = seen.at;
        // It was seen and was not deployed, or had been and ended.
        if self.before.is_some() || self.begun.is_some() || self.over.is_some() {
            return (at, last.map_or(0, |last| at.saturating_sub(last)));
        }
        // The first look at it is late: it starts when CSA says so.
        (seen.start.map_or(at, |start| start.min(at)), 0)
    }
}

fn interval(from: i64, from_slack: i64, seen: &Observation<'_>) -> Interval {
    Interval {
        from,
        from_slack,
        to: None,
        to_slack: 0,
        label: seen.label.clone(),
        terms: seen.terms.cloned(),
        reservation: seen.reservation.cloned().unwrap_or_default(),
    }
}

/// None for one that has no length.
fn ended(mut interval: Interval, to: i64, slack: i64) -> Option<Interval> {
    interval.to = Some(to);
    interval.to_slack = slack;
    (to > interval.from).then_some(interval)
}

#[cfg(test)]
mod tests;
