//! What a plugin would have answered, where somebody takes for done what its provider has.

use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::model::{AccountIds, Change, CreatedResource, Done, ResourceIds, SeatIds, UserIds};
use crate::store::customer::{IdRecord, id_key};
use crate::store::json::read;

impl Journal {
    /// What the plugin would have answered.
    pub(super) async fn adopted(
        &self,
        endpoint: &Endpoint,
        change: &Change,
        made: Option<&str>,
        subscriptionid: Option<String>,
    ) -> Result<Done> {
        let made = || {
            let text = "`id` is missing: it is the provider's id of what was created.";
            made.map(str::to_owned).ok_or_else(|| Error::invalid(text))
        };
        let instance = || {
            let instance = change.instance().map(str::to_owned);
            instance.ok_or_else(|| Error::internal(anyhow::anyhow!("a change of no instance")))
        };
        let requestor = change.requestor();
        let of = |one: Option<&String>, other: Option<&String>, what: &str| {
            let text = format!("The request does not say which {what} it was for.");
            one.or(other).cloned().ok_or_else(|| Error::invalid(text))
        };
        Ok(match change {
            Change::CreateAccount(request) => Done::Account(AccountIds {
                accountid: request.accountid.clone(),
                provideraccountid: made()?,
                other: Vec::new(),
            }),
            Change::UpdateAccount(_) | Change::DeleteAccount(_) => {
                let (ours, theirs) = (
                    requestor.and_then(|requestor| requestor.accountid.as_ref()),
                    requestor.and_then(|requestor| requestor.provideraccountid.as_ref()),
                );
                let named = of(theirs, ours, "account")?;
                let known = self.id_record(endpoint, &named).await?.account;
                Done::Account(AccountIds {
                    accountid: of(ours, theirs, "account")?,
                    provideraccountid: known.unwrap_or(named),
                    other: Vec::new(),
                })
            }
            Change::CreateUser(_) => {
                let user = made()?;
                Done::User(UserIds {
                    userid: user.clone(),
                    provideruserid: user,
                    other: Vec::new(),
                })
            }
            Change::UpdateUser(_) | Change::DeleteUser(_) => {
                let (ours, theirs) = (
                    requestor.and_then(|requestor| requestor.userid.as_ref()),
                    requestor.and_then(|requestor| requestor.provideruserid.as_ref()),
                );
                let named = of(theirs, ours, "user")?;
                let known = self.id_record(endpoint, &named).await?.user;
                Done::User(UserIds {
                    userid: of(ours, theirs, "user")?,
                    provideruserid: known.unwrap_or(named),
                    other: Vec::new(),
                })
            }
            Change::AssignSeat(_) | Change::RevokeSeat(_) => {
                Done::Seat(SeatIds { providerinstanceid: instance()?, other: Vec::new() })
            }
            Change::CreateResource(_) => Done::Created(CreatedResource {
                providerinstanceid: made()?,
                subscriptionid,
                username: None,
                password: None,
                status: "active".to_owned(),
                respparams: Vec::new(),
                other: Vec::new(),
            }),
            Change::UpdateResource(_) | Change::ActOnResource(_) | Change::DeleteResource(_) => {
                Done::Resource(ResourceIds { providerinstanceid: instance()?, other: Vec::new() })
            }
        })
    }

    async fn id_record(&self, endpoint: &Endpoint, id: &str) -> Result<IdRecord> {
        let found = read::<IdRecord>(&*self.store, &id_key(endpoint.id(), id)).await?;
        Ok(found.map(|(record, _)| record).unwrap_or_default())
    }
}
