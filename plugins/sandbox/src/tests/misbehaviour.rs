use super::*;
use cnsp_sdk::Outcome;

#[test]
fn a_pending_instance_exists_and_becomes_active() {
    let account = account("a-1");
    let mut request = order(&account, "SANDBOX-CRM-STARTER", 3);
    request.parameters.additionalparameters = told("pending:2 poll:500");
    let run = |attempt, token: Option<&str>| {
        testing::run("op-p", attempt, token, || Sandbox::create_resource(request.clone()))
    };
    let first = run(1, None).unwrap().into_result().unwrap_err();
    assert_eq!((first.token.as_str(), first.poll_after_ms), ("1", 500));
    assert_eq!(status(&first.providerinstanceid), "pending");
    assert_eq!(update(&first.providerinstanceid, 4).unwrap_err().respcode, 409);
    let second = run(2, Some("1")).unwrap().into_result().unwrap_err();
    let done = run(3, Some(&second.token)).unwrap().into_result().unwrap();
    assert_eq!(done.providerinstanceid, first.providerinstanceid);
    assert_eq!(
        (done.status.as_str(), status(&first.providerinstanceid).as_str()),
        ("active", "active")
    );
}

#[test]
fn a_pending_instance_that_is_deleted_stays_cancelled() {
    let account = account("a-1");
    let request = order(&account, "SANDBOX-PENDING", 1);
    let create =
        |token| testing::run("op-p", 1, token, || Sandbox::create_resource(request.clone()));
    let pending = create(None).unwrap().into_result().unwrap_err();
    cancel(&pending.providerinstanceid).unwrap();
    let late = create(Some("2")).unwrap_err();
    assert_eq!(late.respcode, 409);
    assert_eq!(status(&pending.providerinstanceid), "cancel");
}

#[test]
fn a_pending_instance_whose_creation_fails_is_cancelled() {
    let account = account("a-1");
    let request = order(&account, "SANDBOX-PENDING", 1);
    let create =
        |token| testing::run("op-p", 2, token, || Sandbox::create_resource(request.clone()));
    let pending = create(None).unwrap().into_result().unwrap_err();
    let id = pending.providerinstanceid;
    // What may pass ends nothing.
    testing::set_config("sandbox", "fail");
    assert!(create(Some("1")).unwrap_err().retryable);
    testing::unset_config("sandbox");
    assert_eq!(status(&id), "pending");
    testing::set_config("sandbox", "refuse:422");
    // What was accepted is refused at its end.
    assert!(create(Some("1")).unwrap().into_result().is_err());
    assert_eq!(create(Some("2")).unwrap_err().respcode, 422);
    testing::unset_config("sandbox");
    assert_eq!(status(&id), "cancel");
    // Once it is over it stays so.
    assert_eq!(create(Some("1")).unwrap_err().respcode, 409);
    assert_eq!(status(&id), "cancel");
}

#[test]
fn every_change_can_be_pending_and_changes_nothing_before_it_is_done() {
    let account_id = account("a-1");
    let user = user(&account_id, "ada@example.com");
    let instance = instance(&account_id, "SANDBOX-CRM-STARTER", 2);
    let mut suspend = ActOnResource {
        action: "update.suspend".to_owned(),
        instanceinfo: instance_info(&instance),
        additionalparameters: told("pending"),
        ..ActOnResource::default()
    };
    let run = || testing::operation("op-s", || Sandbox::act_on_resource(suspend.clone()));
    assert!(run().unwrap().into_result().is_err());
    assert_eq!(status(&instance), "active");
    change(|| Sandbox::act_on_resource(suspend.clone())).unwrap();
    assert_eq!(status(&instance), "suspended");
    suspend.action = "update.reactivate".to_owned();
    change(|| Sandbox::act_on_resource(suspend.clone())).unwrap();

    let mut create = account_request("a-2");
    create.additionalattributes = told("pending:3");
    change(|| Sandbox::create_account(create.clone())).unwrap();
    let mut new_user = user_request(&account_id, "b@example.com");
    new_user.additionalattributes = told("pending");
    change(|| Sandbox::create_user(new_user.clone())).unwrap();
    let seat = ChangeSeat { other: told("pending"), ..seat_request(&instance, &user) };
    change(|| Sandbox::assign_seat(seat.clone())).unwrap();
    change(|| Sandbox::revoke_seat(seat.clone())).unwrap();
    let mut grow = update_request(&instance, Some(3));
    grow.additionalparameters = told("pending");
    change(|| Sandbox::update_resource(grow.clone())).unwrap();
    let leave = DeleteUser { requestor: of_user(&user), other: told("pending") };
    change(|| Sandbox::delete_user(leave.clone())).unwrap();
    let end = DeleteResource {
        instanceinfo: instance_info(&instance),
        other: told("pending"),
        ..DeleteResource::default()
    };
    change(|| Sandbox::delete_resource(end.clone())).unwrap();
    let update = UpdateAccount {
        requestor: of_account(&account_id),
        additionalattributes: told("pending"),
        ..UpdateAccount::default()
    };
    change(|| Sandbox::update_account(update.clone())).unwrap();
    let close = DeleteAccount { requestor: of_account(&account_id), other: told("pending") };
    change(|| Sandbox::delete_account(close.clone())).unwrap();
    assert!(Sandbox::get_account(account_id).is_err());
}

#[test]
fn it_fails_as_often_as_told() {
    let account = account("a-1");
    let request = order(&account, "SANDBOX-FLAKY", 1);
    let run =
        |attempt| testing::run("op-f", attempt, None, || Sandbox::create_resource(request.clone()));
    let failure = run(1).unwrap_err();
    assert_eq!(failure.respcode, 503);
    assert!(failure.retryable && failure.retry_after_ms.is_some());
    assert!(run(2).is_ok());
    let mut refused = order(&account, "SANDBOX-CRM-STARTER", 1);
    refused.parameters.additionalparameters = told("refuse:422");
    let failure = change(|| Sandbox::create_resource(refused.clone())).unwrap_err();
    assert_eq!((failure.respcode, failure.retryable), (422, false));
}

#[test]
fn it_is_busy_for_as_long_as_told() {
    // The fake's clock stands still, so that only "not at all" can be seen here.
    let account = account("a-1");
    let mut request = order(&account, "SANDBOX-CRM-STARTER", 1);
    request.parameters.additionalparameters = told("slow:0");
    assert!(change(|| Sandbox::create_resource(request.clone())).is_ok());
}

#[test]
fn it_answers_nonsense_where_told() {
    let account = account("a-1");
    let json = change(|| Sandbox::create_resource(order(&account, "SANDBOX-NONSENSE", 1))).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&json.other[0].1).is_err());
    let mut request = order(&account, "SANDBOX-CRM-STARTER", 1);
    request.parameters.additionalparameters = told("nonsense:id");
    let id = change(|| Sandbox::create_resource(request.clone())).unwrap().providerinstanceid;
    assert!(id.len() > 256);
    request.parameters.additionalparameters = told("nonsense:decimal");
    let id = change(|| Sandbox::create_resource(request.clone())).unwrap().providerinstanceid;
    let window =
        Window { start: "2025-01-01T00:00:00Z".to_owned(), end: "2025-02-01T00:00:00Z".to_owned() };
    let feed = Sandbox::usage(BillingScope::Instance(id), window, Page::default()).unwrap();
    assert_eq!(feed.usagefeed[0].quantity, "12,5O");
    testing::set_config("sandbox.catalog.list", "nonsense:json");
    let catalogue = Sandbox::list_offerings(Page::default()).unwrap();
    let spoiled = &catalogue.resources[0].additionalparameters;
    assert!(
        spoiled.iter().any(|(_, json)| serde_json::from_str::<serde_json::Value>(json).is_err())
    );
}

#[test]
fn a_script_that_is_not_understood_is_refused() {
    let mut request = account_request("a-1");
    request.additionalattributes = told("expl0de");
    let failure = change(|| Sandbox::create_account(request.clone())).unwrap_err();
    assert!(failure.respcode == 400 && failure.errormessage.contains("`expl0de`"));
    request.additionalattributes = vec![("sandbox".to_owned(), "7".to_owned())];
    assert_eq!(change(|| Sandbox::create_account(request.clone())).unwrap_err().respcode, 400);
}

#[test]
fn an_instance_says_how_it_is_told_to_be() {
    let account = account("a-1");
    let mut request = order(&account, "SANDBOX-CRM-STARTER", 1);
    request.parameters.additionalparameters = told("degraded");
    let id = change(|| Sandbox::create_resource(request.clone())).unwrap().providerinstanceid;
    assert_eq!(Sandbox::check_health(Some(id)).unwrap().status, "degraded");
}
