//! Every operation of CNSP that changes something: what there has to be before it, and its request.

use super::lane::{Lane, succeed};
use super::provider::Provider;
use cnsp_tests::bodies::{
    Account, Resource, User, action, deletion, requestor, seat, unique, user,
};
use cnsp_tests::client::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateAccount,
    UpdateAccount,
    DeleteAccount,
    CreateUser,
    UpdateUser,
    DeleteUser,
    CreateResource,
    UpdateResource,
    Suspend,
    Reactivate,
    /// An action of the adapter's own.
    Act(&'static str),
    DeleteResource,
    /// As above, of one that has a seat.
    DeleteSeated,
    Assign,
    Revoke,
}
use Operation::*;

/// What there is of a cell's own.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) account: Account,
    user: Option<User>,
    pub(crate) resource: Option<Resource>,
}

impl Scene {
    /// As it is, with a user and an instance that nobody has.
    pub(crate) fn with_what_is_not_there(&self) -> Scene {
        let account = self.account.clone();
        let user = Some(User { id: "nobody".to_owned(), email: email(&account) });
        let nothing = Resource { id: "nothing".to_owned(), subscription: String::new() };
        Scene { account, user, resource: Some(nothing) }
    }
}

/// A change, as it is asked for however often.
pub(crate) struct Request {
    key: String,
    method: Method,
    path: &'static str,
    body: Value,
}

impl Operation {
    fn has_account(self) -> bool {
        self != CreateAccount
    }

    fn has_user(self) -> bool {
        matches!(self, UpdateUser | DeleteUser | Assign | Revoke | DeleteSeated)
    }

    fn has_resource(self) -> bool {
        let changes = matches!(self, UpdateResource | Suspend | Reactivate | Act(_));
        changes || matches!(self, Assign | Revoke | DeleteResource | DeleteSeated)
    }

    /// Makes all that there has to be before.
    pub(crate) fn set<P: Provider>(self, lane: &Lane<P>, client: &Client) -> Scene {
        lane.provider.clear();
        lane.proxy.watch();
        let accountid = unique("account");
        let account = Account { accountid, id: String::new() };
        let mut scene = Scene { account, user: None, resource: None };
        if let Some(found) = lane.provider.found(&scene.account.accountid) {
            scene.account = found;
        } else if self.has_account() {
            let body = lane.provider.account(&scene.account.accountid);
            let made = succeed(|| client.post("/account", &body));
            scene.account.id = made.text_of("provideraccountid");
        }
        if self.has_user() {
            let email = email(&scene.account);
            let made = succeed(|| client.post("/account/user", &user(&scene.account, &email)));
            scene.user = Some(User { id: made.text_of("provideruserid"), email });
        }
        if self.has_resource() {
            let order = lane.provider.order(self, &scene.account, &unique("order"));
            let made = succeed(|| client.post("/resource", &order));
            let id = made.text_of("providerinstanceid");
            scene.resource = Some(Resource { id, subscription: String::new() });
        }
        let before = match self {
            Reactivate => Some(Suspend),
            Revoke | DeleteSeated => Some(Assign),
            _ => None,
        };
        if let Some(before) = before {
            let request = before.request(lane, &scene);
            succeed(|| request.ask(client));
        }
        scene
    }

    pub(crate) fn request<P: Provider>(self, lane: &Lane<P>, scene: &Scene) -> Request {
        let key = unique("request");
        let Scene { account, .. } = scene;
        let user_of = || scene.user.as_ref().expect("there is a user");
        let resource = || scene.resource.as_ref().expect("there is an instance");
        let act = |what: &str, parameters: Value| {
            let mut body = action(account, &key, resource(), what);
            if !parameters.is_null() {
                body["parameters"] = parameters;
            }
            body
        };
        let of_user = |mut body: Value| {
            body["requestor"] = json!({ "accountid": account.accountid, "provideraccountid": account.id,
                "userid": user_of().id, "provideruserid": user_of().id });
            body
        };
        let (method, path, body) = match self {
            CreateAccount => (Method::POST, "/account", lane.provider.account(&account.accountid)),
            UpdateAccount => {
                let mut body = requestor(account);
                body["accountname"] = json!("Fabrikam");
                (Method::PUT, "/account", body)
            }
            DeleteAccount => (Method::DELETE, "/account", requestor(account)),
            CreateUser => (Method::POST, "/account/user", user(account, &email(account))),
            UpdateUser => (Method::PUT, "/account/user", of_user(json!({ "firstname": "Hedy" }))),
            DeleteUser => (Method::DELETE, "/account/user", of_user(json!({}))),
            CreateResource => (Method::POST, "/resource", lane.provider.order(self, account, &key)),
            UpdateResource => (Method::PUT, "/resource", act("update", lane.provider.update())),
            Suspend => (Method::PUT, "/resource", act("update.suspend", Value::Null)),
            Reactivate => (Method::PUT, "/resource", act("update.reactivate", Value::Null)),
            Act(what) => (Method::PUT, "/resource", act(what, lane.provider.parameters())),
            DeleteResource | DeleteSeated => {
                (Method::DELETE, "/resource", deletion(account, &key, &resource().id))
            }
            Assign | Revoke => {
                let what = if self == Assign { "assign" } else { "revoke" };
                (Method::PUT, "/account/user/resource", seat(account, what, user_of(), resource()))
            }
        };
        Request { key, method, path, body }
    }
}

/// Of the account's second user.
fn email(account: &Account) -> String {
    format!("grace.{}@example.com", account.accountid)
}

impl Request {
    pub(crate) fn ask(&self, client: &Client) -> Answer {
        let client = client.with("idempotency-key", &self.key);
        client.send(self.method.clone(), self.path, Some(self.body.to_string().into_bytes()))
    }

    /// As [`Request::ask`], where the host is killed meanwhile, or had just answered.
    pub(crate) fn ask_in_vain(&self, client: &Client) {
        let client = client.with("idempotency-key", &self.key);
        let body = self.body.to_string().into_bytes();
        drop(client.try_send(self.method.clone(), self.path, Some(body)));
    }

    /// Something else, with the same id.
    pub(crate) fn another(&self) -> Request {
        let mut body = self.body.clone();
        body["another"] = json!(true);
        Request { body, key: self.key.clone(), method: self.method.clone(), path: self.path }
    }
}
