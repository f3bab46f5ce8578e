//! Usage that is pushed: a document of what an instance has used.
//!
//! Abacus counts whatever is posted, also what it has seen before: it gives each request a number of its own. So nothing
//! is ever posted again that may have arrived. What the report said before is kept, and when no answer comes the report
//! is asked whether it has changed since.

use crate::abacus::{Abacus, Sent};
use crate::document::Usage;
use crate::instance::{self, Instance};
use crate::settings::{self, Service};
use crate::time::{self, Month};
use crate::{change, check, ids, report};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, log, operation, pending};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a document is offered to a collector that does not take it.
const OFFERS_MAX: u32 = 20;
/// What an operation that goes on at its next call waits for it.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How often the report is asked while usage settles.
const LOOKS: u32 = 10;

/// Where the push stands, as its token says.
#[derive(Deserialize, Serialize)]
enum Stage {
    /// To be offered, for the first time or again.
    Prepare { offers: u32 },
    /// To be posted in the run with this number. In any later one it may have been.
    Post { before: Option<String>, run: u32, offers: u32 },
    /// It may have been posted: the report tells, until then.
    Look { before: Option<String>, until: i64 },
}

pub(crate) fn push(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    instance::check_type(request.resource.as_ref())?;
    let id = &request.instanceinfo.providerinstanceid;
    let instance = instance::of_requestor(id, &request.requestor)?;
    let usage = Usage::of(&request)?;
    let stage: Option<Stage> = match operation::token() {
        None => None,
        Some(token) => Some(serde_json::from_str(&token).map_err(|_| {
            Failure::refused(500, "The host has called with a token that is not this adapter's.")
        })?),
    };
    let push = Push { abacus: Abacus::open()?, instance, usage };
    match stage {
        None => push.prepare(0),
        Some(Stage::Prepare { offers }) => push.prepare(offers),
        Some(Stage::Post { before, run, offers }) if operation::attempt() <= run => {
            push.post(before, offers)
        }
        // The run that was to post it has ended without a word: the host went down, for one.
        Some(Stage::Post { before, .. }) => push.unknown(before),
        Some(Stage::Look { before, until }) => push.look(before, until),
    }
}

struct Push {
    abacus: Abacus,
    instance: Instance,
    usage: Usage,
}

impl Push {
    /// Looks at what the report says before, so that it can be compared after.
    fn prepare(&self, offers: u32) -> Result<ActOnResourceOutcome, Failure> {
        self.instance.check_live()?;
        self.usage.check_time()?;
        self.usage.check_measures(&self.abacus, &self.instance)?;
        // Where the report of before is only a part, nothing can be compared with it.
        let before = self.counted()?;
        let run = operation::attempt().saturating_add(1);
        pending(token(&Stage::Post { before, run, offers })?, AT_ONCE)
    }

    fn post(&self, before: Option<String>, offers: u32) -> Result<ActOnResourceOutcome, Failure> {
        // A moment ago it was as before. If it is not now, a run that nobody heard of again may have posted.
        if self.instance.metered().is_none()
            && let (Some(was), Some(now)) = (&before, self.counted()?)
            && now != *was
        {
            return self.unknown(before);
        }
        let document = self.usage.document(&self.instance);
        let path = "/v1/metering/collected/usage";
        let answer = match self.abacus.post(Service::Collector, path, &document)? {
            Sent::Answer(answer) => answer,
            Sent::Not(failure) => return self.not_taken(offers, failure),
            Sent::Unknown(_) => return self.unknown(before),
        };
        if answer.ok() {
            let mut ids = change::ids_of(&self.instance);
            // A path and a host of Abacus's own: only its end is of use.
            let place = answer.header("Location").and_then(|place| place.rsplit('/').next());
            if let Some(id) = place.filter(|id| check::is_id(id)) {
                ids.other.put("usagedocument", id);
            }
            return done(ids);
        }
        let failure = self.abacus.refusal("to count usage", &answer);
        self.not_taken(offers, failure)
    }

    /// Nothing was counted: it is offered again, where Abacus is only busy or away.
    fn not_taken(
        &self,
        offers: u32,
        mut failure: Failure,
    ) -> Result<ActOnResourceOutcome, Failure> {
        let passes = failure.retryable && (502..=504).contains(&failure.respcode);
        if passes && offers < OFFERS_MAX {
            let wait = failure.retry_after_ms.map(|ms| Duration::from_millis(ms.into()));
            let stage = Stage::Prepare { offers: offers + 1 };
            return pending(token(&stage)?, wait.unwrap_or(settings::retry()?));
        }
        // The host would ask again by itself.
        failure.retryable = false;
        failure.errormessage += " Nothing was counted.";
        Err(failure)
    }

    /// It may have been counted.
    fn unknown(&self, before: Option<String>) -> Result<ActOnResourceOutcome, Failure> {
        log::warn(
            "Nobody knows whether Abacus has counted a usage document: its report is asked.",
            &[("instance", &self.instance.id)],
        );
        let settle = settings::settle()?;
        let until = i64::try_from(settle.as_millis()).unwrap_or(i64::MAX);
        look_again(before, time::now().saturating_add(until))
    }

    fn look(&self, before: Option<String>, until: i64) -> Result<ActOnResourceOutcome, Failure> {
        let Some(was) = &before else {
            return Err(self.uncertain(
                "and its report was incomplete before, so that nothing can be compared",
            ));
        };
        let now = self.counted();
        let metered = self.instance.metered().is_some();
        match now {
            Ok(Some(now)) if now != *was && metered => Err(self.uncertain(
                "and its report has changed since, which may come from the licences of the same instance",
            )),
            Ok(Some(now)) if now != *was => {
                let mut ids = change::ids_of(&self.instance);
                ids.other.put("confirmed", "Abacus did not answer; its report has changed since, so it has counted this.");
                done(ids)
            }
            _ if time::now() < until => look_again(before, until),
            Ok(Some(_)) => Err(self.uncertain("and its report has not changed since")),
            Ok(None) => Err(self.uncertain("and its report is incomplete since")),
            Err(_) => Err(self.uncertain("and its report cannot be had since")),
        }
    }

    /// What is counted for this instance in the document's month, short. None when Abacus does not know all of it.
    fn counted(&self) -> Result<Option<String>, Failure> {
        let organization = &self.instance.target.organization;
        let month = Month::of(self.usage.end);
        let found = report::fetch(&self.abacus, organization, time::now())?;
        Ok(match (found, month) {
            (Some(found), _) if found.partial => None,
            (Some(found), Some(month)) => {
                Some(ids::digest(&found.report.counted(&self.instance.target, month)))
            }
            (None, _) | (_, None) => Some(ids::digest("")),
        })
    }

    fn uncertain(&self, why: &str) -> Failure {
        log::error(
            "Nobody knows whether Abacus has counted a usage document.",
            &[("instance", &self.instance.id), ("why", why)],
        );
        let text = format!(
            "Abacus was asked to count usage, and nobody knows whether it did: it did not answer, {why}. It is not sent again, since it would count twice. Look at the report: if it is missing there, push it with a new request id; if it is there too often, push it with negative quantities."
        );
        Failure::refused(504, text)
            .code("USAGE_UNCERTAIN")
            .with("providerinstanceid", &self.instance.id)
    }
}

fn look_again(before: Option<String>, until: i64) -> Result<ActOnResourceOutcome, Failure> {
    pending(token(&Stage::Look { before, until })?, settings::settle()? / LOOKS)
}

fn token(stage: &Stage) -> Result<String, Failure> {
    serde_json::to_string(stage)
        .map_err(|_| Failure::refused(500, "The stage cannot be written as JSON."))
}
