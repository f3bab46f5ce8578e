//! What is read: accounts, users, instances, usage, discovery, health.

use super::*;
use cnsp_sdk::OpenMapExt;

/// Exactly this text as the answer.
fn get_account(body: &str) -> Result<AccountInfo, Failure> {
    Remote::start("none", vec![plain(200, body)]);
    CnspRemote::get_account("a/b?c".to_owned())
}

#[test]
fn the_samples_slips_are_read() {
    // Missing and trailing commas, a key twice, a brace too many.
    let account = get_account(
        r#"{ "result":{ "providerresponse":{ "respcode":200, "accountinfo":{ "accountid":"C-1", "provideraccountid":"pa-1" "accountname":"Contoso", "phone":12, "address":{ "city":"Seattle", "geo": 1.50 }, "additionalattributes":{ "attributename":"one", "attributename":"two" }, } }, "success":true, "message":"Account retrieved successfully", } } }"#,
    )
    .unwrap();
    assert_eq!(account.accountname, "Contoso");
    assert_eq!(account.other.json("phone"), Some("12"), "what does not fit is passed on");
    let address = account.address.unwrap();
    assert_eq!(
        (address.city.as_deref(), address.other.json("geo")),
        (Some("Seattle"), Some("1.50"))
    );
    assert_eq!(account.additionalattributes.text("attributename").as_deref(), Some("two"));

    // `success` and `message` inside of `providerresponse`, as in "Get Resource".
    let body = json!({"result": {"providerresponse": {
        "respcode": 200, "success": true, "message": "ok",
        "resourceinfo": {
            "resource": {"type": "saas"},
            "parameters": {
                "providerinstanceid": "i-1", "instancename": "n", "license": "5", "customparm1": "x",
                "status": "\\suspended", "startdate": "2016-08-01T00:00:00Z", "enddate": "[enddate]",
            },
            "additionalparameters": {"cnspoperation": "op-1", "k": 1},
        },
    }}});
    let remote = Remote::start("none", vec![plain(200, &body.to_string())]);
    let info = CnspRemote::get_resource("i-1".to_owned()).unwrap();
    assert_eq!(remote.asked(), ["GET /resource/i-1?kind=instance"]);
    assert_eq!(info.parameters.status.as_deref(), Some("suspended"));
    assert_eq!(info.parameters.license, Some(5));
    assert_eq!(info.parameters.startdate.as_deref(), Some("2016-08-01T00:00:00Z"));
    assert_eq!(info.parameters.other.text("enddate").as_deref(), Some("[enddate]"));
    assert_eq!(info.parameters.other.text("customparm1").as_deref(), Some("x"));
    assert_eq!(info.additionalparameters, [("k".to_owned(), "1".to_owned())], "without our mark");
}

#[test]
fn what_the_marketplace_has_not_made_can_be_listed() {
    let accounts =
        json!({"accounts": [{"accountid": null, "provideraccountid": "pa-1", "accountname": 7}]});
    Remote::start("none", vec![success(accounts)]);
    let account = CnspRemote::list_accounts(Page::default()).unwrap().accounts.remove(0);
    assert_eq!((account.accountid.as_str(), account.accountname.as_str()), ("pa-1", "7"));
    assert!(account.other.is_empty());
    Remote::start("none", vec![success(json!({"users": [{"provideruserid": "u-1"}]}))]);
    let users = CnspRemote::list_users("pa-1".to_owned(), Page::default()).unwrap().users;
    assert_eq!(users[0].email, "");
}

#[test]
fn ids_are_parts_of_a_path_and_nothing_else() {
    let remote = Remote::start("none", vec![refusal(404, "no")]);
    assert_eq!(CnspRemote::get_account("a/b?c=ü".to_owned()).unwrap_err().respcode, 404);
    assert_eq!(remote.asked(), ["GET /account/a%2Fb%3Fc%3D%C3%BC"]);
    let remote = Remote::start("none", vec![]);
    for id in [".", ".."] {
        assert_eq!(CnspRemote::get_resource(id.to_owned()).unwrap_err().respcode, 404);
    }
    assert!(remote.asked().is_empty());
}

#[test]
fn an_answer_of_the_other_kind_is_not_found() {
    Remote::start("none", vec![success(json!({"users": []}))]);
    assert_eq!(CnspRemote::get_user("pa-1".to_owned()).unwrap_err().respcode, 404);
    let user = json!({"userinfo": {"provideruserid": "u-1", "email": "a@example.com"}});
    Remote::start("none", vec![success(user)]);
    assert_eq!(
        CnspRemote::list_users("u-1".to_owned(), Page::default()).unwrap_err().respcode,
        404
    );
    Remote::start("none", vec![success(json!({"resources": []}))]);
    assert_eq!(CnspRemote::get_resource("pa-1".to_owned()).unwrap_err().respcode, 404);
    Remote::start("none", vec![success(json!({}))]);
    let failure = CnspRemote::get_user("u-1".to_owned()).unwrap_err();
    assert_eq!(failure.respcode, 502);
    assert!(
        failure.errormessage.contains("`providerresponse.users` is missing")
            || failure.errormessage.contains("users` is missing"),
        "{failure:?}"
    );
}

fn usage(scope: BillingScope, response: Value) -> Result<UsageFeed, Failure> {
    Remote::start("none", vec![success(response)]);
    let window = Window {
        start: "2016-08-01T00:00:00+00:00".to_owned(),
        end: "2016-09-01T00:00:00+00:00".to_owned(),
    };
    CnspRemote::usage(scope, window, Page::default())
}

fn record(instance: &str, start: &str, quantity: Value) -> Value {
    json!({
        "subscriptionid": "s-1", "instanceid": instance, "chargeid": "c-1", "usage_start_time": start,
        "usage_end_time": "2016-08-31T00:00:00Z", "unit": "/mo", "quantity": quantity,
        "info_fields": {"k": 1}, "more": true,
    })
}

#[test]
fn usage_is_of_the_window_and_of_what_was_asked_for() {
    let account = || BillingScope::Account("pa-1".to_owned());
    let digits: Value = serde_json::from_str("1.2300000000000000000001").unwrap();
    let records = json!([
        record("i-1", "2016-08-01T00:00:00Z", digits),
        record("i-2", "2016-08-31T23:59:59+00:00", json!("2.5")),
        record("i-1", "2016-09-01T00:00:00Z", json!(1)),
        record("i-1", "2016-08-01T00:00:00+01:00", json!(1)),
    ]);
    let feed = usage(account(), json!({"accountid": "C-1", "usagefeed": records.clone()})).unwrap();
    let quantities: Vec<&str> = feed.usagefeed.iter().map(|r| r.quantity.as_str()).collect();
    assert_eq!(quantities, ["1.2300000000000000000001", "2.5"]);
    assert!(!feed.partial);
    let first = &feed.usagefeed[0];
    assert_eq!((first.object_type.as_str(), first.meter_name.as_str()), ("UsageRecord", "c-1"));
    assert_eq!((first.info_fields.json("k"), first.other.json("more")), (Some("1"), Some("true")));
    assert_eq!(feed.accountid.as_deref(), Some("C-1"));

    let feed =
        usage(BillingScope::Instance("i-2".to_owned()), json!({"usagefeed": records})).unwrap();
    assert_eq!(feed.usagefeed.len(), 1);

    // The remote's own window, which is another.
    let response = json!({
        "usage_start_time": "2016-08-10T00:00:00Z", "usage_end_time": "2016-09-10T00:00:00Z", "usagefeed": [],
    });
    assert!(usage(account(), response).unwrap().partial, "the books stay open");
    assert!(usage(account(), json!({"usagefeed": [], "partial": true})).unwrap().partial);
    let failure =
        usage(account(), json!({"usagefeed": [record("i-1", "yesterday", json!(1))]})).unwrap_err();
    assert!(failure.errormessage.contains("usagefeed[0].usage_start_time"), "{failure:?}");
}

#[test]
fn discovery_is_passed_on_or_found_out() {
    let said = json!({
        "spversion": "2.1", "capabilities": ["account.get"], "extra": 1,
        "resources": [{"type": "saas", "states": ["active"], "actions": ["create", "update.rename"], "x": 1}],
    });
    Remote::start("none", vec![success(said)]);
    let description = CnspRemote::describe().unwrap();
    assert_eq!(description.spversion, "2.1");
    assert_eq!(description.capabilities, ["account.get", "discovery.describe", "health.check"]);
    assert_eq!(description.resources[0].actions, ["create", "update.rename"]);
    assert_eq!(description.other.json("extra"), Some("1"));

    let catalog = || {
        success(json!({"resources": [
            {"resource": {"type": "vm"}}, {"resource": {"type": "saas"}}, {"resource": {"type": "vm"}},
        ]}))
    };
    let remote =
        Remote::start("none", vec![plain(404, "<html>"), catalog(), refusal(403, "Not yours.")]);
    testing::set_config("actions", "update.backup, update.move");
    let description = CnspRemote::describe().unwrap();
    assert_eq!(remote.asked(), ["GET /discovery", "GET /catalog", "GET /account"]);
    let types: Vec<&str> = description.resources.iter().map(|of| of.type_.as_str()).collect();
    assert_eq!(types, ["vm", "saas"]);
    let actions = &description.resources[0].actions;
    assert!(
        actions.ends_with(&["update.backup".to_owned(), "update.move".to_owned()]),
        "{actions:?}"
    );
    let can = |function: &str| description.capabilities.iter().any(|known| known == function);
    assert!(can("catalog.list") && can("resource.act") && !can("account.list"));
    let probed: Value = description.other.value("probed").unwrap();
    assert_eq!(probed[2], json!({"path": "/account", "answered": "403: Not yours."}));

    // Little is said: the rest is CNSP's.
    Remote::start("none", vec![success(json!({"resources": [{"type": "saas"}]}))]);
    let artifact = CnspRemote::describe().unwrap().resources.remove(0);
    assert_eq!((artifact.states.len(), artifact.actions.len()), (4, 7));
    Remote::start("none", vec![success(json!({"resources": [{"type": "saas", "actions": 1}]}))]);
    assert!(CnspRemote::describe().unwrap_err().errormessage.contains("resources[0].actions"));
    // Another shape: both.
    Remote::start("none", vec![success(json!({"hello": 1})), catalog(), success(json!({}))]);
    let description = CnspRemote::describe().unwrap();
    assert_eq!(description.other.json("hello"), Some("1"));
    assert_eq!(description.resources.len(), 2);
    // What may pass says nothing about what the remote can.
    Remote::start("none", vec![plain(503, "")]);
    assert!(CnspRemote::describe().unwrap_err().retryable);
    Remote::start("none", vec![plain(404, ""), plain(503, "")]);
    assert!(CnspRemote::describe().unwrap_err().retryable);
    Remote::start("none", vec![plain(401, "")]);
    assert_eq!(CnspRemote::describe().unwrap_err().respcode, 500);
}

#[test]
fn health_is_passed_on_or_found_out() {
    let health = |answers| {
        Remote::start("none", answers);
        CnspRemote::check_health(None).unwrap()
    };
    let checks = json!([{"name": "db", "healthy": 0, "detail": "slow", "ms": 12}]);
    let report = health(vec![success(json!({"status": "degraded", "checks": checks}))]);
    assert_eq!(report.status, "degraded");
    assert!(!report.checks[0].healthy && report.checks[0].other.json("ms") == Some("12"));
    assert_eq!(health(vec![success(json!({"status": "UP"}))]).status, "ok");
    let odd = health(vec![success(json!({"status": "yellow"}))]);
    assert_eq!((odd.status.as_str(), odd.checks.len()), ("degraded", 1));
    assert_eq!(health(vec![success(json!({"uptime": 3}))]).status, "ok");
    let probed = health(vec![plain(404, ""), success(json!({"resources": []}))]);
    let names: Vec<&str> = probed.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!((probed.status.as_str(), names), ("ok", vec!["health", "catalog"]));
    assert_eq!(health(vec![plain(404, ""), refusal(403, "no")]).status, "degraded");
    for answer in [plain(401, ""), plain(503, ""), plain(500, ""), lost()] {
        let down = health(vec![answer]);
        assert_eq!(down.status, "down");
        assert!(down.checks[0].detail.as_ref().is_some_and(|detail| !detail.is_empty()));
    }

    let of = |status: &str| success(json!({"resourceinfo": resourceinfo("i-1", status, None)}));
    for (status, expected) in [("active", "ok"), ("suspended", "degraded"), ("cancel", "down")] {
        let remote = Remote::start("none", vec![plain(404, ""), of(status)]);
        let report = CnspRemote::check_health(Some("i-1".to_owned())).unwrap();
        assert_eq!(report.status, expected);
        assert_eq!(remote.asked(), ["GET /health/i-1", "GET /resource/i-1?kind=instance"]);
    }
    Remote::start("none", vec![refusal(404, "no"), refusal(404, "Resource not found")]);
    let failure = CnspRemote::check_health(Some("i-1".to_owned())).unwrap_err();
    assert_eq!((failure.respcode, failure.errormessage.as_str()), (404, "Resource not found"));
}
