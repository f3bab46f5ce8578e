//! Accounts. Abacus has organizations, which Cloud Foundry makes: an account adopts one that is there. Its name and
//! address, which Abacus has no place for, are the adapter's own records.

use crate::abacus::{self, Abacus};
use crate::instance::{self, Status};
use crate::settings::Service;
use crate::{check, ids, time};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, kv, operation};
use serde::{Deserialize, Serialize};

/// Before the guid of an identity zone, in the id of its organization.
const ZONE: &str = "idz:";
/// Below what `kv` lists at once, so that one more tells whether there is a next page.
const ITEMS_MAX: u32 = 200;

/// An account, as it is kept.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Account {
    /// Abacus's `organization_id`, and the provideraccountid.
    pub(crate) organization: String,
    accountid: String,
    name: String,
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

/// The account of Abacus's that an organization belongs to.
#[derive(Deserialize)]
struct Owner {
    account_id: String,
    #[serde(default)]
    pricing_country: Option<String>,
}

impl Account {
    pub(crate) fn accountid(&self) -> &str {
        &self.accountid
    }

    fn ids(&self) -> AccountIds {
        AccountIds {
            accountid: self.accountid.clone(),
            provideraccountid: self.organization.clone(),
            other: Vec::new(),
        }
    }

    fn into_info(self) -> AccountInfo {
        AccountInfo {
            accountid: self.accountid,
            provideraccountid: self.organization,
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
        same(&requestor.provideraccountid, &self.organization)
            && same(&requestor.accountid, &self.accountid)
    }

    fn save(&self) -> Result<(), Failure> {
        check::required("accountname", &self.name)?;
        check::text("phone", self.phone.as_deref())?;
        check::record("The account", self)?;
        kv::set_json(&ids::accountid_key(&self.accountid), &self.organization)?;
        kv::set_json(&ids::account_key(&self.organization), self)
    }
}

fn missing() -> Failure {
    Failure::refused(404, "The account doesn't exist.")
}

/// The account with this provideraccountid or accountid.
fn find(id: &str) -> Result<Option<Account>, Failure> {
    if !check::is_id(id) {
        return Ok(None);
    }
    if let Some(account) = kv::get_json(&ids::account_key(id))? {
        return Ok(Some(account));
    }
    match kv::get_json::<String>(&ids::accountid_key(id))? {
        Some(organization) => kv::get_json(&ids::account_key(&organization)),
        None => Ok(None),
    }
}

/// As [`find`], or the failure that says that there is none.
pub(crate) fn open(id: &str) -> Result<Account, Failure> {
    find(id)?.ok_or_else(missing)
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

/// Who owns an organization now, when Abacus knows it.
fn owner(organization: &str) -> Result<Option<Owner>, Failure> {
    let path =
        format!("/v1/organizations/{}/account/{}", abacus::segment(organization)?, time::now());
    let answer = Abacus::open()?.get(Service::Accounts, &path, "an organization's account")?;
    if answer.status == 404 {
        return Ok(None);
    }
    let owner: Owner = abacus::read("The account", &answer)?;
    Ok(Some(owner))
}

/// The organization that a new account says it is.
fn organization(attributes: &OpenMap) -> Result<String, Failure> {
    let text = |key: &str| -> Result<Option<String>, Failure> {
        match (attributes.json(key), attributes.text(key)) {
            (Some(_), None) => Err(Failure::invalid(format!("`{key}` has to be a text."))),
            (_, text) => Ok(text),
        }
    };
    let zone = match text("identityzone")? {
        Some(zone) if zone.starts_with(ZONE) => {
            let text = format!("`identityzone` is the guid alone, without `{ZONE}`.");
            return Err(Failure::invalid(text));
        }
        zone => zone.map(|zone| format!("{ZONE}{zone}")),
    };
    let organization = match (zone, text("organizationid")?) {
        (Some(zone), Some(other)) if zone != other => {
            let text =
                "`identityzone` and `organizationid` name different organizations: send one.";
            return Err(Failure::invalid(text));
        }
        (Some(organization), _) | (None, Some(organization)) => organization,
        (None, None) => {
            let text = "Abacus cannot make an organization: an account adopts one that is there. `additionalattributes` has to have `identityzone`, the guid of the customer's identity zone, or `organizationid`, as Abacus knows it.";
            return Err(Failure::invalid(text));
        }
    };
    check::id("organizationid", &organization)?;
    Ok(organization)
}

pub(crate) fn create(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
    check::id("accountid", &request.accountid)?;
    let account = Account {
        organization: organization(&request.additionalattributes)?,
        accountid: request.accountid,
        name: request.accountname,
        made_by: operation::require_id()?,
        phone: request.phone,
        address: request.address,
        attributes: request.additionalattributes,
        other: request.other,
    };
    for id in [&account.accountid, &account.organization] {
        match find(id)? {
            Some(there) if there.made_by == account.made_by => return done(there.ids()),
            Some(_) => {
                let text =
                    format!("There is an account with the id `{}` already.", check::said(id));
                return Err(Failure::refused(400, text));
            }
            None => {}
        }
    }
    if owner(&account.organization)?.is_none() {
        let text = format!(
            "Abacus does not know the organization `{}`, and cannot make it: it has to be made in Cloud Foundry first.",
            check::said(&account.organization)
        );
        return Err(Failure::refused(400, text).code("ORGANIZATION_UNKNOWN"));
    }
    account.save()?;
    let mut ids = account.ids();
    if request.userinfo.is_some() {
        ids.other.put("usernotcreated", "Abacus has no users: they are Cloud Foundry's.");
    }
    done(ids)
}

pub(crate) fn update(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
    let mut account = of_requestor(&request.requestor)?;
    account.name = request.accountname.unwrap_or(account.name);
    account.phone = request.phone.or(account.phone);
    if let Some(new) = request.address {
        account.address = Some(merge_address(account.address.take().unwrap_or_default(), new));
    }
    check::merge(&mut account.attributes, request.additionalattributes);
    if organization(&account.attributes)? != account.organization {
        let text = "An account stays with the organization that it has adopted: make another account for another one.";
        return Err(Failure::invalid(text));
    }
    check::merge(&mut account.other, request.other);
    account.save()?;
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

/// Gives the organization up. It stays where it is, with all that was metered of it.
pub(crate) fn delete(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
    let account = of_requestor(&request.requestor)?;
    let instances = instance::all_of(&account.organization)?;
    if let Some(live) = instances.iter().find(|instance| instance.status != Status::Cancel) {
        let text = format!("The account still has the instance {}: delete it first.", live.id);
        return Err(Failure::refused(409, text));
    }
    kv::delete(&ids::account_key(&account.organization))?;
    kv::delete(&ids::accountid_key(&account.accountid))?;
    done(account.ids())
}

pub(crate) fn get(id: &str) -> Result<AccountInfo, Failure> {
    let account = open(id)?;
    let Some(owner) = owner(&account.organization)? else {
        let text = format!(
            "The account doesn't exist: Abacus no longer knows its organization `{}`.",
            account.organization
        );
        return Err(Failure::refused(404, text));
    };
    let mut info = account.into_info();
    info.additionalattributes.put("abacusaccountid", check::said(&owner.account_id));
    if let Some(country) = &owner.pricing_country {
        info.additionalattributes.put("pricingcountry", check::said(country));
    }
    Ok(info)
}

/// As they are kept: Abacus is not asked about each.
pub(crate) fn list(page: Page) -> Result<AccountPage, Failure> {
    let after = match page.after.as_deref() {
        Some(cursor) if check::is_id(cursor) => Some(ids::account_key(cursor)),
        Some(_) => return Err(Failure::invalid("`after` is not a cursor of this list.")),
        None => None,
    };
    let limit = page.limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX);
    let mut found = kv::list_json::<Account>("a/", after.as_deref(), limit.saturating_add(1))?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|(_, last)| last.organization.clone());
    let accounts = found.into_iter().map(|(_, account)| account.into_info()).collect();
    Ok(AccountPage { accounts, next })
}
