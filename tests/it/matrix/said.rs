//! Every adapter, every operation: it does what it says that it can do, and refuses all else without touching its
//! provider.

use super::lane::{Lane, declare, host};
use super::operation::Operation;
use super::provider::Provider;
use Operation::*;
use cnsp_tests::client::Client;
use std::collections::BTreeSet;

/// What an adapter may take for each.
const PATIENT_MS: u32 = 20_000;

/// Each change with its capability, and the action of a resource that it is.
const CHANGES: [(Operation, &str, Option<&str>); 13] = [
    (CreateAccount, "account.create", None),
    (UpdateAccount, "account.update", None),
    (DeleteAccount, "account.delete", None),
    (CreateUser, "user.create", None),
    (UpdateUser, "user.update", None),
    (DeleteUser, "user.delete", None),
    (Assign, "user.assign", None),
    (Revoke, "user.revoke", None),
    (CreateResource, "resource.create", None),
    (UpdateResource, "resource.update", None),
    (Suspend, "resource.act", Some("update.suspend")),
    (Reactivate, "resource.act", Some("update.reactivate")),
    (DeleteResource, "resource.delete", None),
];

/// Each read with its capability; `{}` is an account.
const READS: [(&str, &str); 7] = [
    ("/catalog", "catalog.list"),
    ("/account", "account.list"),
    ("/account/{}", "account.get"),
    ("/account/user/{}", "user.list"),
    ("/resource/{}", "resource.list"),
    ("/billing/{}", "billing.usage"),
    ("/health", "health.check"),
];

pub(crate) fn check<P: Provider>() {
    let host = host();
    let lane = Lane::<P>::new(1);
    let lanes = [lane];
    declare(&host, &lanes, PATIENT_MS);
    let [lane] = &lanes;
    let client = lane.client(&host);
    let said = Said::of(&client);
    // Has an account, made or found.
    let scene = UpdateAccount.set(lane, &client);
    for (operation, capability, action) in CHANGES {
        let can = said.can(capability, action);
        assert!(
            can || !P::OPERATIONS.contains(&operation),
            "{}: {operation:?} is not said",
            P::NAME
        );
        if can {
            continue;
        }
        lane.proxy.watch();
        let request = operation.request(lane, &scene.with_what_is_not_there());
        let refused = request.ask(&client);
        let shown = format!("{}: {operation:?}: {}", P::NAME, refused.text);
        assert!(matches!(refused.status, 400 | 501), "{shown}");
        assert!(!refused.error().is_empty(), "{shown}");
        assert_eq!(lane.effects(), 0, "{shown}");
    }
    for (path, capability) in READS {
        let path = path.replace("{}", &scene.account.id);
        let answer = client.get(&path);
        let shown = format!("{}: {path}: {}", P::NAME, answer.text);
        match said.can(capability, None) {
            true => assert_eq!(answer.status, 200, "{shown}"),
            false => assert!(matches!(answer.status, 400 | 501), "{shown}"),
        }
    }
}

/// What an adapter says of itself.
struct Said {
    capabilities: BTreeSet<String>,
    actions: BTreeSet<String>,
}

impl Said {
    fn of(client: &Client) -> Said {
        let told = client.get("/discovery").succeeded();
        let texts = |list: &serde_json::Value| -> Vec<String> {
            let texts = list.as_array().into_iter().flatten();
            texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
        };
        let resources = told.body()["resources"].as_array().cloned().unwrap_or_default();
        Said {
            capabilities: texts(&told.body()["capabilities"]).into_iter().collect(),
            actions: resources.iter().flat_map(|of| texts(&of["actions"])).collect(),
        }
    }

    fn can(&self, capability: &str, action: Option<&str>) -> bool {
        self.capabilities.contains(capability)
            && action.is_none_or(|action| self.actions.contains(action))
    }
}
