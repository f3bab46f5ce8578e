//! The adapter of HP CSA, compiled, in a real host, against a CSA of ours over real HTTPS.

mod faults;
mod lifecycle;
mod reading;
mod usage;

use cnsp_tests::bodies::{self, Account, Resource, action, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::hp_csa::{CATALOG, HpCsa, LOGIN, PROVIDER, SERVER};
use cnsp_tests::programs::plugins;
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// Where the host asks again at once, and nothing is too old.
const QUICK: &str =
    "poll_interval_ms = \"1\", settle_ms = \"300\", timeout_ms = \"1000\", keep_days = \"10000\"";

/// Callers wait for what is pending, so that it looks synchronous.
fn patient() -> Options {
    Options::default().set("operations.pending_wait_ms", 30_000)
}

/// Callers do not wait.
fn impatient() -> Options {
    Options::default().set("operations.pending_wait_ms", 0)
}

/// Declares the endpoint `csa`, or changes it. `config` is TOML: `name = "…", …`; `pem` is what is trusted.
fn apply(host: &Host, csa: &HpCsa, pem: &str, login: &str, config: &str) {
    let secret = host.folder().join("csa");
    std::fs::write(&secret, login).unwrap();
    let plugin = plugins().join("hp-csa.wasm");
    let (origin, (organization, user)) = (csa.origin(), PROVIDER);
    let pin = csa.identity().fingerprint();
    let setup = format!(
        "[endpoints.csa]\nvendor = \"acme\"\nplugin = {plugin:?}\nca_file = \"ca.pem\"\n\
         certificate_sha256 = [{pin:?}]\n\
         config = {{ url = \"{origin}/csa/rest/\", organization = {organization:?}, user = {user:?}, time_zone = \"Europe/Berlin\", {config} }}\n\
         secrets.csa = {{ file = {secret:?} }}\n\
         grants = [{{ url = \"{origin}/csa/rest\", addresses = [\"127.0.0.0/8\"], secrets = [\"csa\"] }}]\n"
    );
    host.apply_right(SetupFolder::default().file("ca.pem", pem).text(&setup).path());
}

/// A CSA, a host, and the marketplace at its endpoint: for several cases, since a start takes longer than they do.
struct Scene {
    csa: HpCsa,
    host: Host,
    client: Client,
}

/// An organization with two persons.
struct Customer {
    account: Account,
    ada: String,
    bob: String,
}

impl Scene {
    fn start(options: Options, config: &str) -> Scene {
        let csa = HpCsa::start();
        let host = options.start();
        apply(&host, &csa, csa.identity().pem(), LOGIN, &format!("{QUICK}, {config}"));
        let client = host.marketplace().at("csa");
        Scene { csa, host, client }
    }

    /// A customer of its own for each case. What was asked before is forgotten.
    fn fresh(&self) -> (&HpCsa, &Client, Customer) {
        self.csa.calm();
        let mut state = self.csa.state();
        state.approval = false;
        state.outcome = "DEPLOYED";
        let id = state.organization("CONSUMER", &unique("org"));
        let ada = state.person(&id, "ada", &["team"]);
        let bob = state.person(&id, "bob.smith", &["team", "others"]);
        let account = Account { accountid: id.clone(), id };
        (&self.csa, &self.client, Customer { account, ada, bob })
    }
}

/// An order of a server, by Ada.
fn order(customer: &Customer) -> Value {
    let sku = format!("{CATALOG}/{SERVER}");
    let mut body = resource(&customer.account, &unique("order"), &sku, 1);
    body["requestor"]["userid"] = json!(customer.ada);
    body
}

fn instance(answer: &Answer) -> Resource {
    Resource {
        id: answer.text_of("providerinstanceid"),
        subscription: answer.body()["subscriptionid"].as_str().unwrap_or_default().to_owned(),
    }
}

fn bought(client: &Client, customer: &Customer) -> Resource {
    let answer = client.post("/resource", &order(customer)).succeeded();
    assert_eq!(answer.text_of("status"), "active");
    instance(&answer)
}

/// `DELETE /resource`.
fn delete(client: &Client, customer: &Customer, instance: &Resource) -> Answer {
    let body = bodies::deletion(&customer.account, &unique("delete"), &instance.id);
    client.delete("/resource", &body)
}

/// `PUT /resource` with an option.
fn update(customer: &Customer, instance: &Resource, option: Value) -> Value {
    let mut body = action(&customer.account, &unique("update"), instance, "update");
    body["parameters"] = json!({ "customparam1": option });
    body
}

/// `PUT /resource` that takes a snapshot of the whole organization.
fn snapshot(client: &Client, customer: &Customer) -> Answer {
    let of = Resource { id: customer.account.id.clone(), subscription: String::new() };
    let body = action(&customer.account, &unique("snapshot"), &of, "usage.snapshot");
    client.put("/resource", &body)
}

/// Waits until an instance has a status.
fn becomes(client: &Client, instance: &str, status: &str) {
    cnsp_tests::eventually(status, LONG, || (client.status(instance) == status).then_some(()));
}
