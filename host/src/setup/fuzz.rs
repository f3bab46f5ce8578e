//! Any text as a file of a set-up.

#![allow(clippy::expect_used, clippy::panic, reason = "what does not hold has to be seen")]

use super::Problem;
use super::read::{Declaration, Password, read_text};
pub(crate) use super::records::parse_grant;
use crate::store::setup::{EndpointRecord, Role};
use std::path::Path;
use toml::Value;

const FILE: &str = "fuzz.toml";
/// In a password, and in no text of ours.
const CANARY: &str = "\u{a7}";

/// The first endpoint of a file that has no problem.
pub(crate) fn endpoint(text: &str) -> EndpointRecord {
    let (declaration, problems) = read(text);
    assert!(problems.is_empty(), "{problems:?}");
    let mut endpoints = declaration.endpoints.into_values();
    endpoints.next().expect("the file has an endpoint").value.record
}

fn read(text: &str) -> (Declaration, Vec<Problem>) {
    let mut declaration = Declaration::default();
    let mut problems = Vec::new();
    read_text(Path::new("/nowhere"), FILE, text, &mut declaration, &mut problems);
    (declaration, problems)
}

/// Every problem says where and what. No password is in one. What has none can be stored, and read again.
pub(crate) fn file(text: &str) {
    let (declaration, problems) = read(text);
    for problem in &problems {
        assert!(problem.file == FILE && !problem.text.is_empty(), "{problem}");
    }
    for password in secret_passwords(text) {
        let told = problems.iter().find(|problem| problem.to_string().contains(&password));
        assert!(told.is_none(), "{}", told.expect("it is there"));
    }
    if !problems.is_empty() {
        return;
    }
    for (id, vendor) in &declaration.vendors {
        assert!(is_id(id) && !vendor.value.name.trim().is_empty(), "{id}");
    }
    for (id, caller) in &declaration.callers {
        let caller = &caller.value;
        assert!(is_id(id), "{id}");
        assert_eq!(caller.role == Role::Vendor, caller.vendor.is_some(), "{id}");
        if let Password::Clear(password) = &caller.password {
            assert!((8..=1024).contains(&password.len()), "{id}");
        }
    }
    for (id, endpoint) in &declaration.endpoints {
        let record = &endpoint.value.record;
        assert!(is_id(id) && endpoint.value.plugin.is_absolute(), "{id}");
        let stored = serde_json::to_vec(record).expect("it can be stored");
        let read: EndpointRecord = serde_json::from_slice(&stored).expect("it can be read");
        assert_eq!(&read, record);
        for grant in &record.grants {
            assert!(
                grant.secrets.iter().all(|name| endpoint.value.secrets.contains_key(name)),
                "{id}"
            );
        }
    }
}

fn is_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.len() <= 64
        && id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
}

/// Passwords in clear that stand nowhere else in the file, and could not be in a text of ours by chance.
fn secret_passwords(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let callers = table.get("callers").and_then(Value::as_table);
    let passwords = callers.into_iter().flatten().filter_map(|(_, caller)| {
        let password = caller.as_table()?.get("password")?.as_str()?;
        Some(password.to_owned()).filter(|password| password.contains(CANARY))
    });
    let mut texts = Vec::new();
    gather(&Value::Table(table.clone()), &mut texts);
    let alone =
        |password: &String| texts.iter().filter(|text| text.contains(password)).count() == 1;
    passwords.filter(alone).collect()
}

/// All keys and texts.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Table(table) => {
            for (key, value) in table {
                texts.push(key.clone());
                gather(value, texts);
            }
        }
        _ => {}
    }
}
