//! What the adapter keeps, since neither service does.
//!
//! | key | value |
//! |---|---|
//! | `a/` customer | the account |
//! | `x/` accountid | the customer's id |
//! | `u/` user | the user |
//! | `v/` customer `/` user | empty |
//! | `r/` tenant | the instance; the tenant's id is its own |
//! | `b/` subscription | the tenant's id |
//! | `i/` customer `/` tenant | empty |
//! | `s/` tenant `/` user, `t/` user `/` tenant | empty: a seat |

use crate::id::Id;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, kv};
use serde::{Deserialize, Serialize};

/// An account, which is a customer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Account {
    pub(crate) customer: Id,
    pub(crate) accountid: String,
    pub(crate) tenant: Id,
    /// The first user, who administers its tenants.
    pub(crate) owner: Id,
    /// Which operation made it, so that a second run of that one finds its own.
    pub(crate) made_by: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: OpenMap,
    /// What of an address no customer has a field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) address: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other: OpenMap,
}

/// A user. Keystone has its name, which is the e-mail address, and never tells the password.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct User {
    pub(crate) id: Id,
    pub(crate) customer: Id,
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) firstname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lastname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other: OpenMap,
}

/// An instance: a subscription and its tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Instance {
    pub(crate) tenant: Id,
    pub(crate) subscription: Id,
    pub(crate) customer: Id,
    /// Who has step 11's role.
    pub(crate) owner: Id,
    pub(crate) plan: Id,
    pub(crate) name: String,
    /// BillingStack has no quantity.
    pub(crate) licence: u64,
    pub(crate) started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) params: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra: OpenMap,
}

const EMPTY: &[u8] = b"{}";

impl Account {
    pub(crate) fn save(&self) -> Result<(), Failure> {
        kv::set_json(&format!("x/{}", self.accountid), &self.customer)?;
        kv::set_json(&format!("a/{}", self.customer), self)
    }

    pub(crate) fn forget(&self) -> Result<(), Failure> {
        kv::delete(&format!("x/{}", self.accountid))?;
        Ok(kv::delete(&format!("a/{}", self.customer))?)
    }

    pub(crate) fn of_customer(customer: &Id) -> Result<Option<Account>, Failure> {
        kv::get_json(&format!("a/{customer}"))
    }

    /// By provideraccountid or accountid.
    pub(crate) fn find(id: &str) -> Result<Option<Account>, Failure> {
        if let Some(customer) = Id::parse(id)
            && let Some(account) = Account::of_customer(&customer)?
        {
            return Ok(Some(account));
        }
        if id.is_empty() || id.len() > crate::check::ID_BYTES_MAX {
            return Ok(None);
        }
        match kv::get_json(&format!("x/{id}"))? {
            Some(customer) => Account::of_customer(&customer),
            None => Ok(None),
        }
    }

    /// The account that the requestor speaks for.
    pub(crate) fn of_requestor(requestor: &Requestor) -> Result<Account, Failure> {
        let id = requestor.provideraccountid.as_ref().or(requestor.accountid.as_ref());
        let Some(id) = id else {
            let text =
                "`requestor` names no account: it needs a provideraccountid or an accountid.";
            return Err(Failure::invalid(text));
        };
        Account::find(id)?
            .filter(|account| account.is_requestors(requestor))
            .ok_or_else(Account::missing)
    }

    /// Whether the requestor's ids, as far as it says any, are this account's.
    fn is_requestors(&self, requestor: &Requestor) -> bool {
        let same = |said: &Option<String>, own: &str| said.as_deref().is_none_or(|id| id == own);
        same(&requestor.provideraccountid, self.customer.as_str())
            && same(&requestor.accountid, &self.accountid)
    }

    pub(crate) fn missing() -> Failure {
        Failure::refused(404, "The account doesn't exist.")
    }

    pub(crate) fn ids(&self) -> AccountIds {
        AccountIds {
            accountid: self.accountid.clone(),
            provideraccountid: self.customer.to_string(),
            other: Vec::new(),
        }
    }
}

impl User {
    pub(crate) fn save(&self) -> Result<(), Failure> {
        kv::set(&format!("v/{}/{}", self.customer, self.id), EMPTY)?;
        kv::set_json(&format!("u/{}", self.id), self)
    }

    pub(crate) fn forget(&self) -> Result<(), Failure> {
        kv::delete(&format!("v/{}/{}", self.customer, self.id))?;
        Ok(kv::delete(&format!("u/{}", self.id))?)
    }

    pub(crate) fn find(id: &str) -> Result<Option<User>, Failure> {
        match Id::parse(id) {
            Some(id) => kv::get_json(&format!("u/{id}")),
            None => Ok(None),
        }
    }

    /// The user that the requestor names. Somebody of another account is not there.
    pub(crate) fn of_requestor(requestor: &Requestor) -> Result<(Account, User), Failure> {
        let id = requestor.provideruserid.as_deref().or(requestor.userid.as_deref());
        let Some(id) = id else {
            let text = "`requestor` names no user: it needs a userid or a provideruserid.";
            return Err(Failure::invalid(text));
        };
        let user = User::find(id)?.ok_or_else(User::missing)?;
        let account = Account::of_customer(&user.customer)?;
        match account.filter(|account| account.is_requestors(requestor)) {
            Some(account) => Ok((account, user)),
            None => Err(User::missing()),
        }
    }

    pub(crate) fn missing() -> Failure {
        Failure::refused(404, "The user doesn't exist.")
    }

    pub(crate) fn ids(&self) -> UserIds {
        UserIds {
            userid: self.id.to_string(),
            provideruserid: self.id.to_string(),
            other: Vec::new(),
        }
    }
}

/// Before the users of an account.
pub(crate) fn users_of(customer: &Id) -> String {
    format!("v/{customer}/")
}

impl Instance {
    pub(crate) fn save(&self) -> Result<(), Failure> {
        kv::set_json(&format!("b/{}", self.subscription), &self.tenant)?;
        kv::set(&format!("i/{}/{}", self.customer, self.tenant), EMPTY)?;
        kv::set_json(&format!("r/{}", self.tenant), self)
    }

    pub(crate) fn find(id: &str) -> Result<Option<Instance>, Failure> {
        match Id::parse(id) {
            Some(id) => kv::get_json(&format!("r/{id}")),
            None => Ok(None),
        }
    }

    pub(crate) fn of_subscription(subscription: &str) -> Result<Option<Instance>, Failure> {
        let Some(id) = Id::parse(subscription) else { return Ok(None) };
        match kv::get_json::<Id>(&format!("b/{id}"))? {
            Some(tenant) => Instance::find(tenant.as_str()),
            None => Ok(None),
        }
    }

    /// All that an account has ever had.
    pub(crate) fn of_customer(customer: &Id) -> Result<Vec<Instance>, Failure> {
        let prefix = format!("i/{customer}/");
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let entries = kv::list(&prefix, after.as_deref(), LIST_MAX)?;
            for tenant in entries.iter().filter_map(|entry| entry.key.strip_prefix(&prefix)) {
                found.extend(Instance::find(tenant)?);
            }
            match entries.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => return Ok(found),
            }
        }
    }

    /// One that has not ended, of the account that the requestor speaks for.
    pub(crate) fn of_requestor(id: &str, requestor: &Requestor) -> Result<Instance, Failure> {
        let account = Account::of_requestor(requestor)?;
        let instance = Instance::find(id)?.filter(|instance| instance.ended.is_none());
        let instance = instance.ok_or_else(|| Instance::missing(id))?;
        match instance.customer == account.customer {
            true => Ok(instance),
            false => {
                let text = "The user is not authorized to perform this operation.";
                Err(Failure::refused(403, text))
            }
        }
    }

    pub(crate) fn missing(id: &str) -> Failure {
        Failure::refused(404, "Resource not found").with("providerinstanceid", id)
    }

    pub(crate) fn ids(&self) -> ResourceIds {
        ResourceIds { providerinstanceid: self.tenant.to_string(), other: Vec::new() }
    }
}

/// A seat, by its instance and by its user.
fn seat_keys(tenant: &Id, user: &Id) -> [String; 2] {
    [format!("s/{tenant}/{user}"), format!("t/{user}/{tenant}")]
}

pub(crate) fn has_seat(tenant: &Id, user: &Id) -> Result<bool, Failure> {
    Ok(kv::get(&format!("s/{tenant}/{user}"))?.is_some())
}

pub(crate) fn keep_seat(tenant: &Id, user: &Id) -> Result<(), Failure> {
    for key in seat_keys(tenant, user) {
        kv::set(&key, EMPTY)?;
    }
    Ok(())
}

pub(crate) fn forget_seat(tenant: &Id, user: &Id) -> Result<(), Failure> {
    for key in seat_keys(tenant, user) {
        kv::delete(&key)?;
    }
    Ok(())
}

/// What kv lists at once.
const LIST_MAX: u32 = 1000;

/// How many seats of the instance are taken, counted up to `count_max`. The list makes this safe: a seat that somebody
/// else takes meanwhile makes the operation run again.
pub(crate) fn seats_taken(tenant: &Id, count_max: u64) -> Result<u64, Failure> {
    let prefix = format!("s/{tenant}/");
    let mut count = 0;
    let mut after: Option<String> = None;
    while count < count_max {
        let limit = u32::try_from(count_max - count).unwrap_or(LIST_MAX).min(LIST_MAX);
        let seats = kv::list(&prefix, after.as_deref(), limit)?;
        count += seats.len() as u64;
        match seats.into_iter().last() {
            Some(last) => after = Some(last.key),
            None => break,
        }
    }
    Ok(count)
}

/// Some of the ids at the end of the keys with this prefix.
pub(crate) fn ids_below(prefix: &str, limit: u32) -> Result<Vec<Id>, Failure> {
    let entries = kv::list(prefix, None, limit)?;
    let id = |entry: &kv::Entry| entry.key.strip_prefix(prefix).and_then(Id::parse);
    Ok(entries.iter().filter_map(id).collect())
}

/// Before the seats of a user, and before those of an instance.
pub(crate) fn seats_of_user(user: &Id) -> String {
    format!("t/{user}/")
}

pub(crate) fn seats_of_instance(tenant: &Id) -> String {
    format!("s/{tenant}/")
}
