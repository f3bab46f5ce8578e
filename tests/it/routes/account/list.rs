use crate::check;
use cnsp_tests::host::Host;
use cnsp_tests::setup::SetupFolder;

#[test]
fn list_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let nothing = client.get("/account").succeeded();
    assert_eq!(nothing.body()["accounts"], serde_json::json!([]));
    client.new_account();
    client.new_account();
    let answer = client.at("sandbox").get("/account");
    assert_eq!(answer.message(), "Accounts retrieved successfully");
    assert_eq!(answer.body()["accounts"].as_array().unwrap().len(), 2);
    // Which of the two comes first follows from ids that are made up.
    assert_eq!(answer.body()["accounts"][0]["accounttype"], "standard");

    let host = Host::start();
    let client = host.marketplace();
    client.new_account();
    check("get_account.ok.endpoint", &client.at("sandbox").get("/account"));
    // On the unified path, each says where it is from. (Contract A19.)
    check("get_account.ok", &client.get("/account"));
}

#[test]
fn list_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let told = [("sandbox.account.list", "unauthorized")];
    let setup = SetupFolder::default().endpoint("strict", "acme", &told, &[]);
    host.apply_right(setup.path());
    let refused = host.marketplace().at("strict").get("/account");
    assert_eq!((refused.status, refused.message()), (500, "Account retrieval failed"));
    assert_eq!(refused.error(), "The user is not authorized.");
    check("get_account.error.unauthorized", &refused);
}
