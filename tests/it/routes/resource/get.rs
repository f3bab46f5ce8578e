use crate::check;
use cnsp_tests::host::Host;

#[test]
fn get_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-CRM-PRO", 5);
    let answer = client.get(&format!("/resource/{}", resource.id));
    assert_eq!(answer.message(), "Resource details retrieved successfully");
    check("get_resource_id.ok.instance", &answer);
}

#[test]
fn get_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 5);
    client.lock(&account);
    let refused = client.get(&format!("/resource/{}", resource.id));
    let text = "The user is not authorized to perform this operation.";
    assert_eq!((refused.status, refused.message()), (403, text));
    assert_eq!(refused.body()["errorMessage"], text);
    check("get_resource_id.error.instance_unauthorized", &refused);
    check("get_resource_id.error.missing", &client.get("/resource/nothing"));
}
