//! Accounts. A broker has none: they are the adapter's own records, and an account is an organization with one space to
//! the broker.

use crate::{check, ids, instance, page, settings, user};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, kv, operation};
use serde::{Deserialize, Serialize};

/// More users than this have to be deleted one by one before their account, so that no operation grows without bound.
const USERS_DELETED_MAX: u32 = 90;

/// An account, as it is kept.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Account {
    /// The broker's `organization_guid`.
    pub(crate) id: String,
    /// The broker's `space_guid`.
    pub(crate) space: String,
    pub(crate) accountid: String,
    pub(crate) name: String,
    /// Which operation made it, so that a second run of that one finds its own.
    made_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    other: OpenMap,
}

impl Account {
    fn ids(&self) -> AccountIds {
        AccountIds {
            accountid: self.accountid.clone(),
            provideraccountid: self.id.clone(),
            other: Vec::new(),
        }
    }

    fn into_info(self) -> AccountInfo {
        AccountInfo {
            accountid: self.accountid,
            provideraccountid: self.id,
            accountname: self.name,
            accounttype: None,
            phone: self.phone,
            address: self.address,
            additionalattributes: self.attributes,
            other: self.other,
        }
    }

    /// Whether the requestor's ids, as far as it says any, are this account's.
    pub(crate) fn is_requestors(&self, requestor: &Requestor) -> bool {
        let same = |said: &Option<String>, own: &str| said.as_deref().is_none_or(|id| id == own);
        same(&requestor.provideraccountid, &self.id) && same(&requestor.accountid, &self.accountid)
    }

    fn check_kept(&self) -> Result<(), Failure> {
        check::required("accountname", &self.name, check::TEXT_BYTES_MAX)?;
        check::text("phone", self.phone.as_deref())?;
        check::record("The account", self)
    }
}

fn missing() -> Failure {
    Failure::refused(404, "The account doesn't exist.")
}

/// The account with this provideraccountid or accountid.
pub(crate) fn find(id: &str) -> Result<Option<Account>, Failure> {
    if ids::is_guid(id)
        && let Some(account) = kv::get_json(&ids::account_key(id))?
    {
        return Ok(Some(account));
    }
    match guid_of(id)? {
        Some(guid) => kv::get_json(&ids::account_key(&guid)),
        None => Ok(None),
    }
}

/// As [`find`], or the failure that says that there is none.
pub(crate) fn open(id: &str) -> Result<Account, Failure> {
    find(id)?.ok_or_else(missing)
}

fn guid_of(accountid: &str) -> Result<Option<String>, Failure> {
    match check::is_id(accountid) {
        true => kv::get_json(&ids::accountid_key(accountid)),
        false => Ok(None),
    }
}

/// The account that the requestor speaks for.
pub(crate) fn of_requestor(requestor: &Requestor) -> Result<Account, Failure> {
    let id = requestor.provideraccountid.as_ref().or(requestor.accountid.as_ref());
    let Some(id) = id else {
        let text = "`requestor` names no account: it needs a provideraccountid or an accountid.";
        return Err(Failure::invalid(text));
    };
    find(id)?.filter(|account| account.is_requestors(requestor)).ok_or_else(missing)
}

pub(crate) fn create(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
    check::required("accountid", &request.accountid, check::ID_BYTES_MAX)?;
    let id = ids::organization(&settings::marketplace(), &request.accountid);
    let account = Account {
        space: ids::space(&id),
        id,
        accountid: request.accountid,
        name: request.accountname,
        made_by: operation::require_id()?,
        phone: request.phone,
        address: request.address,
        attributes: request.additionalattributes,
        other: request.other,
    };
    account.check_kept()?;
    if let Some(there) = find(&account.accountid)? {
        if there.made_by == account.made_by {
            return done(there.ids());
        }
        let text = format!("There is an account with the accountid {} already.", account.accountid);
        return Err(Failure::refused(400, text));
    }
    kv::set_json(&ids::accountid_key(&account.accountid), &account.id)?;
    kv::set_json(&ids::account_key(&account.id), &account)?;
    if let Some(userinfo) = request.userinfo {
        user::create_first(&account, userinfo)?;
    }
    done(account.ids())
}

pub(crate) fn update(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
    let mut account = of_requestor(&request.requestor)?;
    account.name = request.accountname.unwrap_or(account.name);
    account.phone = request.phone.or(account.phone);
    if let Some(new) = request.address {
        account.address = Some(merge_address(account.address.take().unwrap_or_default(), new));
    }
    check::merge(&mut account.attributes, request.additionalattributes);
    check::merge(&mut account.other, request.other);
    account.check_kept()?;
    kv::set_json(&ids::account_key(&account.id), &account)?;
    done(account.ids())
}

fn merge_address(old: Address, new: Address) -> Address {
    let mut other = old.other;
    check::merge(&mut other, new.other);
    Address {
        addressline1: new.addressline1.or(old.addressline1),
        addressline2: new.addressline2.or(old.addressline2),
        city: new.city.or(old.city),
        state: new.state.or(old.state),
        postalcode: new.postalcode.or(old.postalcode),
        country: new.country.or(old.country),
        other,
    }
}

pub(crate) fn delete(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
    let account = of_requestor(&request.requestor)?;
    if let Some(instance) = instance::first_live(&account.id)? {
        let text = format!("The account still has the instance {instance}: delete it first.");
        return Err(Failure::refused(409, text));
    }
    let all = Page { limit: Some(USERS_DELETED_MAX), after: None };
    let (users, more) = page::guids(&ids::users_of(&account.id), &all)?;
    if more.is_some() {
        let text = format!(
            "The account has more than {USERS_DELETED_MAX} users: delete some of them first."
        );
        return Err(Failure::refused(409, text));
    }
    for id in users {
        user::remove(&account.id, &id)?;
    }
    kv::delete(&ids::account_key(&account.id))?;
    kv::delete(&ids::accountid_key(&account.accountid))?;
    done(account.ids())
}

pub(crate) fn get(id: &str) -> Result<AccountInfo, Failure> {
    Ok(open(id)?.into_info())
}

pub(crate) fn list(page: Page) -> Result<AccountPage, Failure> {
    let (accounts, next) = page::records::<Account>("a/", &page, ids::account_key)?;
    Ok(AccountPage { accounts: accounts.into_iter().map(Account::into_info).collect(), next })
}
