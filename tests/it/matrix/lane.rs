//! An endpoint with a provider of its own, and what goes wrong between them: cells run beside each other, one on each.

use super::operation::Scene;
use super::provider::Provider;
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::fault_proxy::FaultProxy;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::within;
use serde_json::Value;
use std::time::Duration;

/// By then, whatever goes wrong has come to an end.
pub(crate) const LONG: Duration = Duration::from_secs(90);

pub(crate) struct Lane<P> {
    id: String,
    pub(crate) provider: P,
    pub(crate) proxy: FaultProxy,
}

/// How things are: what the provider has, and what the host says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    pub(crate) has: Vec<String>,
    pub(crate) shown: Vec<String>,
}

/// A host whose breaker leaves no endpoint alone, whose callers wait for nothing, and that asks for nothing by itself.
pub(crate) fn host() -> Host {
    let options = Options::default().set("breaker.failure_count", 1_000_000);
    options.set("operations.pending_wait_ms", 0).set("drift.check_s", 0).start()
}

/// Declares the endpoint of each lane, or changes it: a provider may take so long to answer.
pub(crate) fn declare<P: Provider>(host: &Host, lanes: &[Lane<P>], timeout_ms: u32) {
    let mut set_up = SetupFolder::default();
    for Lane { id, provider, proxy } in lanes {
        let endpoint = provider.endpoint(proxy.origins(), host.folder(), timeout_ms);
        set_up = set_up.plugin(id, P::PLUGIN, &endpoint);
    }
    host.apply_right(set_up.path());
}

/// The answer once there is an end; without one, the text of the last.
pub(crate) fn settle(mut ask: impl FnMut() -> Answer) -> Result<Answer, String> {
    let mut last = ask();
    within(LONG, || {
        if goes_on(&last) {
            last = ask();
        }
        (!goes_on(&last)).then_some(())
    });
    if goes_on(&last) { Err(last.text) } else { Ok(last) }
}

/// Whether the same request comes to something else yet.
fn goes_on(answer: &Answer) -> bool {
    answer.body()["status"] == "pending" || answer.header("retry-after").is_some()
}

/// The answer of what nothing goes wrong with.
pub(crate) fn succeed(ask: impl FnMut() -> Answer) -> Answer {
    settle(ask).unwrap_or_else(|last| panic!("no end: {last}")).succeeded()
}

impl<P: Provider> Lane<P> {
    pub(crate) fn new(number: usize) -> Lane<P> {
        let provider = P::start();
        let proxy = provider.proxy();
        Lane { id: format!("lane-{number}"), provider, proxy }
    }

    pub(crate) fn client(&self, host: &Host) -> Client {
        host.marketplace().at(&self.id)
    }

    /// How many requests since it was last begun to watch have changed something, or could have.
    pub(crate) fn effects(&self) -> usize {
        self.proxy.exchanges().iter().filter(|exchange| exchange.is_effect()).count()
    }

    /// `made` is the instance that an order is told of.
    pub(crate) fn picture(&self, client: &Client, scene: &Scene, made: Option<&str>) -> Picture {
        let Scene { account, resource, .. } = scene;
        let id = if account.id.is_empty() { &account.accountid } else { &account.id };
        let get = |path: String, list: &str, line: fn(&Value) -> Option<String>| {
            let answer = client.get(&path);
            let items = answer.body()[list].as_array().cloned().unwrap_or_default();
            let mut lines: Vec<String> = items.iter().filter_map(line).collect();
            lines.sort();
            format!("{list} {}: {}", answer.status, lines.join(", "))
        };
        let answer = client.get(&format!("/account/{id}"));
        let name = &answer.body()["accountinfo"]["accountname"];
        let mut shown = vec![
            format!("account {}: {name}", answer.status),
            get(format!("/account/user/{id}"), "users", |user| Some(user["firstname"].to_string())),
            get(format!("/resource/{id}"), "resources", |of| {
                let [sku, status, license] =
                    ["sku", "status", "license"].map(|key| of["parameters"][key].to_string());
                // What is cancelled may be kept, and is the same as nothing.
                (status != "\"cancel\"").then(|| format!("{sku} {status} {license}"))
            }),
        ];
        if let Some(instance) = made.or(resource.as_ref().map(|resource| resource.id.as_str())) {
            let answer = client.get(&format!("/resource/{instance}"));
            let status = &answer.body()["resourceinfo"]["parameters"]["status"];
            let is_gone = status == "cancel" || answer.result()["success"] == false;
            shown.push(if is_gone { "gone".to_owned() } else { format!("instance: {status}") });
        }
        Picture { has: self.provider.has(), shown }
    }
}
