//! How far the broker is with what it does in the background.

use crate::check;
use crate::verdict::{Trouble, read, retry_after};
use cnsp_sdk::Failure;
use cnsp_sdk::http::{HttpError, Response};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// What the last operation has come to.
#[derive(Debug)]
pub(crate) enum Progress {
    Succeeded,
    Waiting(Duration),
    Failed(Trouble),
    /// There is no such thing: what a deletion comes to.
    Gone,
}

#[derive(Deserialize)]
struct LastOperation {
    state: String,
    #[serde(default)]
    description: Value,
    #[serde(default)]
    instance_usable: Value,
    #[serde(default)]
    update_repeatable: Value,
}

/// The verdict on a poll. An answer that is none, or no valid one, is no reason to stop asking.
pub(crate) fn progress(answer: Result<Response, HttpError>, interval: Duration) -> Progress {
    let Ok(answer) = answer else { return Progress::Waiting(interval) };
    let wait = retry_after(&answer).unwrap_or(interval);
    if answer.status == 410 {
        return Progress::Gone;
    }
    let last = match (answer.status, read::<LastOperation>(&answer)) {
        (200, Ok(last)) => last,
        _ => return Progress::Waiting(wait),
    };
    match last.state.as_str() {
        "succeeded" => Progress::Succeeded,
        "failed" => {
            let said = check::said(last.description.as_str().unwrap_or_default());
            let said = if said.is_empty() {
                "It does not say why.".to_owned()
            } else {
                format!("“{said}”")
            };
            let failure = Failure::refused(502, format!("The broker's operation failed. {said}"));
            let failure = match last.update_repeatable == false {
                true => failure.with("updaterepeatable", false),
                false => failure,
            };
            Progress::Failed(Trouble {
                unusable: last.instance_usable == false,
                ..Trouble::refused(failure)
            })
        }
        _ => Progress::Waiting(wait),
    }
}
