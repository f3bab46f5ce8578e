//! What CNSP does not name comes back as it was sent. (Contract G10.)

use cnsp_tests::bodies::{account, action, requestor, resource, user};
use cnsp_tests::host::Host;
use serde_json::{Value, json};

/// Every kind of value, with what a careless reader would bend.
pub(crate) fn anything() -> Value {
    serde_json::from_str(
        r#"{
            "text": "ünïcödé 😀 \u0001 \" \\ / \u2028",
            "empty": "",
            "": "a name without letters",
            "yes": true,
            "nothing": null,
            "list": [1, [2, [3, {}]], []],
            "object": { "z": 1, "a": { "b": { "c": [null] } } },
            "huge": 123456789012345678901234567890,
            "precise": 0.1000000000000000055511151231257827,
            "exponent": 1E400,
            "negative": -0.0,
            "trailing": 1.10
        }"#,
    )
    .unwrap()
}

#[test]
fn attributes_of_accounts_and_users_come_back_digit_for_digit() {
    let host = Host::start();
    let client = host.marketplace();
    let mut body = account("contoso", "ada@example.com");
    body["additionalattributes"] = anything();
    body["taxnumber"] = anything();
    body["address"]["geo"] = json!({ "lat": 47.6 });
    let made = client.post("/account", &body).succeeded();
    let path = format!("/account/{}", made.text_of("provideraccountid"));
    let got = client.get(&path).succeeded();
    let info = &got.body()["accountinfo"];
    assert_eq!(info["additionalattributes"], anything());
    assert_eq!(info["taxnumber"], anything(), "a member that CNSP does not name");
    assert_eq!(info["address"], body["address"]);
    for digits in ["123456789012345678901234567890", "0.1000000000000000055511151231257827", "1.10"]
    {
        assert!(got.text.contains(digits), "{digits} is not in {}", got.text);
    }

    let known = cnsp_tests::bodies::Account {
        accountid: "contoso".into(),
        id: made.text_of("provideraccountid"),
    };
    // An update lays over what is there.
    let mut update = requestor(&known);
    update["additionalattributes"] = json!({ "yes": false, "new": 1.50 });
    client.put("/account", &update).succeeded();
    let mut expected = anything();
    expected["yes"] = json!(false);
    expected["new"] = serde_json::from_str("1.50").unwrap();
    assert_eq!(client.get(&path).body()["accountinfo"]["additionalattributes"]["yes"], false);
    let attributes = client.get(&path).body()["accountinfo"]["additionalattributes"].clone();
    assert_eq!(attributes.as_object().unwrap().len(), expected.as_object().unwrap().len());

    let mut body = user(&known, "grace@example.com");
    body["additionalattributes"] = anything();
    body["badge"] = anything();
    let made = client.post("/account/user", &body).succeeded();
    let got = client.get(&format!("/account/user/{}", made.text_of("provideruserid"))).succeeded();
    assert_eq!(got.body()["userinfo"]["additionalattributes"], anything());
    assert_eq!(got.body()["userinfo"]["badge"], anything());
}

#[test]
fn parameters_of_resources_come_back_digit_for_digit() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let mut body = resource(&account, "order-1", "SANDBOX-MAIL", 2);
    body["parameters"]["additionalparameters"] = anything();
    let made = client.post("/resource", &body).succeeded();
    let made = cnsp_tests::bodies::Resource {
        id: made.text_of("providerinstanceid"),
        subscription: made.text_of("subscriptionid"),
    };
    let got = client.get(&format!("/resource/{}", made.id)).succeeded();
    assert_eq!(got.body()["resourceinfo"]["additionalparameters"], anything());

    let mut update = action(&account, "change-1", &made, "update");
    update["parameters"] = json!({ "customparam9": anything() });
    update["additionalparameters"] = json!({ "more": anything() });
    client.put("/resource", &update).succeeded();
    let got = client.get(&format!("/resource/{}", made.id)).succeeded();
    let info = &got.body()["resourceinfo"];
    assert_eq!(info["parameters"]["customparam9"], anything());
    assert_eq!(info["additionalparameters"]["more"], anything());
}

/// Names that a JSON library uses for itself are names like others, or refused: never something else.
#[test]
fn a_librarys_private_names_do_nothing() {
    let host = Host::start();
    let client = host.marketplace();
    for (index, sent) in [
        json!({ "$serde_json::private::Number": "12" }),
        json!({ "$serde_json::private::Number": "x" }),
        json!({ "$serde_json::private::RawValue": "{\"a\":1,\"a\":2}" }),
        json!({ "$serde_json::private::RawValue": "{broken" }),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("a-{index}");
        let mut body = account(&id, &format!("{id}@example.com"));
        // As text: a `Value` would already be bent here.
        body["additionalattributes"] = json!({ "x": "PLACE" });
        let text = body.to_string().replace("\"PLACE\"", &sent.to_string());
        let answer = client.send(reqwest::Method::POST, "/account", Some(text.into_bytes()));
        if answer.status == 400 {
            continue;
        }
        let answer = answer.succeeded();
        let got =
            client.get(&format!("/account/{}", answer.text_of("provideraccountid"))).succeeded();
        assert!(got.text.contains(&sent.to_string()), "{sent} became {}", got.text);
    }
}
