//! The clients of a host that dies, and the check of what they were told.

use cnsp_tests::bodies::{Account, account, resource};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::Host;
use cnsp_tests::powerloss::Random;
use reqwest::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many call at the same time.
const CLIENTS: usize = 4;
/// An account and then this many instances of it.
const ORDERS: usize = 3;
/// How many acknowledged requests are looked at after each start.
const LOOKS: usize = 20;

/// One request, and what was answered, if anything was.
#[derive(Clone)]
struct Sent {
    path: &'static str,
    key: String,
    body: Value,
    answer: Option<Value>,
}

/// Everything that was sent.
#[derive(Default)]
pub(crate) struct Record {
    sent: Vec<Sent>,
}

/// Lets clients work on a host, kills it after a while, and notes what they sent and got.
pub(crate) fn work(host: &mut Host, record: &mut Record, round: u32, lives: Duration) {
    let client = host.marketplace();
    let logs = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = client.clone();
                scope.spawn(move || one_client(&client, &format!("{round}-{number}")))
            })
            .collect();
        // The moment of the kill is the point of this, and nothing waits for it.
        std::thread::sleep(lives);
        host.kill9();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    record.sent.extend(logs.into_iter().flatten());
}

/// Makes accounts and buys for them, until nobody answers. Whatever is answered has to be a success.
fn one_client(client: &Client, name: &str) -> Vec<Sent> {
    let mut log = Vec::new();
    for number in 0.. {
        let id = format!("a-{name}-{number}");
        let body = account(&id, &format!("{id}@example.com"));
        let Some(made) = send(client, &mut log, "/account", id.clone(), body) else { break };
        let owner = Account { accountid: id.clone(), id: made.text_of("provideraccountid") };
        for order in 0..ORDERS {
            let key = format!("{id}-{order}");
            let body = resource(&owner, &key, "SANDBOX-MAIL", 1);
            if send(client, &mut log, "/resource", key, body).is_none() {
                return log;
            }
        }
    }
    log
}

fn send(
    client: &Client,
    log: &mut Vec<Sent>,
    path: &'static str,
    key: String,
    body: Value,
) -> Option<Answer> {
    log.push(Sent { path, key: key.clone(), body: body.clone(), answer: None });
    let keyed = client.with("idempotency-key", &key);
    let answer = keyed.try_send(Method::POST, path, Some(body.to_string().into_bytes())).ok()?;
    if answer.status >= 500 {
        return None;
    }
    let answer = answer.succeeded();
    log.last_mut().unwrap().answer = Some(answer.json.clone());
    Some(answer)
}

impl Sent {
    fn repeat(&self, client: &Client) -> Answer {
        client.with("idempotency-key", &self.key).post(self.path, &self.body).succeeded()
    }

    /// That the acknowledged answer is still the answer.
    fn check(&self, client: &Client) {
        let Some(answer) = &self.answer else { return };
        let again = self.repeat(client);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{} was forgotten", self.key);
        assert_eq!(&again.json, answer, "{}", self.key);
    }
}

impl Record {
    pub(crate) fn acknowledged(&self) -> usize {
        self.sent.iter().filter(|sent| sent.answer.is_some()).count()
    }

    /// Looks at the last acknowledged ones, which a crash endangers most, and at some of the others.
    pub(crate) fn check_some(&self, client: &Client, random: &mut Random) {
        let acknowledged: Vec<&Sent> =
            self.sent.iter().filter(|sent| sent.answer.is_some()).collect();
        for sent in acknowledged.iter().rev().take(LOOKS) {
            sent.check(client);
        }
        for _ in 0..LOOKS.min(acknowledged.len()) {
            acknowledged[random.below(acknowledged.len())].check(client);
        }
    }
}

/// Repeats every request: what was acknowledged has its first answer, what was not runs now or had run
/// before. Then the provider has each exactly once.
pub(crate) fn check_all(client: &Client, record: &Record) {
    let mut accounts = BTreeMap::new();
    let mut instances = BTreeSet::new();
    for sent in &record.sent {
        sent.check(client);
        let answer = sent.repeat(client);
        let id = match sent.path {
            "/account" => answer.text_of("provideraccountid"),
            _ => answer.text_of("providerinstanceid"),
        };
        let fresh = match sent.path {
            "/account" => accounts.insert(id.clone(), sent.key.clone()).is_none(),
            _ => instances.insert(id.clone()),
        };
        assert!(fresh, "{id} was the answer to two requests");
    }
    let listed = client.get("/account").succeeded();
    let listed = listed.body()["accounts"].as_array().unwrap().clone();
    assert_eq!(listed.len(), accounts.len(), "as many accounts as requests for one");
    let mut found = BTreeSet::new();
    for account in &listed {
        let id = account["provideraccountid"].as_str().unwrap();
        assert_eq!(account["accountid"], accounts[id].as_str());
        let resources = client.get(&format!("/resource/{id}")).succeeded();
        for resource in resources.body()["resources"].as_array().unwrap() {
            let id = resource["parameters"]["providerinstanceid"].as_str().unwrap();
            assert!(found.insert(id.to_owned()), "{id} is there twice");
            assert_eq!(resource["parameters"]["status"], "active");
        }
        let users = client.get(&format!("/account/user/{id}")).succeeded();
        assert_eq!(users.body()["users"].as_array().unwrap().len(), 1, "{account}");
    }
    assert_eq!(found, instances, "as many instances as requests for one");
}
