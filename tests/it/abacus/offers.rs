//! What there is to buy, who can, and whether Abacus is well.

use super::{OFFERINGS, ORGANIZATION, QUICK, Scene, ZONE, adoption, apply, bought, delete};
use crate::check;
use cnsp_tests::abacus::{Answers, LOGIN, Op};
use cnsp_tests::bodies::{Account, requestor, unique, user};
use serde_json::{Value, json};

#[test]
fn abacus_is_described_and_its_organizations_are_adopted() {
    let scene = Scene::start();
    plans_are_offerings_with_prices(&scene);
    an_offering_says_what_its_plans_lack(&scene);
    discovery_names_what_abacus_can_do_and_nothing_else(&scene);
    an_account_adopts_an_organization(&scene);
    an_organization_that_is_not_there_is_refused_in_words(&scene);
    health_is_what_can_be_asked(&scene);
    what_is_wrong_with_the_endpoint_is_its_vendors(&scene);
}

fn plans_are_offerings_with_prices(scene: &Scene) {
    let (abacus, client, _) = scene.fresh();
    check("abacus.get_catalog", &client.get("/catalog").succeeded());
    // One sign-in, and three plans of each.
    assert_eq!(abacus.count(Op::Plan), 6);
    let first = client.get("/catalog?limit=1").succeeded();
    let link = first.header("link").expect("there is a second page").to_owned();
    let (_, query) = link.split_once('?').unwrap();
    let second = client.get(&format!("/catalog?{}", query.split('>').next().unwrap())).succeeded();
    assert!(second.header("link").is_none());
    let sku = |answer: &cnsp_tests::client::Answer| {
        let resources = answer.body()["resources"].as_array().unwrap().clone();
        assert_eq!(resources.len(), 1);
        resources[0]["parameters"]["sku"].clone()
    };
    assert_eq!([sku(&first), sku(&second)], ["editor/standard", "object-storage/basic"]);
    // Other prices, where the vendor sells elsewhere.
    let config = format!("{QUICK}, country = \"EUR\"");
    apply(&scene.host, &abacus.origin(), LOGIN, OFFERINGS, &config);
    let euros = client.get("/catalog").succeeded();
    let storage = &euros.body()["resources"][1]["chargeattributes"][0];
    let tier = &storage["subscriptionserviceterm"]["sellprice"]["tierpricing"][0];
    assert_eq!((&tier["chargeamount"], &tier["currencycode"]), (&json!("0.7523"), &json!("eur")));
    apply(&scene.host, &abacus.origin(), LOGIN, OFFERINGS, QUICK);
}

fn an_offering_says_what_its_plans_lack(scene: &Scene) {
    let (abacus, client, _) = scene.fresh();
    let offering =
        |index: usize| client.get("/catalog").succeeded().body()["resources"][index].clone();
    let key = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
    abacus.state().plans.remove(&key("pricing", "object-pricing-basic"));
    let unpriced = offering(1);
    assert_eq!(unpriced["parameters"]["isenabled"], true);
    assert!(unpriced["additionalparameters"]["problem"].as_str().unwrap().contains("pricing plan"));
    assert!(unpriced["chargeattributes"][0]["subscriptionserviceterm"].get("sellprice").is_none());
    abacus.state().plans.remove(&key("metering", "editor-licences"));
    let unmetered = offering(0);
    assert_eq!(unmetered["parameters"]["isenabled"], false);
    assert_eq!(unmetered["chargeattributes"], json!([]));
    for (status, body, expected) in
        [(200, "{", 502), (200, "{\"metrics\":[{}]}", 502), (500, "", 502)]
    {
        abacus.refuse(Op::Plan, status, body);
        assert_eq!(client.get("/catalog").status, expected, "{status} {body}");
    }
}

fn discovery_names_what_abacus_can_do_and_nothing_else(scene: &Scene) {
    let (abacus, client, account) = scene.fresh();
    check("abacus.get_discovery", &client.get("/discovery").succeeded());
    let refused = client.post("/account/user", &user(&account, "grace@example.com"));
    assert_eq!(refused.status, 501, "{}", refused.text);
    assert_eq!(client.get(&format!("/account/user/{}", account.id)).status, 501);
    assert_eq!(abacus.count(Op::Unknown), 0);
}

fn an_account_adopts_an_organization(scene: &Scene) {
    let (abacus, client, _) = scene.fresh();
    abacus.state().organizations.insert(ORGANIZATION.to_owned());
    let body = adoption("contoso", ZONE);
    let created = client.with("idempotency-key", "adopt-1").post("/account", &body).succeeded();
    check("abacus.post_account", &created);
    let account =
        Account { accountid: "contoso".to_owned(), id: created.text_of("provideraccountid") };
    assert_eq!(account.id, ORGANIZATION);
    let again = client.with("idempotency-key", "adopt-1").post("/account", &body).succeeded();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    // Nobody else can have it.
    let twin = client.post("/account", &adoption("contoso-2", ZONE));
    assert!(twin.status == 400 && twin.error().contains("already"), "{}", twin.text);
    check("abacus.get_account_id", &client.get("/account/contoso").succeeded());
    let listed = client.get("/account").succeeded();
    assert!(listed.text.contains(ORGANIZATION), "{}", listed.text);

    let mut change = requestor(&account);
    change["accountname"] = json!("Contoso Ltd");
    change["address"] = json!({ "city": "Tacoma" });
    client.put("/account", &change).succeeded();
    let got = client.get("/account/contoso").succeeded();
    assert_eq!(got.body()["accountinfo"]["accountname"], "Contoso Ltd");
    assert_eq!(got.body()["accountinfo"]["address"]["country"], "US");
    let mut change = requestor(&account);
    change["additionalattributes"] = json!({ "identityzone": "another" });
    let refused = client.put("/account", &change);
    assert!(refused.status == 400 && refused.error().contains("adopted"), "{}", refused.text);

    let instance = bought(client, &account, 1);
    assert_eq!(client.delete("/account", &requestor(&account)).status, 409);
    delete(client, &account, &instance).succeeded();
    // What Abacus no longer knows is no account.
    abacus.state().organizations.clear();
    let gone = client.get("/account/contoso");
    assert!(gone.status == 404 && gone.error().contains("no longer"), "{}", gone.text);
    client.delete("/account", &requestor(&account)).succeeded();
    assert_eq!(client.get("/account/contoso").status, 404);
}

fn an_organization_that_is_not_there_is_refused_in_words(scene: &Scene) {
    let (abacus, client, _) = scene.fresh();
    let refused = client.post("/account", &adoption("nobody", "no-such-zone"));
    check("abacus.post_account.error", &refused);
    assert_eq!(refused.status, 400);
    let asked = abacus.count(Op::Account);
    let cases: [(&str, Value, &str); 5] = [
        ("identityzone", Value::Null, "cannot make an organization"),
        ("identityzone", json!("idz:guid"), "without `idz:`"),
        ("identityzone", json!(7), "`identityzone` has to be a text"),
        ("organizationid", json!("another"), "different organizations"),
        ("identityzone", json!("x".repeat(200)), "is no id"),
    ];
    for (key, value, text) in cases {
        let mut body = adoption(&unique("account"), "no-such-zone");
        match value {
            Value::Null => drop(body["additionalattributes"].as_object_mut().unwrap().remove(key)),
            value => body["additionalattributes"][key] = value,
        }
        let refused = client.post("/account", &body);
        assert!(refused.status == 400 && refused.error().contains(text), "{key}: {}", refused.text);
    }
    assert_eq!(abacus.count(Op::Account), asked);
    // An organization of another kind, as Abacus knows it.
    let organization = "us-south:a3d7/fe4d";
    abacus.state().organizations.insert(organization.to_owned());
    let mut body = adoption(&unique("account"), "zone");
    body["additionalattributes"] = json!({ "organizationid": organization });
    let answer = client.post("/account", &body).succeeded();
    assert_eq!(answer.text_of("provideraccountid"), organization);
}

fn health_is_what_can_be_asked(scene: &Scene) {
    let (abacus, client, _) = scene.fresh();
    check("abacus.get_health", &client.get("/health").succeeded());
    abacus.refuse(Op::Report, 500, "");
    let worse = client.get("/health").succeeded();
    assert_eq!(worse.body()["status"], "degraded");
    abacus.state().out_of_scope = vec![Op::Document];
    assert_eq!(client.get("/health").succeeded().body()["status"], "degraded");
    abacus.refuse(Op::Token, 500, "");
    assert_eq!(client.get("/health").succeeded().body()["status"], "down");
}

fn what_is_wrong_with_the_endpoint_is_its_vendors(scene: &Scene) {
    let (abacus, client, _) = scene.fresh();
    let (host, origin) = (&scene.host, abacus.origin());
    for (login, offerings, config, named) in [
        (LOGIN, OFFERINGS, "auth = \"digest\"", "`auth`"),
        (LOGIN, OFFERINGS, "timeout_ms = \"soon\"", "`timeout_ms`"),
        (LOGIN, OFFERINGS, "country = \"MARS\"", "`currency`"),
        (LOGIN, "[{}]", "auth = \"bearer\"", "`offerings`"),
        (LOGIN, "[{\"resource\":\"a\",\"metering\":\"m\",\"meter\":\"x\"}]", QUICK, "`offerings`"),
        ("marketplace:another-secret-canary", OFFERINGS, QUICK, "own credentials"),
    ] {
        apply(host, &origin, login, offerings, config);
        let refused = client.get("/catalog");
        assert_eq!(refused.status, 500, "{named}: {}", refused.text);
        assert!(refused.error().contains(named), "{named}: {}", refused.text);
        assert!(!refused.text.contains("canary"), "{}", refused.text);
    }
    assert_eq!(client.get("/health").succeeded().body()["status"], "down");
    apply(host, &origin, LOGIN, OFFERINGS, QUICK);
    // A token that says nothing, and an answer that repeats the one that was sent.
    for body in ["{}", "{\"access_token\":\"\"}", "{\"access_token\":\"a b\"}", "[]"] {
        abacus.refuse(Op::Token, 200, body);
        let refused = client.get("/catalog");
        assert!(
            refused.status == 502 && refused.error().contains("`access_token`"),
            "{}",
            refused.text
        );
    }
    abacus.fault(Op::Token, false, Answers::With(200, "{\"access_token\":\"leaked-canary\"}", ""));
    abacus.refuse(Op::Plan, 400, "{\"message\":\"no use for leaked-canary\"}");
    let refused = client.get("/catalog");
    assert!(refused.error().contains("no use for ***"), "{}", refused.text);
    let gone = origin.replace("127.0.0.1", "127.0.0.2");
    apply(host, &gone, LOGIN, OFFERINGS, QUICK);
    let refused = client.get("/catalog");
    assert!(
        refused.status == 502 && refused.error().contains("cannot be reached"),
        "{}",
        refused.text
    );
    assert!(!refused.text.contains("127.0.0"), "{}", refused.text);
    apply(host, &origin, LOGIN, OFFERINGS, QUICK);
}
