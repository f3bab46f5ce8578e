//! A broker that is not ours: one that is made with `openbrokerapi`, in Python, as `make test-tools` installs it.

use crate::osb::{apply, start};
use cnsp_tests::bodies::{action, resource, seat, unique};
use cnsp_tests::host::Options;
use cnsp_tests::programs::target;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const LOGIN: &str = "platform:peer-password";

struct Peer {
    child: Child,
    origin: String,
}

impl Peer {
    fn start() -> Peer {
        let python = target().join("peers/osb/bin/python");
        assert!(
            python.is_file(),
            "there is no broker to test with: run `make test-tools` first ({python:?})"
        );
        let broker = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/osb/broker.py");
        let child = Command::new(python)
            .arg(broker)
            .arg(LOGIN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("it can be started");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("it says where it listens");
        let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("`{line}` is no port"));
        Peer { child, origin: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_broker_of_openbrokerapi_is_sold_used_and_left() {
    let peer = Peer::start();
    let options = Options::default().set("operations.pending_wait_ms", 30_000);
    let host = start(options, &peer.origin, LOGIN, "poll_interval_ms = \"1\"");
    let client = host.marketplace().at("osb");
    let catalog = client.get("/catalog").succeeded();
    let skus: Vec<&Value> = catalog.body()["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["parameters"]["sku"])
        .collect();
    assert_eq!(skus, ["note-plan", "slow-plan"]);
    assert_eq!(client.get("/health").succeeded().body()["status"], "ok");

    let account = client.new_account();
    let user = client.new_user(&account);
    // One that is done at once, and one that works in the background.
    for sku in ["note-plan", "slow-plan"] {
        let mut order = resource(&account, &unique("order"), sku, 2);
        order["parameters"]["customoption1"] = json!({ "title": "colour", "value": "blue" });
        let bought = client.post("/resource", &order).succeeded();
        assert_eq!(bought.text_of("status"), "active");
        let instance = crate::osb::instance(&bought);
        let got = client.get(&format!("/resource/{}", instance.id)).succeeded();
        assert_eq!(
            got.body()["resourceinfo"]["additionalparameters"]["parameters"]["colour"],
            "blue"
        );
        assert!(!got.text.contains("notfrombroker"), "{}", got.text);

        let mut update = action(&account, &unique("update"), &instance, "update");
        update["parameters"] = json!({ "customparam1": "red" });
        client.put("/resource", &update).succeeded();
        let got = client.get(&format!("/resource/{}", instance.id)).succeeded();
        assert_eq!(
            got.body()["resourceinfo"]["additionalparameters"]["parameters"]["colour"],
            "red"
        );

        let change =
            |what| client.put("/account/user/resource", &seat(&account, what, &user, &instance));
        let seated = change("assign").succeeded();
        assert_eq!(
            seated.body()["respparam1"],
            json!({ "label": "note", "value": format!("of {}", user.id) })
        );
        change("revoke").succeeded();
        change("assign").succeeded();
        // With a seat: its binding goes first, or the broker refuses.
        let delete = cnsp_tests::bodies::deletion(&account, &unique("delete"), &instance.id);
        client.delete("/resource", &delete).succeeded();
        assert_eq!(client.status(&instance.id), "cancel");
    }
    // What it refuses is told in its words.
    let mut order = resource(&account, &unique("order"), "note-plan", 2);
    order["parameters"]["additionalparameters"] = json!({ "parameters": { "colour": "of magic" } });
    let refused = client.post("/resource", &order);
    assert!(refused.status == 400 && refused.error().contains("of magic"), "{}", refused.text);
    apply(&host, &peer.origin, "platform:wrong", "poll_interval_ms = \"1\"");
    assert_eq!(client.get("/catalog").status, 502);
}
