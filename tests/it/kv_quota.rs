//! What an endpoint may keep through the import `kv`: the guest is told when it is full, nobody else notices, and what
//! it deletes makes room.

use cnsp_tests::bodies::{account, requestor, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use std::time::Duration;

const BYTES_MAX: u64 = 110_000;
const COUNT_MAX: u64 = 50;

/// How many keys the guest could write, until it was told that it keeps too much.
fn filled(client: &Client) -> u64 {
    let answer = client.post("/account", &account(&unique("account"), "ada@example.com"));
    let answer = answer.succeeded();
    assert_eq!(answer.body()["refused"], 2, "{}", answer.text);
    answer.body()["granted"].as_u64().unwrap()
}

/// What the metrics say of an endpoint: bytes and keys.
fn kept(host: &Host, endpoint: &str) -> (u64, u64) {
    let metrics = host.operator().below("").get("/metrics").text;
    let number = |name: &str| {
        let start = format!("{name}{{endpoint=\"{endpoint}\"}} ");
        let found = metrics.lines().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{start} is not in\n{metrics}")).parse().unwrap()
    };
    (number("kv_bytes"), number("kv_keys"))
}

fn delete_one(client: &Client) -> Answer {
    let made = client.new_account();
    client.delete("/account", &requestor(&made)).succeeded()
}

#[test]
fn an_endpoint_keeps_as_much_as_its_quota_and_others_have_theirs() {
    let options = Options::default()
        .set("calls.kv_quota_bytes_max", BYTES_MAX)
        .set("calls.kv_quota_count_max", COUNT_MAX);
    let mut host = options.start();
    let config = "config = { habit = \"kvfill\" }";
    let setup =
        SetupFolder::default().fixture("full", "greedy", config).fixture("other", "greedy", config);
    host.apply_right(setup.path());
    let at = |host: &Host, endpoint: &str| host.marketplace().at(endpoint);

    let full = at(&host, "full");
    assert_eq!(filled(&full), COUNT_MAX);
    let (bytes, count) = kept(&host, "full");
    assert_eq!(count, COUNT_MAX);
    assert!((4 * (24 << 10)..=BYTES_MAX).contains(&bytes), "{bytes}");
    assert_eq!(filled(&full), 0);
    assert_eq!(kept(&host, "other"), (0, 0));
    assert_eq!(filled(&at(&host, "other")), COUNT_MAX);

    // What is deleted is room again.
    delete_one(&full);
    assert_eq!(kept(&host, "full").1, COUNT_MAX - 10);
    assert_eq!(filled(&full), 10);
    let before = ["full", "other", "sandbox"].map(|endpoint| kept(&host, endpoint));

    // The next process counts the same.
    host.kill9();
    host.resume();
    eventually("the keys are counted", Duration::from_secs(10), || {
        let now = ["full", "other", "sandbox"].map(|endpoint| kept(&host, endpoint));
        (now == before).then_some(())
    });
    let full = at(&host, "full");
    assert_eq!(filled(&full), 0);
    delete_one(&full);
    assert_eq!(filled(&full), 10);
}
