use crate::matrix::cell::Event;
use crate::matrix::operation::Operation::{self, *};
use crate::matrix::provider::{Provider, secret};
use crate::matrix::third::{Left, Third};
use cnsp_tests::billingstack::{ADMIN, LOGIN, Paths, Services};
use cnsp_tests::fault_proxy::{Fault, FaultProxy};
use serde_json::Value;
use std::path::Path;

pub(crate) struct BillingStack(Services);

impl Provider for BillingStack {
    const NAME: &'static str = "billingstack";
    const PLUGIN: &'static str = "billingstack";
    /// Users' names and instances' licences are the adapter's own, with no provider that anything could go wrong at.
    const OPERATIONS: &'static [Operation] = &[
        CreateAccount,
        UpdateAccount,
        DeleteAccount,
        CreateUser,
        DeleteUser,
        CreateResource,
        Suspend,
        Reactivate,
        DeleteResource,
        Assign,
        Revoke,
    ];
    const THIRDS: &'static [Third] = &[Third {
        why: "a deletion that is refused half way cannot be taken back",
        operations: &[DeleteAccount, DeleteResource],
        step: ["DELETE", ""],
        events: &[Event::Once(Fault::Status(422)), Event::Once(Fault::Status(409))],
        says: "",
        left: Left::Part,
    }];
    const CELLS_MIN: usize = 530;

    fn start() -> Self {
        BillingStack(Services::start(Paths::Services))
    }

    fn sku() -> String {
        "plan-compute".to_owned()
    }

    fn proxy(&self) -> FaultProxy {
        FaultProxy::before(&self.0.origins())
    }

    fn endpoint(&self, origins: &[String], folder: &Path, timeout_ms: u32) -> String {
        let secrets = [("billingstack", LOGIN), ("keystone", ADMIN)]
            .map(|(name, text)| format!("{name} = {}", secret(folder, name, text)));
        let grants = ["billingstack", "keystone"].iter().zip(origins).map(|(secret, url)| {
            format!("{{ url = {url:?}, addresses = [\"127.0.0.0/8\"], secrets = [{secret:?}] }}")
        });
        let mut config = self.0.config();
        for (own, proxied) in self.0.origins().iter().zip(origins) {
            config = config.replace(own, proxied);
        }
        format!(
            "config = {{ {config}, timeout_ms = \"{timeout_ms}\" }}\nsecrets = {{ {} }}\ngrants = [{}]",
            secrets.join(", "),
            grants.collect::<Vec<_>>().join(", ")
        )
    }

    fn clear(&self) {
        self.0.reset();
    }

    fn has(&self) -> Vec<String> {
        let state = self.0.state();
        let user = |of: &Value| {
            let name = of["name"].as_str().expect("a name").split('.').next().unwrap_or_default();
            format!("user {name} {}", of["enabled"])
        };
        let customer =
            |of: &Value| format!("customer {} {}", of["name"], of["contact_info"][0]["company"]);
        // Each is named after whose it is.
        let tenant = |of: &Value| {
            let name = of["name"].as_str().expect("a name");
            let owner =
                name.trim_start_matches("bs-customer-").trim_start_matches("bs-subscription-");
            let has_owner =
                state.customers.contains_key(owner) || state.subscriptions.contains_key(owner);
            format!("tenant {} {} {has_owner}", &name[..name.len() - owner.len()], of["enabled"])
        };
        let role = |(tenant, user, role): &(String, String, String)| {
            let there = state.tenants.contains_key(tenant) && state.users.contains_key(user);
            format!("{role} in {} {there}", &tenant[..2])
        };
        let subscription = |of: &Value| {
            let resource = of["resource_id"].as_str().expect("a resource");
            let is_tenant = state.tenants.contains_key(resource);
            format!("subscription {} {is_tenant}", of["plan_id"])
        };
        let mut has: Vec<String> = state.users.values().map(user).collect();
        has.extend(state.customers.values().map(customer));
        has.extend(state.tenants.values().map(tenant));
        has.extend(state.granted.iter().map(role));
        has.extend(state.subscriptions.values().map(subscription));
        has.sort();
        has
    }
}
