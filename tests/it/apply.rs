//! `cnsp apply`: validated whole, idempotent, and taken over by a running host.

use cnsp_tests::host::Host;
use cnsp_tests::programs::command;
use cnsp_tests::setup::SetupFolder;
use serde_json::Value;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

const PASSWORD: &str = "the first password";
const CHANGED: &str = "the second password";

fn report(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&stdout).unwrap_or_else(|error| {
        panic!("{stdout} is not JSON: {error}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

fn shop(password: &str) -> SetupFolder {
    SetupFolder::default()
        .vendor("globex")
        .endpoint("files", "globex", &[("color", "blue")], &[("call_timeout_ms", 5000)])
        .caller("shop", "marketplace", password, "endpoints = [\"files\"]")
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let host = Host::start();
    let setup = shop(PASSWORD);
    let output = host.apply(setup.path(), &["--dry-run", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let told = report(&output);
    assert_eq!(told["dry_run"], true);
    assert_eq!(
        told["created"],
        serde_json::json!(["vendor globex", "caller shop", "endpoint files"])
    );
    assert_eq!(host.client("shop", PASSWORD).get("/catalog").status, 401);
    host.operator().at("files").get("/catalog").refused(404, "NOT_FOUND");
    // For people: what would be made, and nothing secret.
    let output = host.apply(setup.path(), &["--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("endpoint files") && !text.contains(PASSWORD), "{text}");
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let host = Host::start();
    let setup = shop(PASSWORD);
    host.apply_right(setup.path());
    host.client("shop", PASSWORD).new_account();
    let again = report(&host.apply(setup.path(), &["--json"]));
    assert_eq!(
        (&again["created"], &again["changed"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert_eq!(again["unchanged"].as_array().unwrap().len(), 3);
    // What is there and not declared stays, and is named.
    assert!(again["kept"].as_array().unwrap().iter().any(|kept| kept == "endpoint sandbox"));
    let changed = report(&host.apply(shop(CHANGED).path(), &["--json"]));
    assert_eq!(changed["changed"][0]["record"], "caller shop");
    let text = changed.to_string();
    assert!(
        !text.contains(PASSWORD) && !text.contains(CHANGED) && !text.contains("argon2"),
        "{text}"
    );
}

#[test]
fn every_problem_is_told_at_once_and_nothing_is_changed() {
    let host = Host::start();
    let wrong = shop(PASSWORD)
        .caller("bob", "king", "short", "")
        .text("[endpoints.lost]\nvendor = \"nobody\"\nplugin = \"missing.wasm\"\ncolour = 1")
        .text("[callers.eve]\nrole = \"vendor\"\npassword = \"long enough for eve\"")
        .file("broken.toml", "[vendors.x\nname = 1");
    let output = host.apply(wrong.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for named in [
        "setup.toml: callers.bob.role",
        "setup.toml: callers.bob.password",
        "setup.toml: callers.eve.vendor",
        "setup.toml: endpoints.lost.colour",
        "setup.toml: endpoints.lost.vendor",
        "missing.wasm",
        "broken.toml",
    ] {
        assert!(text.contains(named), "{named} is not in:\n{text}");
    }
    assert!(!text.contains("\"short\"") && !text.contains(PASSWORD), "{text}");
    let output = host.apply(wrong.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(report(&output)["problems"].as_array().unwrap().len() >= 7);
    host.operator().at("files").get("/catalog").refused(404, "NOT_FOUND");
    let nothing = host.apply(&host.folder().join("nowhere"), &[]);
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn a_running_host_takes_a_set_up_over_without_a_dropped_call() {
    let host = Host::start();
    let client = host.marketplace().at("sandbox");
    let account = client.new_account();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|number| {
                let (client, account, stop) = (client.clone(), &account, &stop);
                scope.spawn(move || {
                    let mut count = 0;
                    while !stop.load(Ordering::Relaxed) {
                        match number {
                            0 => drop(client.new_resource(account, "SANDBOX-MAIL", 1)),
                            _ => drop(client.get(&format!("/account/{}", account.id)).succeeded()),
                        }
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for round in 0..4 {
            let color = format!("color-{round}");
            let setup = SetupFolder::default()
                .endpoint("sandbox", "acme", &[("color", &color)], &[])
                .endpoint(&format!("files-{round}"), "acme", &[], &[]);
            host.apply_right(setup.path());
            // At once: a call right after it finds the new endpoint.
            host.operator().at(&format!("files-{round}")).get("/discovery").succeeded();
        }
        stop.store(true, Ordering::Relaxed);
        let counts: Vec<u32> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert!(counts.iter().all(|count| *count > 3), "{counts:?} calls are too few to tell");
    });
}

#[test]
fn a_changed_password_stops_working_at_once() {
    let host = Host::start();
    host.apply_right(shop(PASSWORD).path());
    let (old, new) = (host.client("shop", PASSWORD), host.client("shop", CHANGED));
    // Remembered as verified, as of a hot client.
    for _ in 0..3 {
        old.get("/catalog").succeeded();
    }
    assert_eq!(new.get("/catalog").status, 401);
    host.apply_right(shop(CHANGED).path());
    assert_eq!(old.get("/catalog").status, 401);
    new.get("/catalog").succeeded();
}

#[test]
fn a_set_up_that_is_applied_to_a_stopped_host_is_there_when_it_starts() {
    let mut host = Host::start();
    host.terminate();
    let setup = shop(PASSWORD);
    host.apply_right(setup.path());
    host.resume();
    host.client("shop", PASSWORD).new_account();
    // A plugin that is no component is refused before anything changes.
    let setup = SetupFolder::default()
        .file("nonsense.wasm", "\0asm nonsense")
        .text("[endpoints.broken]\nvendor = \"acme\"\nplugin = \"nonsense.wasm\"");
    let refused = host.apply(setup.path(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("endpoints.broken.plugin"));
}

#[test]
fn wrong_settings_stop_the_start_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, named) in [
        ("CNSP_HTTP__BODY_BYTES_MAXX", "1", "http.body_bytes_maxx"),
        ("CNSP_CALLS__TIMEOUT_MS", "soon", "calls.timeout_ms"),
        ("CNSP_LISTEN", "nowhere", "listen"),
        ("CNSP_LOG__FORMAT", "xml", "log.format"),
    ] {
        let output = command(&[(name.to_owned(), value.to_owned())])
            .args(["serve", "--data"])
            .arg(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(text.contains(named) && text.contains(name), "{text}");
    }
}
