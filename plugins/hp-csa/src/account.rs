//! Accounts and users: CSA's organizations and persons, which are LDAP's. They are read, and nothing else.

use crate::csa::Csa;
use crate::organization::{self, Members, Organization, Person};
use crate::{check, ids};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};

const ITEMS_MAX: usize = 200;

/// What every change of an account or a user comes to.
pub(crate) fn managed_elsewhere<T>(what: &str) -> Result<T, Failure> {
    let text = format!(
        "{what} are managed in LDAP: CSA only reads them there. Make the change in LDAP; a user is a person here once he or she has signed in to CSA."
    );
    Err(Failure::refused(400, text).code("MANAGED_IN_LDAP"))
}

fn info(organization: Organization) -> AccountInfo {
    let mut attributes = OpenMap::new();
    attributes.put("organizationname", check::said(&organization.name));
    if let Some(number) = &organization.account_number {
        attributes.put("accountnumber", check::said(number));
    }
    if let Some(description) = &organization.description {
        attributes.put("description", check::said(description));
    }
    if let Some(state) = &organization.state {
        attributes.put("state", check::said(state));
    }
    AccountInfo {
        accountid: organization.id.clone(),
        provideraccountid: organization.id,
        accountname: check::said(&organization.display_name),
        accounttype: None,
        phone: None,
        address: None,
        additionalattributes: attributes,
        other: Vec::new(),
    }
}

pub(crate) fn get(id: &str) -> Result<AccountInfo, Failure> {
    let csa = Csa::open()?;
    let Members { organization, persons, catalogs } = organization::open(&csa, &csa.admin()?, id)?;
    let mut info = info(organization);
    info.additionalattributes.put("users", persons.len());
    info.additionalattributes.put("catalogs", catalogs);
    Ok(info)
}

pub(crate) fn list(page: Page) -> Result<AccountPage, Failure> {
    let csa = Csa::open()?;
    let all = organization::list(&csa, &csa.admin()?)?;
    let (part, next) = part(all, &page, |organization| &organization.id)?;
    Ok(AccountPage { accounts: part.into_iter().map(info).collect(), next })
}

/// The part of a list, in the order of its ids, that a page asks for.
fn part<T>(
    all: Vec<T>,
    page: &Page,
    id: impl Fn(&T) -> &String,
) -> Result<(Vec<T>, Option<String>), Failure> {
    if page.after.as_deref().is_some_and(|after| !ids::is_plain(after)) {
        return Err(Failure::invalid("`after` is not a cursor of this list."));
    }
    let limit = page.limit.map_or(ITEMS_MAX, |limit| limit as usize).clamp(1, ITEMS_MAX);
    let mut rest =
        all.into_iter().filter(|one| page.after.as_ref().is_none_or(|after| id(one) > after));
    let part: Vec<T> = rest.by_ref().take(limit).collect();
    let next = part.last().map(|last| id(last).clone()).filter(|_| rest.next().is_some());
    Ok((part, next))
}

fn user(person: Person) -> UserInfo {
    UserInfo {
        userid: Some(person.id.clone()),
        provideruserid: person.id,
        firstname: None,
        lastname: None,
        // CSA need not know one; what it knows in any case is what somebody signs in with.
        email: check::said(person.email.as_deref().unwrap_or(&person.name)),
        username: Some(check::said(&person.name)),
        phone: None,
        role: None,
        additionalattributes: {
            let mut attributes = OpenMap::new();
            if let Some(name) = &person.display_name {
                attributes.put("displayname", check::said(name));
            }
            attributes
        },
        other: Vec::new(),
    }
}

/// CSA looks persons up in their organizations only.
pub(crate) fn get_user(id: &str) -> Result<UserInfo, Failure> {
    let missing = || Failure::refused(404, "The user doesn't exist.");
    if !ids::is_plain(id) {
        return Err(missing());
    }
    let csa = Csa::open()?;
    let admin = csa.admin()?;
    for organization in organization::list(&csa, &admin)? {
        if csa.is_tired() {
            let text = "There are more organizations than one call can look through: list the users of the account.";
            return Err(Failure::refused(400, text));
        }
        let members = organization::find(&csa, &admin, &organization.id)?;
        let persons = members.map(|members| members.persons).unwrap_or_default();
        if let Some(person) = persons.into_iter().find(|person| person.id == id) {
            return Ok(user(person));
        }
    }
    Err(missing())
}

pub(crate) fn list_users(account: &str, page: Page) -> Result<UserPage, Failure> {
    let csa = Csa::open()?;
    let members = organization::open(&csa, &csa.admin()?, account)?;
    let (part, next) = part(members.persons, &page, |person| &person.id)?;
    Ok(UserPage { users: part.into_iter().map(user).collect(), next })
}
