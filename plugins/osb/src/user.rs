//! Users. A broker has none: they are the adapter's own records, and whom a binding is for.

use crate::account::{self, Account};
use crate::{check, ids, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, kv};
use serde::{Deserialize, Serialize};

/// A user, as it is kept. Never with a password: there is nothing to sign in to.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) account: String,
    email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    firstname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lastname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: OpenMap,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    other: OpenMap,
}

impl User {
    fn check_kept(&self) -> Result<(), Failure> {
        check::email("email", &self.email)?;
        check::text("firstname", self.firstname.as_deref())?;
        check::text("lastname", self.lastname.as_deref())?;
        check::text("phone", self.phone.as_deref())?;
        check::text("role", self.role.as_deref())?;
        check::record("The user", self)
    }

    /// Keeps a user that is new, or that this very operation has made before. `taken` says that somebody else has
    /// the address.
    fn add(&self, taken: &str) -> Result<(), Failure> {
        self.check_kept()?;
        match kv::get_json::<String>(&ids::email_key(&self.email))? {
            Some(owner) if owner == self.id => return Ok(()),
            Some(_) => return Err(Failure::refused(400, taken)),
            None => {}
        }
        kv::set_json(&ids::email_key(&self.email), &self.id)?;
        kv::set(&format!("{}{}", ids::users_of(&self.account), self.id), b"{}")?;
        kv::set_json(&ids::user_key(&self.id), self)
    }

    fn ids(&self) -> UserIds {
        UserIds { userid: self.id.clone(), provideruserid: self.id.clone(), other: Vec::new() }
    }

    fn into_info(self) -> UserInfo {
        UserInfo {
            userid: Some(self.id.clone()),
            provideruserid: self.id,
            firstname: self.firstname,
            lastname: self.lastname,
            username: Some(self.email.clone()),
            email: self.email,
            phone: self.phone,
            role: self.role,
            additionalattributes: self.attributes,
            other: self.other,
        }
    }
}

fn missing() -> Failure {
    Failure::refused(404, "The user doesn't exist.")
}

fn find(id: &str) -> Result<Option<User>, Failure> {
    if ids::is_guid(id) { kv::get_json(&ids::user_key(id)) } else { Ok(None) }
}

/// The user that the requestor names. Somebody of another account is not there.
pub(crate) fn of_requestor(requestor: &Requestor) -> Result<(Account, User), Failure> {
    let id = requestor.provideruserid.as_deref().or(requestor.userid.as_deref());
    let Some(id) = id else {
        let text = "`requestor` names no user: it needs a userid or a provideruserid.";
        return Err(Failure::invalid(text));
    };
    let user = find(id)?.ok_or_else(missing)?;
    let account = account::find(&user.account)?.ok_or_else(missing)?;
    if account.is_requestors(requestor) { Ok((account, user)) } else { Err(missing()) }
}

/// The first user of a new account, when it is told an e-mail address.
pub(crate) fn create_first(account: &Account, userinfo: AccountUser) -> Result<(), Failure> {
    let Some(email) = userinfo.email else { return Ok(()) };
    let user = User {
        id: ids::of_operation("user")?,
        account: account.id.clone(),
        email,
        firstname: userinfo.firstname,
        lastname: userinfo.lastname,
        phone: userinfo.phone,
        role: userinfo.role,
        attributes: Vec::new(),
        other: userinfo.other,
    };
    user.add("User with email address already exists.")
}

pub(crate) fn create(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
    let account = account::of_requestor(&request.requestor)?;
    let user = User {
        id: ids::of_operation("user")?,
        account: account.id,
        email: request.email,
        firstname: request.firstname,
        lastname: request.lastname,
        phone: request.phone,
        role: request.role,
        attributes: request.additionalattributes,
        other: request.other,
    };
    user.add("The email address already exists")?;
    done(user.ids())
}

pub(crate) fn update(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
    let (_, mut user) = of_requestor(&request.requestor)?;
    user.firstname = request.firstname.or(user.firstname);
    user.lastname = request.lastname.or(user.lastname);
    user.phone = request.phone.or(user.phone);
    user.role = request.role.or(user.role);
    check::merge(&mut user.attributes, request.additionalattributes);
    check::merge(&mut user.other, request.other);
    user.check_kept()?;
    kv::set_json(&ids::user_key(&user.id), &user)?;
    done(user.ids())
}

pub(crate) fn delete(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
    let (account, user) = of_requestor(&request.requestor)?;
    // A seat is a binding at the broker, and taking it back may take long: that is an operation of its own.
    let prefix = ids::seats_of_user(&user.id);
    if let Some(seat) = kv::list(&prefix, None, 1)?.first() {
        let instance = seat.key.strip_prefix(&prefix).unwrap_or_default();
        let text =
            format!("The user still has a seat of the instance {instance}: revoke it first.");
        return Err(Failure::refused(409, text));
    }
    remove(&account.id, &user.id)?;
    done(user.ids())
}

/// Takes a user out who has no seat.
pub(crate) fn remove(account: &str, id: &str) -> Result<(), Failure> {
    if let Some(user) = find(id)? {
        kv::delete(&ids::email_key(&user.email))?;
        kv::delete(&ids::user_key(id))?;
    }
    Ok(kv::delete(&format!("{}{id}", ids::users_of(account)))?)
}

pub(crate) fn get(id: &str) -> Result<UserInfo, Failure> {
    find(id)?.map(User::into_info).ok_or_else(missing)
}

pub(crate) fn list(account: &str, page: Page) -> Result<UserPage, Failure> {
    let account = account::open(account)?;
    let prefix = ids::users_of(&account.id);
    let (users, next) = page::records::<User>(&prefix, &page, ids::user_key)?;
    Ok(UserPage { users: users.into_iter().map(User::into_info).collect(), next })
}
