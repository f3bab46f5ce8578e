//! What the broker does in the background, and how it tells of it.

use super::service::{Answer, check_query, query, refusal};
use super::{Background, Running, State, Then};
use crate::upstream::Received;
use serde_json::json;

/// Work in the background, when that is what the test wants.
pub(super) fn running(state: &mut State, then: Then) -> Option<Running> {
    if state.background.is_empty() {
        return None;
    }
    state.operations += 1;
    // With all that has to be encoded on its way back.
    let operation = format!("op {}/ä&=?{}", state.operations, "x".repeat(9_000));
    Some(Running { operation, plan: state.background.remove(0), then })
}

pub(super) fn accepted(running: &Running) -> Answer {
    (202, json!({ "operation": running.operation }))
}

/// One more poll; what is to become of it once it is over.
fn poll(running: &mut Running, received: &Received) -> Result<Option<Background>, Answer> {
    if query(received, "operation").as_deref() != Some(&running.operation) {
        return Err(refusal(400, "that is not the operation"));
    }
    match running.plan.polls.checked_sub(1) {
        Some(left) => {
            running.plan.polls = left;
            Ok(None)
        }
        None => Ok(Some(running.plan.clone())),
    }
}

/// Time passes for the work, too, while the broker is asked for something else, and it may be done by now. (How it has
/// failed is told to those only who ask for that.)
pub(super) fn pass(state: &mut State, id: &str) {
    let bindings = state.bindings.iter().filter(|((of, _), _)| of == id);
    let ids: Vec<_> = bindings.map(|(key, _)| key.clone()).collect();
    let is_over = |running: &mut Option<Running>| {
        let of = running.as_mut().filter(|of| of.plan.end["state"] == "succeeded")?;
        match of.plan.polls.checked_sub(1) {
            Some(left) => {
                of.plan.polls = left;
                None
            }
            None => running.take().map(|of| of.then),
        }
    };
    for key in ids {
        let over = state.bindings.get_mut(&key).and_then(|there| is_over(&mut there.running));
        if over == Some(Then::Goes) {
            state.bindings.remove(&key);
        }
    }
    let Some(instance) = state.instances.get_mut(id) else { return };
    match is_over(&mut instance.running) {
        Some(Then::Becomes(body)) => instance.body = body,
        Some(Then::Goes) => drop(state.instances.remove(id)),
        Some(Then::Stays) | None => {}
    }
}

const IN_PROGRESS: &str = "in progress";

pub(super) fn last_operation(
    state: &mut State,
    id: &str,
    received: &Received,
) -> Result<Answer, Answer> {
    let Some(instance) = state.instances.get_mut(id) else { return Err((410, json!({}))) };
    check_query(&instance.body, received)?;
    let Some(running) = &mut instance.running else {
        return Ok((200, json!({ "state": "succeeded" })));
    };
    let Some(over) = poll(running, received)? else {
        return Ok((200, json!({ "state": IN_PROGRESS })));
    };
    let then = running.then.clone();
    instance.running = None;
    if over.end["state"] == "succeeded" {
        match then {
            Then::Stays => {}
            Then::Becomes(body) => instance.body = body,
            Then::Goes => drop(state.instances.remove(id)),
        }
    }
    Ok((200, over.end))
}

pub(super) fn last_binding(
    state: &mut State,
    id: &str,
    binding: &str,
    received: &Received,
) -> Result<Answer, Answer> {
    let key = (id.to_owned(), binding.to_owned());
    let Some(there) = state.bindings.get_mut(&key) else { return Err((410, json!({}))) };
    check_query(&there.body, received)?;
    let Some(running) = &mut there.running else {
        return Ok((200, json!({ "state": "succeeded" })));
    };
    let Some(over) = poll(running, received)? else {
        return Ok((200, json!({ "state": IN_PROGRESS })));
    };
    let goes = running.then == Then::Goes;
    there.running = None;
    if over.end["state"] == "succeeded" && goes {
        state.bindings.remove(&key);
    }
    Ok((200, over.end))
}
