use crate::matrix::cell::Event;
use crate::matrix::operation::Operation::{self, *};
use crate::matrix::provider::{Provider, secret};
use crate::matrix::third::{Left, Third};
use cnsp_tests::bodies::{Account, resource};
use cnsp_tests::fault_proxy::{Fault, FaultProxy};
use cnsp_tests::osb::{self, LOGIN, background};
use serde_json::{Value, json};
use std::path::Path;

/// A broker that works in the background, or does not.
pub(crate) struct Osb<const BACKGROUND: bool>(osb::Osb);

impl<const BACKGROUND: bool> Provider for Osb<BACKGROUND> {
    const NAME: &'static str = if BACKGROUND { "osb in the background" } else { "osb" };
    const PLUGIN: &'static str = "osb";
    /// Its accounts and users are the adapter's own, with no provider that anything could go wrong at.
    const OPERATIONS: &'static [Operation] = &[
        CreateResource,
        UpdateResource,
        Suspend,
        Reactivate,
        DeleteResource,
        DeleteSeated,
        Assign,
        Revoke,
    ];
    const THIRDS: &'static [Third] = &[
        Third {
            why: "OSB's table calls a 200 that makes no sense a failure, and has nothing deleted for it",
            operations: &[
                UpdateResource,
                Suspend,
                Reactivate,
                DeleteResource,
                DeleteSeated,
                Revoke,
            ],
            step: ["", ""],
            events: &[Event::Once(Fault::Garbage), Event::Once(Fault::Empty)],
            says: "the body is no JSON object",
            left: Left::Part,
        },
        Third {
            why: "seats that were taken back for a deletion that is refused then cannot be given again",
            operations: &[DeleteSeated],
            step: ["DELETE", "/service_instances/*"],
            events: &[
                Event::Once(Fault::Status(401)),
                Event::Once(Fault::Status(409)),
                Event::Once(Fault::Status(422)),
            ],
            says: "The broker",
            left: Left::Part,
        },
    ];
    const CELLS_MIN: usize = if BACKGROUND { 428 } else { 219 };

    fn start() -> Self {
        Osb(osb::Osb::start())
    }

    fn sku() -> String {
        "plan-small".to_owned()
    }

    fn proxy(&self) -> FaultProxy {
        FaultProxy::before(&[self.0.origin()])
    }

    fn endpoint(&self, origins: &[String], folder: &Path, timeout_ms: u32) -> String {
        let (login, origin) = (secret(folder, "broker", LOGIN), &origins[0]);
        format!(
            "config = {{ broker_url = {origin:?}, poll_interval_ms = \"1\", timeout_ms = \"{timeout_ms}\" }}\n\
             secrets = {{ broker = {login} }}\n\
             grants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"broker\"] }}]"
        )
    }

    fn clear(&self) {
        self.0.reset();
    }

    fn has(&self) -> Vec<String> {
        let state = self.0.state();
        let instance = |of: &osb::Instance| {
            let [plan, parameters] = ["plan_id", "parameters"].map(|key| &of.body[key]);
            let waits = if of.running.is_some() { ", in progress" } else { "" };
            format!("instance {plan} {parameters}{waits}")
        };
        let binding = |of: &osb::Binding| format!("binding {}", of.running.is_some());
        let mut has: Vec<String> = state.instances.values().map(instance).collect();
        has.extend(state.bindings.values().map(binding));
        has
    }

    fn order(&self, _: Operation, account: &Account, requestid: &str) -> Value {
        let mut body = resource(account, requestid, &Self::sku(), 2);
        body["parameters"]["customoption2"] = json!({ "title": "Region", "value": "eu" });
        body
    }

    fn prepare(&self) {
        if BACKGROUND {
            // For a deletion of what has a seat, too.
            self.0.state().background =
                vec![background(1, "succeeded"), background(1, "succeeded")];
        }
    }
}
