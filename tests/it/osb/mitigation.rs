//! OSB's table of orphan mitigation, row by row: who asks for what, how the broker answers, and whether what it may
//! have left is deleted.

use super::{LOGIN, Osb, PLAIN, Scene, apply, bought, impatient, instance_of, order, patient};
use cnsp_tests::bodies::{Account, Resource, User, action, deletion, seat, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::eventually;
use cnsp_tests::osb::{Answers, Op, background};
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);
const ROWS: usize = 21;
const CHANGES: [Op; 5] = [Op::Provision, Op::Update, Op::Deprovision, Op::Bind, Op::Unbind];

/// The requests that a row speaks of.
fn requests(row: &str) -> Vec<Op> {
    match row {
        "All" => CHANGES.to_vec(),
        "All (except Provisioning and Binding)" => vec![Op::Update, Op::Deprovision, Op::Unbind],
        "Provisioning" => vec![Op::Provision],
        "Binding" => vec![Op::Bind],
        "Updating a Service Instance" => vec![Op::Update],
        "Provisioning/Deprovisioning"
        | "Polling Last Operation for Service Instances for Provisioning/Deprovisioning" => {
            vec![Op::Provision, Op::Deprovision]
        }
        "Binding/Unbinding"
        | "Polling Last Operation for Service Bindings for Binding/Unbinding" => {
            vec![Op::Bind, Op::Unbind]
        }
        row => panic!("the table speaks of {row}"),
    }
}

/// Lets the broker answer as a row says. It does what it is asked unless it says that it did not.
fn provoke(osb: &Osb, op: Op, status: &str) {
    let with = |acts, code, body: &str| {
        osb.fault(op, acts, Answers::With(code, body.to_owned(), ""));
    };
    match status {
        "200" => with(true, 200, "{}"),
        "201" => with(true, 201, "{}"),
        "202" => osb.state().background = vec![background(1, "succeeded")],
        "200 with malformed response" => with(true, 200, "{\"dashboard_url\":"),
        "201 with malformed response" => with(true, 201, "[]"),
        "202 with malformed response" => with(true, 202, "{\"operation\":7}"),
        "200 with \"state\": \"failed\"" => osb.state().background = vec![background(1, "failed")],
        "All other 2xx" => with(true, 206, "{}"),
        "408" => with(false, 408, "{}"),
        "All other 4xx" => with(false, 400, "{\"description\":\"no\"}"),
        "5xx" => with(true, 500, "{}"),
        "Timeout" => osb.fault(op, true, Answers::Nothing),
        status => panic!("the table speaks of {status}"),
    }
}

/// The answer once nothing is pending. A request that is repeated runs no second time.
fn settled(ask: impl Fn() -> Answer) -> Answer {
    eventually("the answer is more than pending", LONG, || {
        let answer = ask();
        (answer.body()["status"] != "pending").then_some(answer)
    })
}

/// Whose instance it is, and who may have a seat.
struct Request<'a> {
    client: &'a Client,
    account: Account,
    user: User,
    instance: Option<Resource>,
}

impl<'a> Request<'a> {
    /// All that there has to be before the request.
    fn set(client: &'a Client, op: Op) -> Request<'a> {
        let account = client.new_account();
        let user = client.new_user(&account);
        let instance = (op != Op::Provision).then(|| bought(client, &account, 2));
        let scene = Request { client, account, user, instance };
        if op == Op::Unbind {
            scene.seat("assign").succeeded();
        }
        scene
    }

    fn seat(&self, what: &str) -> Answer {
        let body = seat(&self.account, what, &self.user, self.instance());
        let client = self.client.with("idempotency-key", &format!("{what}-{}", self.user.id));
        settled(|| client.put("/account/user/resource", &body))
    }

    fn instance(&self) -> &Resource {
        self.instance.as_ref().expect("it was bought")
    }

    fn ask(&self, op: Op) -> Answer {
        match op {
            Op::Provision => {
                let body = order(&self.account, 2);
                settled(|| self.client.post("/resource", &body))
            }
            Op::Update => {
                let mut body = action(&self.account, &unique("u"), self.instance(), "update");
                body["parameters"] = json!({ "license": 3 });
                settled(|| self.client.put("/resource", &body))
            }
            Op::Deprovision => {
                let body = deletion(&self.account, &unique("d"), &self.instance().id);
                settled(|| self.client.delete("/resource", &body))
            }
            Op::Bind => self.seat("assign"),
            _ => self.seat("revoke"),
        }
    }
}

/// One row for one request: `None` when it came out as the table says, else what did not.
fn judge(osb: &Osb, client: &Client, op: Op, row: &Value) -> Option<String> {
    let text = |key: &str| row[key].as_str().expect("it is a text");
    let scene = Request::set(client, op);
    osb.calm();
    provoke(osb, op, text("status"));
    let answer = scene.ask(op);
    let of_binding = matches!(op, Op::Bind | Op::Unbind);
    let mitigated = text(if of_binding { "orphan_bindings" } else { "orphan_instances" }) == "Yes";
    let deletion = if of_binding { Op::Unbind } else { Op::Deprovision };
    let own = usize::from(op == deletion);
    // The request's own, and the broker's second chance.
    let wanted = own + usize::from(mitigated);
    let deletions = osb.count(deletion);
    let (instances, bindings) = {
        let state = osb.state();
        (state.instances.len(), state.bindings.len())
    };
    let left = if of_binding { bindings } else { instances };
    // A deletion that is repeated until it is done has succeeded, and what was done and not answered, too, where the
    // broker can be asked about it.
    let adopted = text("status") == "Timeout" && !mitigated;
    let succeeds =
        text("interpretation").starts_with("Success") || (own == 1 && mitigated) || adopted;
    let success = answer.result()["success"] == true;
    let known = match op {
        Op::Provision if mitigated && success => Some(instance_of(client, &scene.account)),
        _ => None,
    };
    // The broker is empty for the next one.
    osb.calm();
    osb.state().instances.clear();
    osb.state().bindings.clear();
    let right =
        deletions == wanted && success == succeeds && known.is_none() && (!mitigated || left == 0);
    (!right).then(|| {
        format!(
            "{op:?}, {}: {deletions} deletions and not {wanted}, {left} left, success {success}: {}",
            text("status"),
            answer.text
        )
    })
}

#[test]
fn orphans_are_mitigated_by_the_table() {
    // Whose callers do not wait: the host repeats nothing by itself.
    let Scene { osb, client, host } = Scene::start(impatient(), PLAIN);
    let table = include_str!("../../fixtures/osb/orphan_mitigation.json");
    let table: Value = serde_json::from_str(table).unwrap();
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), ROWS);
    let mut wrong = Vec::new();
    for row in rows {
        // The last three. A short time is also one in which a machine that is busy does not answer.
        if row["status"] == "Timeout" {
            apply(&host, &osb.origin(), LOGIN, "poll_interval_ms = \"1\", timeout_ms = \"500\"");
        }
        for op in requests(row["request"].as_str().unwrap()) {
            wrong.extend(judge(&osb, &client, op, row));
        }
    }
    assert!(wrong.is_empty(), "{} came out otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_deletion_that_is_to_clean_up_goes_on_until_it_succeeds() {
    let scene = Scene::start(patient(), PLAIN);
    let (osb, client, account) = scene.fresh();
    osb.fault(Op::Provision, true, Answers::With(500, "{}".to_owned(), ""));
    // Refused, failed, dropped, and failed in the background.
    osb.refuse(Op::Deprovision, 400, "{}");
    osb.refuse(Op::Deprovision, 500, "{}");
    osb.fault(Op::Deprovision, false, Answers::Hangup);
    osb.state().background = vec![background(0, "succeeded"), background(1, "failed")];
    // The first is the creation's, which the broker then never tells of.
    let failed = client.post("/resource", &order(&account, 2));
    assert_eq!(failed.status, 502, "{}", failed.text);
    assert!(failed.error().contains("(500)"), "the first cause is told: {}", failed.text);
    assert_eq!(osb.instances(), 0);
    assert_eq!((osb.count(Op::Provision), osb.count(Op::Deprovision)), (1, 5));
    assert_eq!(client.status(&instance_of(client, &account).id), "cancel");
    assert_eq!(client.get("/health").succeeded().body()["status"], "ok");
}
