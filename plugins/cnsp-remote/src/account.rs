//! Accounts.

use crate::body::{self, Body};
use crate::mark::{self, Owner};
use crate::object::{Object, Wrong};
use crate::page::{self, Wanted};
use crate::remote::{Answered, Change, Remote, Sent, segment, unknown};
use crate::settings::About;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, Outcome, done, operation, pending};

const PATH: &str = "/account";

pub(crate) fn create(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
    let remote = Remote::open()?;
    let operation = operation::require_id()?;
    let attributes =
        mark::put(&remote.settings, About::Account, &request.additionalattributes, &operation);
    let mut body = Body::default()
        .text("accountid", &request.accountid)
        .text("accountname", &request.accountname)
        .maybe("phone", &request.phone);
    if let Some(user) = &request.userinfo {
        let user = Body::default()
            .maybe("firstname", &user.firstname)
            .maybe("lastname", &user.lastname)
            .maybe("email", &user.email)
            .maybe("password", &user.password)
            .maybe("role", &user.role)
            .maybe("phone", &user.phone)
            .others(&user.other);
        body = body.object("userinfo", user);
    }
    if let Some(address) = &request.address {
        body = body.object("address", body::address(address));
    }
    let body = body.map("additionalattributes", &attributes).others(&request.other);
    let change = remote.change(About::Account, "POST", PATH, body, false)?;

    let find = |thorough| find(&remote, &request.accountid, &operation, thorough);
    if !change.repeats {
        // A run before this one may have made it.
        let found = find(operation::attempt() > 1)?;
        match found {
            Some((account, Owner::Ours)) => return done(ids_of(account)),
            Some((account, Owner::Unmarked)) if operation::token().is_some() => {
                return done(ids_of(account));
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
        Sent::Done(answered) => match ids(answered.response, Some(&request.accountid), None) {
            Ok(ids) => return done(ids),
            // It is made, but what it is called has to be found out.
            Err(Wrong(what)) => unknown(&what),
        },
        Sent::Unknown(failure) => failure,
    };
    match find(true)? {
        Some((account, Owner::Ours | Owner::Unmarked)) => done(ids_of(account)),
        _ => Err(failure),
    }
}

/// The account with this accountid, and whose it is. Not every remote understands an accountid in a path, so a
/// thorough search goes through all of them.
fn find(
    remote: &Remote,
    accountid: &str,
    operation: &str,
    thorough: bool,
) -> Result<Option<(AccountInfo, Owner)>, Failure> {
    let path = format!("{PATH}/{}", segment(accountid)?);
    let mut found = match found(remote.get(&path, ""))? {
        Some(mut answered) => vec![answered.response.required_object("accountinfo")?],
        None => Vec::new(),
    };
    if found.is_empty() && thorough {
        found = page::all(remote, PATH, &[], "accounts")?.items;
    }
    for object in found {
        let mut account = info(object)?;
        if account.accountid == accountid {
            let owner = mark::take(&mut account.additionalattributes, Some(operation));
            return Ok(Some((account, owner)));
        }
    }
    Ok(None)
}

/// What a search came to: none where the remote refuses to show it, for which it has many codes. What may pass is
/// no answer to a search, nor is what cannot be read.
pub(crate) fn found<T>(asked: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.retryable || failure.respcode == 502 => Err(failure),
        Err(_) => Ok(None),
    }
}

/// Whether the remote has accepted a change and not finished it.
pub(crate) fn is_pending(response: &Object) -> bool {
    response.peek("status").is_some_and(|status| status.eq_ignore_ascii_case("pending"))
}

pub(crate) fn update(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
    let remote = Remote::open()?;
    let mut body =
        Body::default().maybe("accountname", &request.accountname).maybe("phone", &request.phone);
    if let Some(address) = &request.address {
        body = body.object("address", body::address(address));
    }
    let body = body
        .map("additionalattributes", &request.additionalattributes)
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Account, "PUT", PATH, body, true)?;
    finish(&remote, remote.send(&change), |response| of_requestor(response, &request.requestor))
}

pub(crate) fn delete(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
    let remote = Remote::open()?;
    let body = Body::default()
        .object("requestor", body::requestor(&request.requestor))
        .others(&request.other);
    let change = remote.change(About::Account, "DELETE", PATH, body, false)?;
    let requestor = &request.requestor;
    let id = requestor.provideraccountid.as_ref().or(requestor.accountid.as_ref());
    let path = format!("{PATH}/{}", segment(id.map_or("", String::as_str))?);
    match deleted(&remote, &change, &path, "") {
        None => done(of_requestor(Object::default(), requestor)?),
        Some(sent) => finish(&remote, sent, |response| of_requestor(response, requestor)),
    }
}

/// Deletes what can be looked at there. None: it is no more, so it was deleted.
pub(crate) fn deleted(remote: &Remote, change: &Change, path: &str, query: &str) -> Option<Sent> {
    // A run of this operation before may have deleted it, and then the remote does not know it.
    let mut again = operation::attempt() > 1;
    let sent = match remote.send(change) {
        Sent::Unknown(failure) if !change.repeats => match remote.get(path, query) {
            Err(gone) if gone.respcode == 404 => return None,
            Err(passes) if passes.retryable => Sent::Unknown(failure),
            // It is there, or is shown to nobody: so is what is not there, by CNSP 1.0's samples.
            _ => {
                again = true;
                remote.send(change)
            }
        },
        sent => sent,
    };
    match sent {
        Sent::Refused(failure) if failure.respcode == 410 => None,
        Sent::Refused(failure) if again && failure.respcode == 404 => None,
        sent => Some(sent),
    }
}

/// The outcome of a change of which nothing can be looked up.
pub(crate) fn finish<O: Outcome<Pending = Pending>>(
    remote: &Remote,
    sent: Sent,
    read: impl FnOnce(Object) -> Result<O::Done, Wrong>,
) -> Result<O, Failure> {
    match sent {
        Sent::Refused(failure) | Sent::Unknown(failure) => Err(failure),
        // A repeat tells how it stands; without that, what the remote has accepted is all that there will be to
        // know, and its `status` says so.
        Sent::Done(answered)
            if is_pending(&answered.response) && remote.settings.does_once(About::Account) =>
        {
            pending("accepted", answered.poll_after)
        }
        Sent::Done(Answered { response, .. }) => done(read(response)?),
    }
}

pub(crate) fn get(id: &str) -> Result<AccountInfo, Failure> {
    let remote = Remote::open()?;
    let mut answered = remote.get(&format!("{PATH}/{}", segment(id)?), "")?;
    Ok(read_info(&remote, answered.response.required_object("accountinfo")?)?)
}

pub(crate) fn list(page: Page) -> Result<AccountPage, Failure> {
    let remote = Remote::open()?;
    let wanted = Wanted::of(page)?;
    let mut answered = wanted.get(&remote, PATH, &[])?;
    let accounts = answered.response.required_list("accounts")?;
    let accounts: Result<Vec<_>, _> =
        accounts.into_iter().map(|account| read_info(&remote, account)).collect();
    let (accounts, next) = wanted.cut(accounts?, answered.next);
    Ok(AccountPage { accounts, next })
}

/// An account as the caller is shown it, without our mark.
fn read_info(remote: &Remote, object: Object) -> Result<AccountInfo, Wrong> {
    let mut info = info(object)?;
    if !remote.settings.does_once(About::Account) {
        mark::take(&mut info.additionalattributes, None);
    }
    Ok(info)
}

fn info(mut object: Object) -> Result<AccountInfo, Wrong> {
    let provideraccountid = object.required_text("provideraccountid")?;
    Ok(AccountInfo {
        // One that the marketplace has not made has no id of the marketplace's.
        accountid: match object.has("accountid") {
            true => object.required_text("accountid")?,
            false => object.text_or("accountid", &provideraccountid),
        },
        provideraccountid,
        accountname: object.text_or("accountname", ""),
        accounttype: object.text("accounttype"),
        phone: object.text("phone"),
        address: object.object("address")?.map(address).transpose()?,
        additionalattributes: object.map("additionalattributes")?,
        other: object.rest()?,
    })
}

fn address(mut object: Object) -> Result<Address, Wrong> {
    Ok(Address {
        addressline1: object.text("addressline1"),
        addressline2: object.text("addressline2"),
        city: object.text("city"),
        state: object.text("state"),
        postalcode: object.text("postalcode"),
        country: object.text("country"),
        other: object.rest()?,
    })
}

fn ids_of(account: AccountInfo) -> AccountIds {
    AccountIds {
        accountid: account.accountid,
        provideraccountid: account.provideraccountid,
        other: OpenMap::new(),
    }
}

/// The ids of an answer; what it leaves out is known from the request.
fn ids(
    mut response: Object,
    accountid: Option<&String>,
    provideraccountid: Option<&String>,
) -> Result<AccountIds, Wrong> {
    let of = |response: &mut Object, key: &str, known: Option<&String>| match known {
        Some(known) => Ok(response.text_or(key, known)),
        None => response.required_text(key),
    };
    Ok(AccountIds {
        accountid: of(&mut response, "accountid", accountid)?,
        provideraccountid: of(&mut response, "provideraccountid", provideraccountid)?,
        other: response.rest()?,
    })
}

fn of_requestor(response: Object, requestor: &Requestor) -> Result<AccountIds, Wrong> {
    let (own, providers) = (requestor.accountid.as_ref(), requestor.provideraccountid.as_ref());
    ids(response, own.or(providers), providers.or(own))
}

/// The account that a requestor speaks for, as the remote knows it best.
pub(crate) fn of(requestor: &Requestor) -> Result<&str, Failure> {
    let id = requestor.provideraccountid.as_deref().or(requestor.accountid.as_deref());
    id.ok_or_else(|| {
        Failure::invalid("`requestor.provideraccountid` is missing: it says which account.")
    })
}
