//! What a check has found, as it is kept, answered and shown.

use crate::error::{Error, Result};
use crate::limits::fixed;
use crate::model::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// How long a text of the provider's may be, and a reason with one in it.
const TEXT_BYTES_MAX: usize = 200;
pub(super) const WHY_BYTES_MAX: usize = 400;

/// How a resource differs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The host has it, and the provider does not.
    Missing,
    /// The provider has it, and the host does not.
    Extra,
    /// It is in another state.
    State,
    /// It has another number of licences.
    Quantity,
    /// Others have its seats, or more seats are given than there are licences.
    Seats,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] =
        [Kind::Missing, Kind::Extra, Kind::State, Kind::Quantity, Kind::Seats];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::State => "state",
            Kind::Quantity => "quantity",
            Kind::Seats => "seats",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The last drift check of an endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DriftView {
    pub(super) endpoint: String,
    /// How often it is checked by itself, in seconds. 0: it is not.
    pub(super) check_s: u64,
    /// When it is checked next by itself, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_check_at: Option<String>,
    /// The check that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) running: Option<RunningCheck>,
    /// Why the last check came to no report, where it is later than the last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<FailedCheck>,
    /// What the last check that came to its end has found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<DriftReport>,
}

/// How far a check is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RunningCheck {
    /// RFC 3339.
    pub(super) began_at: String,
    /// Accounts whose resources are listed.
    pub(super) accounts: usize,
    /// Of how many, as far as is known.
    pub(super) accounts_known: usize,
    /// Resources that the provider has listed.
    pub(super) resources: usize,
    /// Calls of the plugin.
    pub(super) pages: usize,
}

/// A check that came to no end. The report of the one before stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailedCheck {
    /// When it began, RFC 3339.
    pub(super) began_at: String,
    /// When it ended.
    pub(super) at: String,
    /// A code of the API, or `CANNOT_LIST`, `REFUSED`, `LIST_TOO_LONG`, `INTERRUPTED`.
    pub(super) code: String,
    pub(super) reason: String,
}

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DriftReport {
    /// RFC 3339.
    pub(super) began_at: String,
    pub(super) ended_at: String,
    pub(super) listed: Listed,
    /// The host's resources that were compared.
    pub(super) compared: usize,
    /// How many differences there are of each kind, without those that are ignored.
    pub(super) counts: BTreeMap<Kind, usize>,
    /// Differences that are ignored, and have not changed.
    pub(super) ignored: usize,
    /// Differences that are counted and not listed: a report is no longer than it may be.
    pub(super) left_out: usize,
    /// What could not be compared, and why.
    pub(super) skipped: Vec<Skipped>,
    /// How many more there are of them.
    pub(super) skipped_left_out: usize,
    /// What there is to know of the list.
    pub(super) notes: Vec<String>,
    /// By kind, then by resource.
    pub(super) differences: Vec<Difference>,
}

/// What the provider has listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Listed {
    pub(super) accounts: usize,
    pub(super) resources: usize,
    pub(super) pages: usize,
    /// Resources that were in the list more than once, always the same.
    pub(super) duplicates: usize,
    /// Resources that the provider has and does not list.
    pub(super) unlisted: usize,
}

/// Something that was not compared or not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Skipped {
    /// An instance's id, `account ID`, or the name of a difference.
    pub(super) what: String,
    pub(super) why: String,
}

impl Skipped {
    pub(super) fn new(what: impl Into<String>, why: impl Into<String>) -> Skipped {
        Skipped { what: what.into(), why: why.into() }
    }
}

/// One difference between the host's records and the provider's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Difference {
    /// What it is called here: `KIND/INSTANCE`.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The provider's id.
    pub(super) providerinstanceid: String,
    /// The marketplace's id of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accountid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) provideraccountid: Option<String>,
    /// What the host has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ours: Option<Side>,
    /// What the provider has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<Side>,
    /// When a check has first seen a difference of this kind of this resource, RFC 3339.
    pub(super) since: String,
    /// Changes with what differs: an ignored difference is recognised by it.
    pub(super) fingerprint: String,
    /// The version of the host's record that was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) record_version: Option<u64>,
}

/// What one side has of a resource. What is left out is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Side {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sku: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subscriptionid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) license: Option<u64>,
    /// How many seats are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seats: Option<usize>,
    /// The first of those users who have a seat on this side only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) users_only_here: Vec<String>,
}

/// What came of adopting, ignoring, or a dry run of that.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct DriftSettled {
    pub(super) endpoint: String,
    pub(super) dry_run: bool,
    /// The differences that are settled, by name.
    pub(super) settled: Vec<String>,
    pub(super) skipped: Vec<Skipped>,
}

/// Which differences are meant: one, or all of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    One(String),
    All(Kind),
}

impl Wanted {
    /// `KIND` or `KIND/INSTANCE`.
    pub(crate) fn parse(text: &str) -> Option<Wanted> {
        let (kind, instance) =
            text.split_once('/').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        match instance {
            None => Some(Wanted::All(kind)),
            Some("") => None,
            Some(_) => Some(Wanted::One(text.to_owned())),
        }
    }

    /// All names of a request.
    pub(crate) fn parse_all(names: &[String]) -> Result<Vec<Wanted>> {
        let max = fixed::DRIFT_DIFFERENCES.max;
        if names.is_empty() || names.len() > max {
            return Err(Error::invalid(format!("`differences` names 1 to {max} of them.")));
        }
        let parse = |name: &String| {
            Wanted::parse(name).ok_or_else(|| {
                Error::invalid(format!(
                    "`{}` is no difference: name one as KIND/INSTANCE, or all of a KIND, which is missing, extra, state, quantity or seats.",
                    shown(name)
                ))
            })
        };
        names.iter().map(parse).collect()
    }

    pub(super) fn means(&self, difference: &Difference) -> bool {
        match self {
            Wanted::One(name) => *name == difference.name,
            Wanted::All(kind) => *kind == difference.kind,
        }
    }
}

impl DriftReport {
    /// Counts a difference, and lists it where there is room.
    pub(super) fn add(&mut self, difference: Difference) {
        *self.counts.entry(difference.kind).or_default() += 1;
        match self.differences.len() < fixed::DRIFT_DIFFERENCES.max {
            true => self.differences.push(difference),
            false => self.left_out += 1,
        }
    }

    /// Takes differences out, which are settled or none.
    pub(super) fn remove(&mut self, mut is_gone: impl FnMut(&Difference) -> bool) -> usize {
        let before = self.differences.len();
        let counts = &mut self.counts;
        self.differences.retain(|difference| {
            let gone = is_gone(difference);
            if gone && let Some(count) = counts.get_mut(&difference.kind) {
                *count = count.saturating_sub(1);
            }
            !gone
        });
        before - self.differences.len()
    }

    /// Notes what could not be compared.
    pub(super) fn skip(&mut self, what: &str, why: impl Into<String>) {
        match self.skipped.len() < fixed::DRIFT_SKIPPED.max {
            true => {
                let why = shortened(&why.into(), WHY_BYTES_MAX);
                self.skipped.push(Skipped::new(cut(what), why));
            }
            false => self.skipped_left_out += 1,
        }
    }

    /// Whether everything was compared, and is listed.
    pub(super) fn is_whole(&self) -> bool {
        self.skipped.is_empty() && self.skipped_left_out == 0 && self.left_out == 0
    }

    /// In the order in which it is shown.
    pub(super) fn sort(&mut self) {
        self.differences
            .sort_by(|a, b| (a.kind, &a.providerinstanceid).cmp(&(b.kind, &b.providerinstanceid)));
    }
}

/// A text of the provider's, as short and plain as it is kept.
pub(super) fn cut(text: &str) -> String {
    shortened(&shown(text).to_string(), TEXT_BYTES_MAX)
}

/// The beginning of a text that may have something of the provider's in it: all of it goes into one record.
pub(super) fn shortened(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_kind_and_resource() {
        assert_eq!(Wanted::parse("state"), Some(Wanted::All(Kind::State)));
        assert_eq!(Wanted::parse("extra/a/b"), Some(Wanted::One("extra/a/b".to_owned())));
        for wrong in ["", "i-1", "state/", "gone/i-1", "/", "STATE"] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong}");
        }
    }
}
