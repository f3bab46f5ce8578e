//! What a change sends, and what becomes of its answer.

use super::*;
use cnsp_sdk::OpenMapExt;

#[test]
fn a_request_goes_out_as_cnsp_samples_it_with_the_operations_id() {
    let remote = Remote::start(
        "all",
        vec![success(json!({
            "providerinstanceid": "i-1", "username": "ada", "password": "pw-canary", "status": "active",
            "respparam1": {"label": "Console", "value": {"a": 1.25}, "hint": true},
            "respparam2": "no object", "subscriptionid": "s-1", "region": "eu",
        }))],
    );
    testing::set_config("secret", "login");
    let mut request = order();
    request.parameters.custom_options.push((
        "customoption1".to_owned(),
        CustomOption {
            title: Some("Region".to_owned()),
            value: "1.50".to_owned(),
            ..Default::default()
        },
    ));
    request.parameters.additionalparameters.put("k", [1]);
    request.other.put("note", "n");
    let made = change(|| CnspRemote::create_resource(request)).unwrap();
    assert_eq!(remote.asked(), ["POST /resource"]);
    let sent = remote.request(0);
    assert!(matches!(&sent.credential, Credential::Basic(secret) if secret == "login"));
    let header =
        |name: &str| sent.headers.iter().find(|h| h.name == name).map(|h| h.value.as_str());
    assert_eq!(header("Idempotency-Key"), Some("op-1"));
    assert_eq!(header("Content-Type"), Some("application/json"));
    let text = String::from_utf8(sent.body).unwrap();
    assert!(text.contains("\"value\":1.50"), "{text}");
    assert_eq!(
        remote.body(0),
        json!({
            "requestid": "op-1", "action": "create", "resource": {"type": "saas"},
            "parameters": {
                "sku": "MAIL", "licenseQuantity": 5,
                "customoption1": {"title": "Region", "value": serde_json::from_str::<Value>("1.50").unwrap()},
                "additionalparameters": {"k": [1]},
            },
            "requestor": {"accountid": "C-1", "provideraccountid": "pa-1"},
            "note": "n",
        })
    );
    assert_eq!((made.providerinstanceid.as_str(), made.status.as_str()), ("i-1", "active"));
    assert_eq!(
        (made.username.as_deref(), made.password.as_deref()),
        (Some("ada"), Some("pw-canary"))
    );
    assert_eq!(made.subscriptionid.as_deref(), Some("s-1"));
    let (name, param) = &made.respparams[0];
    assert_eq!(
        (name.as_str(), param.label.as_deref(), param.value.as_str()),
        ("respparam1", Some("Console"), "{\"a\":1.25}")
    );
    assert_eq!(param.other.json("hint"), Some("true"));
    assert_eq!(made.respparams.len(), 1);
    assert_eq!(made.other.text("respparam2").as_deref(), Some("no object"));
    assert_eq!(made.other.text("region").as_deref(), Some("eu"));
    assert!(testing::take_log().is_empty(), "a password is never logged");
}

#[test]
fn a_refusal_is_the_remotes_own_and_401_is_the_vendors() {
    Remote::start("all", vec![refusal(409, "It is suspended already.")]);
    let failure = change(|| CnspRemote::act_on_resource(act("update.suspend"))).unwrap_err();
    assert_eq!(
        (failure.respcode, failure.errormessage.as_str()),
        (409, "It is suspended already.")
    );
    assert_eq!(failure.message.as_deref(), Some("no"));
    assert!(!failure.retryable);

    let in_the_body = plain(
        200,
        r#"{"result":{"providerresponse":{"errormessage":"Invalid credentials provided.","respcode":401},"success":false,"message":"Authentication failed"}}"#,
    );
    for answer in [plain(401, "<html>"), in_the_body, refusal(401, "no")] {
        Remote::start("all", vec![answer]);
        let failure = change(|| CnspRemote::create_account(new_account())).unwrap_err();
        assert_eq!(failure.respcode, 500);
        assert!(failure.errormessage.contains("credentials of this endpoint"), "{failure:?}");
        assert!(failure.retryable, "it works once the secret is right");
    }
}

#[test]
fn what_has_no_envelope_is_judged_by_its_status() {
    for (status, respcode, retryable) in [
        (302, 502, false),
        (400, 400, false),
        (409, 400, false),
        (422, 400, false),
        (403, 403, false),
        (404, 404, false),
        (405, 501, false),
        (429, 503, true),
        (503, 503, true),
    ] {
        Remote::start("none", vec![plain(status, "<html>")]);
        let failure = CnspRemote::get_account("C-1".to_owned()).unwrap_err();
        assert_eq!(
            (failure.respcode, failure.retryable),
            (respcode, retryable),
            "{status}: {failure:?}"
        );
        assert!(!failure.errormessage.contains('<'), "{failure:?}");
    }
    Remote::start("none", vec![with_header(plain(503, ""), "Retry-After", "7")]);
    let failure = CnspRemote::get_account("C-1".to_owned()).unwrap_err();
    assert_eq!(failure.retry_after_ms, Some(7000));
    for code in [1, 2, 3, 8] {
        let error = HttpError { code, message: "why.".to_owned(), outcome_unknown: false };
        Remote::start("none", vec![Err(error)]);
        let failure = CnspRemote::get_account("C-1".to_owned()).unwrap_err();
        assert!(failure.retryable && failure.respcode >= 500, "{failure:?}");
        assert!(failure.errormessage.ends_with("why."), "{failure:?}");
    }
}

#[test]
fn what_an_answer_leaves_out_is_known_from_the_request() {
    Remote::start("all", vec![success(json!({"provideraccountid": 17}))]);
    let ids = change(|| CnspRemote::create_account(new_account())).unwrap();
    assert_eq!((ids.accountid.as_str(), ids.provideraccountid.as_str()), ("C-1", "17"));
    Remote::start("all", vec![success(json!({"userid": "u-1"}))]);
    let request = DeleteUser { requestor: of_user(), ..DeleteUser::default() };
    let ids = change(|| CnspRemote::delete_user(request)).unwrap();
    assert_eq!((ids.userid.as_str(), ids.provideruserid.as_str()), ("u-1", "u-1"));
    Remote::start("all", vec![success(json!({}))]);
    assert_eq!(
        change(|| CnspRemote::delete_resource(deletion())).unwrap().providerinstanceid,
        "i-1"
    );
}

#[test]
fn what_is_gone_already_is_deleted() {
    Remote::start("all", vec![plain(410, "")]);
    assert!(change(|| CnspRemote::delete_resource(deletion())).is_ok());
    Remote::start("all", vec![refusal(410, "Gone.")]);
    let request = DeleteUser { requestor: of_user(), ..DeleteUser::default() };
    assert!(change(|| CnspRemote::delete_user(request)).is_ok());
    for gone in [plain(410, ""), refusal(410, "Gone.")] {
        Remote::start("all", vec![gone.clone(), gone]);
        let failure = change(|| CnspRemote::act_on_resource(act("update.suspend"))).unwrap_err();
        assert_eq!(failure.respcode, 404);
        assert_eq!(CnspRemote::get_account("C-1".to_owned()).unwrap_err().respcode, 404);
    }
}

#[test]
fn a_pending_order_is_polled_by_its_instance_and_then_by_its_id() {
    let pending = || success(json!({"providerinstanceid": "i-1", "status": "pending"}));
    let info = |status: &str| success(json!({"resourceinfo": resourceinfo("i-1", status, None)}));
    let remote = Remote::start(
        "resource",
        vec![
            pending(),
            info("pending"),
            info("active"),
            success(json!({"providerinstanceid": "i-1", "status": "active", "password": "pw"})),
        ],
    );
    let made = testing::finish("op-1", || CnspRemote::create_resource(order())).unwrap();
    assert_eq!((made.status.as_str(), made.password.as_deref()), ("active", Some("pw")));
    let get = "GET /resource/i-1?kind=instance";
    assert_eq!(remote.asked(), ["POST /resource", get, get, "POST /resource"]);
    assert_eq!(remote.body(0), remote.body(3));
}

#[test]
fn a_pending_order_of_a_remote_that_knows_no_ids_is_only_looked_at() {
    let list = || success(json!({"resources": []}));
    let info = |status: &str| success(json!({"resourceinfo": resourceinfo("i-1", status, None)}));
    let pending =
        || success(json!({"providerinstanceid": "i-1", "status": "Pending", "username": "ada"}));
    let remote = Remote::start("none", vec![list(), pending(), info("pending"), info("active")]);
    let made = testing::finish("op-1", || CnspRemote::create_resource(order())).unwrap();
    assert_eq!((made.status.as_str(), made.username.as_deref()), ("active", Some("ada")));
    let get = "GET /resource/i-1?kind=instance";
    assert_eq!(remote.asked(), ["GET /resource/pa-1?kind=account", "POST /resource", get, get]);
    assert!(testing::keys().is_empty());

    Remote::start("none", vec![list(), pending(), info("cancel")]);
    let failure = testing::finish("op-2", || CnspRemote::create_resource(order())).unwrap_err();
    assert!(failure.errormessage.contains("cancelled"), "{failure:?}");
    assert!(testing::keys().is_empty());
}

#[test]
fn a_password_that_comes_with_pending_is_not_lost() {
    let answer = json!({"providerinstanceid": "i-1", "status": "pending", "password": "pw"});
    Remote::start("resource", vec![success(answer)]);
    let made = change(|| CnspRemote::create_resource(order())).unwrap();
    assert_eq!((made.status.as_str(), made.password.as_deref()), ("pending", Some("pw")));
}

#[test]
fn pending_changes_end_as_the_instance_or_the_remote_says() {
    let pending = || success(json!({"providerinstanceid": "i-1", "status": "pending"}));
    let info = |status: &str| success(json!({"resourceinfo": resourceinfo("i-1", status, None)}));
    Remote::start("none", vec![pending(), info("pending"), info("suspended")]);
    testing::finish("op-1", || CnspRemote::act_on_resource(act("update.suspend"))).unwrap();
    Remote::start("none", vec![pending(), info("active")]);
    let failure = testing::finish("op-2", || CnspRemote::delete_resource(deletion())).unwrap_err();
    assert!(failure.errormessage.contains("the instance is active"), "{failure:?}");
    Remote::start("resource", vec![pending(), info("active"), refusal(403, "Not now.")]);
    let failure = testing::finish("op-3", || CnspRemote::delete_resource(deletion())).unwrap_err();
    assert_eq!(failure.errormessage, "Not now.");
    // Accounts are not looked at: a repeat tells.
    let remote = Remote::start(
        "all",
        vec![success(json!({"status": "pending"})), success(json!({"provideraccountid": "pa-1"}))],
    );
    testing::finish("op-4", || CnspRemote::create_account(new_account())).unwrap();
    assert_eq!(remote.asked(), ["POST /account", "POST /account"]);
    // Without ids the account is looked for until it is there.
    let found = json!({"accountid": "C-1", "provideraccountid": "pa-1", "accountname": "Contoso"});
    let remote = Remote::start(
        "none",
        vec![
            refusal(404, "no"),
            success(json!({"status": "pending"})),
            refusal(404, "no"),
            success(json!({"accounts": []})),
            success(json!({"accountinfo": found})),
        ],
    );
    let ids = testing::finish("op-5", || CnspRemote::create_account(new_account())).unwrap();
    assert_eq!(ids.provideraccountid, "pa-1");
    assert_eq!(remote.asked().len(), 5);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    testing::set_config("url", "https://sp.example/apiv1");
    testing::set_config("idempotency", "perhaps");
    let failure = CnspRemote::get_account("C-1".to_owned()).unwrap_err();
    assert!(failure.errormessage.contains("`idempotency`"), "{failure:?}");
    testing::set_config("idempotency", "none");
    testing::set_config("timeout_ms", "soon");
    let failure = CnspRemote::get_account("C-1".to_owned()).unwrap_err();
    assert!(failure.errormessage.contains("`timeout_ms`"), "{failure:?}");
    testing::unset_config("url");
    let failure = CnspRemote::get_account("C-1".to_owned()).unwrap_err();
    assert!(failure.errormessage.contains("`url`"), "{failure:?}");
}
