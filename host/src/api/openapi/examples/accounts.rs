//! Accounts, users and seats.

use super::{Examples, address, requestor};
use crate::error::ErrorCode;
use crate::model::OperationKind as K;
use serde_json::{Value, json};

const NO_ACCOUNT: &str = "The account doesn't exist.";
const NO_USER: &str = "The user doesn't exist.";
const NOT_AUTHORIZED: &str = "The user is not authorized.";
const NOT_THIS: &str = "The user is not authorized to perform this operation.";

pub(super) fn all() -> Vec<Examples> {
    vec![
        create_account(),
        update_account(),
        delete_account(),
        get_account(),
        list_accounts(),
        create_user(),
        update_user(),
        delete_user(),
        change_seat(),
        get_user(),
    ]
}

fn attributes() -> Value {
    json!({"costcentre": "4711", "segment": "education"})
}

fn account_ids() -> Value {
    json!({"accountid": "C-1001", "provideraccountid": "acc-5f0c2a"})
}

fn account() -> Value {
    json!({
        "accountid": "C-1001",
        "provideraccountid": "acc-5f0c2a",
        "accountname": "Analytical Engines Ltd",
        "phone": "+44 20 7946 0100",
        "address": address(),
        "additionalattributes": attributes(),
    })
}

fn create_account() -> Examples {
    let request = json!({
        "accountid": "C-1001",
        "accountname": "Analytical Engines Ltd",
        "phone": "+44 20 7946 0100",
        "userinfo": {
            "firstname": "Ada",
            "lastname": "Lovelace",
            "email": "ada@example.com",
            "password": "k7Vw-2pQz-9dLm",
            "role": "admin",
            "phone": "+44 20 7946 0101",
        },
        "address": address(),
        "additionalattributes": attributes(),
    });
    let (credentials, exists) =
        ("Invalid credentials provided.", "User with email address already exists.");
    Examples::of("create_account", K::CreateAccount)
        .request("create", K::CreateAccount, "An account with its first user", request)
        .done("created", K::CreateAccount, "The account exists now", account_ids())
        .refused("provider_credentials", K::CreateAccount, 401, credentials)
        .refused("email_exists", K::CreateAccount, 400, exists)
}

fn update_account() -> Examples {
    let request = json!({
        "accountname": "Analytical Engines plc",
        "phone": "+44 20 7946 0100",
        "address": address(),
        "additionalattributes": attributes(),
        "requestor": requestor(),
    });
    Examples::of("update_account", K::UpdateAccount)
        .request("update", K::UpdateAccount, "A new name", request)
        .done("updated", K::UpdateAccount, "The account is changed", account_ids())
        .refused("no_such_account", K::UpdateAccount, 404, NO_ACCOUNT)
}

fn delete_account() -> Examples {
    Examples::of("delete_account", K::DeleteAccount)
        .request("delete", K::DeleteAccount, "One account", json!({"requestor": requestor()}))
        .done("deleted", K::DeleteAccount, "The account is gone", account_ids())
        .refused("no_such_account", K::DeleteAccount, 404, NO_ACCOUNT)
}

fn get_account() -> Examples {
    Examples::of("get_account", K::GetAccount)
        .done("found", K::GetAccount, "The account", json!({"accountinfo": account()}))
        .refused("not_authorized", K::GetAccount, 500, NOT_AUTHORIZED)
}

fn list_accounts() -> Examples {
    let other = json!({
        "accountid": "C-1002",
        "provideraccountid": "acc-88d1e4",
        "accountname": "Difference Engines Ltd",
        "accounttype": "reseller",
        "phone": "+44 20 7946 0200",
        "address": address(),
        "additionalattributes": attributes(),
    });
    let mut first = account();
    let one = json!({"accounts": [first, other]});
    if let Value::Object(members) = &mut first {
        members.insert("endpoint".to_owned(), Value::from("acme"));
    }
    let all = json!({
        "accounts": [first],
        "partial": [{
            "endpoint": "globex",
            "respcode": 500,
            "message": "Account retrieval failed",
            "errormessage": NOT_AUTHORIZED,
        }],
    });
    Examples::of("list_accounts", K::ListAccounts)
        .done("one_endpoint", K::ListAccounts, "The accounts of one endpoint", one)
        .done("all_endpoints", K::ListAccounts, "Of all endpoints, one of which failed", all)
        .refused("not_authorized", K::ListAccounts, 500, NOT_AUTHORIZED)
}

fn user_ids() -> Value {
    json!({"userid": "usr-91b3", "provideruserid": "u-91b3"})
}

fn user() -> Value {
    json!({
        "provideruserid": "u-91b3",
        "firstname": "Ada",
        "lastname": "Lovelace",
        "email": "ada@example.com",
        "phone": "+44 20 7946 0101",
        "role": "admin",
        "additionalattributes": {"locale": "en-GB"},
    })
}

fn create_user() -> Examples {
    let request = json!({
        "firstname": "Ada",
        "lastname": "Lovelace",
        "email": "ada@example.com",
        "password": "k7Vw-2pQz-9dLm",
        "phone": "+44 20 7946 0101",
        "role": "admin",
        "additionalattributes": {"locale": "en-GB"},
        "requestor": {"accountid": "C-1001", "provideraccountid": "acc-5f0c2a"},
    });
    Examples::of("create_user", K::CreateUser)
        .request("create", K::CreateUser, "A user of an account", request)
        .done("created", K::CreateUser, "The user exists now", user_ids())
        .refused("email_exists", K::CreateUser, 400, "The email address already exists")
}

fn update_user() -> Examples {
    let request = json!({
        "firstname": "Ada",
        "lastname": "King",
        "phone": "+44 20 7946 0101",
        "role": "member",
        "additionalattributes": {"locale": "en-GB"},
        "requestor": requestor(),
    });
    Examples::of("update_user", K::UpdateUser)
        .request("update", K::UpdateUser, "A new name and role", request)
        .done("updated", K::UpdateUser, "The user is changed", user_ids())
        .refused("no_such_user", K::UpdateUser, 404, NO_USER)
}

fn delete_user() -> Examples {
    Examples::of("delete_user", K::DeleteUser)
        .request("delete", K::DeleteUser, "One user", json!({"requestor": {"userid": "usr-91b3"}}))
        .done("deleted", K::DeleteUser, "The user is gone", user_ids())
        .refused("no_such_user", K::DeleteUser, 404, NO_USER)
}

fn change_seat() -> Examples {
    let request = |action: &str| {
        json!({
            "action": action,
            "instanceinfo": {"providerinstanceid": "ins-77aa01"},
            "requestor": requestor(),
        })
    };
    let ids = || json!({"providerinstanceid": "ins-77aa01"});
    let seated = "The subscriber already has a seat for the subscription.";
    Examples::of("change_seat", K::AssignSeat)
        .request("assign", K::AssignSeat, "Give the user a seat", request("assign"))
        .request("revoke", K::RevokeSeat, "Take the seat back", request("revoke"))
        .done("assigned", K::AssignSeat, "The user has a seat", ids())
        .done("revoked", K::RevokeSeat, "The user has no seat any more", ids())
        .refused("already_assigned", K::AssignSeat, 404, seated)
        .refused("not_authorized", K::RevokeSeat, 403, NOT_THIS)
}

fn get_user() -> Examples {
    let other = json!({
        "provideruserid": "u-91b4",
        "firstname": "Charles",
        "lastname": "Babbage",
        "email": "charles@example.com",
        "username": "charles",
        "phone": "+44 20 7946 0102",
        "role": "member",
        "additionalattributes": {"locale": "en-GB"},
    });
    let both = "`C-1001` is a user and an account: say which with `?kind=user` or `?kind=account`.";
    Examples::of("get_user", K::GetUser)
        .done("user", K::GetUser, "The id is a user's", json!({"userinfo": user()}))
        .done("users", K::ListUsers, "The id is an account's", json!({"users": [user(), other]}))
        .refused("not_authorized", K::GetUser, 403, NOT_THIS)
        .error("AMBIGUOUS_KIND", K::GetUser, ErrorCode::Ambiguous, both)
}
