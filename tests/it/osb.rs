//! The adapter of service brokers, compiled, in a real host, against a broker of ours over real HTTP.

mod catalog;
mod faults;
mod lifecycle;
mod mitigation;
mod seats;

use cnsp_tests::bodies::{self, Account, Resource, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::osb::{LOGIN, Osb};
use cnsp_tests::programs::plugins;
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

/// Callers wait for the broker, so that what it does in the background looks synchronous.
fn patient() -> Options {
    Options::default().set("operations.pending_wait_ms", 30_000)
}

/// Callers do not wait.
fn impatient() -> Options {
    Options::default().set("operations.pending_wait_ms", 0)
}

/// A host with an endpoint `osb` for the broker at this origin. `config` is TOML: `name = "…", …`.
pub(crate) fn start(options: Options, origin: &str, login: &str, config: &str) -> Host {
    let host = options.start();
    apply(&host, origin, login, config);
    host
}

/// Declares that endpoint, or changes it.
pub(crate) fn apply(host: &Host, origin: &str, login: &str, config: &str) {
    let secret = host.folder().join("broker");
    std::fs::write(&secret, login).unwrap();
    let plugin = plugins().join("osb.wasm");
    let setup = format!(
        "[endpoints.osb]\nvendor = \"acme\"\nplugin = {plugin:?}\n\
         config = {{ broker_url = {origin:?}, {config} }}\n\
         secrets.broker = {{ file = {secret:?} }}\n\
         grants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"broker\"] }}]\n"
    );
    host.apply_right(SetupFolder::default().text(&setup).path());
}

/// Where the host asks again at once.
const PLAIN: &str = "poll_interval_ms = \"1\"";

/// A broker, a host, and the marketplace at its endpoint: for several cases, since a start takes longer than they do.
struct Scene {
    osb: Osb,
    host: Host,
    client: Client,
}

impl Scene {
    fn start(options: Options, config: &str) -> Scene {
        let osb = Osb::start();
        let host = start(options, &osb.origin(), LOGIN, config);
        let client = host.marketplace().at("osb");
        Scene { osb, host, client }
    }

    /// A broker that has nothing, and an account that is new.
    fn fresh(&self) -> (&Osb, &Client, Account) {
        self.osb.reset();
        (&self.osb, &self.client, self.client.new_account())
    }
}

/// An order of the queue's small plan.
fn order(account: &Account, licences: u64) -> Value {
    let mut body = resource(account, &unique("order"), "plan-small", licences);
    body["parameters"]["customoption2"] = json!({ "title": "Region", "value": "eu" });
    body
}

pub(crate) fn instance(answer: &Answer) -> Resource {
    Resource { id: answer.text_of("providerinstanceid"), subscription: String::new() }
}

/// An instance of the queue's small plan.
fn bought(client: &Client, account: &Account, licences: u64) -> Resource {
    let answer = client.post("/resource", &order(account, licences)).succeeded();
    assert_eq!(answer.text_of("status"), "active");
    instance(&answer)
}

/// `DELETE /resource`.
fn delete(client: &Client, account: &Account, instance: &Resource) -> Answer {
    client.delete("/resource", &bodies::deletion(account, &unique("delete"), &instance.id))
}

fn status(client: &Client, instance: &Resource) -> String {
    client.status(&instance.id)
}

/// The account's only instance.
fn instance_of(client: &Client, account: &Account) -> Resource {
    let resources = client.resources(account);
    assert_eq!(resources.len(), 1, "{resources:?}");
    let id = resources[0]["parameters"]["providerinstanceid"].as_str().unwrap().to_owned();
    Resource { id, subscription: String::new() }
}
