//! Secrets of endpoints: handed over once, kept encrypted, and encrypted with another key when the operator says so.

mod journal;
mod power;

use crate::breaker::{is_open, sulk};
use crate::egress::{get, send};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cnsp::store::{Key, Operation, Partition, SledOptions, SledStore, Space, Store, Tx, Versioned};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::powerloss::Random;
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

const ONE: &str = "c0ffee1111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "c0ffee2222222222222222222222222222222222222222222222222222222222";

/// A set-up with an endpoint `caller` that has one secret, `token`, towards an upstream.
fn with_token(upstream: &Upstream, source: &str) -> SetupFolder {
    let more = format!(
        "secrets = {{ token = {source} }}\ngrants = [{{ url = {:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"token\"] }}]",
        upstream.origin()
    );
    SetupFolder::default().fixture("caller", "caller", &more)
}

/// Writes a secret beside the host's data folder; how a set-up names it.
fn handed(host: &Host, secret: &str) -> (PathBuf, String) {
    let path = host.folder().join("token");
    std::fs::write(&path, secret).unwrap();
    let source = format!("{{ file = {path:?} }}");
    (path, source)
}

/// What the provider gets to see when the guest names its secret.
fn sent(host: &Host, upstream: &Upstream) -> String {
    let mut request = get(&upstream.url("/status/200"));
    request["bearer"] = json!("token");
    assert_eq!(send(host, &request)["status"], 200);
    let requests = upstream.requests();
    requests.last().unwrap().headers("authorization")[0].to_owned()
}

/// Runs a command of `cnsp secret`, which has to work; the JSON that it prints.
#[track_caller]
fn secret(host: &Host, arguments: &[&str]) -> Value {
    let output = host.command("secret", &[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn own_keys(host: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(host.data().join("secrets.key")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Waits for the new key, or for the end.
fn until_begun(host: &Host, rotating: &mut Child) {
    while own_keys(host).len() == 1 && rotating.try_wait().unwrap().is_none() {
        std::hint::spin_loop();
    }
}

/// The ids of the keys that something is sealed with.
fn keys_in_use(host: &Host) -> BTreeSet<String> {
    let listed = secret(host, &["list"]);
    let keys = listed["secrets"].as_array().unwrap().iter();
    keys.map(|one| one["key"].as_str().unwrap().to_owned()).collect()
}

/// The host does not start, and its log says why.
#[track_caller]
fn refuses(host: &mut Host, named: &[&str]) {
    assert_eq!(host.try_resume(&[]).unwrap_err().code, Some(1));
    let log = host.log();
    let last = log.lines().rfind(|line| line.contains("the host has ended")).unwrap();
    for named in named {
        assert!(last.contains(named), "`{named}` is not in {last}");
    }
}

/// The files of a folder that hold this text.
fn holding(folder: &Path, wanted: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, wanted, found);
        } else if let Ok(bytes) = std::fs::read(&path)
            && String::from_utf8_lossy(&bytes).contains(wanted)
        {
            found.push(path.display().to_string());
        }
    }
}

/// Changes what a host that does not run has kept.
fn in_store(host: &Host, change: impl AsyncFnOnce(&SledStore) -> Vec<Operation>) {
    let store = SledStore::open(SledOptions::new(host.data().join("store"))).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let operations = change(&store).await;
        store.commit(Tx { operations, ..Tx::new(Partition::SETUP) }).await.unwrap();
    });
    store.close();
}

#[test]
fn a_secret_outlives_where_it_was_handed_over() {
    let upstream = Upstream::start();
    // By a variable of the host's, and by a file.
    let mut host = Options::default().stopped();
    host.try_resume(&[("SECRETS_TEST_TOKEN".into(), "from-a-variable".into())]).unwrap();
    let by_variable = with_token(&upstream, "{ env = \"SECRETS_TEST_TOKEN\" }");
    host.apply_right(by_variable.path());
    assert_eq!(sent(&host, &upstream), "Bearer from-a-variable");
    host.restart();
    assert_eq!(sent(&host, &upstream), "Bearer from-a-variable");

    let (path, source) = handed(&host, "from-a-file\n");
    let by_file = with_token(&upstream, &source);
    host.apply_right(by_file.path());
    assert_eq!(sent(&host, &upstream), "Bearer from-a-file");
    std::fs::remove_file(path).unwrap();
    host.restart();
    assert_eq!(sent(&host, &upstream), "Bearer from-a-file");
    // Applying the same again asks for nothing, and says that nothing was there.
    let output = host.apply(by_file.path(), &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["changed"], &report["unchanged"]),
        (&json!([]), &json!(["endpoint caller"]))
    );
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("endpoints.caller.secrets.token"), "{warning}");
    assert_eq!(sent(&host, &upstream), "Bearer from-a-file");

    // Handed over to nobody who runs: by a variable of the command.
    host.terminate();
    let unset = host.apply(by_variable.path(), &[]);
    assert!(unset.status.success(), "{}", String::from_utf8_lossy(&unset.stderr));
    host.resume();
    assert_eq!(sent(&host, &upstream), "Bearer from-a-file");
}

#[test]
fn a_changed_secret_is_used_by_the_next_call_and_a_dropped_one_is_gone() {
    let upstream = Upstream::start();
    let host = Host::start();
    let (path, source) = handed(&host, "the-first");
    let setup = with_token(&upstream, &source);
    host.apply_right(setup.path());
    assert_eq!(sent(&host, &upstream), "Bearer the-first");
    std::fs::write(&path, "the-second").unwrap();
    assert_eq!(sent(&host, &upstream), "Bearer the-first", "not before it is applied");
    let output = host.apply(setup.path(), &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let field = json!({ "field": "secrets.token", "before": null, "after": null });
    assert_eq!(report["changed"], json!([{ "record": "endpoint caller", "fields": [field] }]));
    assert_eq!(sent(&host, &upstream), "Bearer the-second");
    let again = host.apply(setup.path(), &["--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["changed"], json!([]));

    let listed = secret(&host, &["list"]);
    assert_eq!(listed["secrets"][0]["endpoint"], "caller");
    assert_eq!(listed["secrets"][0]["name"], "token");
    let output = host.command("secret", &["list", "--endpoint", "nowhere"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && errors.contains("`nowhere`"), "{errors}");
    host.apply_right(SetupFolder::default().fixture("caller", "caller", "").path());
    assert_eq!(secret(&host, &["list", "--endpoint", "caller"])["secrets"], json!([]));
}

/// An endpoint starts anew with each of its changes, and with no apply that changes nothing of it.
#[test]
fn an_endpoint_with_secrets_is_left_alone_by_what_does_not_change_it() {
    let options = Options::default().set("breaker.failure_count", 2);
    let hour_ms = 3_600_000;
    let options = options.set("breaker.pause_ms", hour_ms).set("breaker.pause_ms_max", hour_ms);
    let host = options.start();
    let (path, source) = handed(&host, "hush");
    let more = format!("config = {{ habit = \"sulk\" }}\nsecrets = {{ token = {source} }}");
    let setup = SetupFolder::default().fixture("sulky", "greedy", &more);
    host.apply_right(setup.path());
    let client = host.marketplace().at("sulky");
    sulk(&client, "sulk-1", hour_ms).succeeded();
    for _ in 0..2 {
        client.get("/account").refused(502, "PLUGIN_FAILED");
    }
    assert!(is_open(&host, "sulky"));
    host.apply_right(setup.path());
    secret(&host, &["rotate"]);
    host.apply_right(setup.path());
    assert!(is_open(&host, "sulky"));
    std::fs::write(path, "hush hush").unwrap();
    host.apply_right(setup.path());
    assert!(!is_open(&host, "sulky"));
}

#[test]
fn keys_are_changed_on_a_running_host_and_on_one_that_does_not_run() {
    const CANARY: &str = "rotated-canary-77";
    let upstream = Upstream::start();
    let filter = "info,cnsp=trace,plugin=trace,hyper=trace,hyper_util=trace,reqwest=trace";
    let mut host = Options::default().set("log.filter", filter).start();
    let (path, source) = handed(&host, CANARY);
    let applied = host.apply(with_token(&upstream, &source).path(), &["--json"]);
    std::fs::remove_file(path).unwrap();
    let first = own_keys(&host);
    let running = secret(&host, &["rotate"]);
    assert_eq!((&running["secrets"], &running["resealed"]), (&json!(1), &json!(1)));
    let second = own_keys(&host);
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    assert_eq!(sent(&host, &upstream), format!("Bearer {CANARY}"));

    host.terminate();
    let stopped = secret(&host, &["rotate"]);
    assert_eq!(stopped["old_keys"], json!([running["key"]]));
    let listed = secret(&host, &["list"]);
    assert_eq!(listed["secrets"][0]["key"], stopped["key"]);
    let people = host.command("secret", &["list"]);
    host.resume();
    assert_eq!(sent(&host, &upstream), format!("Bearer {CANARY}"));
    host.terminate();

    let told = [&running, &stopped, &listed].map(Value::to_string).concat()
        + &String::from_utf8_lossy(&[applied.stdout, applied.stderr, people.stdout].concat());
    let keys = [first, second, own_keys(&host)].concat();
    let encoded = BASE64_STANDARD.encode(CANARY);
    for hidden in
        [CANARY, encoded.trim_end_matches('=')].into_iter().chain(keys.iter().map(String::as_str))
    {
        assert!(!told.contains(hidden) && !host.log().contains(hidden), "{hidden}");
        let mut found = Vec::new();
        holding(&host.data(), hidden, &mut found);
        let key_file = host.data().join("secrets.key").display().to_string();
        let only_there = found.iter().all(|file| *file == key_file && hidden.len() == 64);
        assert!(only_there, "`{hidden}` is in {found:?}");
    }
    let missing = host.folder().join("nowhere");
    let arguments = ["rotate", "--data", missing.to_str().unwrap()];
    let output = cnsp_tests::programs::command(&[]).arg("secret").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!missing.exists());
}

#[test]
fn a_host_without_the_right_key_does_not_start_and_says_which_it_lacks() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, format!("{ONE}\n")).unwrap();
    let mut host = Options::default().set("secrets.key_file", keys.display()).start();
    let (path, source) = handed(&host, "hush-hush");
    let setup = with_token(&upstream, &source);
    host.apply_right(setup.path());
    assert!(!host.data().join("secrets.key").exists());
    let id = secret(&host, &["list"])["secrets"][0]["key"].as_str().unwrap().to_owned();

    // A new key first; the running host has it from the file.
    std::fs::write(&keys, format!("{TWO}\n{ONE}\n")).unwrap();
    let rotated = secret(&host, &["rotate"]);
    assert_eq!(rotated["old_keys"], json!([id]));
    assert!(rotated["keys_in"].as_str().unwrap().contains("keys"));
    std::fs::write(&keys, format!("{TWO}\n")).unwrap();
    host.restart();
    assert_eq!(sent(&host, &upstream), "Bearer hush-hush");

    host.terminate();
    let id = rotated["key"].as_str().unwrap();
    std::fs::write(&keys, format!("{ONE}\n")).unwrap();
    refuses(&mut host, &["`token` of endpoint `caller`", id, "put that key back", "cnsp apply"]);
    std::fs::write(&keys, "not a key\n").unwrap();
    refuses(&mut host, &["line 1 of the file", "64 hex digits"]);
    std::fs::remove_file(&keys).unwrap();
    refuses(&mut host, &[keys.to_str().unwrap(), "is not there"]);
    assert!(!host.log().contains("c0ffee") && !host.log().contains("not a key"));
    // The key is lost: the secret is handed over again, with the key that there is.
    std::fs::write(&keys, format!("{ONE}\n")).unwrap();
    std::fs::write(path, "hush-again").unwrap();
    host.apply_right(setup.path());
    host.resume();
    assert_eq!(sent(&host, &upstream), "Bearer hush-again");
}

#[test]
fn keys_may_be_in_a_variable() {
    let upstream = Upstream::start();
    let options = Options::default().set("secrets.key_variable", "SECRETS_TEST_KEYS");
    let mut host = options.env("SECRETS_TEST_KEYS", format!("{TWO}\n{ONE}")).start();
    let (_, source) = handed(&host, "hush-hush");
    host.apply_right(with_token(&upstream, &source).path());
    let rotated = secret(&host, &["rotate"]);
    assert_eq!(
        (&rotated["resealed"], &rotated["keys_in"]),
        (&json!(0), &json!("the variable SECRETS_TEST_KEYS"))
    );
    host.restart();
    assert_eq!(sent(&host, &upstream), "Bearer hush-hush");
    host.terminate();
    let without = host.try_resume(&[("SECRETS_TEST_KEYS".into(), String::new())]);
    assert_eq!(without.unwrap_err().code, Some(1));
    assert!(host.log().contains("the variable SECRETS_TEST_KEYS is empty"));
}

/// What the version before wrote: the reference, in the endpoint's record, and no secret.
#[test]
fn a_host_takes_over_the_references_of_one_before() {
    let upstream = Upstream::start();
    let mut host = Host::start();
    let (path, source) = handed(&host, "of-before");
    host.apply_right(with_token(&upstream, &source).path());
    host.terminate();
    in_store(&host, async |store| {
        let at = Key::new(Space::Endpoint, Partition::SETUP, &["caller"]);
        let Versioned { value, .. } = store.get(&at).await.unwrap().unwrap();
        let mut record: Value = serde_json::from_slice(&value).unwrap();
        record["secrets"] = json!({ "token": { "file": path } });
        let kept = Key::new(Space::Secret, Partition::SETUP, &["caller", "token"]);
        vec![Operation::Put(at, record.to_string().into()), Operation::Delete(kept)]
    });
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    refuses(&mut host, &["`token` of endpoint `caller` has to be read once more", "cnsp apply"]);
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    host.resume();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(sent(&host, &upstream), "Bearer of-before");
    host.restart();
    assert_eq!(sent(&host, &upstream), "Bearer of-before");
}

/// Who can write to the store, and has no key, cannot give an endpoint the secret of another.
#[test]
fn a_secret_that_was_moved_to_another_endpoint_does_not_open() {
    let upstream = Upstream::start();
    let mut host = Host::start();
    let (_, source) = handed(&host, "not-yours");
    host.apply_right(with_token(&upstream, &source).path());
    host.terminate();
    in_store(&host, async |store| {
        let at = |endpoint| Key::new(Space::Secret, Partition::SETUP, &[endpoint, "token"]);
        let sealed = store.get(&at("caller")).await.unwrap().unwrap();
        vec![Operation::Put(at("sandbox"), sealed.value)]
    });
    refuses(&mut host, &["`token` of endpoint `sandbox` does not open", "another place"]);
}

/// Many large secrets, and a rotation that is killed while it goes on: everything opens, and the next ends it.
#[test]
fn a_rotation_survives_kill_9_at_any_point() {
    const COUNT: usize = 160;
    let upstream = Upstream::start();
    let mut host = Host::start();
    let (_, source) = handed(&host, "still-here");
    host.apply_right(with_token(&upstream, &source).path());
    // As much as one set-up takes at once, four times.
    for part in 0..4 {
        let mut more = String::from("[endpoints.ID.secrets]\n");
        for number in 0..COUNT / 4 {
            let path = host.folder().join(format!("large-{number}"));
            std::fs::write(&path, format!("{number:04}").repeat(4 << 10)).unwrap();
            let _ = writeln!(more, "s{number} = {{ file = {path:?} }}");
        }
        let id = format!("large-{part}");
        let more = more.replace("ID", &id);
        host.apply_right(SetupFolder::default().fixture(&id, "caller", &more).path());
    }
    host.terminate();
    // Most die while the old key is still there beside the new one. How long that takes:
    let mut rotating = host.spawn_command("secret", &["rotate"]);
    until_begun(&host, &mut rotating);
    let began = Instant::now();
    while own_keys(&host).len() > 1 {
        std::hint::spin_loop();
    }
    let window = began.elapsed();
    assert!(rotating.wait().unwrap().success());
    let mut random = Random(11);
    let (mut between, mut mixed) = (0, 0);
    for round in 0..crate::kill::round_count(10) {
        // Some through a running host, which is killed with it; some wherever they are by then.
        let running = round % 3 == 0;
        if running {
            host.resume();
        }
        let mut rotating = host.spawn_command("secret", &["rotate"]);
        let within = match round % 5 {
            4 => Duration::from_millis(200),
            _ => {
                until_begun(&host, &mut rotating);
                window
            }
        };
        std::thread::sleep(within.mul_f64(random.below(1000) as f64 / 1000.0));
        if running {
            host.kill9();
        }
        // It may have ended by itself.
        let _ = rotating.kill();
        rotating.wait().unwrap();

        between += usize::from(own_keys(&host).len() == 2);
        mixed += usize::from(keys_in_use(&host).len() == 2);
        // Every secret opens, or the host would not start.
        host.resume();
        assert_eq!(sent(&host, &upstream), "Bearer still-here");
        host.terminate();
        let ended = secret(&host, &["rotate"]);
        assert_eq!(ended["secrets"], COUNT + 1);
        assert_eq!(keys_in_use(&host), [ended["key"].as_str().unwrap().to_owned()].into());
        assert_eq!(own_keys(&host).len(), 1);
    }
    assert!(
        between > 0 && mixed > 0,
        "killed {between} between the keys, {mixed} with secrets of both"
    );
    host.resume();
    assert_eq!(sent(&host, &upstream), "Bearer still-here");
}
