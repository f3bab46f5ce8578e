use crate::matrix::operation::Operation::{self, *};
use crate::matrix::provider::{Provider, secret};
use cnsp_tests::bodies::{Account, resource};
use cnsp_tests::fault_proxy::FaultProxy;
use cnsp_tests::hp_csa::{self, CATALOG, LOGIN, PROVIDER, SERVER};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) struct HpCsa(hp_csa::HpCsa);

impl Provider for HpCsa {
    const NAME: &'static str = "hp-csa";
    const PLUGIN: &'static str = "hp-csa";
    /// Accounts and users are LDAP's, and a snapshot only reads.
    const OPERATIONS: &'static [Operation] = &[CreateResource, UpdateResource, DeleteResource];
    /// Each of its requests waits a minute after a 401: all of them at once.
    const LANES: usize = 28;
    const CELLS_MIN: usize = 332;

    fn start() -> Self {
        HpCsa(hp_csa::HpCsa::start())
    }

    fn sku() -> String {
        format!("{CATALOG}/{SERVER}")
    }

    fn proxy(&self) -> FaultProxy {
        FaultProxy::before_tls(&[self.0.origin()], &self.0.identity().client())
    }

    fn endpoint(&self, origins: &[String], folder: &Path, timeout_ms: u32) -> String {
        let (login, origin) = (secret(folder, "csa", LOGIN), &origins[0]);
        let (organization, user) = PROVIDER;
        format!(
            "config = {{ url = \"{origin}/csa/rest\", organization = {organization:?}, user = {user:?}, time_zone = \"Europe/Berlin\", \
             poll_interval_ms = \"1\", settle_ms = \"300\", keep_days = \"10000\", timeout_ms = \"{timeout_ms}\" }}\n\
             secrets = {{ csa = {login} }}\n\
             grants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"csa\"] }}]"
        )
    }

    fn clear(&self) {
        self.0.calm();
        let mut state = self.0.state();
        state.service_requests.clear();
        state.subscriptions.clear();
        state.organizations.retain(|_, of| of.role == "PROVIDER");
        state.persons.clear();
    }

    fn has(&self) -> Vec<String> {
        let state = self.0.state();
        let mut has: Vec<String> =
            state
                .service_requests
                .values()
                .map(|of| format!("request {} {} {:?}", of.action, of.state, of.status))
                .chain(state.subscriptions.values().map(|of| {
                    format!("subscription {} {} {:?}", of.status, of.state, of.recurring)
                }))
                .collect();
        has.sort();
        has
    }

    fn found(&self, _: &str) -> Option<Account> {
        let mut state = self.0.state();
        let id = state.organization("CONSUMER", "Contoso");
        state.person(&id, "ada", &[]);
        Some(Account { accountid: id.clone(), id })
    }

    fn order(&self, _: Operation, account: &Account, requestid: &str) -> Value {
        let mut body = resource(account, requestid, &Self::sku(), 1);
        body["requestor"]["userid"] = json!("ada");
        body
    }

    fn update(&self) -> Value {
        json!({ "customparam1": "Large" })
    }
}
