//! What callers send, whole as CNSP samples it, and short ways to make accounts, users and resources.

use crate::client::{Answer, Client};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// An account that was made.
#[derive(Clone, Debug)]
pub struct Account {
    /// The marketplace's id.
    pub accountid: String,
    /// The provider's id.
    pub id: String,
}

/// A user that was made.
#[derive(Clone, Debug)]
pub struct User {
    /// The provider's id, which is the marketplace's too.
    pub id: String,
    /// Unique.
    pub email: String,
}

/// An instance that was made.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The provider's id.
    pub id: String,
    /// What bills it.
    pub subscription: String,
}

/// A text that no other call in this process gets.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}", COUNT.fetch_add(1, Ordering::Relaxed) + 1)
}

/// `POST /account`, as CNSP samples it.
pub fn account(accountid: &str, email: &str) -> Value {
    json!({
        "accountid": accountid,
        "accountname": "Contoso",
        "phone": "+1 206 555 0100",
        "userinfo": {
            "firstname": "Ada",
            "lastname": "Byron",
            "email": email,
            "password": "account-password-canary",
            "role": "admin",
            "phone": "+1 206 555 0101",
        },
        "address": {
            "addressline1": "1 Main Street",
            "addressline2": "Floor 2",
            "city": "Seattle",
            "state": "WA",
            "postalcode": "98101",
            "country": "US",
        },
        "additionalattributes": { "segment": "smb", "priority": 3 },
    })
}

/// `POST /account/user`, as CNSP samples it.
pub fn user(account: &Account, email: &str) -> Value {
    json!({
        "firstname": "Grace",
        "lastname": "Hopper",
        "email": email,
        "password": "user-password-canary",
        "phone": "+1 206 555 0102",
        "role": "user",
        "additionalattributes": { "locale": "en-US" },
        "requestor": { "accountid": account.accountid, "provideraccountid": account.id },
    })
}

/// `POST /resource`, as CNSP samples it.
pub fn resource(account: &Account, requestid: &str, sku: &str, licences: u64) -> Value {
    json!({
        "requestid": requestid,
        "action": "create",
        "resource": { "type": "saas" },
        "parameters": {
            "sku": sku,
            "licenseQuantity": licences,
            "additionalparameters": { "costcenter": "4711" },
        },
        "requestor": {
            "accountid": account.accountid,
            "provideraccountid": account.id,
            "accountname": "Contoso",
        },
    })
}

/// `PUT /resource` with this action, as CNSP samples it.
pub fn action(account: &Account, requestid: &str, resource: &Resource, action: &str) -> Value {
    json!({
        "requestId": requestid,
        "action": action,
        "resource": { "type": "saas" },
        "instanceinfo": { "providerinstanceid": resource.id },
        "additionalparameters": {},
        "requestor": { "accountid": account.accountid, "provideraccountid": account.id },
    })
}

/// `DELETE /resource`, as CNSP samples it.
pub fn deletion(account: &Account, requestid: &str, resource: &str) -> Value {
    json!({
        "requestId": requestid,
        "action": "delete",
        "instanceinfo": { "providerinstanceid": resource },
        "requestor": { "provideraccountid": account.id },
    })
}

/// `PUT /account/user/resource`, as CNSP samples it.
pub fn seat(account: &Account, action: &str, user: &User, resource: &Resource) -> Value {
    json!({
        "action": action,
        "instanceinfo": { "providerinstanceid": resource.id },
        "requestor": {
            "accountid": account.accountid,
            "provideraccountid": account.id,
            "userid": user.id,
        },
    })
}

/// Who asks, for an account.
pub fn requestor(account: &Account) -> Value {
    json!({ "requestor": { "accountid": account.accountid, "provideraccountid": account.id } })
}

impl Client {
    /// Makes an account with a first user.
    pub fn new_account(&self) -> Account {
        let accountid = unique("account");
        let email = format!("{accountid}@example.com");
        let answer = self.post("/account", &account(&accountid, &email)).succeeded();
        Account { id: answer.text_of("provideraccountid"), accountid }
    }

    /// Makes a user.
    pub fn new_user(&self, account: &Account) -> User {
        let email = format!("{}@example.com", unique("user"));
        let answer = self.post("/account/user", &user(account, &email)).succeeded();
        User { id: answer.text_of("provideruserid"), email }
    }

    /// Makes an instance, which is active at once.
    pub fn new_resource(&self, account: &Account, sku: &str, licences: u64) -> Resource {
        let body = resource(account, &unique("order"), sku, licences);
        let answer = self.post("/resource", &body).succeeded();
        assert_eq!(answer.text_of("status"), "active");
        Resource {
            id: answer.text_of("providerinstanceid"),
            subscription: answer.text_of("subscriptionid"),
        }
    }

    /// Tells the sandbox that nobody is authorized for this account any more.
    pub fn lock(&self, account: &Account) {
        let mut body = requestor(account);
        body["additionalattributes"] = json!({ "sandbox": "unauthorized" });
        self.put("/account", &body).succeeded();
    }

    /// The instances of an account.
    pub fn resources(&self, account: &Account) -> Vec<Value> {
        let answer = self.get(&format!("/resource/{}", account.id)).succeeded();
        answer.body()["resources"].as_array().expect("`resources` is a list").clone()
    }

    /// The status of an instance.
    pub fn status(&self, resource: &str) -> String {
        let answer = self.get(&format!("/resource/{resource}")).succeeded();
        let status = answer.body()["resourceinfo"]["parameters"]["status"].as_str();
        status.expect("`status` is a text").to_owned()
    }

    /// Sends a body with one change, which has to be refused with 400 in a text that names `named`.
    #[track_caller]
    pub fn refuses_body(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &Value,
        named: &str,
    ) -> Answer {
        let answer = self.send(method, path, Some(body.to_string().into_bytes()));
        let shown = format!("{body}\n{}", answer.text);
        assert_eq!(answer.status, 400, "{shown}");
        assert!(answer.error().contains(named), "`{named}` is not named: {shown}");
        answer
    }
}

/// `body` with another value at a JSON pointer.
pub fn with(body: &Value, pointer: &str, value: Value) -> Value {
    let mut body = body.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
    body.pointer_mut(parent).expect("the parent is there")[key] = value;
    body
}

/// `body` without what a JSON pointer names.
pub fn without(body: &Value, pointer: &str) -> Value {
    let mut body = body.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.expect("the parent is an object").remove(key).expect("it is there");
    body
}
