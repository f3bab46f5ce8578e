//! Usage documents: what a caller says was used, checked before Abacus sees it. Abacus takes much that it then loses,
//! and says nothing when it does.

use crate::abacus::Abacus;
use crate::instance::Instance;
use crate::plan::Metering;
use crate::time::{self, Month};
use crate::{check, number, settings};
use cnsp_sdk::Failure;
use cnsp_sdk::types::ActOnResource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeSet;

/// How many measures a document has at most.
const MEASURES_MAX: usize = 100;
/// Times before this one, in 2001, are in seconds.
const MILLISECONDS_MIN: i64 = 1_000_000_000_000;

/// What an action says was used.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    start: i64,
    pub(crate) end: i64,
    #[serde(alias = "measured_usage")]
    measuredusage: Vec<Measured>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    measure: String,
    quantity: Number,
}

impl Usage {
    pub(crate) fn of(request: &ActOnResource) -> Result<Self, Failure> {
        let mut members = Map::new();
        for (key, json) in request.parameters.iter().chain(&request.additionalparameters) {
            let value: Value = serde_json::from_str(json)
                .map_err(|_| Failure::invalid(format!("`{key}` is no JSON value.")))?;
            members.insert(key.clone(), value);
        }
        let usage: Self = serde_json::from_value(Value::Object(members)).map_err(|error| {
            Failure::invalid(format!(
                "`parameters` has to have `start` and `end`, in milliseconds since 1970, and `measuredusage`, a list of `measure` and `quantity`: {}.",
                check::said(&error.to_string())
            ))
        })?;
        usage.check()?;
        Ok(usage)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.start < MILLISECONDS_MIN || self.end < MILLISECONDS_MIN {
            let text = "`start` and `end` are in milliseconds since 1970, not in seconds.";
            return Err(Failure::invalid(text));
        }
        if self.start > self.end {
            return Err(Failure::invalid("`start` is after `end`."));
        }
        if !(1..=MEASURES_MAX).contains(&self.measuredusage.len()) {
            let text = format!("`measuredusage` has to have 1 to {MEASURES_MAX} measures.");
            return Err(Failure::invalid(text));
        }
        let mut seen = BTreeSet::new();
        for measured in &self.measuredusage {
            check::id("measure", &measured.measure)?;
            if !seen.insert(&measured.measure) {
                let text = format!("The measure `{}` is there twice.", measured.measure);
                return Err(Failure::invalid(text));
            }
            if number::decimal(&measured.quantity).is_none() {
                let text = format!(
                    "The quantity of `{}` is too large, too small, or too long.",
                    measured.measure
                );
                return Err(Failure::invalid(text));
            }
        }
        Ok(())
    }

    /// What comes at the wrong time Abacus would take, and then lose.
    pub(crate) fn check_time(&self) -> Result<(), Failure> {
        let now = time::now();
        if self.end >= time::next_day(now) {
            let text = "`end` is after the end of today (UTC): Abacus would not count it. Push it once its day has begun.";
            return Err(Failure::invalid(text));
        }
        let slack = i64::try_from(settings::slack()?.as_millis()).unwrap_or(i64::MAX);
        let open = Month::of(now.saturating_sub(slack)).map_or(0, Month::start);
        if self.end < open {
            let text = format!(
                "`end` is in a month that Abacus has closed: it takes usage from {} on. What was not counted has to be charged elsewhere.",
                time::instant(open)
            );
            return Err(Failure::invalid(text));
        }
        Ok(())
    }

    pub(crate) fn check_measures(
        &self,
        abacus: &Abacus,
        instance: &Instance,
    ) -> Result<(), Failure> {
        let plan = &instance.metering_plan;
        let Some(plan) = Metering::fetch(abacus, plan)? else {
            let text =
                format!("Abacus does not have the metering plan `{plan}`. Its vendor must look.");
            return Err(Failure::refused(502, text).retryable());
        };
        match self.measuredusage.iter().find(|measured| !plan.takes(&measured.measure)) {
            None => Ok(()),
            Some(Measured { measure, .. }) => Err(Failure::invalid(format!(
                "The metering plan has no measure `{measure}`: its measures are `{}`.",
                check::said(&plan.measures())
            ))),
        }
    }

    pub(crate) fn document(&self, instance: &Instance) -> Value {
        let mut document = Map::new();
        document.insert("start".to_owned(), json!(self.start));
        document.insert("end".to_owned(), json!(self.end));
        document.extend(instance.target.members());
        document.insert("measured_usage".to_owned(), json!(self.measuredusage));
        Value::Object(document)
    }
}
