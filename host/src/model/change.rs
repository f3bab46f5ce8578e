//! The changes that a caller can ask for, and what comes of them.

use super::*;
use crate::plugin::{CallState, bindings::Exports};
use serde::Serialize;
use std::time::Duration;

/// One mutating request, parsed.
#[derive(Clone)]
pub(crate) enum Change {
    CreateAccount(CreateAccount),
    UpdateAccount(UpdateAccount),
    DeleteAccount(DeleteAccount),
    CreateUser(CreateUser),
    UpdateUser(UpdateUser),
    DeleteUser(DeleteUser),
    AssignSeat(ChangeSeat),
    RevokeSeat(ChangeSeat),
    CreateResource(CreateResource),
    UpdateResource(UpdateResource),
    ActOnResource(ActOnResource),
    DeleteResource(DeleteResource),
}

/// What a change that is done answers.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Done {
    Account(AccountIds),
    User(UserIds),
    Seat(SeatIds),
    Created(CreatedResource),
    Resource(ResourceIds),
}

/// Where a change stands after a call of the plugin.
pub(crate) enum Outcome {
    Done(Done),
    Pending {
        token: String,
        poll_after: Duration,
        /// The instance that is being created.
        instance: Option<String>,
    },
}

/// A done or pending case of the contract as an [`Outcome`].
macro_rules! outcome {
    ($answer:expr, $outcome:ident, $done:ident) => {
        $answer.map(|outcome| match outcome {
            $outcome::Done(done) => Outcome::Done(Done::$done(done)),
            $outcome::Pending(pending) => pending.into(),
        })
    };
}

impl From<Pending> for Outcome {
    fn from(pending: Pending) -> Outcome {
        let poll_after = Duration::from_millis(pending.poll_after_ms.into());
        Outcome::Pending { token: pending.token, poll_after, instance: None }
    }
}

impl From<PendingResource> for Outcome {
    fn from(pending: PendingResource) -> Outcome {
        let poll_after = Duration::from_millis(pending.poll_after_ms.into());
        Outcome::Pending {
            token: pending.token,
            poll_after,
            instance: Some(pending.providerinstanceid),
        }
    }
}

impl Change {
    pub(crate) fn kind(&self) -> OperationKind {
        match self {
            Change::CreateAccount(_) => OperationKind::CreateAccount,
            Change::UpdateAccount(_) => OperationKind::UpdateAccount,
            Change::DeleteAccount(_) => OperationKind::DeleteAccount,
            Change::CreateUser(_) => OperationKind::CreateUser,
            Change::UpdateUser(_) => OperationKind::UpdateUser,
            Change::DeleteUser(_) => OperationKind::DeleteUser,
            Change::AssignSeat(_) => OperationKind::AssignSeat,
            Change::RevokeSeat(_) => OperationKind::RevokeSeat,
            Change::CreateResource(_) => OperationKind::CreateResource,
            Change::UpdateResource(_) => OperationKind::UpdateResource,
            Change::ActOnResource(request) => match request.action.as_str() {
                "update.suspend" => OperationKind::SuspendResource,
                "update.reactivate" => OperationKind::ReactivateResource,
                _ => OperationKind::ActOnResource,
            },
            Change::DeleteResource(_) => OperationKind::DeleteResource,
        }
    }

    /// The `requestid` of the body, where CNSP has one.
    pub(crate) fn requestid(&self) -> Option<&str> {
        match self {
            Change::CreateResource(request) => request.requestid.as_deref(),
            Change::UpdateResource(request) => request.requestid.as_deref(),
            Change::ActOnResource(request) => request.requestid.as_deref(),
            Change::DeleteResource(request) => request.requestid.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn requestor(&self) -> Option<&Requestor> {
        match self {
            Change::CreateAccount(_) => None,
            Change::UpdateAccount(request) => Some(&request.requestor),
            Change::DeleteAccount(request) => Some(&request.requestor),
            Change::CreateUser(request) => Some(&request.requestor),
            Change::UpdateUser(request) => Some(&request.requestor),
            Change::DeleteUser(request) => Some(&request.requestor),
            Change::AssignSeat(request) | Change::RevokeSeat(request) => Some(&request.requestor),
            Change::CreateResource(request) => Some(&request.requestor),
            Change::UpdateResource(request) => Some(&request.requestor),
            Change::ActOnResource(request) => Some(&request.requestor),
            Change::DeleteResource(request) => Some(&request.requestor),
        }
    }

    /// The instance that is changed, if one is.
    pub(crate) fn instance(&self) -> Option<&str> {
        let info = match self {
            Change::AssignSeat(request) | Change::RevokeSeat(request) => &request.instanceinfo,
            Change::UpdateResource(request) => &request.instanceinfo,
            Change::ActOnResource(request) => &request.instanceinfo,
            Change::DeleteResource(request) => &request.instanceinfo,
            _ => return None,
        };
        Some(&info.providerinstanceid)
    }

    pub(crate) fn sku(&self) -> Option<&str> {
        match self {
            Change::CreateResource(request) => Some(&request.parameters.sku),
            _ => None,
        }
    }

    /// Whose changes wait for each other: an account, else what else is named.
    pub(crate) fn queue(&self) -> Option<&str> {
        if let Change::CreateAccount(request) = self {
            return Some(&request.accountid);
        }
        let requestor = self.requestor()?;
        let account = requestor.provideraccountid.as_deref().or(requestor.accountid.as_deref());
        account.or(self.instance()).or_else(|| self.user())
    }

    /// The user who is changed, or whose seat is.
    pub(crate) fn user(&self) -> Option<&str> {
        let requestor = self.requestor()?;
        requestor.userid.as_deref().or(requestor.provideruserid.as_deref())
    }

    /// What one pending change at a time may be made to.
    pub(crate) fn subject(&self) -> Option<String> {
        if let Some(instance) = self.instance() {
            return Some(format!("instance/{instance}"));
        }
        match self {
            Change::CreateAccount(request) => Some(format!("account/{}", request.accountid)),
            Change::UpdateAccount(_) | Change::DeleteAccount(_) => {
                self.queue().map(|account| format!("account/{account}"))
            }
            Change::CreateUser(request) => Some(format!("email/{}", request.email)),
            Change::UpdateUser(_) | Change::DeleteUser(_) => {
                self.user().map(|user| format!("user/{user}"))
            }
            _ => None,
        }
    }

    /// Calls the plugin's function for it.
    pub(crate) async fn call(
        self,
        adapter: &Exports<'_>,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<Result<Outcome, Failure>> {
        Ok(match self {
            Change::CreateAccount(request) => {
                outcome!(
                    adapter.account(&mut *store)?.call_create(store, &request).await?,
                    CreateAccountOutcome,
                    Account
                )
            }
            Change::UpdateAccount(request) => {
                outcome!(
                    adapter.account(&mut *store)?.call_update(store, &request).await?,
                    UpdateAccountOutcome,
                    Account
                )
            }
            Change::DeleteAccount(request) => {
                outcome!(
                    adapter.account(&mut *store)?.call_delete(store, &request).await?,
                    DeleteAccountOutcome,
                    Account
                )
            }
            Change::CreateUser(request) => {
                outcome!(
                    adapter.user(&mut *store)?.call_create(store, &request).await?,
                    CreateUserOutcome,
                    User
                )
            }
            Change::UpdateUser(request) => {
                outcome!(
                    adapter.user(&mut *store)?.call_update(store, &request).await?,
                    UpdateUserOutcome,
                    User
                )
            }
            Change::DeleteUser(request) => {
                outcome!(
                    adapter.user(&mut *store)?.call_delete(store, &request).await?,
                    DeleteUserOutcome,
                    User
                )
            }
            Change::AssignSeat(request) => {
                outcome!(
                    adapter.user(&mut *store)?.call_assign(store, &request).await?,
                    ChangeSeatOutcome,
                    Seat
                )
            }
            Change::RevokeSeat(request) => {
                outcome!(
                    adapter.user(&mut *store)?.call_revoke(store, &request).await?,
                    ChangeSeatOutcome,
                    Seat
                )
            }
            Change::CreateResource(request) => {
                outcome!(
                    adapter.resource(&mut *store)?.call_create(store, &request).await?,
                    CreateResourceOutcome,
                    Created
                )
            }
            Change::UpdateResource(request) => {
                outcome!(
                    adapter.resource(&mut *store)?.call_update(store, &request).await?,
                    UpdateResourceOutcome,
                    Resource
                )
            }
            Change::ActOnResource(request) => {
                outcome!(
                    adapter.resource(&mut *store)?.call_act(store, &request).await?,
                    ActOnResourceOutcome,
                    Resource
                )
            }
            Change::DeleteResource(request) => {
                outcome!(
                    adapter.resource(&mut *store)?.call_delete(store, &request).await?,
                    DeleteResourceOutcome,
                    Resource
                )
            }
        })
    }
}

impl Change {
    /// The change that `name` (`account.create` and so on) and a body describe.
    pub(crate) fn parse(name: &str, body: &[u8]) -> crate::error::Result<Change> {
        Ok(match name {
            "account.create" => Change::CreateAccount(super::body::parse(body)?),
            "account.update" => Change::UpdateAccount(super::body::parse(body)?),
            "account.delete" => Change::DeleteAccount(super::body::parse(body)?),
            "user.create" => Change::CreateUser(super::body::parse(body)?),
            "user.update" => Change::UpdateUser(super::body::parse(body)?),
            "user.delete" => Change::DeleteUser(super::body::parse(body)?),
            "user.assign" => Change::AssignSeat(super::body::parse(body)?),
            "user.revoke" => Change::RevokeSeat(super::body::parse(body)?),
            "resource.create" => Change::CreateResource(super::body::parse(body)?),
            "resource.update" => Change::UpdateResource(super::body::parse(body)?),
            "resource.delete" => Change::DeleteResource(super::body::parse(body)?),
            "resource.suspend" | "resource.reactivate" | "resource.act" => {
                Change::ActOnResource(super::body::parse(body)?)
            }
            other => {
                let error = anyhow::anyhow!("`{other}` is not a change that this version knows");
                return Err(crate::error::Error::internal(error));
            }
        })
    }
}
