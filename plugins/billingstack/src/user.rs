//! Users: Keystone has them, and lists those who have a role in the customer's tenant. What CNSP says of a user beside
//! the e-mail address, Keystone v2.0 has no field for.

use crate::keystone::{Keystone, Purpose};
use crate::record::{self, Account, User};
use crate::settings::Settings;
use crate::signup::{check_names, first_sign_in, password, taken};
use crate::undo::Undo;
use crate::{check, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, operation};

/// More seats than this a user has to lose one by one, so that no operation grows without bound.
const SEATS_DELETED_MAX: u32 = 100;

pub(crate) fn create(request: CreateUser) -> Result<CreateUserOutcome, Failure> {
    let settings = Settings::read()?;
    let operation = operation::require_id()?;
    let account = Account::of_requestor(&request.requestor)?;
    check::email("email", &request.email)?;
    check_names(&request.firstname, &request.lastname, &request.phone, &request.role)?;
    check::record("The user", &(&request.additionalattributes, &request.other))?;
    let (password, generated) = password(request.password.as_deref())?;
    let keystone = Keystone { settings: &settings };
    let mut undo = Undo::new(&settings);
    let user = keystone.create_user(&request.email, &password, &operation);
    let user = user.map_err(|trouble| taken(trouble, "The email address already exists"));
    let id = match user {
        Ok(user) => user.id,
        Err(trouble) => return Err(undo.run(trouble)),
    };
    undo.user(&id, &request.email);
    let purpose = Purpose::Customer(account.customer.clone());
    let member = &settings.roles.member;
    let finished = match generated {
        true => first_sign_in(&keystone, &id, &request.email, &password, generated),
        false => Ok(()),
    };
    let finished = finished
        .and_then(|()| keystone.grant(&purpose, &account.tenant, &id, member, "member_role"));
    if let Err(failure) = finished {
        return Err(undo.run(failure.into()));
    }
    let user = User {
        id,
        customer: account.customer,
        email: request.email,
        firstname: request.firstname,
        lastname: request.lastname,
        phone: request.phone,
        role: request.role,
        attributes: request.additionalattributes,
        other: request.other,
    };
    user.save()?;
    let mut ids = user.ids();
    if generated {
        ids.other.put("username", &user.email);
        ids.other.put("password", password);
    }
    done(ids)
}

pub(crate) fn update(request: UpdateUser) -> Result<UpdateUserOutcome, Failure> {
    let settings = Settings::read()?;
    let (_, mut user) = User::of_requestor(&request.requestor)?;
    check_names(&request.firstname, &request.lastname, &request.phone, &request.role)?;
    Keystone { settings: &settings }.user(&user.id)?.ok_or_else(User::missing)?;
    user.firstname = request.firstname.or(user.firstname);
    user.lastname = request.lastname.or(user.lastname);
    user.phone = request.phone.or(user.phone);
    user.role = request.role.or(user.role);
    check::merge(&mut user.attributes, request.additionalattributes);
    check::merge(&mut user.other, request.other);
    check::record("The user", &user)?;
    user.save()?;
    done(user.ids())
}

pub(crate) fn delete(request: DeleteUser) -> Result<DeleteUserOutcome, Failure> {
    let settings = Settings::read()?;
    let (account, user) = User::of_requestor(&request.requestor)?;
    if user.id == account.owner {
        let text = "The user administers the account and its subscriptions, and goes with the account: delete that.";
        return Err(Failure::refused(409, text));
    }
    let seats = record::ids_below(&record::seats_of_user(&user.id), SEATS_DELETED_MAX + 1)?;
    if seats.len() > SEATS_DELETED_MAX as usize {
        let text =
            format!("The user has more than {SEATS_DELETED_MAX} seats: revoke some of them first.");
        return Err(Failure::refused(409, text));
    }
    // Keystone takes the user's roles away with the user.
    Keystone { settings: &settings }.delete_user(&user.id)?;
    for tenant in seats {
        record::forget_seat(&tenant, &user.id)?;
    }
    user.forget()?;
    done(user.ids())
}

pub(crate) fn get(id: &str) -> Result<UserInfo, Failure> {
    let settings = Settings::read()?;
    let user = User::find(id)?.ok_or_else(User::missing)?;
    Keystone { settings: &settings }.user(&user.id)?.ok_or_else(User::missing)?;
    Ok(info(user))
}

pub(crate) fn list(account: &str, page: Page) -> Result<UserPage, Failure> {
    let settings = Settings::read()?;
    let account = Account::find(account)?.ok_or_else(Account::missing)?;
    let mut ids = Keystone { settings: &settings }.users_of(&account.tenant)?;
    ids.sort();
    ids.dedup();
    let mut users = Vec::with_capacity(ids.len());
    for id in ids {
        // Somebody who was given a role in the tenant by hand is no user of the account.
        users.extend(User::find(id.as_str())?.filter(|user| user.customer == account.customer));
    }
    let (users, next) = page::cut(users, &page, |user| user.id.to_string())?;
    Ok(UserPage { users: users.into_iter().map(info).collect(), next })
}

fn info(user: User) -> UserInfo {
    UserInfo {
        userid: Some(user.id.to_string()),
        provideruserid: user.id.to_string(),
        firstname: user.firstname,
        lastname: user.lastname,
        username: Some(user.email.clone()),
        email: user.email,
        phone: user.phone,
        role: user.role,
        additionalattributes: user.attributes,
        other: user.other,
    }
}
