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
use std::borrow::Cow;
use std::fmt;

/// One JSON value as text.
pub type Json = String;

/// JSON object members in the order in which they came, each value as JSON text.
pub type OpenMap = Vec<(String, Json)>;

/// The most bytes of space around a value, and of a decimal: what is checked by how long it is as JSON should
/// not be much longer as text.
const SPACE_BYTES_MAX: usize = 64;
const DECIMAL_BYTES_MAX: usize = 64;

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
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|error| E::custom(format!("a value is not JSON: {error}")))?;
    match text.len() - raw.get().len() <= SPACE_BYTES_MAX {
        true => Ok(raw),
        false => Err(E::custom("a value is JSON with too much space around it")),
    }
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

/// `#[serde(with)]` of one [`Json`] value that keeps its text, the order of its keys included.
pub(crate) mod raw_text {
    use super::*;

    pub(crate) use super::json_text::serialize;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Json, D::Error> {
        Box::<RawValue>::deserialize(d).map(|raw| raw.get().to_owned())
    }
}

/// A decimal from a plugin, or why it is none. Exact: what cannot be held in 28 digits is refused.
pub(crate) fn decimal(text: &str) -> Result<Decimal, String> {
    if text.len() > DECIMAL_BYTES_MAX {
        return Err(format!("a decimal has at most {DECIMAL_BYTES_MAX} characters"));
    }
    Decimal::from_str_exact(text)
        .map_err(|e| format!("`{}` is not a decimal: {e}", text.escape_debug()))
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
    let numbered =
        key.strip_prefix("customoption").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
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
pub(crate) fn as_map<T: Serialize, S: Serializer>(
    pairs: &[(String, T)],
    s: S,
) -> Result<S::Ok, S::Error> {
    s.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// Checks that text is one JSON value in which no object has a key twice and no text a NUL.
///
/// serde_json itself refuses lone surrogates, unescaped control characters and more than 128 levels.
pub(crate) fn check_strict(text: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde::de::DeserializeSeed::deserialize(Strict, &mut deserializer)?;
    deserializer.end()
}

/// How the keys begin under which serde_json passes on a number's digits, or a value that is text already.
/// An object with such a key would become another value.
const PRIVATE: &str = "$serde_json::private::";

/// The digits of a number, which serde_json passes on as a `String`; the text of an object never is one.
struct Digits;

impl<'de> de::DeserializeSeed<'de> for Digits {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Visitor<'_> for Digits {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no key that begins with `{PRIVATE}`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        Err(E::invalid_type(de::Unexpected::Str(text), &self))
    }

    fn visit_string<E>(self, _: String) -> Result<(), E> {
        Ok(())
    }
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

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        check_text(text)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    // Numbers too long for the types above come this way, as a map with one private key.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Vec::new();
        while let Some(Name(key)) = map.next_key()? {
            check_text(&key)?;
            match key.starts_with(PRIVATE) {
                true => map.next_value_seed(Digits)?,
                false => map.next_value_seed(Strict)?,
            }
            keys.push(key);
        }
        keys.sort_unstable();
        let twice = keys.iter().zip(keys.iter().skip(1)).find(|(key, next)| key == next);
        match twice {
            None => Ok(()),
            Some((key, _)) => {
                Err(de::Error::custom(format!("the key `{}` occurs twice", key.escape_debug())))
            }
        }
    }
}

/// A key, copied only where it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// NUL ends texts in too many systems behind adapters, and separates the parts of our own keys.
fn check_text<E: de::Error>(text: &str) -> Result<(), E> {
    match text.contains('\0') {
        false => Ok(()),
        true => Err(E::custom("a text contains the character U+0000")),
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

/// What serde says about a value of a wrong type, without the value: it may be a password.
fn without_value(what: &str) -> String {
    let cut = what.starts_with("invalid type: ") || what.starts_with("invalid value: ");
    match what.rsplit_once(", expected ") {
        Some((found, expected)) if cut => {
            let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected {expected}")
        }
        _ => what.to_owned(),
    }
}

/// A request's body as its type, or a 400 that names the field.
pub(crate) fn body<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let what = error.inner().to_string();
        // The position is that of the body as it was normalised, which would mislead.
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        let what = without_value(what);
        match path.as_str() {
            "." => Error::invalid(format!("The body is not what this operation takes: {what}.")),
            path => Error::invalid(format!("`{path}` is not what this operation takes: {what}.")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_is_refused() {
        assert!(decimal("-12.50").is_ok() && decimal(&"0".repeat(65)).is_err());
        let padded = |spaces: usize| raw::<serde_json::Error>(&(" ".repeat(spaces) + "1")).is_ok();
        assert!(padded(64) && !padded(65));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "-?[1-9][0-9]{0,40}(\\.[0-9]{1,20})?"
                .prop_map(|n| Value::Number(Number::from_string_unchecked(n))),
            "[^\0]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[^\0]{0,6}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_an_open_map_holds_comes_back_digit_for_digit(members in prop::collection::btree_map("[^\0]{1,6}", value(), 0..6)) {
            let text = serde_json::to_string(&Value::Object(members.into_iter().collect())).unwrap();
            let map = open_map::deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            let mut back = Vec::new();
            open_map::serialize(&map, &mut serde_json::Serializer::new(&mut back)).unwrap();
            prop_assert_eq!(text, String::from_utf8(back).unwrap());
        }

        #[test]
        fn strict_takes_whatever_serde_json_writes(value in value()) {
            check_strict(value.to_string().as_bytes()).unwrap();
        }

        #[test]
        fn a_fingerprint_does_not_depend_on_the_order_of_keys(members in prop::collection::btree_map("[a-z]{1,6}", value(), 0..6)) {
            let forward: Vec<String> = members.iter().map(|(k, v)| format!("{}:{v}", Value::from(k.as_str()))).collect();
            let backward: Vec<String> = forward.iter().rev().cloned().collect();
            let parse = |members: &[String]| -> Value { serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap() };
            prop_assert_eq!(fingerprint(&parse(&forward)), fingerprint(&parse(&backward)));
        }

        #[test]
        fn a_decimal_is_exact_or_refused(text in "-?[0-9]{1,40}(\\.[0-9]{1,30})?") {
            if let Ok(decimal) = decimal(&text) {
                let trimmed = |text: &str| {
                    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
                    let digits = digits.trim_start_matches('0');
                    let digits = if digits.is_empty() || digits.starts_with('.') { format!("0{digits}") } else { digits.to_owned() };
                    format!("{sign}{digits}")
                };
                let shown = decimal.to_string();
                prop_assert_eq!(trimmed(shown.trim_start_matches('-')), trimmed(text.trim_start_matches('-')));
            }
        }

        #[test]
        fn no_bytes_make_the_checks_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_strict(&bytes);
            let _ = body::<crate::model::CreateResource>(&bytes);
        }
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        let refused = |text: &str| check_strict(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"a":1,"b":{"c":1,"c":2}}"#).contains("`c` occurs twice"));
        assert!(refused(r#"{"a":1,"\u0061":2}"#).contains("`a` occurs twice"));
        assert!(refused(r#"{"a":"x\u0000"}"#).contains("U+0000"));
        assert!(refused(r#"{"a":"\ud800"}"#).contains("hex escape"));
        assert!(refused(&"[".repeat(200)).contains("recursion limit"));
        assert!(refused(r#"{"a":1"#).contains("EOF"));
        assert!(refused(r#"{} {}"#).contains("trailing"));
        assert!(refused(r#"{"$serde_json::private::Number":"1"}"#).contains("no key that begins"));
        assert!(
            refused(r#"{"a":[{"\u0024serde_json::private::RawValue":"{"}]}"#).contains("no key")
        );
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let text = br#"{"resource":{"type":"saas"},"parameters":{"sku":"s","licenseQuantity":"five"},"requestor":{}}"#;
        let error = body::<crate::model::CreateResource>(text).err().unwrap();
        assert!(
            error.message.contains("licenseQuantity") || error.message.contains("parameters"),
            "{}",
            error.message
        );
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        for value in ["12345", "\"a, expected secret\"", "[\"12345\"]", "true", "-1.5"] {
            let text = format!(r#"{{"requestor":{value},"email":"x"}}"#);
            let message = body::<crate::model::CreateUser>(text.as_bytes()).err().unwrap().message;
            let repeated =
                ["12345", "secret", "true", "-1.5"].iter().any(|part| message.contains(part));
            assert!(message.contains("`requestor`") && !repeated, "{message}");
        }
    }
}
