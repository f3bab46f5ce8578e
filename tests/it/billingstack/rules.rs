//! Rules that neither service keeps for us: whose a customer is, how many seats there are, and what usage is worth.

use super::{Scene, bought, declare, order, sign_up};
use cnsp_tests::billingstack::{ADMIN, Fault, LOGIN, Paths, Step};
use cnsp_tests::bodies::{Account, action, deletion, seat, unique, without};
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

#[test]
fn what_neither_service_minds_is_minded_here() {
    let scene = Scene::start(Paths::Services);
    a_customer_of_another_merchant_is_nobodys_and_one_made_by_hand_is_shown(&scene);
    seats_are_as_many_as_licences_and_are_the_accounts_own(&scene);
    what_makes_no_sense_is_refused_before_anything_is_made(&scene);
    usage_that_makes_no_sense_is_never_left_out(&scene);
    // Last: it leaves the endpoint with settings that are wrong.
    settings_that_are_wrong_are_named_and_missing_roles_are_told_by_health(&scene);
}

fn a_customer_of_another_merchant_is_nobodys_and_one_made_by_hand_is_shown(scene: &Scene) {
    let (services, client) = scene.fresh();
    // As its list has them, with the same name as the stranger's.
    services.fail(Step::CreateCustomer, Fault::DropAfter);
    let owner = client.new_account();
    assert_ne!(owner.id, "c-stranger");
    assert_eq!(client.get("/account/c-stranger?kind=account").status, 404);
    let customer = json!({ "id": "c-hand", "name": "By hand", "merchant_id": "merchant-1" });
    services.state().customers.insert("c-hand".to_owned(), customer);
    let listed = client.get("/account").succeeded();
    let ids: Vec<&Value> = listed.body()["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| &account["provideraccountid"])
        .collect();
    assert_eq!(ids, [&json!(owner.id), &json!("c-hand")], "{}", listed.text);
    let shown = client.get("/account/c-hand").succeeded();
    assert_eq!(shown.body()["accountinfo"]["accountid"], "c-hand");
    let hand = Account { accountid: "c-hand".into(), id: "c-hand".into() };
    assert_eq!(client.post("/resource", &order(&hand, 1)).status, 404);
    // A page at a time.
    let first = client.get("/account?limit=1").succeeded();
    let next = first.header("link").unwrap().to_owned();
    let query = next.split('?').nth(1).unwrap().split('>').next().unwrap();
    let second = client.get(&format!("/account?{query}")).succeeded();
    assert_eq!(second.body()["accounts"][0]["provideraccountid"], "c-hand");
    assert!(second.header("link").is_none());
}

fn seats_are_as_many_as_licences_and_are_the_accounts_own(scene: &Scene) {
    let (services, client, account) = scene.furnished();
    let compute = bought(&client.post("/resource", &order(&account, 1)).succeeded());
    let [ada, eve] = [client.new_user(&account), client.new_user(&account)];
    let change = |of: &Account, what, who| {
        client.put("/account/user/resource", &seat(of, what, who, &compute))
    };
    change(&account, "assign", &ada).succeeded();
    let full = change(&account, "assign", &eve);
    assert_eq!(full.status, 403, "{}", full.text);
    let licences = |number: u64| {
        let mut update = action(&account, &unique("more"), &compute, "update");
        update["parameters"] = json!({ "license": number });
        client.put("/resource", &update)
    };
    licences(2).succeeded();
    change(&account, "assign", &eve).succeeded();
    let fewer = licences(1);
    assert!(fewer.status == 400 && fewer.error().contains("revoke 1"), "{}", fewer.text);
    assert_eq!(licences(0).status, 400);
    let other = client.new_account();
    assert_eq!(change(&other, "revoke", &ada).status, 404);
    let stranger = client.new_user(&other);
    assert_eq!(change(&other, "assign", &stranger).status, 403);
    // One that was taken by hand is given again.
    services.state().granted.retain(|(_, user, _)| *user != ada.id);
    change(&account, "assign", &ada).succeeded();
    // A user who goes leaves a seat.
    let of_user = json!({ "requestor": { "userid": eve.id } });
    client.delete("/account/user", &of_user).succeeded();
    licences(1).succeeded();
}

fn what_makes_no_sense_is_refused_before_anything_is_made(scene: &Scene) {
    let (services, client, account) = scene.furnished();
    let before = services.state().counts();
    for (body, named) in [
        (without(&sign_up(), "/userinfo"), "userinfo.email"),
        (
            cnsp_tests::bodies::with(&sign_up(), "/userinfo/email", json!("nobody")),
            "userinfo.email",
        ),
        (cnsp_tests::bodies::with(&sign_up(), "/accountname", json!("a\nb")), "accountname"),
        (
            cnsp_tests::bodies::with(&sign_up(), "/userinfo/password", json!("x".repeat(129))),
            "password",
        ),
        (cnsp_tests::bodies::with(&sign_up(), "/address/city", json!("x".repeat(256))), "city"),
    ] {
        client.refuses_body(reqwest::Method::POST, "/account", &body, named);
    }
    for (pointer, value, named) in [
        ("/parameters/licenseQuantity", json!(0), "licenseQuantity"),
        ("/parameters/sku", json!("../x"), "sku"),
        ("/resource/type", json!("iaas"), "resource.type"),
    ] {
        let body = cnsp_tests::bodies::with(&order(&account, 1), pointer, value);
        client.refuses_body(reqwest::Method::POST, "/resource", &body, named);
    }
    assert_eq!(services.state().counts(), before);
    assert_eq!(services.count(Step::CreateUser) + services.count(Step::CreateSubscription), 0);
}

fn usage_that_makes_no_sense_is_never_left_out(scene: &Scene) {
    let (services, client, account) = scene.furnished();
    let compute = bought(&client.post("/resource", &order(&account, 1)).succeeded());
    let used = json!({
        "id": "g-1", "subscription_id": compute.subscription, "product_id": "product-gone",
        "measure": "gb", "start_timestamp": "2026-03-01T00:00:00Z",
        "end_timestamp": "2026-03-02T00:00:00Z", "value": 1.5,
    });
    let march = "usage_start_time=2026-03-01T00:00:00Z&usage_end_time=2026-04-01T00:00:00Z";
    let usage = || client.get(&format!("/billing/{}?kind=instance&{march}", compute.id));
    services.state().usage = vec![used.clone()];
    let feed = usage().succeeded();
    assert_eq!(feed.body()["usagefeed"][0]["meter_name"], "product-gone", "{}", feed.text);
    let of_account = || client.get(&format!("/billing/{}?kind=account&{march}", account.id));
    assert_eq!(of_account().succeeded().body()["usagefeed"].as_array().unwrap().len(), 1);
    for (key, value) in [
        ("start_timestamp", json!("yesterday")),
        ("end_timestamp", json!("2026-02-01T00:00:00Z")),
        ("value", json!("1.5")),
        ("value", serde_json::from_str("1e99").unwrap()),
        ("product_id", json!("a/b")),
    ] {
        let mut wrong = used.clone();
        wrong[key] = value.clone();
        services.state().usage = vec![wrong];
        assert_eq!(usage().status, 502, "{key} {value}");
    }
    // What was used stays used, when its subscription has ended.
    services.state().usage = vec![used];
    client.delete("/resource", &deletion(&account, &unique("end"), &compute.id)).succeeded();
    assert_eq!(usage().succeeded().json, feed.json);
    assert_eq!(of_account().succeeded().body()["usagefeed"].as_array().unwrap().len(), 1);
}

fn settings_that_are_wrong_are_named_and_missing_roles_are_told_by_health(scene: &Scene) {
    let (services, client) = scene.fresh();
    services.state().roles.retain(|role| role != "role-bs-admin");
    let health = client.get("/health").succeeded();
    assert_eq!(health.body()["status"], "degraded", "{}", health.text);
    assert!(health.text.contains("billingstack_admin_role"), "{}", health.text);
    let right = declare(&scene.host, "billing", services, LOGIN, ADMIN, "");
    let right = std::fs::read_to_string(right.path().join("setup.toml")).unwrap();
    for (from, to, named) in [
        ("merchant = \"merchant-1\"", "merchant = \"a/b\"", "merchant"),
        ("\"role-member\"", "\"role-admin\"", "member_role"),
        ("keystone_url =", "elsewhere =", "keystone_url"),
        ("merchant =", "timeout_ms = \"soon\", merchant =", "timeout_ms"),
        ("merchant =", "account_role_path = \"a//b\", merchant =", "account_role_path"),
    ] {
        assert!(right.contains(from), "{from}");
        let wrong = SetupFolder::default().text(&right.replacen(from, to, 1));
        scene.host.apply_right(wrong.path());
        let refused = client.get("/catalog");
        assert_eq!(refused.status, 500, "{}", refused.text);
        assert!(refused.error().contains(&format!("`{named}`")), "{}", refused.text);
    }
}
