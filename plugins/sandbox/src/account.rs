//! Accounts.

use crate::function::Function;
use crate::{check, ids, misbehave, page, resource, user};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, kv, operation, pending};
use serde::{Deserialize, Serialize};

/// More users than this have to be deleted one by one before their account, so that no operation grows
/// without bound.
const USERS_DELETED_MAX: u32 = 200;

/// An account, as it is kept.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) accountid: String,
    pub(crate) name: String,
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
    /// The part that the ids of its users and instances begin with.
    pub(crate) fn part(&self) -> &str {
        ids::account_part(&self.id).unwrap_or_default()
    }

    /// Answers for the account when it was told that its callers are not authorized.
    pub(crate) fn admit(&self, function: Function) -> Result<(), Failure> {
        match misbehave::lasting("", &self.attributes).unauthorized {
            true => Err(function.unauthorized()),
            false => Ok(()),
        }
    }

    /// Whether the requestor's ids, as far as it says any, are this account's.
    pub(crate) fn is_requestors(&self, requestor: &Requestor) -> bool {
        let same = |said: &Option<String>, own: &str| said.as_deref().is_none_or(|id| id == own);
        same(&requestor.provideraccountid, &self.id) && same(&requestor.accountid, &self.accountid)
    }

    fn ids(&self, told: &misbehave::Told) -> AccountIds {
        let mut ids = AccountIds {
            accountid: self.accountid.clone(),
            provideraccountid: self.id.clone(),
            ..AccountIds::default()
        };
        told.spoil(&mut ids.other);
        told.spoil_id(&mut ids.provideraccountid);
        ids
    }

    fn into_info(self) -> AccountInfo {
        AccountInfo {
            accountid: self.accountid,
            provideraccountid: self.id,
            accountname: self.name,
            accounttype: Some("standard".to_owned()),
            phone: self.phone,
            address: self.address,
            additionalattributes: self.attributes,
            other: self.other,
        }
    }
}

/// The account with this provideraccountid or accountid.
pub(crate) fn find(id: &str) -> Result<Option<Account>, Failure> {
    if let Some(part) = ids::account_part(id)
        && let Some(account) = kv::get_json(&ids::account_key(part))?
    {
        return Ok(Some(account));
    }
    match part_of_accountid(id)? {
        Some(part) => kv::get_json(&ids::account_key(&part)),
        None => Ok(None),
    }
}

/// As [`find`], also among the deleted: what they have used is still to be billed.
pub(crate) fn find_ever(id: &str) -> Result<Option<Account>, Failure> {
    match (find(id)?, ids::account_part(id)) {
        (None, Some(part)) => kv::get_json(&ids::deleted_account_key(part)),
        (found, _) => Ok(found),
    }
}

/// The account that a user or an instance belongs to, by the first part of its id.
pub(crate) fn of_part(part: &str) -> Result<Option<Account>, Failure> {
    match kv::get_json(&ids::account_key(part))? {
        Some(account) => Ok(Some(account)),
        None => kv::get_json(&ids::deleted_account_key(part)),
    }
}

fn part_of_accountid(accountid: &str) -> Result<Option<String>, Failure> {
    if accountid.is_empty() || accountid.len() > check::ACCOUNTID_BYTES_MAX {
        return Ok(None);
    }
    kv::get_json(&ids::accountid_key(accountid))
}

/// The account that the requestor speaks for.
pub(crate) fn of_requestor(function: Function, requestor: &Requestor) -> Result<Account, Failure> {
    let id = requestor.provideraccountid.as_ref().or(requestor.accountid.as_ref());
    let Some(id) = id else {
        let text = "`requestor` names no account: it needs a provideraccountid or an accountid.";
        return Err(function.refuse(400, text));
    };
    match find(id)? {
        Some(account) if account.is_requestors(requestor) => Ok(account),
        _ => Err(function.no_account()),
    }
}

pub(crate) fn create(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
    let function = Function::CreateAccount;
    let told = misbehave::change(function, "", &[&request.additionalattributes, &request.other])?;
    check::required("accountid", &request.accountid, check::ACCOUNTID_BYTES_MAX)?;
    check::required("accountname", &request.accountname, check::TEXT_BYTES_MAX)?;
    let part = ids::mint(&operation::require_id()?);
    let account = Account {
        id: format!("acc-{part}"),
        accountid: request.accountid,
        name: request.accountname,
        phone: request.phone,
        address: request.address,
        attributes: request.additionalattributes,
        other: request.other,
    };
    check_kept(&account)?;
    match part_of_accountid(&account.accountid)? {
        // This very operation has made it before.
        Some(owner) if owner == part => return done(account.ids(&told)),
        Some(_) => {
            let text =
                format!("There is an account with the accountid {} already.", account.accountid);
            return Err(function.refuse(400, text));
        }
        None => {}
    }
    let first = match request.userinfo {
        Some(userinfo) => user::first(&account, userinfo)?,
        None => None,
    };
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    kv::set_json(&ids::accountid_key(&account.accountid), &part)?;
    kv::set_json(&ids::account_key(&part), &account)?;
    if let Some(user) = first {
        user.add()?;
    }
    done(account.ids(&told))
}

pub(crate) fn update(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
    let function = Function::UpdateAccount;
    let told = misbehave::change(function, "", &[&request.additionalattributes, &request.other])?;
    // Open also to who is told "unauthorized": how else could that be taken back?
    let mut account = of_requestor(function, &request.requestor)?;
    if let Some(name) = request.accountname {
        check::required("accountname", &name, check::TEXT_BYTES_MAX)?;
        account.name = name;
    }
    account.phone = request.phone.or(account.phone);
    if let Some(new) = request.address {
        let old = account.address.take().unwrap_or_default();
        account.address = Some(merge_address(old, new));
    }
    check::merge(&mut account.attributes, request.additionalattributes);
    check::merge(&mut account.other, request.other);
    check_kept(&account)?;
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    kv::set_json(&ids::account_key(account.part()), &account)?;
    done(account.ids(&told))
}

pub(crate) fn delete(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
    let function = Function::DeleteAccount;
    let told = misbehave::change(function, "", &[&request.other])?;
    let account = of_requestor(function, &request.requestor)?;
    if let Some(instance) = resource::first_live(account.part())? {
        let text = format!("The account still has the instance {instance}: cancel it first.");
        return Err(function.refuse(409, text));
    }
    let users = user::all_below(account.part(), USERS_DELETED_MAX)?;
    let Some(users) = users else {
        let text = format!(
            "The account has more than {USERS_DELETED_MAX} users: delete some of them first."
        );
        return Err(function.refuse(409, text));
    };
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    for user in users {
        user.remove()?;
    }
    kv::delete(&ids::account_key(account.part()))?;
    kv::delete(&ids::accountid_key(&account.accountid))?;
    kv::set_json(&ids::deleted_account_key(account.part()), &account)?;
    done(account.ids(&told))
}

pub(crate) fn get(id: &str) -> Result<AccountInfo, Failure> {
    let function = Function::GetAccount;
    let told = misbehave::read(function)?;
    let account = find(id)?.ok_or_else(|| function.no_account())?;
    account.admit(function)?;
    let mut info = account.into_info();
    told.spoil(&mut info.other);
    Ok(info)
}

pub(crate) fn list(page: Page) -> Result<AccountPage, Failure> {
    misbehave::read(Function::ListAccounts)?;
    let (accounts, next) = page::read::<Account>("a/", &page)?;
    Ok(AccountPage { accounts: accounts.into_iter().map(Account::into_info).collect(), next })
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

fn check_kept(account: &Account) -> Result<(), Failure> {
    check::text("phone", account.phone.as_deref())?;
    check::map("additionalattributes", &account.attributes)?;
    check::map("the account's further keys", &account.other)?;
    let Some(address) = &account.address else { return Ok(()) };
    for (field, line) in [
        ("address.addressline1", &address.addressline1),
        ("address.addressline2", &address.addressline2),
        ("address.city", &address.city),
        ("address.state", &address.state),
        ("address.postalcode", &address.postalcode),
        ("address.country", &address.country),
    ] {
        check::text(field, line.as_deref())?;
    }
    check::map_within("address", &address.other, check::SMALL_MAP_BYTES_MAX)
}
