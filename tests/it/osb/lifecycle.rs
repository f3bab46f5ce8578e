use super::{PLAIN, Scene, bought, delete, impatient, instance, order, patient, status};
use crate::check;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cnsp_tests::bodies::{Account, User, action, requestor, resource, unique, with};
use cnsp_tests::eventually;
use cnsp_tests::osb::{Op, background};
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn an_instance_lives_from_order_to_deletion() {
    let scene = Scene::start(patient(), PLAIN);
    accounts_and_users_are_the_adapters_own(&scene);
    an_order_is_a_provisioning_with_all_that_osb_wants(&scene);
    an_order_that_cannot_be_right_reaches_no_broker(&scene);
    an_update_tells_what_was_said_and_nothing_else(&scene);
    only_a_service_that_says_so_changes_plans(&scene);
    suspending_is_a_parameter_where_the_plan_has_one(&scene);
    an_instance_that_the_broker_does_not_tell_of_is_told_from_the_record(&scene);
    usage_is_refused_in_words(&scene);
}

fn accounts_and_users_are_the_adapters_own(scene: &Scene) {
    let (osb, client, _) = scene.fresh();
    let body = cnsp_tests::bodies::account("contoso", "ada@example.com");
    let id = client.post("/account", &body).succeeded().text_of("provideraccountid");
    let account = Account { accountid: "contoso".to_owned(), id };
    check("osb.get_account_id", &client.get(&format!("/account/{}", account.id)).succeeded());
    let twin = cnsp_tests::bodies::account(&account.accountid, "twin@example.com");
    assert_eq!(client.post("/account", &twin).status, 400);
    let mut change = requestor(&account);
    change["accountname"] = json!("Contoso Ltd");
    change["address"] = json!({ "city": "Tacoma" });
    client.put("/account", &change).succeeded();
    let got = client.get(&format!("/account/{}", account.accountid)).succeeded();
    assert_eq!(got.body()["accountinfo"]["accountname"], "Contoso Ltd");
    assert_eq!(got.body()["accountinfo"]["address"]["city"], "Tacoma");
    assert_eq!(got.body()["accountinfo"]["address"]["country"], "US");

    let body = cnsp_tests::bodies::user(&account, "grace@example.com");
    let id = client.post("/account/user", &body).succeeded().text_of("provideruserid");
    let user = User { id, email: "grace@example.com".to_owned() };
    check(
        "osb.get_account_user_id",
        &client.get(&format!("/account/user/{}", user.id)).succeeded(),
    );
    let twin = client.post("/account/user", &cnsp_tests::bodies::user(&account, &user.email));
    assert_eq!((twin.status, twin.error()), (400, "The email address already exists"));
    let body = json!({ "role": "admin", "requestor": { "userid": user.id } });
    client.put("/account/user", &body).succeeded();
    let users = client.get(&format!("/account/user/{}", account.id)).succeeded();
    let users = users.body()["users"].as_array().unwrap().clone();
    assert_eq!(users.len(), 2, "the first user and the other");
    assert_eq!(users.iter().filter(|user| user["role"] == "admin").count(), 2);
    client.delete("/account/user", &json!({ "requestor": { "userid": user.id } })).succeeded();
    assert_eq!(client.get(&format!("/account/user/{}", user.id)).status, 404);

    let instance = bought(client, &account, 1);
    assert_eq!(client.delete("/account", &requestor(&account)).status, 409);
    delete(client, &account, &instance).succeeded();
    client.delete("/account", &requestor(&account)).succeeded();
    assert_eq!(client.get(&format!("/account/{}", account.id)).status, 404);
    assert!(!client.get("/account").succeeded().text.contains("contoso"));
    // Its accountid and its users' addresses are free again.
    client
        .post("/account", &cnsp_tests::bodies::account(&account.accountid, &user.email))
        .succeeded();
    assert_eq!(osb.count(Op::Unknown), 0);
}

fn an_order_is_a_provisioning_with_all_that_osb_wants(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let mut body = order(&account, 5);
    body["requestor"]["userid"] = json!("ada");
    body["parameters"]["additionalparameters"] =
        json!({ "costcenter": "4711", "instancename": "mine", "parameters": { "retention": 14 } });
    let answer = client.post("/resource", &body).succeeded();
    check("osb.post_resource", &answer);
    let instance = instance(&answer);

    let request = osb.last(Op::Provision);
    let path = format!("/v2/service_instances/{}?accepts_incomplete=true", instance.id);
    assert_eq!(request.path, path);
    assert_eq!(
        request.headers("x-broker-api-request-identity"),
        [body["requestid"].as_str().unwrap()]
    );
    let originator = request.headers("x-broker-api-originating-identity")[0].to_owned();
    let value = BASE64_STANDARD.decode(originator.strip_prefix("cnsp ").unwrap()).unwrap();
    let value: Value = serde_json::from_slice(&value).unwrap();
    assert_eq!(value, json!({ "user_id": "ada", "account_id": account.accountid }));
    let sent = osb.last_body(Op::Provision);
    let space = sent["space_guid"].clone();
    assert_ne!(space, account.id);
    let wanted = json!({
        "service_id": "svc-queue",
        "plan_id": "plan-small",
        "organization_guid": account.id,
        "space_guid": space,
        "parameters": { "license": 5, "region": "eu", "retention": 14 },
        "maintenance_info": { "version": "1.2.3" },
        "context": {
            "platform": "cnsp",
            "organization_guid": account.id,
            "organization_name": "Contoso",
            "space_guid": space,
            "instance_name": "mine",
        },
    });
    assert_eq!(sent, wanted);

    // Once, however often it is asked for.
    let again = client.post("/resource", &body).succeeded();
    assert_eq!((again.header("idempotent-replayed"), &again.json), (Some("true"), &answer.json));
    assert_eq!(osb.count(Op::Provision), 1);
    check("osb.get_resource_id", &client.get(&format!("/resource/{}", instance.id)).succeeded());
    let listed = client.resources(&account);
    assert_eq!((listed.len(), &listed[0]["parameters"]["sku"]), (1, &json!("plan-small")));
}

fn an_order_that_cannot_be_right_reaches_no_broker(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let right = order(&account, 5);
    let option = |value: Value| with(&right, "/parameters/customoption2", value);
    for (body, text) in [
        (with(&right, "/parameters/sku", json!("plan-none")), "plan-none"),
        (with(&right, "/resource/type", json!("iaas")), "resource.type"),
        (option(json!({ "title": "Region", "value": "mars" })), "one of \"eu\", \"us\""),
        (option(json!({ "title": "Region", "value": 7 })), "string"),
        (option(json!({ "title": "Colour", "value": "blue" })), "license, region, retention"),
        (option(json!({ "title": "Retention", "value": 1 })), "no option"),
        (with(&right, "/parameters/customoption9", json!({ "value": 1 })), "customoption9"),
        (with(&right, "/parameters/customoption4", json!({ "value": true })), "update"),
        (cnsp_tests::bodies::without(&right, "/parameters/customoption2"), "region"),
        (with(&right, "/parameters/additionalparameters", json!({ "parameters": [] })), "object"),
        (
            with(&right, "/parameters/additionalparameters", json!({ "a": "x".repeat(12_000) })),
            "send less",
        ),
    ] {
        let body = with(&body, "/requestid", json!(unique("order")));
        client.refuses_body(reqwest::Method::POST, "/resource", &body, text);
    }
    let nobody = Account { accountid: "nobody".into(), id: "nothing".into() };
    assert_eq!(client.post("/resource", &order(&nobody, 1)).status, 404);
    assert_eq!(osb.count(Op::Provision), 0);
    // A request id in which there is more than a name: the operation's own goes along instead.
    let body = with(&right, "/requestid", json!("{{secret:broker}}"));
    client.post("/resource", &body).succeeded();
    let sent = osb.last(Op::Provision);
    let identity = sent.headers("x-broker-api-request-identity")[0].to_owned();
    assert_eq!(identity.len(), 36, "{identity}");
}

#[test]
fn what_the_broker_does_in_the_background_is_followed() {
    let scene = Scene::start(impatient(), PLAIN);
    let (osb, client, account) = scene.fresh();
    osb.state().background = vec![background(2, "succeeded")];
    let body = order(&account, 2);
    let answer = client.post("/resource", &body).succeeded();
    check("osb.post_resource.pending", &answer);
    let bought = instance(&answer);
    assert_eq!(status(client, &bought), "pending");
    eventually("it is active", LONG, || (status(client, &bought) == "active").then_some(()));
    assert_eq!((osb.count(Op::Provision), osb.count(Op::LastOperation)), (1, 3));
    let done = client.post("/resource", &body).succeeded();
    assert_eq!(done.text_of("status"), "active");

    // A deletion while it is being made ends that.
    osb.state().background = vec![background(1_000_000, "succeeded")];
    let second = instance(&client.post("/resource", &order(&account, 2)).succeeded());
    assert_eq!(status(client, &second), "pending");
    delete(client, &account, &second).succeeded();
    assert_eq!(status(client, &second), "cancel");
    assert!(!osb.state().instances.contains_key(&second.id));

    // A deletion can take its time too.
    osb.state().background = vec![background(1, "succeeded")];
    let answer = delete(client, &account, &bought).succeeded();
    assert_eq!(answer.text_of("status"), "pending");
    eventually("it is gone", LONG, || (status(client, &bought) == "cancel").then_some(()));
    assert_eq!(osb.instances(), 0);
}

fn an_update_tells_what_was_said_and_nothing_else(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 2);
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] =
        json!({ "license": 4, "customparam3": { "title": "retention", "value": 30 } });
    check("osb.put_resource", &client.put("/resource", &body).succeeded());
    let sent = osb.last_body(Op::Update);
    assert_eq!(sent["parameters"], json!({ "license": 4, "retention": 30 }));
    assert_eq!((&sent["plan_id"], &sent["service_id"]), (&Value::Null, &json!("svc-queue")));
    assert_eq!(sent["previous_values"]["plan_id"], "plan-small");
    assert_eq!(sent["previous_values"]["organization_id"], account.id);
    let at_broker = osb.state().instances[&instance.id].body["parameters"].clone();
    assert_eq!(at_broker, json!({ "license": 4, "region": "eu", "retention": 30 }));
    let got = client.get(&format!("/resource/{}", instance.id)).succeeded();
    let parameters = &got.body()["resourceinfo"]["parameters"];
    assert_eq!((&parameters["license"], &parameters["customparam3"]), (&json!(4), &json!(30)));

    // Another plan, in the background. It takes no licences, which the adapter counts all the same.
    osb.state().background = vec![background(1, "succeeded")];
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["parameters"] = json!({ "sku": "plan-large", "license": 6 });
    client.put("/resource", &body).succeeded();
    let sent = osb.last_body(Op::Update);
    assert_eq!((&sent["plan_id"], sent.get("parameters")), (&json!("plan-large"), None));
    let got = client.get(&format!("/resource/{}", instance.id)).succeeded();
    let parameters = &got.body()["resourceinfo"]["parameters"];
    assert_eq!((&parameters["license"], &parameters["sku"]), (&json!(6), &json!("plan-large")));
    assert_eq!(osb.state().instances[&instance.id].body["plan_id"], "plan-large");

    // Only a name: nothing for the broker.
    let mut body = action(&account, &unique("u"), &instance, "update");
    body["additionalparameters"] = json!({ "instancename": "Post" });
    client.put("/resource", &body).succeeded();
    assert_eq!(osb.count(Op::Update), 2);
    // Not to another service, and what only an order can say can be changed no more.
    for (parameters, text) in
        [(json!({ "sku": "plan-cache" }), "no plan"), (json!({ "customparam1": 1 }), "it has none")]
    {
        let mut body = action(&account, &unique("u"), &instance, "update");
        body["requestId"] = json!(unique("wrong"));
        body["parameters"] = parameters;
        client.refuses_body(reqwest::Method::PUT, "/resource", &body, text);
    }
    delete(client, &account, &instance).succeeded();
}

fn only_a_service_that_says_so_changes_plans(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let answer =
        client.post("/resource", &resource(&account, &unique("c"), "plan-cache", 1)).succeeded();
    assert!(answer.body().get("respparam1").is_some(), "{}", answer.text);
    let cache = instance(&answer);
    let mut body = action(&account, &unique("u"), &cache, "update");
    body["parameters"] = json!({ "sku": "plan-unbindable" });
    client.refuses_body(reqwest::Method::PUT, "/resource", &body, "another plan");
    // It cannot be asked about either: the record is all there is.
    client.get(&format!("/resource/{}", cache.id)).succeeded();
    assert_eq!((osb.count(Op::Update), osb.count(Op::FetchInstance)), (0, 0));
}

fn suspending_is_a_parameter_where_the_plan_has_one(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 1);
    let suspend =
        client.put("/resource", &action(&account, &unique("s"), &instance, "update.suspend"));
    check("osb.put_resource.suspend", &suspend);
    assert_eq!((suspend.status, suspend.respcode()), (200, 204));
    assert_eq!(osb.last_body(Op::Update)["parameters"], json!({ "suspended": true }));
    assert_eq!(status(client, &instance), "suspended");
    let twice =
        client.put("/resource", &action(&account, &unique("s"), &instance, "update.suspend"));
    assert_eq!(twice.status, 409);
    let back =
        client.put("/resource", &action(&account, &unique("s"), &instance, "update.reactivate"));
    assert_eq!((back.respcode(), status(client, &instance)), (204, "active".to_owned()));
    assert_eq!(osb.state().instances[&instance.id].body["parameters"]["suspended"], false);

    let order = resource(&account, &unique("c"), "plan-large", 1);
    let large = super::instance(&client.post("/resource", &order).succeeded());
    let refused =
        client.put("/resource", &action(&account, &unique("s"), &large, "update.suspend"));
    check("osb.put_resource.error.suspend", &refused);
    assert_eq!((refused.status, osb.count(Op::Update)), (400, 2));
}

fn an_instance_that_the_broker_does_not_tell_of_is_told_from_the_record(scene: &Scene) {
    let (osb, client, account) = scene.fresh();
    let instance = bought(client, &account, 3);
    let path = format!("/resource/{}", instance.id);
    for (status, body) in [
        (422, "{\"error\":\"ConcurrencyError\"}"),
        (404, "{}"),
        (500, "<html>"),
        (200, "[]"),
        (200, "{\"parameters\":7}"),
    ] {
        osb.refuse(Op::FetchInstance, status, body);
        let answer = client.get(&path).succeeded();
        let info = &answer.body()["resourceinfo"];
        assert_eq!(
            (&info["parameters"]["status"], &info["parameters"]["license"]),
            (&json!("active"), &json!(3))
        );
        assert!(info["additionalparameters"]["notfrombroker"].is_string(), "{}", answer.text);
    }
    assert_eq!(client.get("/resource/nothing").status, 404);
    // Nobody's link.
    let answer = "{\"dashboard_url\":\"javascript:alert(1)\"}";
    osb.refuse(Op::FetchInstance, 200, answer);
    assert!(!client.get(&path).succeeded().text.contains("javascript"));
    // Of another account: not theirs to change.
    let other = client.new_account();
    assert_eq!(delete(client, &other, &instance).status, 403);
    assert_eq!(osb.count(Op::Deprovision), 0);
}

/// OSB has no usage: it comes from elsewhere, or not at all.
fn usage_is_refused_in_words(scene: &Scene) {
    let (_, client, account) = scene.fresh();
    let answer = client.get(&format!("/billing/{}", account.id));
    assert_eq!(answer.status, 501);
    check("osb.get_billing_id.error", &answer);
}
