//! Lists and the catalogue.

use super::*;
use cnsp_sdk::OpenMapExt;

fn accounts(ids: &[&str]) -> Answer {
    let account = |id: &&str| json!({"accountid": id, "provideraccountid": id, "accountname": id});
    success(json!({"accounts": ids.iter().map(account).collect::<Vec<_>>()}))
}

fn page(limit: u32, after: Option<String>) -> (Vec<String>, Option<String>) {
    let listed = CnspRemote::list_accounts(Page { limit: Some(limit), after }).unwrap();
    (listed.accounts.into_iter().map(|account| account.accountid).collect(), listed.next)
}

#[test]
fn a_remote_that_pages_is_followed() {
    let link = r#"</apiv1/account?limit=2&after=b>; rel="next""#;
    let remote = Remote::start(
        "none",
        vec![with_header(accounts(&["a", "b"]), "Link", link), accounts(&["c"])],
    );
    let (first, next) = page(2, None);
    let (second, end) = page(2, next);
    assert_eq!((first, second, end), (vec!["a".into(), "b".into()], vec!["c".into()], None));
    assert_eq!(remote.asked(), ["GET /account?limit=2", "GET /account?limit=2&after=b"]);
}

#[test]
fn a_remote_that_does_not_page_is_cut() {
    let all = || accounts(&["a", "b", "c"]);
    let remote = Remote::start("none", vec![all(), all()]);
    let (first, next) = page(2, None);
    let (second, end) = page(2, next);
    assert_eq!((first, second, end), (vec!["a".into(), "b".into()], vec!["c".into()], None));
    assert_eq!(remote.asked().len(), 2);
    let wrong = CnspRemote::list_accounts(Page { limit: None, after: Some("x".to_owned()) });
    assert_eq!(wrong.unwrap_err().respcode, 400);
}

#[test]
fn a_page_that_is_the_same_again_ends_a_search() {
    let users = || {
        let users = success(json!({"users": [{"provideruserid": "u", "email": "b@example.com"}]}));
        with_header(users, "Link", "<?p=2>; rel=next")
    };
    let made = success(json!({"provideruserid": "u-2"}));
    let remote = Remote::start("none", vec![users(), users(), made]);
    assert!(change(|| CnspRemote::create_user(new_user())).is_ok());
    assert_eq!(remote.asked().len(), 3);
}

fn offering(tier: Value) -> Value {
    json!({"resources": [{
        "resource": {"type": "saas", "vendor": "v", "isaccountrequired": "true", "x": 1},
        "parameters": {
            "sku": "S-1", "name": "One", "minpurchasequantity": 5, "autorenew": 1, "isenabled": true,
            "setproductasnew": {"fromdate": "2016-01-01", "todate": null}, "colour": "blue",
        },
        "additionalparameters": [],
        "chargeattributes": [{
            "chargeid": "c-1", "chargename": "Users",
            "subscriptionserviceterm": {"sellprice": {
                "billingperiodfrequency": 1, "billingperiodunit": "month", "chargetype": "recurring",
                "tierpricing": [tier],
            }},
        }],
    }]})
}

fn catalog(tier: Value) -> Result<Offering, Failure> {
    Remote::start("none", vec![success(offering(tier))]);
    CnspRemote::list_offerings(Page::default()).map(|mut page| page.resources.remove(0))
}

#[test]
fn the_catalogue_is_read_in_all_its_spellings() {
    let amount: Value = serde_json::from_str("12.500000000000000000001").unwrap();
    let offering = catalog(json!({
        "sequencenumber": 1, "startingvalue": 1, "endingvalue": null, "chargeamount": amount,
        "chargeamountunit": "/mo", "currencycode": "usd", "isdefault": 1, "isenabled": false, "note": "n",
    }))
    .unwrap();
    assert_eq!(offering.resource.isaccountrequired, Some(true));
    assert_eq!(offering.resource.other.json("x"), Some("1"));
    assert_eq!(offering.parameters.minpurchasequantity.as_deref(), Some("5"));
    assert_eq!(offering.parameters.autorenew, Some(true));
    assert_eq!(offering.parameters.other.text("colour").as_deref(), Some("blue"));
    let price = offering.chargeattributes[0].subscriptionserviceterm.sellprice.as_ref().unwrap();
    let tier = &price.tierpricing[0];
    assert_eq!(tier.chargeamount, "12.500000000000000000001");
    assert_eq!((tier.endingvalue.as_deref(), tier.isdefault, tier.isenabled), (None, true, false));
    assert_eq!(tier.other.text("note").as_deref(), Some("n"));
}

#[test]
fn a_price_is_never_guessed() {
    let whole = json!({
        "startingvalue": 1, "chargeamount": "1", "chargeamountunit": "/mo", "currencycode": "usd",
    });
    assert!(catalog(whole.clone()).is_ok());
    for (key, value, named) in [
        ("chargeamount", json!(null), "chargeamount"),
        ("chargeamount", json!("free"), "chargeamount"),
        ("startingvalue", json!({}), "startingvalue"),
        ("endingvalue", json!("many"), "endingvalue"),
        ("currencycode", json!(null), "currencycode"),
    ] {
        let mut tier = whole.clone();
        tier[key] = value;
        let failure = catalog(tier).unwrap_err();
        let path = format!(
            "resources[0].chargeattributes[0].subscriptionserviceterm.sellprice.tierpricing[0].{named}"
        );
        assert_eq!(failure.respcode, 502);
        assert!(failure.errormessage.contains(&path), "{failure:?}");
    }
}
