//! What a mutating function answers: done, or pending.

use crate::types::*;
use std::time::Duration;

/// An outcome of the contract: one type per mutating function, all with the same two cases.
pub trait Outcome: Sized {
    /// What it holds when the work is done.
    type Done;
    /// What it holds while it is not.
    type Pending;

    /// The work is done.
    fn from_done(done: Self::Done) -> Self;
    /// The provider is still at it.
    fn from_pending(pending: Self::Pending) -> Self;
    /// What came of it.
    fn into_result(self) -> Result<Self::Done, Self::Pending>;
}

macro_rules! outcome {
    ($($outcome:ident, $done:ident, $pending:ident;)*) => {$(
        impl Outcome for $outcome {
            type Done = $done;
            type Pending = $pending;

            fn from_done(done: $done) -> Self {
                Self::Done(done)
            }

            fn from_pending(pending: $pending) -> Self {
                Self::Pending(pending)
            }

            fn into_result(self) -> Result<$done, $pending> {
                match self {
                    Self::Done(done) => Ok(done),
                    Self::Pending(pending) => Err(pending),
                }
            }
        }
    )*};
}

outcome! {
    CreateAccountOutcome, AccountIds, Pending;
    UpdateAccountOutcome, AccountIds, Pending;
    DeleteAccountOutcome, AccountIds, Pending;
    CreateUserOutcome, UserIds, Pending;
    UpdateUserOutcome, UserIds, Pending;
    DeleteUserOutcome, UserIds, Pending;
    ChangeSeatOutcome, SeatIds, Pending;
    CreateResourceOutcome, CreatedResource, PendingResource;
    UpdateResourceOutcome, ResourceIds, Pending;
    ActOnResourceOutcome, ResourceIds, Pending;
    DeleteResourceOutcome, ResourceIds, Pending;
}

/// The work is done, and this is its result.
pub fn done<O: Outcome>(value: O::Done) -> Result<O, Failure> {
    Ok(O::from_done(value))
}

/// The provider has accepted the work: call again after the wait, with this token.
pub fn pending<O: Outcome<Pending = Pending>>(
    token: impl Into<String>,
    poll_after: Duration,
) -> Result<O, Failure> {
    Ok(O::from_pending(Pending { token: token.into(), poll_after_ms: milliseconds(poll_after) }))
}

/// As [`pending`], for an instance that exists at the provider and is not usable yet.
pub fn pending_resource(
    providerinstanceid: impl Into<String>,
    token: impl Into<String>,
    poll_after: Duration,
) -> Result<CreateResourceOutcome, Failure> {
    Ok(CreateResourceOutcome::Pending(PendingResource {
        providerinstanceid: providerinstanceid.into(),
        token: token.into(),
        poll_after_ms: milliseconds(poll_after),
    }))
}

/// The host keeps a wait within its own bounds, so the longest stands for anything longer.
fn milliseconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}
