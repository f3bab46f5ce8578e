//! What becomes of a change of which nobody knows whether it was made.

use super::*;

fn accountinfo(attributes: Value) -> Value {
    json!({"accountinfo": {
        "accountid": "C-1", "provideraccountid": "pa-1", "accountname": "Contoso",
        "additionalattributes": attributes,
    }})
}

#[test]
fn a_remote_that_honours_ids_is_asked_the_same_once_more() {
    let remote = Remote::start("all", vec![lost(), success(json!({"provideraccountid": "pa-1"}))]);
    let ids = change(|| CnspRemote::create_account(new_account())).unwrap();
    assert_eq!(ids.provideraccountid, "pa-1");
    assert_eq!(remote.asked(), ["POST /account", "POST /account"]);
    assert_eq!(remote.request(0).body, remote.request(1).body);
    // A gateway's answer is no answer either.
    for gateway in
        [plain(502, "<html>"), plain(500, ""), plain(200, "<html>"), refusal(504, "late")]
    {
        let again = success(json!({"providerinstanceid": "i-1", "status": "active"}));
        let remote = Remote::start("resource", vec![gateway, again]);
        assert!(change(|| CnspRemote::create_resource(order())).is_ok());
        assert_eq!(remote.asked().len(), 2);
    }
    Remote::start("resource", vec![lost(), lost()]);
    let failure = change(|| CnspRemote::create_resource(order())).unwrap_err();
    assert!(failure.retryable && failure.respcode == 504, "{failure:?}");
}

#[test]
fn an_account_is_looked_for_before_and_after() {
    let marked = success(accountinfo(json!({"cnspoperation": "op-1"})));
    let remote = Remote::start("none", vec![marked]);
    assert!(change(|| CnspRemote::create_account(new_account())).is_ok());
    assert_eq!(remote.asked(), ["GET /account/C-1"], "a run before has made it");

    let absent = || refusal(500, "The user is not authorized.");
    let remote = Remote::start("none", vec![absent(), lost(), success(accountinfo(json!({})))]);
    let ids = change(|| CnspRemote::create_account(new_account())).unwrap();
    assert_eq!(ids.provideraccountid, "pa-1");
    assert_eq!(remote.body(1)["additionalattributes"]["cnspoperation"], "op-1");
    assert!(String::from_utf8(remote.request(1).body).unwrap().contains("\"price\":1.10"));

    // Somebody else's is not taken.
    let other = || success(accountinfo(json!({"cnspoperation": "op-0"})));
    Remote::start("none", vec![other(), refusal(400, "It exists.")]);
    let failure = change(|| CnspRemote::create_account(new_account())).unwrap_err();
    assert_eq!(failure.errormessage, "It exists.");
    Remote::start("none", vec![other(), lost(), other()]);
    let failure = change(|| CnspRemote::create_account(new_account())).unwrap_err();
    assert!(failure.retryable, "{failure:?}");

    // A remote that takes no accountid in a path has a list.
    let listed = json!({"accounts": [
        {"accountid": "C-0", "provideraccountid": "pa-0", "accountname": "Other"},
        accountinfo(json!({}))["accountinfo"],
    ]});
    let remote = Remote::start("none", vec![absent(), lost(), absent(), success(listed)]);
    assert_eq!(
        change(|| CnspRemote::create_account(new_account())).unwrap().provideraccountid,
        "pa-1"
    );
    assert_eq!(
        remote.asked(),
        ["GET /account/C-1", "POST /account", "GET /account/C-1", "GET /account"]
    );
    // Not made.
    let none = success(json!({"accounts": []}));
    Remote::start("none", vec![absent(), lost(), absent(), none]);
    assert!(change(|| CnspRemote::create_account(new_account())).unwrap_err().retryable);
    // Whether it is there cannot be told now, so nothing is made.
    Remote::start("none", vec![plain(503, "")]);
    assert!(change(|| CnspRemote::create_account(new_account())).unwrap_err().retryable);
}

#[test]
fn a_success_without_ids_is_looked_up() {
    let remote = Remote::start(
        "none",
        vec![refusal(404, "no"), success(json!({})), success(accountinfo(json!({})))],
    );
    assert_eq!(
        change(|| CnspRemote::create_account(new_account())).unwrap().provideraccountid,
        "pa-1"
    );
    assert_eq!(remote.asked().len(), 3);
}

#[test]
fn a_user_is_looked_for_by_the_address() {
    let users = |users: Value| success(json!({ "users": users }));
    let ada = json!({"provideruserid": "pu-1", "email": "Ada@Example.com"});
    let remote = Remote::start("none", vec![users(json!([])), lost(), users(json!([ada]))]);
    let ids = change(|| CnspRemote::create_user(new_user())).unwrap();
    assert_eq!((ids.userid.as_str(), ids.provideruserid.as_str()), ("pu-1", "pu-1"));
    let list = "GET /account/user/pa-1?kind=account";
    assert_eq!(remote.asked(), [list, "POST /account/user", list]);
}

#[test]
fn an_instance_is_the_marked_one_or_the_only_new_one() {
    let list = |items: Vec<Value>| success(json!({ "resources": items }));
    let old = || resourceinfo("i-0", "active", None);
    let cases = [
        (vec![old()], vec![old(), resourceinfo("i-1", "active", Some("op-1"))], Some("i-1")),
        (vec![old()], vec![resourceinfo("i-1", "active", None), old()], Some("i-1")),
        (vec![old()], vec![old(), resourceinfo("i-1", "active", Some("op-0"))], None),
        (vec![old()], vec![old()], None),
        (vec![], vec![old(), resourceinfo("i-1", "active", None)], None),
    ];
    for (before, after, adopted) in cases {
        let shown = format!("{after:?}");
        let remote = Remote::start("none", vec![list(before), lost(), list(after)]);
        let made = change(|| CnspRemote::create_resource(order()));
        let made = made.as_ref().ok().map(|made| made.providerinstanceid.as_str());
        assert_eq!(made, adopted, "{shown}");
        assert_eq!(remote.body(1)["parameters"]["additionalparameters"]["cnspoperation"], "op-1");
    }
    // Of a list that does not end, only a mark says anything.
    let endless = |item: Value| -> Vec<Answer> {
        let page = |number: usize| {
            let link = format!("<?p={number}>; rel=next");
            with_header(list(vec![item.clone()]), "Link", &link)
        };
        (0..20).map(page).collect()
    };
    for (found, is_new) in [(resourceinfo("i-1", "active", None), true), (old(), false)] {
        let remote = Remote::start("none", [endless(old()), vec![lost()], endless(found)].concat());
        let failure = change(|| CnspRemote::create_resource(order())).unwrap_err();
        assert!(!failure.retryable && failure.errormessage.contains("nobody knows"), "{is_new}");
        assert_eq!(remote.asked().len(), 41);
    }
    let found = resourceinfo("i-1", "active", Some("op-1"));
    Remote::start("none", [endless(old()), vec![lost()], endless(found)].concat());
    assert!(change(|| CnspRemote::create_resource(order())).is_ok());
    // A run before this one has made it.
    let remote =
        Remote::start("none", vec![list(vec![resourceinfo("i-1", "active", Some("op-1"))])]);
    assert!(change(|| CnspRemote::create_resource(order())).is_ok());
    assert_eq!(remote.asked(), ["GET /resource/pa-1?kind=account"]);
}

#[test]
fn a_seat_that_is_there_already_after_all_was_given() {
    let seat = |action: &str| ChangeSeat {
        action: action.to_owned(),
        instanceinfo: instance(),
        requestor: of_user(),
        ..ChangeSeat::default()
    };
    let twice = || refusal(404, "The subscriber already has a seat for the subscription.");
    let remote = Remote::start("none", vec![lost(), twice()]);
    assert!(change(|| CnspRemote::assign_seat(seat("assign"))).is_ok());
    assert_eq!(remote.asked().len(), 2);
    // Only where the first may have been made.
    Remote::start("none", vec![twice()]);
    assert_eq!(change(|| CnspRemote::assign_seat(seat("assign"))).unwrap_err().respcode, 404);
    Remote::start("none", vec![lost(), refusal(404, "Resource not found")]);
    assert!(change(|| CnspRemote::assign_seat(seat("assign"))).is_err());
    Remote::start("none", vec![lost(), refusal(404, "The subscriber has no seat.")]);
    assert!(change(|| CnspRemote::revoke_seat(seat("revoke"))).is_ok());
}

#[test]
fn a_suspension_or_deletion_is_seen_in_the_status() {
    let info = |status: &str| success(json!({"resourceinfo": resourceinfo("i-1", status, None)}));
    let done = || success(json!({"providerinstanceid": "i-1"}));
    let suspend = || change(|| CnspRemote::act_on_resource(act("update.suspend")));
    let remote = Remote::start("none", vec![lost(), info("suspended")]);
    suspend().unwrap();
    assert_eq!(remote.asked().len(), 2);
    let remote = Remote::start("none", vec![lost(), info("active"), done()]);
    suspend().unwrap();
    assert_eq!(remote.asked().len(), 3);
    Remote::start("none", vec![lost(), refusal(404, "Resource not found")]);
    change(|| CnspRemote::delete_resource(deletion())).unwrap();
    // Nothing tells whether an action of the remote's own was done: it is not done twice.
    let remote = Remote::start("none", vec![lost()]);
    let failure = change(|| CnspRemote::act_on_resource(act("update.backup"))).unwrap_err();
    assert!(!failure.retryable && failure.errormessage.contains("twice"), "{failure:?}");
    assert_eq!(remote.asked().len(), 1);
    // An update says the same however often.
    let request = UpdateResource {
        action: "update".to_owned(),
        instanceinfo: instance(),
        ..Default::default()
    };
    Remote::start("none", vec![lost(), done()]);
    change(|| CnspRemote::update_resource(request)).unwrap();
}

#[test]
fn accounts_and_users_that_are_gone_were_deleted() {
    let request = || DeleteAccount { requestor: requestor(), ..DeleteAccount::default() };
    let remote = Remote::start("none", vec![lost(), refusal(404, "no")]);
    let ids = change(|| CnspRemote::delete_account(request())).unwrap();
    assert_eq!((ids.accountid.as_str(), ids.provideraccountid.as_str()), ("C-1", "pa-1"));
    assert_eq!(remote.asked(), ["DELETE /account", "GET /account/pa-1"]);
    let still = || success(accountinfo(json!({})));
    Remote::start("none", vec![lost(), still(), success(json!({}))]);
    change(|| CnspRemote::delete_account(request())).unwrap();
    // Who is not shown it knows nothing: what is no more cannot be deleted twice.
    let hidden = || refusal(500, "The user is not authorized.");
    Remote::start("none", vec![lost(), hidden(), refusal(404, "no")]);
    change(|| CnspRemote::delete_account(request())).unwrap();
    Remote::start("none", vec![lost(), hidden(), hidden()]);
    assert_eq!(change(|| CnspRemote::delete_account(request())).unwrap_err().respcode, 500);
    Remote::start("none", vec![refusal(404, "no")]);
    assert_eq!(change(|| CnspRemote::delete_account(request())).unwrap_err().respcode, 404);
    let request = DeleteUser { requestor: of_user(), ..DeleteUser::default() };
    let remote = Remote::start("none", vec![lost(), refusal(404, "no")]);
    change(|| CnspRemote::delete_user(request)).unwrap();
    assert_eq!(remote.asked(), ["DELETE /account/user", "GET /account/user/u-1?kind=user"]);
}
