//! Every error that CNSP 1.0 samples, to the letter, as README.md says how to get it.

use super::*;

const SHORT: &str = "The user is not authorized.";
const LONG: &str = "The user is not authorized to perform this operation.";

fn window() -> Window {
    Window { start: "2025-01-01T00:00:00Z".to_owned(), end: "2025-02-01T00:00:00Z".to_owned() }
}

#[test]
fn accounts() {
    let mut request = account_request("a-1");
    request.additionalattributes = told("credentials");
    let denied = change(|| Sandbox::create_account(request.clone()));
    assert_failure(denied, 401, "Invalid credentials provided.", "Authentication failed");

    request.additionalattributes = vec![];
    request.userinfo = Some(AccountUser { email: text("a@b"), ..AccountUser::default() });
    change(|| Sandbox::create_account(request.clone())).unwrap();
    request.accountid = "a-2".to_owned();
    let taken = change(|| Sandbox::create_account(request.clone()));
    assert_failure(
        taken,
        400,
        "User with email address already exists.",
        "Account creation failed",
    );

    let missing = "The account doesn't exist.";
    let update = UpdateAccount { requestor: of_account("acc-gone"), ..UpdateAccount::default() };
    let updated = change(|| Sandbox::update_account(update.clone()));
    assert_failure(updated, 404, missing, "Account updation failed");
    let delete = DeleteAccount { requestor: of_account("acc-gone"), ..DeleteAccount::default() };
    let deleted = change(|| Sandbox::delete_account(delete.clone()));
    assert_failure(deleted, 404, missing, "Account deletion failed");

    testing::set_config("sandbox.account.list", "unauthorized");
    assert_failure(Sandbox::list_accounts(Page::default()), 500, SHORT, "Account retrieval failed");
}

#[test]
fn users() {
    let account = account("a-1");
    user(&account, "a@b");
    let taken = change(|| Sandbox::create_user(user_request(&account, "a@b")));
    assert_failure(taken, 400, "The email address already exists", "User creation failed");
    let missing = "The user doesn't exist.";
    let update = UpdateUser { requestor: of_user("usr-gone"), ..UpdateUser::default() };
    assert_failure(
        change(|| Sandbox::update_user(update.clone())),
        404,
        missing,
        "User updation failed",
    );
    let delete = DeleteUser { requestor: of_user("usr-gone"), ..DeleteUser::default() };
    let deleted = change(|| Sandbox::delete_user(delete.clone()));
    assert_failure(deleted, 404, missing, "User profile deletion failed");
}

#[test]
fn an_account_that_is_told_unauthorized() {
    let id = account("a-1");
    let userid = user(&id, "a@b");
    let instance = instance(&id, "SANDBOX-CRM-STARTER", 2);
    let tell = |script: &str| {
        let update = UpdateAccount {
            requestor: of_account(&id),
            additionalattributes: told(script),
            ..UpdateAccount::default()
        };
        change(|| Sandbox::update_account(update.clone())).unwrap();
    };
    tell("unauthorized");

    assert_failure(Sandbox::get_account(id.clone()), 500, SHORT, "Account retrieval failed");
    assert_failure(Sandbox::get_user(userid.clone()), 403, LONG, LONG);
    assert_failure(Sandbox::list_users(id.clone(), Page::default()), 403, LONG, LONG);
    let created = change(|| Sandbox::create_resource(order(&id, "SANDBOX-CRM-STARTER", 1)));
    assert_failure(created, 403, LONG, LONG);
    assert_failure(Sandbox::get_resource(instance.clone()), 403, LONG, LONG);
    assert_failure(Sandbox::list_resources(id.clone(), Page::default()), 403, LONG, LONG);
    assert_failure(update(&instance, 3), 500, SHORT, "Resource details updation failed");
    assert_failure(cancel(&instance), 500, SHORT, "Resource deletion failed");
    assert_failure(act(&instance, "update.suspend"), 403, LONG, "Suspension of resource failed");
    assert_failure(
        revoke(&instance, &userid),
        403,
        LONG,
        "Revoking of the given subscription for the subscriber failed",
    );

    let usage = |scope| Sandbox::usage(scope, window(), Page::default());
    let by_account = assert_failure(usage(BillingScope::Account(id.clone())), 403, SHORT, SHORT);
    assert_eq!(by_account.errorcode, None);
    let subscription = instance.replace("ins-", "sub-");
    let by_subscription =
        assert_failure(usage(BillingScope::Subscription(subscription)), 403, SHORT, SHORT);
    assert_eq!(by_subscription.errorcode.as_deref(), Some("BZSSS1452E"));
    assert_failure(usage(BillingScope::Instance(instance.clone())), 403, SHORT, SHORT);

    tell("");
    assert_eq!(status(&instance), "active", "it can be taken back");
}

#[test]
fn the_rest() {
    let id = account("a-1");
    let instance = instance(&id, "SANDBOX-CRM-STARTER", 2);
    let user = user(&id, "a@b");
    assign(&instance, &user).unwrap();
    assert_failure(
        assign(&instance, &user),
        404,
        "The subscriber already has a seat for the subscription.",
        "Entitling of subscription failed",
    );
    let missing = act("ins-gone", "update.suspend");
    let missing =
        assert_failure(missing, 404, "Resource not found", "Suspension of resource failed");
    assert_eq!(missing.other.text("providerinstanceid").as_deref(), Some("ins-gone"));
    testing::set_config("sandbox.catalog.list", "unauthorized");
    assert_failure(
        Sandbox::list_offerings(Page::default()),
        403,
        SHORT,
        "The user is not authorized. Unable to retrieve catalogue",
    );
    testing::set_config("sandbox", "credentials");
    let denied = Sandbox::get_account(id);
    assert_failure(denied, 401, "Invalid credentials provided.", "Authentication failed");
}
