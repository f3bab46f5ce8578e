//! The adapter of BillingStack and Keystone, compiled, in a real host, against both services with their traps.

mod faults;
mod matrix;
mod operations;
mod rules;

use cnsp_tests::billingstack::{ADMIN, LOGIN, Paths, Services};
use cnsp_tests::bodies::{Account, Resource, account, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::programs::plugins;
use cnsp_tests::setup::SetupFolder;
use serde_json::Value;

/// Both services, a host, and the marketplace at the endpoint for them.
struct Scene {
    services: Services,
    host: Host,
    client: Client,
}

impl Scene {
    fn start(paths: Paths) -> Scene {
        Scene::with(paths, "")
    }

    /// `more` is TOML of the endpoint's config: `, name = "…"`.
    fn with(paths: Paths, more: &str) -> Scene {
        let services = Services::start(paths);
        let host = Options::default().start();
        host.apply_right(declare(&host, "billing", &services, LOGIN, ADMIN, more).path());
        let client = host.marketplace().at("billing");
        Scene { services, host, client }
    }

    /// Services that have nothing of ours.
    fn fresh(&self) -> (&Services, &Client) {
        self.services.reset();
        (&self.services, &self.client)
    }

    /// As [`Scene::fresh`], and an account.
    fn furnished(&self) -> (&Services, &Client, Account) {
        let (services, client) = self.fresh();
        let account = client.new_account();
        services.calm();
        (services, client, account)
    }
}

/// An endpoint for both services.
pub(crate) fn declare(
    host: &Host,
    id: &str,
    services: &Services,
    login: &str,
    admin: &str,
    more: &str,
) -> SetupFolder {
    let secret = |name: &str, text: &str| {
        let path = host.folder().join(format!("{id}.{name}"));
        std::fs::write(&path, text).unwrap();
        format!("{name} = {{ file = {path:?} }}")
    };
    let secrets = [secret("billingstack", login), secret("keystone", admin)].join(", ");
    let [billing, identity] = services.origins();
    let grant = |url: &str, secret: &str| {
        format!("{{ url = {url:?}, addresses = [\"127.0.0.0/8\"], secrets = [{secret:?}] }}")
    };
    let plugin = plugins().join("billingstack.wasm");
    SetupFolder::default().text(&format!(
        "[endpoints.{id}]\nvendor = \"acme\"\nplugin = {plugin:?}\nconfig = {{ {}{more} }}\n\
         secrets = {{ {secrets} }}\ngrants = [{}, {}]\n",
        services.config(),
        grant(&billing, "billingstack"),
        grant(&identity, "keystone"),
    ))
}

/// An order of the plan of computers.
fn order(account: &Account, licences: u64) -> Value {
    resource(account, &unique("order"), "plan-compute", licences)
}

/// A new account's request.
fn sign_up() -> Value {
    let accountid = unique("account");
    account(&accountid, &format!("{accountid}@example.com"))
}

fn bought(answer: &Answer) -> Resource {
    Resource {
        id: answer.text_of("providerinstanceid"),
        subscription: answer.text_of("subscriptionid"),
    }
}
