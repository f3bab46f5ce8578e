//! Users of an account. An e-mail address belongs to one user of the whole provider.

use crate::account::{self, Account};
use crate::function::Function;
use crate::ids::{self, UserId};
use crate::{check, misbehave, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, kv, operation, pending};
use serde::{Deserialize, Serialize};

const SEATS_LISTED: u32 = 1000;

/// A user, as it is kept. Never with a password.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct User {
    id: String,
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
    /// Keeps a user that is new.
    pub(crate) fn add(&self) -> Result<(), Failure> {
        kv::set_json(&ids::email_key(&self.email), &self.id)?;
        self.save()
    }

    fn save(&self) -> Result<(), Failure> {
        match UserId::parse(&self.id) {
            Some(id) => kv::set_json(&id.key(), self),
            None => Ok(()),
        }
    }

    /// Takes the user away, with the address and the seats.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        kv::delete(&ids::email_key(&self.email))?;
        let Some(id) = UserId::parse(&self.id) else { return Ok(()) };
        let prefix = ids::seats_of_user(id);
        loop {
            let seats = kv::list(&prefix, None, SEATS_LISTED)?;
            if seats.is_empty() {
                break;
            }
            for seat in seats {
                let own = seat.key.strip_prefix(&prefix).unwrap_or_default();
                for key in ids::seat_keys(ids::InstanceId { account: id.account, own }, id) {
                    kv::delete(&key)?;
                }
            }
        }
        Ok(kv::delete(&id.key())?)
    }

    fn ids(&self, told: &misbehave::Told) -> UserIds {
        let mut ids = UserIds {
            userid: self.id.clone(),
            provideruserid: self.id.clone(),
            ..UserIds::default()
        };
        told.spoil(&mut ids.other);
        told.spoil_id(&mut ids.provideruserid);
        ids
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

    fn check_kept(&self) -> Result<(), Failure> {
        check::text("firstname", self.firstname.as_deref())?;
        check::text("lastname", self.lastname.as_deref())?;
        check::text("phone", self.phone.as_deref())?;
        check::text("role", self.role.as_deref())?;
        check::map("additionalattributes", &self.attributes)?;
        check::map("the user's further keys", &self.other)
    }
}

/// The user that the requestor names, and the account. Somebody of another account is not there.
pub(crate) fn of_requestor(
    function: Function,
    requestor: &Requestor,
) -> Result<(Account, User), Failure> {
    let id = requestor.provideruserid.as_deref().or(requestor.userid.as_deref());
    let Some(id) = id else {
        let text = "`requestor` names no user: it needs a userid or a provideruserid.";
        return Err(function.refuse(400, text));
    };
    match find(id)? {
        Some((account, user)) if account.is_requestors(requestor) => Ok((account, user)),
        _ => Err(function.no_user()),
    }
}

fn find(id: &str) -> Result<Option<(Account, User)>, Failure> {
    let Some(id) = UserId::parse(id) else { return Ok(None) };
    let Some(user) = kv::get_json::<User>(&id.key())? else { return Ok(None) };
    let account: Option<Account> = kv::get_json(&ids::account_key(id.account))?;
    Ok(account.map(|account| (account, user)))
}

/// The id of the user whose address this is.
fn owner_of(email: &str) -> Result<Option<String>, Failure> {
    kv::get_json(&ids::email_key(email))
}

/// The first user of a new account, when it is told an e-mail address.
pub(crate) fn first(account: &Account, userinfo: AccountUser) -> Result<Option<User>, Failure> {
    let Some(email) = userinfo.email else { return Ok(None) };
    check::email("userinfo.email", &email)?;
    check::text("userinfo.password", userinfo.password.as_deref())?;
    if owner_of(&email)?.is_some() {
        let text = "User with email address already exists.";
        return Err(Function::CreateAccount.refuse(400, text));
    }
    let own = ids::mint(&format!("{}/user", operation::require_id()?));
    let user = User {
        id: UserId { account: account.part(), own: &own }.id(),
        email,
        firstname: userinfo.firstname,
        lastname: userinfo.lastname,
        phone: userinfo.phone,
        role: Some(userinfo.role.unwrap_or_else(|| "admin".to_owned())),
        attributes: Vec::new(),
        other: userinfo.other,
    };
    user.check_kept()?;
    Ok(Some(user))
}

/// Every user of an account; none when there are more than `count_max`.
pub(crate) fn all_below(part: &str, count_max: u32) -> Result<Option<Vec<User>>, Failure> {
    let page = Page { limit: Some(count_max), after: None };
    let (users, next) = page::read(&format!("u/{part}/"), &page)?;
    Ok(next.is_none().then_some(users))
}

pub(crate) fn create(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
    let function = Function::CreateUser;
    let told = misbehave::change(function, "", &[&request.additionalattributes, &request.other])?;
    check::email("email", &request.email)?;
    check::text("password", request.password.as_deref())?;
    let account = account::of_requestor(function, &request.requestor)?;
    account.admit(function)?;
    let own = ids::mint(&operation::require_id()?);
    let user = User {
        id: UserId { account: account.part(), own: &own }.id(),
        email: request.email,
        firstname: request.firstname,
        lastname: request.lastname,
        phone: request.phone,
        role: Some(request.role.unwrap_or_else(|| "user".to_owned())),
        attributes: request.additionalattributes,
        other: request.other,
    };
    user.check_kept()?;
    match owner_of(&user.email)? {
        // This very operation has made it before.
        Some(owner) if owner == user.id => return done(user.ids(&told)),
        Some(_) => return Err(function.refuse(400, "The email address already exists")),
        None => {}
    }
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    user.add()?;
    done(user.ids(&told))
}

pub(crate) fn update(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
    let function = Function::UpdateUser;
    let told = misbehave::change(function, "", &[&request.additionalattributes, &request.other])?;
    let (account, mut user) = of_requestor(function, &request.requestor)?;
    account.admit(function)?;
    user.firstname = request.firstname.or(user.firstname);
    user.lastname = request.lastname.or(user.lastname);
    user.phone = request.phone.or(user.phone);
    user.role = request.role.or(user.role);
    check::merge(&mut user.attributes, request.additionalattributes);
    check::merge(&mut user.other, request.other);
    user.check_kept()?;
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    user.save()?;
    done(user.ids(&told))
}

pub(crate) fn delete(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
    let function = Function::DeleteUser;
    let told = misbehave::change(function, "", &[&request.other])?;
    let (account, user) = of_requestor(function, &request.requestor)?;
    account.admit(function)?;
    if let Some(wait) = told.wait() {
        return pending(&wait.token, wait.poll_after);
    }
    user.remove()?;
    done(user.ids(&told))
}

pub(crate) fn get(id: &str) -> Result<UserInfo, Failure> {
    let function = Function::GetUser;
    let told = misbehave::read(function)?;
    let (account, user) = find(id)?.ok_or_else(|| function.no_user())?;
    account.admit(function)?;
    let mut info = user.into_info();
    told.spoil(&mut info.other);
    Ok(info)
}

pub(crate) fn list(account: &str, page: Page) -> Result<UserPage, Failure> {
    let function = Function::ListUsers;
    misbehave::read(function)?;
    let account = account::find(account)?.ok_or_else(|| function.no_account())?;
    account.admit(function)?;
    let (users, next) = page::read::<User>(&format!("u/{}/", account.part()), &page)?;
    Ok(UserPage { users: users.into_iter().map(User::into_info).collect(), next })
}

impl User {
    /// Its id, taken apart.
    pub(crate) fn parts(&self) -> Option<UserId<'_>> {
        UserId::parse(&self.id)
    }
}
