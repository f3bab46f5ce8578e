//! Seats: which users may use an instance.

use crate::account::finish;
use crate::body::{self, Body};
use crate::object::{Object, Wrong};
use crate::remote::{Remote, Sent};
use crate::settings::About;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done};

const PATH: &str = "/account/user/resource";
/// CNSP 1.0 samples it with 404, as what is missing is. Only the text tells them apart.
const HAS_SEAT: &str = "already has a seat";

pub(crate) fn assign(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    change(request, |failure| failure.errormessage.to_ascii_lowercase().contains(HAS_SEAT))
}

pub(crate) fn revoke(request: ChangeSeat) -> Result<ChangeSeatOutcome, Failure> {
    // Whatever is missing, the user has no seat of it.
    change(request, |failure| failure.respcode == 404)
}

/// CNSP 1.0 has no way to ask for a seat. So where it is not known whether the change was made, it is made again,
/// and a refusal because it is made already says that it was.
fn change(
    request: ChangeSeat,
    is_made: impl Fn(&Failure) -> bool,
) -> Result<ChangeSeatOutcome, Failure> {
    let remote = Remote::open()?;
    let body = Body::default()
        .text("action", &request.action)
        .object("instanceinfo", body::instance_info(&request.instanceinfo))
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Account, "PUT", PATH, body, false)?;
    let instance = &request.instanceinfo.providerinstanceid;
    let sent = match remote.send(&change) {
        Sent::Unknown(_) if !change.repeats => match remote.send(&change) {
            Sent::Refused(failure) if is_made(&failure) => {
                return done(ids(Object::default(), instance)?);
            }
            sent => sent,
        },
        sent => sent,
    };
    finish(&remote, sent, |response| ids(response, instance))
}

fn ids(mut response: Object, instance: &str) -> Result<SeatIds, Wrong> {
    Ok(SeatIds {
        providerinstanceid: response.text_or("providerinstanceid", instance),
        other: response.rest()?,
    })
}
