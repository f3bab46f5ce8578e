//! The envelope around every answer. The client of the harness checks the rest of its rules on each of them.

use cnsp_tests::bodies::{account, requestor};
use cnsp_tests::host::Host;
use serde_json::json;

/// (Contract A14.)
#[test]
fn a_caller_may_ask_for_200_whatever_happens() {
    let host = Host::start();
    let client = host.marketplace();
    let always = client.with("cnsp-always-200", "true");
    client.post("/account", &account("contoso", "ada@example.com")).succeeded();
    for (path, respcode) in [("/account/nobody", 404), ("/account?limit=0", 400)] {
        let usual = client.get(path);
        let compatible = always.get(path);
        assert_eq!((usual.status, usual.respcode()), (respcode, u64::from(respcode)));
        assert_eq!((compatible.status, compatible.respcode()), (200, u64::from(respcode)));
        assert_eq!(usual.json, compatible.json);
    }
    let twice = always.post("/account", &account("contoso", "ada@example.com"));
    assert_eq!((twice.status, twice.respcode()), (200, 400));
    let broken = always.send(reqwest::Method::POST, "/account", Some(b"{".to_vec()));
    assert_eq!((broken.status, broken.respcode()), (200, 400));
    let created = always.post("/account/user", &{
        let mut body = json!({ "email": "grace@example.com" });
        body["requestor"] = json!({ "accountid": "contoso" });
        body
    });
    assert_eq!((created.status, created.respcode()), (200, 201));
    let nowhere = always.below("").get("/nowhere");
    assert_eq!((nowhere.status, nowhere.respcode()), (200, 404));
    // Only the one word asks for it.
    assert_eq!(client.with("cnsp-always-200", "yes").get("/account/nobody").status, 404);
}

/// (Contract A15, G7.)
#[test]
fn an_error_has_its_text_under_both_spellings() {
    let host = Host::start();
    let client = host.marketplace();
    let missing = requestor(&cnsp_tests::bodies::Account { accountid: "x".into(), id: "y".into() });
    for answer in [client.delete("/account", &missing), client.get("/resource/nothing")] {
        assert!(!answer.error().is_empty());
        assert_eq!(answer.body()["errorMessage"], answer.body()["errormessage"]);
    }
}
