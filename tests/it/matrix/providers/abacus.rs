use crate::matrix::operation::Operation::{self, *};
use crate::matrix::provider::{Provider, secret};
use cnsp_tests::abacus::{self, LOGIN, now_ms};
use cnsp_tests::bodies::{self, Account, resource};
use cnsp_tests::fault_proxy::{Exchange, FaultProxy};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) struct Abacus(abacus::Abacus);

const PUSH: Operation = Act("usage.push");
const OFFERINGS: &str = r#"[
  {"resource": "editor", "metering": "editor-licences", "rating": "editor-rating", "pricing": "editor-pricing", "measure": "licences"},
  {"resource": "object-storage", "plan": "basic", "metering": "basic-object-storage", "rating": "object-rating-plan", "pricing": "object-pricing-basic"}
]"#;

impl Provider for Abacus {
    const NAME: &'static str = "abacus";
    const PLUGIN: &'static str = "abacus";
    /// It has no users; and an account only adopts what is there, so that nothing changes at Abacus.
    const OPERATIONS: &'static [Operation] =
        &[CreateAccount, CreateResource, UpdateResource, Suspend, Reactivate, PUSH, DeleteResource];
    const CELLS_MIN: usize = 248;

    fn start() -> Self {
        Abacus(abacus::Abacus::start())
    }

    fn sku() -> String {
        "editor/standard".to_owned()
    }

    fn proxy(&self) -> FaultProxy {
        FaultProxy::before(&[self.0.origin()])
    }

    fn endpoint(&self, origins: &[String], folder: &Path, timeout_ms: u32) -> String {
        let (login, origin) = (secret(folder, "abacus", LOGIN), &origins[0]);
        let urls: String = ["collector", "sampler", "reporting", "plans", "accounts"]
            .map(|of| format!("{of}_url = {origin:?}, "))
            .concat();
        format!(
            "config = {{ {urls} token_url = \"{origin}/oauth/token\", offerings = {OFFERINGS:?}, \
             retry_ms = \"1\", settle_ms = \"300\", timeout_ms = \"{timeout_ms}\" }}\n\
             secrets = {{ abacus = {login} }}\n\
             grants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"abacus\"] }}]"
        )
    }

    fn clear(&self) {
        self.0.reset("idz:nobody");
    }

    fn has(&self) -> Vec<String> {
        let state = self.0.state();
        // Licences that go on where others end, as many of them, are the same.
        let mut spans: Vec<(u64, bool, Option<i64>)> = Vec::new();
        for span in &state.spans {
            let (quantity, end) = (span.quantity(), span.end.as_ref().map(|(_, at)| *at));
            match spans.last_mut() {
                Some((before, _, at)) if (*before, *at) == (quantity, Some(span.start)) => {
                    *at = end
                }
                last => {
                    let joins = last.is_some_and(|(_, _, at)| *at == Some(span.start));
                    spans.push((quantity, joins, end));
                }
            }
        }
        let span = |(quantity, joins, end): &(u64, bool, Option<i64>)| {
            format!("{quantity} licences, joined: {joins}, ended: {}", end.is_some())
        };
        let mut has: Vec<String> = spans.iter().map(span).collect();
        has.extend(state.documents.iter().map(|of| format!("usage {}", of["measured_usage"])));
        has
    }

    /// 422 to an end says that nothing was metered.
    fn is_lie(exchange: &Exchange, status: u16) -> bool {
        exchange.path.ends_with("/events/stop") && status == 422
    }

    fn account(&self, accountid: &str) -> Value {
        self.0.state().organizations.insert(format!("idz:{accountid}"));
        let mut body = bodies::account(accountid, &format!("ada.{accountid}@example.com"));
        body["additionalattributes"]["identityzone"] = json!(accountid);
        body
    }

    fn order(&self, operation: Operation, account: &Account, requestid: &str) -> Value {
        if operation != PUSH {
            return resource(account, requestid, &Self::sku(), 2);
        }
        let mut body = resource(account, requestid, "object-storage/basic", 1);
        body["parameters"]["additionalparameters"] =
            json!({ "spaceid": "space", "appid": "application", "serviceinstanceid": "instance" });
        body
    }

    fn parameters(&self) -> Value {
        let now = now_ms();
        let usage = json!([{ "measure": "storage", "quantity": 1_073_741_824 }]);
        json!({ "start": now, "end": now, "measuredusage": usage })
    }
}
