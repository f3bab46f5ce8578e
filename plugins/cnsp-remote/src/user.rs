//! Users.

use crate::account::{self, deleted, finish, found, is_pending};
use crate::body::{self, Body};
use crate::mark::{self, Owner};
use crate::object::{Object, Wrong};
use crate::page::{self, Wanted};
use crate::remote::{Remote, Sent, segment, unknown};
use crate::settings::About;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done, operation, pending};

const PATH: &str = "/account/user";
/// CNSP 1.0 has one path for a user and for the users of an account. A remote that can tell them apart is told
/// which; another takes no notice.
const OF_USER: &str = "kind=user";
const OF_ACCOUNT: (&str, &str) = ("kind", "account");

pub(crate) fn create(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
    let remote = Remote::open()?;
    let operation = operation::require_id()?;
    let attributes =
        mark::put(&remote.settings, About::Account, &request.additionalattributes, &operation);
    let body = Body::default()
        .maybe("firstname", &request.firstname)
        .maybe("lastname", &request.lastname)
        .text("email", &request.email)
        .maybe("password", &request.password)
        .maybe("phone", &request.phone)
        .maybe("role", &request.role)
        .map("additionalattributes", &attributes)
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Account, "POST", PATH, body, false)?;

    let account = account::of(&request.requestor)?;
    let find = || find(&remote, account, &request.email, &operation);
    if !change.repeats {
        // A run before this one may have made it.
        match find()? {
            Some((user, Owner::Ours)) => return done(ids_of(user)),
            Some((user, Owner::Unmarked)) if operation::token().is_some() => {
                return done(ids_of(user));
            }
            _ if operation::token().is_some() => {
                return pending("made", remote.settings.poll_after);
            }
            _ => {}
        }
    }
    let failure = match remote.send(&change) {
        Sent::Refused(failure) => return Err(failure),
        Sent::Done(answered) if is_pending(&answered.response) => {
            return pending("made", answered.poll_after);
        }
        Sent::Done(answered) => match ids(answered.response, None, None) {
            Ok(ids) => return done(ids),
            // It is made, but what it is called has to be found out.
            Err(Wrong(what)) => unknown(&what),
        },
        Sent::Unknown(failure) => failure,
    };
    match find()? {
        Some((user, Owner::Ours | Owner::Unmarked)) => done(ids_of(user)),
        _ => Err(failure),
    }
}

/// The user of the account with this address, and whose it is.
fn find(
    remote: &Remote,
    account: &str,
    email: &str,
    operation: &str,
) -> Result<Option<(UserInfo, Owner)>, Failure> {
    let path = format!("{PATH}/{}", segment(account)?);
    let users = found(page::all(remote, &path, &[OF_ACCOUNT], "users"))?.unwrap_or_default();
    for object in users.items {
        let mut user = info(object)?;
        if user.email.eq_ignore_ascii_case(email) {
            let owner = mark::take(&mut user.additionalattributes, Some(operation));
            return Ok(Some((user, owner)));
        }
    }
    Ok(None)
}

pub(crate) fn update(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
    let remote = Remote::open()?;
    let body = Body::default()
        .maybe("firstname", &request.firstname)
        .maybe("lastname", &request.lastname)
        .maybe("phone", &request.phone)
        .maybe("role", &request.role)
        .map("additionalattributes", &request.additionalattributes)
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Account, "PUT", PATH, body, true)?;
    finish(&remote, remote.send(&change), |response| of_requestor(response, &request.requestor))
}

pub(crate) fn delete(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
    let remote = Remote::open()?;
    let body = Body::default()
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Account, "DELETE", PATH, body, false)?;
    let requestor = &request.requestor;
    let id = requestor.provideruserid.as_ref().or(requestor.userid.as_ref());
    let path = format!("{PATH}/{}", segment(id.map_or("", String::as_str))?);
    match deleted(&remote, &change, &path, OF_USER) {
        None => done(of_requestor(Object::default(), requestor)?),
        Some(sent) => finish(&remote, sent, |response| of_requestor(response, requestor)),
    }
}

pub(crate) fn get(id: &str) -> Result<UserInfo, Failure> {
    let remote = Remote::open()?;
    let mut answered = remote.get(&format!("{PATH}/{}", segment(id)?), OF_USER)?;
    match answered.response.object("userinfo")? {
        Some(user) => Ok(read_info(&remote, user)?),
        // The id is an account's: the remote has answered with its users.
        None => {
            answered.response.required_list("users")?;
            Err(Failure::refused(404, "The user doesn't exist."))
        }
    }
}

pub(crate) fn list(account: &str, page: Page) -> Result<UserPage, Failure> {
    let remote = Remote::open()?;
    let wanted = Wanted::of(page)?;
    let path = format!("{PATH}/{}", segment(account)?);
    let mut answered = wanted.get(&remote, &path, &[OF_ACCOUNT])?;
    let Some(users) = answered.response.list("users")? else {
        // The id is a user's: the remote has answered with that one.
        answered.response.required_object("userinfo")?;
        return Err(Failure::refused(404, "The account doesn't exist."));
    };
    let users: Result<Vec<_>, _> = users.into_iter().map(|user| read_info(&remote, user)).collect();
    let (users, next) = wanted.cut(users?, answered.next);
    Ok(UserPage { users, next })
}

/// A user as the caller is shown it, without our mark.
fn read_info(remote: &Remote, object: Object) -> Result<UserInfo, Wrong> {
    let mut info = info(object)?;
    if !remote.settings.does_once(About::Account) {
        mark::take(&mut info.additionalattributes, None);
    }
    Ok(info)
}

fn info(mut object: Object) -> Result<UserInfo, Wrong> {
    Ok(UserInfo {
        provideruserid: object.required_text("provideruserid")?,
        userid: object.text("userid"),
        firstname: object.text("firstname"),
        lastname: object.text("lastname"),
        email: object.text_or("email", ""),
        username: object.text("username"),
        phone: object.text("phone"),
        role: object.text("role"),
        additionalattributes: object.map("additionalattributes")?,
        other: object.rest()?,
    })
}

fn ids_of(user: UserInfo) -> UserIds {
    let userid = user.userid.unwrap_or_else(|| user.provideruserid.clone());
    UserIds { userid, provideruserid: user.provideruserid, other: OpenMap::new() }
}

/// The ids of an answer. One stands for the other where the remote has only one, or else what is known from the
/// request.
fn ids(
    mut response: Object,
    userid: Option<&String>,
    provideruserid: Option<&String>,
) -> Result<UserIds, Wrong> {
    let said = response.required_text("provideruserid").ok();
    let own = response.required_text("userid").ok();
    let either = |a: &Option<String>, known: Option<&String>, b: &Option<String>| {
        a.clone().or_else(|| known.cloned()).or_else(|| b.clone())
    };
    let ids = (either(&own, userid, &said), either(&said, provideruserid, &own));
    let (Some(userid), Some(provideruserid)) = ids else {
        return Err(Wrong("`provideruserid` is missing".to_owned()));
    };
    response.take("userid");
    response.take("provideruserid");
    Ok(UserIds { userid, provideruserid, other: response.rest()? })
}

fn of_requestor(response: Object, requestor: &Requestor) -> Result<UserIds, Wrong> {
    let (own, providers) = (requestor.userid.as_ref(), requestor.provideruserid.as_ref());
    ids(response, own.or(providers), providers.or(own))
}
