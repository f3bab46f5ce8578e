use super::{LOGIN, PLAIN, Scene, apply, bought, delete, patient};
use crate::check;
use cnsp_tests::osb::{Answers, Op};
use serde_json::{Value, json};

#[test]
fn a_brokers_catalog_is_cnsps() {
    let scene = Scene::start(patient(), PLAIN);
    a_catalog_is_imported_with_prices_options_and_defaults(&scene);
    the_mock_catalog_of_osb_is_imported(&scene);
    a_catalog_comes_in_pages(&scene);
    a_catalog_that_breaks_the_rules_is_not_imported(&scene);
    a_plan_that_is_gone_is_shown_while_an_instance_lives(&scene);
    discovery_says_what_can_be_suspended(&scene);
}

fn a_catalog_is_imported_with_prices_options_and_defaults(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    let answer = client.get("/catalog").succeeded();
    check("osb.get_catalog", &answer);
    let request = osb.last(Op::Catalog);
    assert_eq!(request.headers("x-broker-api-version"), ["2.17"]);
    // Nobody in particular asked for it.
    assert!(request.headers("x-broker-api-originating-identity").is_empty());
}

fn the_mock_catalog_of_osb_is_imported(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    let mock = include_str!("../../fixtures/osb/mock_catalog.json");
    osb.state().catalog = serde_json::from_str(mock).unwrap();
    check("osb.get_catalog.mock", &client.get("/catalog").succeeded());
}

fn a_catalog_comes_in_pages(scene: &Scene) {
    let (_osb, client, _) = scene.fresh();
    let mut skus: Vec<Value> = Vec::new();
    let mut path = "/catalog?limit=3".to_owned();
    loop {
        let answer = client.get(&path).succeeded();
        let page = answer.body()["resources"].as_array().unwrap();
        assert!(page.len() <= 3);
        skus.extend(page.iter().map(|offering| offering["parameters"]["sku"].clone()));
        let Some(link) = answer.header("link") else { break };
        let (_, query) = link.split_once('?').unwrap();
        path = format!("/catalog?{}", query.split('>').next().unwrap());
    }
    assert_eq!(skus, ["plan-small", "plan-large", "plan-cache", "plan-unbindable"]);
}

fn a_catalog_that_breaks_the_rules_is_not_imported(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    let right = osb.state().catalog.clone();
    let cases: [(&str, &str, Value); 11] = [
        ("/services/1/id", "svc-queue", json!("svc-queue")),
        ("/services/1/id", "plan-small", json!("plan-small")),
        ("/services/1/name", "queue", json!("queue")),
        ("/services/0/plans/1/id", "plan-small", json!("plan-small")),
        ("/services/1/plans/0/id", "plan-small", json!("plan-small")),
        ("/services/0/plans/1/name", "small", json!("small")),
        ("/services/0/plans", "has no plan", json!([])),
        ("/services/0/plans/0/id", "longer than 200", json!("x".repeat(201))),
        ("/services/0/plans/0/id", "control characters", json!("a\nb")),
        ("/services/0/name", "no proper name", json!("")),
        ("/services/0/bindable", "boolean", json!("yes")),
    ];
    for (pointer, text, value) in cases {
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        osb.state().catalog = wrong;
        let answer = client.get("/catalog");
        assert_eq!(answer.status, 502, "{pointer}: {}", answer.text);
        assert!(answer.error().contains(text), "{pointer}: {}", answer.error());
    }
    // A broker may have nothing to sell, and may say what we do not know.
    osb.state().catalog = json!({ "services": [], "more": 1 });
    assert_eq!(client.get("/catalog").succeeded().body()["resources"], json!([]));
    for wrong in [json!({}), json!([]), json!({ "services": {} })] {
        osb.state().catalog = wrong;
        assert_eq!(client.get("/catalog").status, 502);
    }
}

fn a_plan_that_is_gone_is_shown_while_an_instance_lives(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 1);
    let small = osb.state().catalog["services"][0]["plans"].as_array_mut().unwrap().remove(0);
    assert_eq!(small["id"], "plan-small");
    let answer = client.get("/catalog").succeeded();
    let last = answer.body()["resources"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["parameters"]["sku"], "plan-small");
    assert_eq!(last["parameters"]["name"], "Example Queue Small");
    assert_eq!(last["parameters"]["isenabled"], false);
    let again = client.post("/resource", &super::order(&account, 1));
    assert_eq!((again.status, osb.count(Op::Provision)), (400, 1));

    // The fake takes only plans that it has, as brokers do: it has to know it for the deletion.
    osb.state().catalog["services"][0]["plans"].as_array_mut().unwrap().push(small);
    delete(client, &account, &instance).succeeded();
    osb.state().catalog["services"][0]["plans"].as_array_mut().unwrap().pop();
    let answer = client.get("/catalog").succeeded();
    assert!(!answer.text.contains("plan-small"));
}

fn discovery_says_what_can_be_suspended(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    check("osb.get_discovery", &client.get("/discovery").succeeded());
    let plan = "/services/0/plans/0/schemas/service_instance/update/parameters/properties";
    osb.state().catalog.pointer_mut(plan).unwrap()["suspended"] = json!({ "type": "string" });
    let answer = client.get("/discovery").succeeded();
    let artifact = &answer.body()["resources"][0];
    assert!(!artifact["actions"].as_array().unwrap().contains(&json!("update.suspend")));
    assert!(artifact["notsuspendable"].as_str().unwrap().contains("`suspended`"));
}

#[test]
fn what_is_wrong_with_a_broker_is_told() {
    let scene = Scene::start(patient(), PLAIN);
    health_is_the_brokers(&scene);
    a_setting_that_is_wrong_is_named(&scene);
    a_broker_that_cannot_be_reached_is_not_described(&scene);
}

fn health_is_the_brokers(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let host = &scene.host;
    check("osb.get_health", &client.get("/health").succeeded());
    let instance = bought(client, &account, 1);
    let path = format!("/health/{}", instance.id);
    check("osb.get_health_id", &client.get(&path).succeeded());
    osb.refuse(Op::FetchInstance, 500, "{}");
    assert_eq!(client.get(&path).succeeded().body()["status"], "degraded");

    osb.fault(Op::Catalog, false, Answers::With(500, "<html>".to_owned(), ""));
    let down = client.get("/health").succeeded();
    assert_eq!(down.body()["status"], "down");
    assert!(down.body()["checks"][0]["detail"].as_str().unwrap().contains("(500)"));
    // Our own credentials are no customer's business, and what they are is nobody's.
    apply(host, &osb.origin(), "platform:another-password-canary", "poll_interval_ms = \"1\"");
    let refused = client.get("/catalog");
    assert_eq!(refused.status, 502, "{}", refused.text);
    assert!(refused.error().contains("own credentials"), "{}", refused.text);
    assert!(!refused.text.contains("canary"));
    assert_eq!(client.get("/health").succeeded().body()["status"], "down");
}

fn a_setting_that_is_wrong_is_named(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    let host = &scene.host;
    for (config, named) in [
        ("auth = \"digest\"", "`auth`"),
        ("timeout_ms = \"soon\"", "`timeout_ms`"),
        ("poll_interval_ms = \"0\"", "`poll_interval_ms`"),
    ] {
        apply(host, &osb.origin(), LOGIN, config);
        let answer = client.get("/catalog");
        assert!(answer.error().contains(named), "{}", answer.text);
    }
    assert_eq!(osb.count(Op::Catalog), 0);
}

/// Where it is, and how it failed, is for the vendor.
fn a_broker_that_cannot_be_reached_is_not_described(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    let gone = osb.origin().replace("127.0.0.1", "127.0.0.2");
    apply(&scene.host, &gone, LOGIN, PLAIN);
    let answer = client.get("/catalog");
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(answer.error().contains("cannot be reached"), "{}", answer.text);
    assert!(!answer.text.contains("127.0.0"), "{}", answer.text);
    assert_eq!(client.get("/health").succeeded().body()["status"], "down");
}
