//! What an operation has asked for and been told lies in the journal while it is open: passwords, secrets and whatever
//! a provider repeats of them.

use crate::billingstack::declare;
use crate::canary::check_hidden;
use crate::egress::get;
use cnsp_tests::billingstack::{ADMIN, Fault, LOGIN, Paths, Services, Step};
use cnsp_tests::bodies::{account, unique, user};
use cnsp_tests::eventually;
use cnsp_tests::host::Options;
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "chosen/päss-canary";
const TOKEN: &str = "token-canary-41";
const SENT: &str = "sent-by-the-guest-canary";

/// Two operations that hang in their second request, whose first was answered: a user's, where Keystone's answer
/// repeats the password, and one that sends a secret in a header and a text in its body, and is told all of it.
#[test]
fn what_is_open_in_the_journal_shows_to_nobody() {
    let filter = "info,cnsp=trace,plugin=trace,hyper=trace,hyper_util=trace,reqwest=trace";
    let services = Services::start(Paths::Services);
    let upstream = Upstream::start();
    let mut host = Options::default().set("log.filter", filter).start();
    let token = host.folder().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let caller = format!(
        "secrets = {{ token = {{ file = {token:?} }} }}\ngrants = [{{ url = {:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"token\"] }}]",
        upstream.origin()
    );
    host.apply_right(declare(&host, "billing", &services, LOGIN, ADMIN, "").path());
    host.apply_right(SetupFolder::default().fixture("caller", "caller", &caller).path());
    std::fs::remove_file(token).unwrap();

    let billing = host.marketplace().at("billing");
    let owner = billing.new_account();
    let mut grace = user(&owner, "grace@example.com");
    grace["password"] = json!(PASSWORD);
    services.calm();
    services.fail(Step::GrantMember, Fault::HangAfter);

    let mut request = get(&upstream.url("/echo-until/2"));
    request["method"] = json!("POST");
    request["bearer"] = json!("token");
    request["body"] = json!(SENT);
    request["repeats"] = json!(1);
    let mut asked = account(&unique("account"), "ada@example.com");
    asked["additionalattributes"]["request"] = request;

    let keyed = |id: &str| host.marketplace().at(id).with("idempotency-key", "open");
    let open = [(keyed("billing"), "/account/user", &grace), (keyed("caller"), "/account", &asked)];
    std::thread::scope(|scope| {
        for (client, path, body) in &open {
            let body = body.to_string().into_bytes();
            scope.spawn(move || client.try_send(Method::POST, path, Some(body)).unwrap_err());
        }
        eventually("both hang", SOON, || {
            (services.count(Step::GrantMember) == 1 && upstream.requests().len() == 2).then_some(())
        });
        let secrets = [PASSWORD, TOKEN, SENT, LOGIN, ADMIN];
        check_hidden(&host, &secrets);
        host.kill9();
    });
    // They were in the journal: the first requests are not sent again, and their answers are known.
    host.resume();
    let keyed = |id: &str| host.marketplace().at(id).with("idempotency-key", "open");
    keyed("billing").post("/account/user", &grace).succeeded();
    assert_eq!(services.count(Step::CreateUser), 1);
    let told = keyed("caller").post("/account", &asked).succeeded();
    assert_eq!(upstream.requests().len(), 2, "{}", told.text);
    host.terminate();
    check_hidden(&host, &[PASSWORD, TOKEN, SENT, LOGIN, ADMIN]);
}
