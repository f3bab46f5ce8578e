//! A route without an auth case and a snapshot fails the build.

use crate::SNAPSHOTS;
use crate::auth::{OPEN_ROUTES, OTHER_ROUTES, ROUTES};
use cnsp_tests::host::Host;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every method and path that the host says it has.
fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("`paths` is an object") {
        for method in ["get", "put", "post", "delete", "patch", "head", "options", "trace"] {
            if item.get(method).is_some() {
                found.insert((method.to_owned(), path.clone()));
            }
        }
    }
    found
}

#[test]
fn every_route_has_an_auth_case_and_a_snapshot() {
    let host = Host::start();
    let answer = host.anonymous().below("").get("/openapi.json");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let documented = documented(&answer.json);
    let mut missing = Vec::new();
    let operations: Vec<(&str, &str)> =
        documented.iter().map(|(method, path)| (method.as_str(), path.as_str())).collect();
    for (method, path) in &operations {
        let below = path.strip_prefix("/apiv1");
        let below = below.or_else(|| path.strip_prefix("/endpoints/{endpoint}/apiv1"));
        let Some(below) = below else {
            let known = OPEN_ROUTES.iter().chain(&OTHER_ROUTES);
            if !known.clone().any(|route| route == &(*method, *path)) {
                missing.push(format!(
                    "{method} {path}: name it in OPEN_ROUTES or OTHER_ROUTES of tests/it/auth.rs, and test it"
                ));
            }
            continue;
        };
        if !ROUTES.contains(&(method, below)) {
            missing.push(format!(
                "{method} {path}: add (\"{method}\", \"{below}\") to ROUTES of tests/it/auth.rs"
            ));
        }
        let name = snapshot(method, below);
        let has = |file: &str| file.starts_with(&format!("{name}.ok"));
        if !snapshots().iter().any(|file| has(file)) {
            missing.push(format!(
                "{method} {path}: compare a success with the snapshot `{name}.ok` in a test of tests/it/routes"
            ));
        }
    }
    for (method, path) in ROUTES {
        let route = (method.to_owned(), format!("/apiv1{path}"));
        if !documented.contains(&route) {
            missing.push(format!("{method} /apiv1{path}: the document does not have it"));
        }
    }
    assert!(
        missing.is_empty(),
        "{} routes are not covered:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

/// `put` and `/account/user/{id}` are `put_account_user_id`.
fn snapshot(method: &str, path: &str) -> String {
    format!("{method}{}", path.replace(['{', '}'], "").replace('/', "_"))
}

fn snapshots() -> Vec<String> {
    let entries = std::fs::read_dir(SNAPSHOTS).expect("the snapshots are there");
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// All sources of a folder, as one text.
fn sources(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

#[test]
fn every_snapshot_is_compared_by_a_test() {
    let sources = sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/it")));
    for file in snapshots() {
        let name = file
            .strip_suffix(".snap")
            .unwrap_or_else(|| panic!("{file} is to be reviewed, or removed"));
        assert!(sources.contains(&format!("\"{name}\"")), "no test compares {file}: remove it");
    }
}
