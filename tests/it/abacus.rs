//! The adapter of Cloud Foundry Abacus, compiled, in a real host, against an Abacus of ours over real HTTP.

mod faults;
mod lifecycle;
mod offers;
mod usage;

use cnsp_tests::abacus::{Abacus, LOGIN};
use cnsp_tests::bodies::{self, Account, Resource, action, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::programs::plugins;
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

/// The customer's identity zone, and its organization.
const ZONE: &str = "54257f98-83f0-4eca-ae04-9ea35277a538";
const ORGANIZATION: &str = "idz:54257f98-83f0-4eca-ae04-9ea35277a538";
/// Licences, metered by the sampler, and object storage, of which usage is pushed.
const LICENCES: &str = "editor/standard";
const STORAGE: &str = "object-storage/basic";

const OFFERINGS: &str = r#"[
  {"resource": "editor", "name": "Editor", "metering": "editor-licences", "rating": "editor-rating", "pricing": "editor-pricing", "measure": "licences"},
  {"resource": "object-storage", "plan": "basic", "metering": "basic-object-storage", "rating": "object-rating-plan", "pricing": "object-pricing-basic"}
]"#;

/// Where the host asks again at once.
const QUICK: &str = "retry_ms = \"1\", settle_ms = \"300\", timeout_ms = \"1000\"";

/// Callers wait for what is pending, so that it looks synchronous.
fn patient() -> Options {
    Options::default().set("operations.pending_wait_ms", 30_000)
}

/// Declares the endpoint `abacus`, or changes it. `config` is TOML: `name = "…", …`.
fn apply(host: &Host, origin: &str, login: &str, offerings: &str, config: &str) {
    let secret = host.folder().join("abacus");
    std::fs::write(&secret, login).unwrap();
    let plugin = plugins().join("abacus.wasm");
    let urls: String = ["collector", "sampler", "reporting", "plans", "accounts"]
        .map(|of| format!("{of}_url = {origin:?}, "))
        .concat();
    let setup = format!(
        "[endpoints.abacus]\nvendor = \"acme\"\nplugin = {plugin:?}\n\
         config = {{ {urls} token_url = \"{origin}/oauth/token\", offerings = {offerings:?}, {config} }}\n\
         secrets.abacus = {{ file = {secret:?} }}\n\
         grants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"abacus\"] }}]\n"
    );
    host.apply_right(SetupFolder::default().text(&setup).path());
}

/// An Abacus, a host, and the marketplace at its endpoint: for several cases, since a start takes longer than they do.
struct Scene {
    abacus: Abacus,
    host: Host,
    client: Client,
}

impl Scene {
    fn start() -> Scene {
        let abacus = Abacus::start();
        let host = patient().start();
        apply(&host, &abacus.origin(), LOGIN, OFFERINGS, QUICK);
        let client = host.marketplace().at("abacus");
        Scene { abacus, host, client }
    }

    /// An Abacus that has nothing but an organization of its own for each case, and an account that has adopted it.
    fn fresh(&self) -> (&Abacus, &Client, Account) {
        self.named(&unique("customer"))
    }

    /// As [`Scene::fresh`], with names that do not depend on what ran before.
    fn named(&self, name: &str) -> (&Abacus, &Client, Account) {
        self.abacus.reset(&format!("idz:{name}"));
        let answer = self.client.post("/account", &adoption(name, name)).succeeded();
        let id = answer.text_of("provideraccountid");
        (&self.abacus, &self.client, Account { id, accountid: name.to_owned() })
    }
}

/// `POST /account` that names an identity zone.
fn adoption(accountid: &str, zone: &str) -> Value {
    let mut body = bodies::account(accountid, &format!("{accountid}@example.com"));
    body["additionalattributes"]["identityzone"] = json!(zone);
    body
}

/// An order of licences for a customer of a multi-tenant application.
fn order(account: &Account, licences: u64) -> Value {
    resource(account, &unique("order"), LICENCES, licences)
}

fn instance(answer: &Answer) -> Resource {
    Resource { id: answer.text_of("providerinstanceid"), subscription: String::new() }
}

fn bought(client: &Client, account: &Account, licences: u64) -> Resource {
    let answer = client.post("/resource", &order(account, licences)).succeeded();
    assert_eq!(answer.text_of("status"), "active");
    instance(&answer)
}

/// Object storage, consumed by an application in a space.
fn storage(client: &Client, account: &Account) -> Resource {
    let mut body = resource(account, &unique("order"), STORAGE, 1);
    body["parameters"]["additionalparameters"] = json!({
        "spaceid": "d98b5916-3c77-44b9-ac12-04456df23eae",
        "appid": "d98b5916-3c77-44b9-ac12-045678edaba",
        "serviceinstanceid": "d98b5916-3c77-44b9-ac12-04d61c7a4eae",
    });
    instance(&client.post("/resource", &body).succeeded())
}

/// `PUT /resource` with a new number of licences.
fn update(client: &Client, account: &Account, instance: &Resource, licences: u64) -> Answer {
    let mut body = action(account, &unique("update"), instance, "update");
    body["parameters"] = json!({ "license": licences });
    client.put("/resource", &body)
}

/// `PUT /resource` with an action that needs no more.
fn act(client: &Client, account: &Account, instance: &Resource, what: &str) -> Answer {
    client.put("/resource", &action(account, &unique("act"), instance, what))
}

/// `DELETE /resource`.
fn delete(client: &Client, account: &Account, instance: &Resource) -> Answer {
    client.delete("/resource", &bodies::deletion(account, &unique("delete"), &instance.id))
}

/// `PUT /resource` with usage.
fn push(account: &Account, instance: &Resource, parameters: Value) -> Value {
    let mut body = action(account, &unique("push"), instance, "usage.push");
    body["parameters"] = parameters;
    body
}

fn parameters(client: &Client, instance: &Resource) -> Value {
    let answer = client.get(&format!("/resource/{}", instance.id)).succeeded();
    answer.body()["resourceinfo"]["parameters"].clone()
}
