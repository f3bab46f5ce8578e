//! Abacus's report of an organization: what its consumers have used, by resource, plan and metric.
//!
//! Each metric has five lists of windows, for seconds, minutes, hours, days and months, each from the current one into
//! the past. Which month is the current one the report's `processed` tells.

use crate::abacus::{self, Abacus};
use crate::settings::Service;
use crate::target::Target;
use crate::time::Month;
use cnsp_sdk::Failure;
use serde::Deserialize;
use serde_json::{Number, Value};

/// Where the months are.
const MONTHS: usize = 4;

/// What Abacus says about an organization.
pub(crate) struct Found {
    pub(crate) report: Report,
    /// Whether it says itself that something is missing (206).
    pub(crate) partial: bool,
}

#[derive(Deserialize)]
pub(crate) struct Report {
    /// Absent where nothing has been used.
    #[serde(default)]
    processed: Option<i64>,
    #[serde(default)]
    spaces: Vec<Space>,
}

#[derive(Deserialize)]
struct Space {
    space_id: String,
    #[serde(default)]
    consumers: Vec<ConsumerUsage>,
}

#[derive(Deserialize)]
struct ConsumerUsage {
    consumer_id: String,
    #[serde(default)]
    resources: Vec<ResourceUsage>,
}

#[derive(Deserialize)]
struct ResourceUsage {
    resource_id: String,
    #[serde(default)]
    plans: Vec<PlanUsage>,
}

#[derive(Deserialize)]
pub(crate) struct PlanUsage {
    plan_id: String,
    #[serde(default)]
    pub(crate) metering_plan_id: Option<String>,
    #[serde(default)]
    rating_plan_id: Option<String>,
    #[serde(default)]
    pricing_plan_id: Option<String>,
    #[serde(default)]
    aggregated_usage: Vec<MetricUsage>,
}

#[derive(Deserialize)]
struct MetricUsage {
    metric: String,
    windows: Vec<Vec<Option<Cell>>>,
}

/// One window of one metric.
#[derive(Deserialize)]
pub(crate) struct Cell {
    /// A number, or whatever else the plan's functions count with.
    #[serde(default)]
    quantity: Value,
    #[serde(default)]
    summary: Option<Number>,
    #[serde(default)]
    pub(crate) charge: Option<Number>,
}

/// What a consumer has used of one metric in one window.
pub(crate) struct Figure<'a> {
    pub(crate) space_id: &'a str,
    pub(crate) consumer_id: &'a str,
    pub(crate) resource_id: &'a str,
    pub(crate) plan: &'a PlanUsage,
    pub(crate) metric: &'a str,
    pub(crate) cell: &'a Cell,
}

impl Cell {
    /// What was used, once the plan's functions have made a number of it.
    pub(crate) fn used(&self) -> Option<&Number> {
        match (&self.summary, &self.quantity) {
            (Some(summary), _) => Some(summary),
            (None, Value::Number(quantity)) => Some(quantity),
            (None, _) => None,
        }
    }
}

impl PlanUsage {
    /// The plan's own id: Abacus puts those of its other three plans behind it.
    pub(crate) fn plan_id(&self) -> &str {
        let (Some(metering), Some(rating), Some(pricing)) =
            (&self.metering_plan_id, &self.rating_plan_id, &self.pricing_plan_id)
        else {
            return &self.plan_id;
        };
        let others = format!("/{metering}/{rating}/{pricing}");
        self.plan_id.strip_suffix(&others).unwrap_or(&self.plan_id)
    }
}

impl Report {
    /// Where a month's windows are in its lists. None when it has none of that month.
    fn index(&self, month: Month) -> Option<usize> {
        let current = Month::of(self.processed?)?;
        usize::try_from(current.since(month)).ok()
    }

    /// Whether it tells of a month at all.
    pub(crate) fn covers(&self, month: Month) -> bool {
        !self.figures(month).is_empty()
    }

    /// Everything that it tells of a month.
    pub(crate) fn figures(&self, month: Month) -> Vec<Figure<'_>> {
        let Some(index) = self.index(month) else { return Vec::new() };
        let consumers = self.spaces.iter().flat_map(|space| {
            space.consumers.iter().map(move |consumer| (space.space_id.as_str(), consumer))
        });
        let plans = consumers.flat_map(|(space, consumer)| {
            let resources = consumer.resources.iter();
            let plans = resources.flat_map(|of| of.plans.iter().map(move |plan| (of, plan)));
            plans.map(move |(resource, plan)| (space, consumer, resource, plan))
        });
        let figures = plans.flat_map(|(space_id, consumer, resource, plan)| {
            plan.aggregated_usage.iter().filter_map(move |metric| {
                Some(Figure {
                    space_id,
                    consumer_id: &consumer.consumer_id,
                    resource_id: &resource.resource_id,
                    plan,
                    metric: &metric.metric,
                    cell: metric.window(index)?,
                })
            })
        });
        figures.collect()
    }

    /// Every figure of a target in a month, as one text: it is another when any of them is.
    pub(crate) fn counted(&self, target: &Target, month: Month) -> String {
        let figures = self.figures(month);
        let own = figures.iter().filter(|figure| figure.is_of(target));
        let mut lines: Vec<String> = own
            .map(|Figure { metric, cell, .. }| match (&cell.quantity, &cell.summary) {
                // A summary may grow with time alone; the quantity is what was counted.
                (Value::Null, Some(summary)) => format!("{metric:?} {summary}"),
                (quantity, _) => format!("{metric:?} {quantity}"),
            })
            .collect();
        lines.sort();
        lines.join("\n")
    }
}

impl Figure<'_> {
    pub(crate) fn is_of(&self, target: &Target) -> bool {
        self.space_id == target.consumer.space_id()
            && self.consumer_id == target.consumer.consumer_id()
            && self.resource_id == target.resource
            && self.plan.plan_id() == target.plan
    }
}

impl MetricUsage {
    fn window(&self, index: usize) -> Option<&Cell> {
        self.windows.get(MONTHS)?.get(index)?.as_ref()
    }
}

/// The report of an organization as of a moment. None when Abacus knows no usage of it.
pub(crate) fn fetch(
    abacus: &Abacus,
    organization: &str,
    at: i64,
) -> Result<Option<Found>, Failure> {
    let organization = abacus::segment(organization)?;
    let path = format!("/v1/metering/organizations/{organization}/aggregated/usage/{at}");
    let answer = abacus.get(Service::Reporting, &path, "an organization's usage")?;
    match answer.status {
        404 => Ok(None),
        status => {
            let report = abacus::read("The usage report", &answer)?;
            Ok(Some(Found { report, partial: status == 206 }))
        }
    }
}
