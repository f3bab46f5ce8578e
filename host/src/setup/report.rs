//! What applying a set-up does or did, in a form that people, programs and the control socket share.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The difference between what was declared and what the store has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Whether this is only what would be done.
    pub(crate) dry_run: bool,
    /// "endpoint sandbox", in the order vendors, callers, endpoints.
    pub(crate) created: Vec<String>,
    pub(crate) changed: Vec<Change>,
    pub(crate) unchanged: Vec<String>,
    /// In the store and not declared: it stays.
    pub(crate) kept: Vec<String>,
    /// What does not stop the set-up and may be a mistake.
    pub(crate) warnings: Vec<String>,
}

/// A record that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) record: String,
    pub(crate) fields: Vec<FieldChange>,
}

/// A field that differs. What is secret has neither value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FieldChange {
    pub(crate) field: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// Where two records differ.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<FieldChange> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten("", before, &mut old);
    flatten("", after, &mut new);
    let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
    fields.sort();
    fields.dedup();
    fields
        .into_iter()
        .filter(|field| old.get(*field) != new.get(*field))
        .map(|field| match field.as_str() {
            "password_hash" => {
                FieldChange { field: "password".to_owned(), before: None, after: None }
            }
            _ => FieldChange {
                field: field.clone(),
                before: old.get(field).cloned(),
                after: new.get(field).cloned(),
            },
        })
        .collect()
}

/// Leaves by path. A list is one leaf: its items have no names to compare by.
fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, leaves);
            }
        }
        Value::Null => {}
        Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_by_field_and_hide_hashes() {
        let before = json!({"a": 1, "b": {"c": "x", "d": [1]}, "password_hash": "old", "n": null});
        let after = json!({"a": 1, "b": {"c": "y", "e": "z", "d": [1]}, "password_hash": "new"});
        let change = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
            field: field.into(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        };
        let expected = [
            change("b.c", Some("x"), Some("y")),
            change("b.e", None, Some("z")),
            change("password", None, None),
        ];
        assert_eq!(differences(&before, &after), expected);
    }
}
