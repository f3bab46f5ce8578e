use crate::matrix::cell::{Event, Kill};
use crate::matrix::operation::Operation::{self, *};
use crate::matrix::provider::{Provider, secret};
use crate::matrix::third::{Left, Third};
use cnsp_tests::cnsp_remote::{LOGIN, Remote, Switches};
use cnsp_tests::fault_proxy::{Fault, FaultProxy};
use serde_json::{Value, json};
use std::path::Path;

/// It was done, and nobody was told.
const LOST: [Event; 9] = [
    Event::Once(Fault::DropAfter),
    Event::Once(Fault::SilentAfter),
    Event::Once(Fault::FailedAfter),
    Event::Once(Fault::Garbage),
    Event::Once(Fault::Truncated),
    Event::Once(Fault::Empty),
    Event::Twice(Fault::DropAfter),
    Event::Killed(Kill::After),
    Event::Killed(Kill::Told),
];

/// One that recognises a repeat, or does not.
pub(crate) struct CnspRemote<const HONOURS_IDS: bool>(Remote);

impl<const HONOURS_IDS: bool> Provider for CnspRemote<HONOURS_IDS> {
    const NAME: &'static str = if HONOURS_IDS { "cnsp-remote with ids" } else { "cnsp-remote" };
    const PLUGIN: &'static str = "cnsp-remote";
    const OPERATIONS: &'static [Operation] = &[
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
        Act("update.rename"),
        DeleteResource,
        Assign,
        Revoke,
    ];
    const THIRDS: &'static [Third] = if HONOURS_IDS {
        &[]
    } else {
        &[
            Third {
                why: "CNSP 1.0 has no way to ask whether an action of the remote's own was done",
                operations: &[Act("update.rename")],
                step: ["PUT", ""],
                events: &LOST,
                says: "not known whether",
                left: Left::Either,
            },
            Third {
                why: "CNSP 1.0 has no way to ask for a seat, and refuses alike what is taken back and what is not yours",
                operations: &[Revoke],
                step: ["PUT", ""],
                events: &LOST,
                says: "not authorized",
                left: Left::Either,
            },
        ]
    };
    const CELLS_MIN: usize = if HONOURS_IDS { 288 } else { 321 };

    fn start() -> Self {
        CnspRemote(Remote::start(Switches { honours_ids: HONOURS_IDS, ..Switches::default() }))
    }

    fn sku() -> String {
        "MAIL-S".to_owned()
    }

    fn proxy(&self) -> FaultProxy {
        FaultProxy::before(&[self.0.origin()])
    }

    fn endpoint(&self, origins: &[String], folder: &Path, timeout_ms: u32) -> String {
        let (login, origin) = (secret(folder, "remote", LOGIN), &origins[0]);
        let idempotency = if HONOURS_IDS { "all" } else { "none" };
        format!(
            "config = {{ url = \"{origin}/apiv1\", idempotency = {idempotency:?}, timeout_ms = \"{timeout_ms}\" }}\n\
             secrets = {{ remote = {login} }}\n\
             grants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"remote\"] }}]"
        )
    }

    fn clear(&self) {
        self.0.reset();
    }

    fn has(&self) -> Vec<String> {
        let state = self.0.state();
        let account = |of: &Value| format!("account {}", of["accountname"]);
        let user = |of: &Value| format!("user {}", of["firstname"]);
        let instance = |of: &Value| {
            let [sku, license, status] =
                ["sku", "license", "status"].map(|key| &of["parameters"][key]);
            let is_renamed = of["parameters"]["instancename"] == "Renamed";
            format!("instance {sku} {license} {status} {is_renamed}")
        };
        let mut has: Vec<String> = state.accounts.iter().map(account).collect();
        has.extend(state.users.iter().map(user));
        has.extend(state.resources.iter().map(instance));
        has.extend(state.seats.iter().map(|_| "seat".to_owned()));
        has
    }

    fn parameters(&self) -> Value {
        json!({ "instancename": "Renamed" })
    }
}
