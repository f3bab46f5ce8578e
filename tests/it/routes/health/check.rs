use crate::check;
use cnsp_tests::bodies::action;
use cnsp_tests::host::Host;
use cnsp_tests::setup::SetupFolder;

#[test]
fn health_is_told_for_endpoints() {
    let host = Host::start();
    let down = [("sandbox.health.check", "down")];
    let setup = SetupFolder::default().endpoint("down", "acme", &down, &[]);
    let client = host.marketplace();
    check("get_health.ok", &client.get("/health"));
    check("get_health.ok.endpoint", &client.at("sandbox").get("/health"));
    host.apply_right(setup.path());
    let answer = client.at("down").get("/health").succeeded();
    assert_eq!(answer.text_of("status"), "down");
    // One endpoint that is down leaves the others usable.
    let answer = client.get("/health").succeeded();
    assert_eq!(answer.text_of("status"), "degraded");
    let checks = answer.body()["checks"].as_array().unwrap();
    let from = |endpoint: &str| checks.iter().filter(|check| check["endpoint"] == endpoint).count();
    assert_eq!((from("sandbox"), from("down")), (2, 3));
}

#[test]
fn health_is_told_for_one_resource() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 3);
    let path = format!("/health/{}", resource.id);
    check("get_health_id.ok", &client.get(&path));
    client.put("/resource", &action(&account, "a", &resource, "update.suspend")).succeeded();
    assert_eq!(client.get(&path).text_of("status"), "degraded");
    check("get_health_id.error.missing", &client.get("/health/nothing"));
}
