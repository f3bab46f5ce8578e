//! What a change that is done leaves in the host's own records.

use super::now_s;
use crate::error::Result;
use crate::model::{Change, Done, OperationKind, Requestor, ResourceIds, SeatIds, nonsense, shown};
use crate::store::customer::{
    AccountRecord, ID_BYTES_MAX, IdRecord, ResourceRecord, SeatRecord, UserRecord, account_key,
    id_key, resource_key, seat_key, user_key,
};
use crate::store::json::{put, read, unchanged};
use crate::store::{Operation, Store, Tx};
use std::collections::BTreeMap;

/// Collects the records of one commit. Ids are read, changed and written once, whatever is done to them.
pub(super) struct Effects<'a> {
    store: &'a dyn Store,
    endpoint: &'a str,
    ids: BTreeMap<String, (IdRecord, Option<u64>)>,
    tx: Tx,
}

/// Whether an id can be kept, whoever made it up.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control)
}

impl<'a> Effects<'a> {
    pub(super) fn new(store: &'a dyn Store, endpoint: &'a str, tx: Tx) -> Effects<'a> {
        Effects { store, endpoint, ids: BTreeMap::new(), tx }
    }

    /// The transaction, with everything in it.
    pub(super) fn finish(mut self) -> Result<Tx> {
        for (id, (record, version)) in self.ids {
            let key = id_key(self.endpoint, &id);
            self.tx.conditions.push(unchanged(key.clone(), version));
            self.tx.operations.push(match record.is_empty() {
                true => Operation::Delete(key),
                false => put(key, &record)?,
            });
        }
        Ok(self.tx)
    }

    async fn id(&mut self, id: &str) -> Result<&mut IdRecord> {
        if !self.ids.contains_key(id) {
            let found = read::<IdRecord>(self.store, &id_key(self.endpoint, id)).await?;
            let entry =
                found.map_or_else(Default::default, |(record, version)| (record, Some(version)));
            self.ids.insert(id.to_owned(), entry);
        }
        Ok(&mut self.ids.entry(id.to_owned()).or_default().0)
    }

    /// Whether two ids are of the same account.
    async fn is_same_account(&mut self, one: &str, other: &str) -> Result<bool> {
        if one == other {
            return Ok(true);
        }
        let one = self.id(one).await?.account.clone();
        Ok(one.is_some() && one == self.id(other).await?.account)
    }

    /// What a plugin made must not be somebody else's already. Where an id is new, and it nearly always is, no
    /// other record is read.
    async fn check_owner(&mut self, change: &Change, done: &Done) -> Result<()> {
        let kind = change.kind();
        match (change, done) {
            (Change::CreateAccount(_), Done::Account(ids)) => {
                let account = &ids.provideraccountid;
                if self.id(account).await?.account.is_none() {
                    return Ok(());
                }
                let found =
                    read::<AccountRecord>(self.store, &account_key(self.endpoint, account)).await?;
                match found {
                    Some((record, _)) if record.accountid != ids.accountid => {
                        Err(taken(kind, "account", account))
                    }
                    _ => Ok(()),
                }
            }
            (Change::CreateUser(request), Done::User(ids)) => {
                let user = &ids.provideruserid;
                if self.id(user).await?.user.is_none() {
                    return Ok(());
                }
                let found = read::<UserRecord>(self.store, &user_key(self.endpoint, user)).await?;
                let owner = found.and_then(|(record, _)| record.account);
                self.check_account(kind, "user", user, owner, request.requestor.account()).await
            }
            _ => Ok(()),
        }
    }

    async fn check_account(
        &mut self,
        kind: OperationKind,
        what: &str,
        id: &str,
        owner: Option<String>,
        asked: Option<&str>,
    ) -> Result<()> {
        match (owner, asked) {
            (Some(owner), Some(asked)) if !self.is_same_account(&owner, asked).await? => {
                Err(taken(kind, what, id))
            }
            _ => Ok(()),
        }
    }

    /// The records of a change that is done.
    pub(super) async fn done(&mut self, change: &Change, done: &Done) -> Result<()> {
        check_ids(change.kind(), done)?;
        check_subject(change, done)?;
        self.check_owner(change, done).await?;
        match (change, done) {
            (Change::CreateAccount(request), Done::Account(ids)) => {
                let record = AccountRecord {
                    accountid: ids.accountid.clone(),
                    accountname: request.accountname.clone(),
                };
                let account = &ids.provideraccountid;
                self.tx.operations.push(put(account_key(self.endpoint, account), &record)?);
                self.id(account).await?.account = Some(account.clone());
                self.id(&ids.accountid).await?.account = Some(account.clone());
            }
            (Change::DeleteAccount(_), Done::Account(ids)) => {
                self.tx
                    .operations
                    .push(Operation::Delete(account_key(self.endpoint, &ids.provideraccountid)));
                self.id(&ids.provideraccountid).await?.account = None;
                self.id(&ids.accountid).await?.account = None;
            }
            (Change::CreateUser(request), Done::User(ids)) => {
                let account = request.requestor.account().map(str::to_owned);
                let record = UserRecord { userid: ids.userid.clone(), account };
                let user = &ids.provideruserid;
                self.tx.operations.push(put(user_key(self.endpoint, user), &record)?);
                self.id(user).await?.user = Some(user.clone());
                self.id(&ids.userid).await?.user = Some(user.clone());
            }
            (Change::DeleteUser(_), Done::User(ids)) => {
                self.tx
                    .operations
                    .push(Operation::Delete(user_key(self.endpoint, &ids.provideruserid)));
                self.id(&ids.provideruserid).await?.user = None;
                self.id(&ids.userid).await?.user = None;
            }
            (Change::AssignSeat(request), Done::Seat(seat)) => {
                if let Some(user) = change.user() {
                    let record =
                        SeatRecord { account: request.requestor.provideraccountid.clone() };
                    let key = seat_key(self.endpoint, &seat.providerinstanceid, user);
                    self.tx.operations.push(put(key, &record)?);
                }
            }
            (Change::RevokeSeat(_), Done::Seat(seat)) => {
                if let Some(user) = change.user() {
                    let key = seat_key(self.endpoint, &seat.providerinstanceid, user);
                    self.tx.operations.push(Operation::Delete(key));
                }
            }
            (Change::CreateResource(_), Done::Created(created)) => {
                let subscription = created.subscriptionid.as_deref();
                self.created(change, &created.providerinstanceid, subscription, &created.status)
                    .await?;
            }
            (Change::UpdateResource(request), Done::Resource(_)) => {
                let license = request.parameters.as_ref().and_then(|parameters| parameters.license);
                self.resource(change, |record| record.license = license.or(record.license)).await?;
            }
            (_, Done::Resource(_)) => {
                let status = match change.kind() {
                    OperationKind::SuspendResource => Some("suspended"),
                    OperationKind::ReactivateResource => Some("active"),
                    OperationKind::DeleteResource => Some("cancel"),
                    _ => None,
                };
                if let Some(status) = status {
                    self.resource(change, |record| record.status = status.to_owned()).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The records of an instance that exists at the provider, usable or not.
    pub(super) async fn created(
        &mut self,
        change: &Change,
        instance: &str,
        subscription: Option<&str>,
        status: &str,
    ) -> Result<()> {
        let Change::CreateResource(request) = change else { return Ok(()) };
        let account = request.requestor.account();
        if self.id(instance).await?.instance.is_some() {
            let key = resource_key(self.endpoint, instance);
            let found = read::<ResourceRecord>(self.store, &key).await?;
            let owner = found.and_then(|(record, _)| record.account);
            self.check_account(change.kind(), "instance", instance, owner, account).await?;
        }
        let record = ResourceRecord {
            sku: request.parameters.sku.clone(),
            account: account.map(str::to_owned),
            subscriptionid: subscription.map(str::to_owned),
            license: request.parameters.license_quantity,
            status: status.to_owned(),
        };
        self.tx.operations.push(put(resource_key(self.endpoint, instance), &record)?);
        self.id(instance).await?.instance = Some(instance.to_owned());
        if let Some(subscription) = subscription {
            self.id(subscription).await?.subscription = Some(subscription.to_owned());
        }
        Ok(())
    }

    /// Changes the record of the changed instance, where there is one.
    async fn resource(
        &mut self,
        change: &Change,
        edit: impl FnOnce(&mut ResourceRecord),
    ) -> Result<()> {
        let Some(instance) = change.instance() else { return Ok(()) };
        let key = resource_key(self.endpoint, instance);
        let Some((mut record, version)) = read::<ResourceRecord>(self.store, &key).await? else {
            return Ok(());
        };
        edit(&mut record);
        self.tx.conditions.push(unchanged(key.clone(), Some(version)));
        self.tx.operations.push(put(key, &record)?);
        Ok(())
    }
}

fn taken(kind: OperationKind, what: &str, id: &str) -> crate::error::Error {
    nonsense(kind, &format!("the {what} `{}` belongs to another account", shown(id)))
}

/// An answer has to be about what was asked for: records are changed by the ids in it.
fn check_subject(change: &Change, done: &Done) -> Result<()> {
    let (what, asked, answered): (_, Vec<&str>, _) = match (change, done) {
        // Of a new account, only one id is known.
        (Change::CreateAccount(request), Done::Account(ids)) => {
            ("account", vec![&request.accountid], vec![&ids.accountid])
        }
        (_, Done::Account(ids)) => {
            let asked = change.requestor().map(Requestor::accounts).unwrap_or_default();
            ("account", asked, vec![&ids.accountid, &ids.provideraccountid])
        }
        (Change::CreateUser(_), _) | (_, Done::Created(_)) => return Ok(()),
        (_, Done::User(ids)) => {
            let asked = change.requestor().map(Requestor::users).unwrap_or_default();
            ("user", asked, vec![&ids.userid, &ids.provideruserid])
        }
        (_, Done::Seat(SeatIds { providerinstanceid, .. }))
        | (_, Done::Resource(ResourceIds { providerinstanceid, .. })) => {
            ("instance", change.instance().into_iter().collect(), vec![providerinstanceid])
        }
    };
    if asked.iter().any(|id| answered.iter().any(|known| known == id)) {
        return Ok(());
    }
    let shown = answered.first().map(|id| shown(id).to_string()).unwrap_or_default();
    Err(nonsense(change.kind(), &format!("the {what} of the answer, `{shown}`, was not asked for")))
}

/// Ids that a plugin made up become keys here: they have to be fit for it.
fn check_ids(kind: OperationKind, done: &Done) -> Result<()> {
    let ids: [Option<&str>; 2] = match done {
        Done::Account(ids) => [Some(&ids.accountid), Some(&ids.provideraccountid)],
        Done::User(ids) => [Some(&ids.userid), Some(&ids.provideruserid)],
        Done::Seat(ids) => [Some(&ids.providerinstanceid), None],
        Done::Resource(ids) => [Some(&ids.providerinstanceid), None],
        Done::Created(created) => {
            [Some(&created.providerinstanceid), created.subscriptionid.as_deref()]
        }
    };
    match ids.into_iter().flatten().find(|id| !is_id(id)) {
        None => Ok(()),
        Some(id) => Err(nonsense(
            kind,
            &format!(
                "an id has 1 to {ID_BYTES_MAX} bytes and no control characters, not `{}`",
                shown(id)
            ),
        )),
    }
}

/// One row of the audit trail: who did what, and what came of it. No bodies, no secrets.
#[derive(serde::Serialize)]
pub(super) struct AuditRow<'a> {
    at_s: u64,
    endpoint: &'a str,
    caller: &'a str,
    operation: &'a str,
    operation_id: &'a str,
    request_id: Option<&'a str>,
    plugin: &'a str,
    respcode: u16,
    /// The creation that a deletion has cancelled, which has no row of its own: a commit has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cancelled: Option<&'a str>,
    /// Who has decided what about an operation that came to no end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decided: Option<Decided<'a>>,
}

/// A decision about an operation.
#[derive(Clone, Copy, serde::Serialize)]
pub(super) struct Decided<'a> {
    pub(super) by: &'a str,
    pub(super) action: &'static str,
    pub(super) note: &'a str,
}

impl<'a> AuditRow<'a> {
    pub(super) fn new(
        endpoint: &'a crate::endpoints::Endpoint,
        caller: &'a str,
        operation: &'a str,
        operation_id: &'a str,
        request_id: Option<&'a str>,
        respcode: u16,
    ) -> AuditRow<'a> {
        let plugin = endpoint.record.plugin.as_str();
        let endpoint = endpoint.id();
        AuditRow {
            at_s: now_s(),
            endpoint,
            caller,
            operation,
            operation_id,
            request_id,
            plugin,
            respcode,
            cancelled: None,
            decided: None,
        }
    }
}
