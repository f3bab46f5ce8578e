//! Every operation of CNSP 1.0, whole; and that the services' paths make no difference to a caller.

use super::Scene;
use crate::check;
use cnsp_tests::billingstack::{Paths, Services, Step};
use cnsp_tests::bodies::{
    Account, Resource, User, account, action, deletion, requestor, resource, seat, user,
};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::redact::shown;
use serde_json::{Value, json};

/// What is used, as BillingStack tells it: with floats, and of others too.
fn use_it(services: &Services, subscription: &str) {
    let used = |id: &str, of: &str, start: &str, end: &str, value: Value| {
        json!({
            "id": id, "subscription_id": of, "product_id": "product-storage", "measure": "gb",
            "start_timestamp": start, "end_timestamp": end, "value": value, "price": 50, "total": 512.5,
        })
    };
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    services.state().usage = vec![
        used("g-3", subscription, "2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z", json!(9)),
        used("g-2", subscription, "2026-03-31 23:59:59", "2026-04-01 00:00:00", number("0.1")),
        used("g-1", subscription, "2026-03-01T00:00:00", "2026-03-02T00:00:00", number("1.025e1")),
        used("g-0", subscription, "2026-02-28T23:59:59+00:00", "2026-03-01T00:00:00Z", json!(9)),
        used("g-9", "s-9", "2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z", json!(9)),
    ];
}

/// Every operation and what is refused, each with the name of its snapshot.
fn every_operation(services: &Services, client: &Client) -> Vec<(&'static str, Answer)> {
    // As the services count: user 1, customer 2, tenant 3, user 4, subscription 5 and tenant 6.
    let owner = Account { accountid: "C-1".into(), id: "c-2".into() };
    let nobody = Account { accountid: "C-9".into(), id: "c-9".into() };
    let ada = User { id: "u-1".into(), email: "ada@example.com".into() };
    let grace = User { id: "u-4".into(), email: "grace@example.com".into() };
    let compute = Resource { id: "ts-6".into(), subscription: "s-5".into() };
    let none = Resource { id: "ts-9".into(), subscription: "s-9".into() };
    let mut order = resource(&owner, "buy-1", "plan-compute", 2);
    order["parameters"]["customoption1"] = json!({ "title": "Region", "value": "eu" });
    let update = |of: &Account| {
        let mut update = requestor(of);
        update["accountname"] = json!("Contoso Ltd");
        update["address"] = json!({ "city": "Tacoma" });
        update["additionalattributes"] = json!({ "segment": "enterprise" });
        update
    };
    let update_user = |id: &str| {
        let mut update = requestor(&owner);
        update["requestor"]["userid"] = json!(id);
        update["phone"] = json!("+1 206 555 0199");
        update
    };
    let of_user = |id: &str| json!({ "requestor": { "userid": id } });
    let act = |name: &str, of: &Resource, what: &str| action(&owner, name, of, what);
    let mut more = act("more-1", &compute, "update");
    more["parameters"] = json!({ "license": 3, "customparam1": "us" });
    let put = |body: &Value| client.put("/resource", body);
    let change_seat =
        |what, who| client.put("/account/user/resource", &seat(&owner, what, who, &compute));
    let march = "usage_start_time=2026-03-01T00:00:00Z&usage_end_time=2026-04-01T00:00:00Z";
    let usage = |id: &str, kind: &str| client.get(&format!("/billing/{id}?kind={kind}&{march}"));
    use_it(services, "s-5");
    vec![
        ("billingstack.describe.ok", client.get("/discovery")),
        ("billingstack.check_health.ok", client.get("/health")),
        ("billingstack.list_catalog.ok", client.get("/catalog")),
        (
            "billingstack.create_account.ok",
            client.post("/account", &account("C-1", "ada@example.com")),
        ),
        (
            "billingstack.create_account.error.email",
            client.post("/account", &account("C-2", "ada@example.com")),
        ),
        (
            "billingstack.create_account.error.twice",
            client.post("/account", &account("C-1", "bob@example.com")),
        ),
        ("billingstack.get_account.ok", client.get("/account/c-2")),
        ("billingstack.get_account.error", client.get("/account/c-9")),
        ("billingstack.update_account.ok", client.put("/account", &update(&owner))),
        ("billingstack.update_account.error", client.put("/account", &update(&nobody))),
        ("billingstack.list_accounts.ok", client.get("/account")),
        ("billingstack.create_user.ok", client.post("/account/user", &user(&owner, &grace.email))),
        (
            "billingstack.create_user.error",
            client.post("/account/user", &user(&owner, &grace.email)),
        ),
        ("billingstack.update_user.ok", client.put("/account/user", &update_user("u-4"))),
        ("billingstack.update_user.error", client.put("/account/user", &update_user("u-9"))),
        ("billingstack.get_user.ok", client.get("/account/user/u-4")),
        ("billingstack.list_users.ok", client.get("/account/user/c-2")),
        ("billingstack.list_users.error", client.get("/account/user/c-9?kind=account")),
        ("billingstack.create_resource.ok", client.post("/resource", &order)),
        (
            "billingstack.create_resource.error",
            client.post("/resource", &resource(&owner, "buy-2", "plan-none", 5)),
        ),
        (
            "billingstack.create_resource.error.pricing",
            client.post("/resource", &resource(&owner, "buy-3", "plan-holes", 5)),
        ),
        ("billingstack.assign_seat.ok", change_seat("assign", &grace)),
        ("billingstack.assign_seat.error", change_seat("assign", &grace)),
        ("billingstack.update_resource.ok", put(&more)),
        ("billingstack.update_resource.error", put(&act("more-2", &none, "update"))),
        ("billingstack.suspend_resource.ok", put(&act("suspend-1", &compute, "update.suspend"))),
        ("billingstack.suspend_resource.error", put(&act("suspend-2", &none, "update.suspend"))),
        ("billingstack.check_instance.ok.suspended", client.get("/health/ts-6")),
        ("billingstack.assign_seat.error.suspended", change_seat("assign", &ada)),
        ("billingstack.get_resource.ok.suspended", client.get("/resource/ts-6")),
        (
            "billingstack.reactivate_resource.ok",
            put(&act("reactivate-1", &compute, "update.reactivate")),
        ),
        ("billingstack.act_on_resource.error", put(&act("dance-1", &compute, "update.dance"))),
        ("billingstack.get_resource.ok", client.get("/resource/ts-6")),
        ("billingstack.get_resource.error", client.get("/resource/ts-9?kind=instance")),
        ("billingstack.list_resources.ok", client.get("/resource/c-2")),
        ("billingstack.usage.ok.account", usage("c-2", "account")),
        ("billingstack.usage.ok.subscription", usage("s-5", "subscription")),
        ("billingstack.usage.ok.instance", usage("ts-6", "instance")),
        ("billingstack.usage.error", usage("s-9", "subscription")),
        ("billingstack.revoke_seat.ok", change_seat("revoke", &grace)),
        ("billingstack.revoke_seat.error", change_seat("revoke", &grace)),
        (
            "billingstack.delete_account.error.resource",
            client.delete("/account", &requestor(&owner)),
        ),
        (
            "billingstack.delete_resource.ok",
            client.delete("/resource", &deletion(&owner, "end-1", "ts-6")),
        ),
        (
            "billingstack.delete_resource.error",
            client.delete("/resource", &deletion(&owner, "end-2", "ts-6")),
        ),
        ("billingstack.get_resource.ok.deleted", client.get("/resource/ts-6")),
        ("billingstack.delete_user.error.owner", client.delete("/account/user", &of_user("u-1"))),
        ("billingstack.delete_user.ok", client.delete("/account/user", &of_user("u-4"))),
        ("billingstack.delete_user.error", client.delete("/account/user", &of_user("u-4"))),
        ("billingstack.delete_account.ok", client.delete("/account", &requestor(&owner))),
        ("billingstack.delete_account.error", client.delete("/account", &requestor(&owner))),
    ]
}

#[test]
fn every_operation_answers_as_cnsp_samples_it_whatever_the_paths() {
    let all = [Paths::Document, Paths::Services].map(|paths| {
        let scene = Scene::start(paths);
        let answers = every_operation(&scene.services, &scene.client);
        assert_eq!(scene.services.state().counts(), [0, 0, 0, 0]);
        assert!(scene.services.state().granted.is_empty());
        the_twelve_calls_are_made_in_their_order(&scene);
        answers
    });
    let [document, services] = &all;
    for ((name, answer), (_, other)) in document.iter().zip(services) {
        check(name, answer);
        assert_eq!(shown(answer), shown(other), "{name}");
        let success = answer.result()["success"] == true;
        assert_eq!(success, name.contains(".ok"), "{name}: {}", answer.text);
    }
    // The snapshots leave quantities out.
    for (name, answer) in document.iter().filter(|(name, _)| name.contains(".usage.ok")) {
        let feed = answer.body()["usagefeed"].as_array().unwrap();
        let quantities: Vec<String> = feed.iter().map(|of| of["quantity"].to_string()).collect();
        assert_eq!(quantities, ["10.25", "0.1"], "{name}");
    }
}

fn the_twelve_calls_are_made_in_their_order(scene: &Scene) {
    use Step::*;
    let (services, client) = scene.fresh();
    client.get("/catalog").succeeded();
    let owner = client.new_account();
    client.post("/resource", &super::order(&owner, 1)).succeeded();
    let mut steps = services.steps();
    // Looking, which changes nothing, comes in between.
    steps.retain(|step| !matches!(step, Read | ListCustomers | ListSubscriptions));
    let twelve = [
        ListPlans,
        CreateUser,
        SignIn,
        CreateCustomer,
        CreateCustomerTenant,
        GrantAdmin,
        GrantBillingAdmin,
        SignInToTenant,
        CreateSubscription,
        CreateSubscriptionTenant,
        GrantSubscriptionAdmin,
        SetResource,
    ];
    assert_eq!(steps, twelve);
    let customer = services.last_body(CreateCustomer);
    let contact = &customer["contact_info"][0];
    assert_eq!((&customer["name"], &customer["currency"]), (&json!("Contoso"), &json!("usd")));
    for (key, expected) in [
        ("first_name", "Ada"),
        ("company", "Contoso"),
        ("address1", "1 Main Street"),
        ("address2", "Floor 2"),
        ("locality", "Seattle"),
        ("region", "WA"),
        ("postal_code", "98101"),
        ("country_name", "US"),
        ("phone", "+1 206 555 0100"),
    ] {
        assert_eq!(contact[key], expected, "{key}");
    }
    let ordered = services.last_body(CreateSubscription);
    assert!(ordered["resource_id"].as_str().unwrap().starts_with("pending:"), "{ordered}");
    assert!((1..=28).contains(&ordered["billing_day"].as_u64().unwrap()), "{ordered}");
    assert_eq!(ordered["plan_id"], "plan-compute");
}
