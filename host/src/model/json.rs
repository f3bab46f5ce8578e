//! How the open maps and decimals of the contract look in JSON.
//!
//! Values travel as JSON text. A value that came from a plugin is checked here when it is written: text
//! that is not JSON makes the whole answer fail, and the caller is told that the plugin answered nonsense.

use super::CustomOption;
use crate::error::Error;
use rust_decimal::Decimal;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Number, Value};
use std::fmt;

/// One JSON value as text.
pub type Json = String;

/// JSON object members in the order in which they came, each value as JSON text.
pub type OpenMap = Vec<(String, Json)>;

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

fn raw<E: serde::ser::Error>(text: &str) -> Result<&RawValue, E> {
    serde_json::from_str(text).map_err(|e| E::custom(format!("a value is not JSON: {e}")))
}

/// `#[serde(with)]` of an [`OpenMap`].
pub(crate) mod open_map {
    use super::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<OpenMap, D::Error> {
        let members = d.deserialize_map(Members)?;
        Ok(members.into_iter().map(|(key, value)| (key, value.to_string())).collect())
    }

    pub(crate) fn serialize<S: Serializer>(map: &OpenMap, s: S) -> Result<S::Ok, S::Error> {
        let mut members = s.serialize_map(None)?;
        for (key, text) in map {
            members.serialize_entry(key, raw(text)?)?;
        }
        members.end()
    }
}

/// `#[serde(with)]` of one [`Json`] value.
pub(crate) mod json_text {
    use super::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Json, D::Error> {
        Value::deserialize(d).map(|value| value.to_string())
    }

    pub(crate) fn serialize<S: Serializer>(text: &Json, s: S) -> Result<S::Ok, S::Error> {
        raw(text)?.serialize(s)
    }
}

/// A decimal from a plugin, or why it is none. Exact: what cannot be held in 28 digits is refused.
pub(crate) fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).map_err(|e| format!("`{}` is not a decimal: {e}", text.escape_debug()))
}

/// `#[serde(serialize_with)]` of a decimal that CNSP shows as a number.
pub(crate) mod decimal_number {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
        let decimal = decimal(text).map_err(S::Error::custom)?;
        Number::from_string_unchecked(decimal.to_string()).serialize(s)
    }
}

/// As [`decimal_number`], or `null`.
pub(crate) mod optional_decimal_number {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &Option<String>, s: S) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => decimal_number::serialize(text, s),
            None => s.serialize_none(),
        }
    }
}

/// A decimal that CNSP shows as text.
pub(crate) mod decimal_text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&decimal(text).map_err(S::Error::custom)?.to_string())
    }
}

/// A yes or no that CNSP shows as 1 or 0.
pub(crate) mod one_or_zero {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(yes: &bool, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(u8::from(*yes))
    }
}

fn is_custom_option(key: &str, value: &Value) -> bool {
    let numbered = key.strip_prefix("customoption").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    numbered && value.get("value").is_some()
}

/// The `customoptionN` members of an order.
pub(crate) fn custom_options<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Vec<(String, CustomOption)>, D::Error> {
    let mut options = Vec::new();
    for (key, value) in d.deserialize_map(Members)? {
        if is_custom_option(&key, &value) {
            let option = CustomOption::deserialize(value)
                .map_err(|e| de::Error::custom(format!("{key}: {e}")))?;
            options.push((key, option));
        }
    }
    Ok(options)
}

/// The members of an order that are neither named nor a `customoptionN`.
pub(crate) fn all_but_custom_options<'de, D: Deserializer<'de>>(d: D) -> Result<OpenMap, D::Error> {
    let members = d.deserialize_map(Members)?;
    let others = members.into_iter().filter(|(key, value)| !is_custom_option(key, value));
    Ok(others.map(|(key, value)| (key, value.to_string())).collect())
}

/// Pairs as the members of an object.
pub(crate) fn as_map<T: Serialize, S: Serializer>(pairs: &[(String, T)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// Checks that text is one JSON value in which no object has a key twice.
///
/// serde_json itself refuses lone surrogates, unescaped control characters and more than 128 levels.
pub(crate) fn check_strict(text: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde::de::DeserializeSeed::deserialize(Strict, &mut deserializer)?;
    deserializer.end()
}

struct Strict;

impl<'de> de::DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    // Numbers come this way too, as a map with one private key, since they keep their digits.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(Strict)?;
            if let Some(key) = keys.replace(key) {
                return Err(de::Error::custom(format!("the key `{}` occurs twice", key.escape_debug())));
            }
        }
        Ok(())
    }
}

/// A digest of a value that does not depend on the order of keys.
pub(crate) fn fingerprint(value: &Value) -> String {
    let mut hasher = blake3::Hasher::new();
    add(&mut hasher, value);
    hasher.finalize().to_hex().to_string()
}

fn add(hasher: &mut blake3::Hasher, value: &Value) {
    let mut part = |tag: u8, text: &str| {
        hasher.update(&[tag]);
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    match value {
        Value::Null => part(b'n', ""),
        Value::Bool(yes) => part(b'b', if *yes { "1" } else { "0" }),
        Value::Number(number) => part(b'd', &number.to_string()),
        Value::String(text) => part(b's', text),
        Value::Array(items) => {
            part(b'a', &items.len().to_string());
            items.iter().for_each(|item| add(hasher, item));
        }
        Value::Object(members) => {
            part(b'o', &members.len().to_string());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (key, member) in sorted {
                add(hasher, &Value::String(key.clone()));
                add(hasher, member);
            }
        }
    }
}

/// A request's body as its type, or a 400 that names the field.
pub(crate) fn body<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let what = error.inner().to_string();
        // The position is that of the body as it was normalised, which would mislead.
        let what = what.split(" at line ").next().unwrap_or_default();
        match path.as_str() {
            "." => Error::invalid(format!("The body is not what this operation takes: {what}.")),
            path => Error::invalid(format!("`{path}` is not what this operation takes: {what}.")),
        }
    })
}
