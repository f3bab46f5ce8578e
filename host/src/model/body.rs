//! What a text has to be before it is taken for a body, from a caller or from a plugin.

use crate::error::Error;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

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

/// A digest of a value that does not depend on the order of keys. Keyed, since a body may hold a password, and
/// what is digested without a key can be guessed.
pub(crate) fn fingerprint(key: &[u8; 32], value: &Value) -> String {
    let mut hasher = blake3::Hasher::new_keyed(key);
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

/// What serde says about a value of a wrong type, without the value, which may be a password, and without the
/// position: it is that of the body as it was normalised, and would mislead.
pub(crate) fn without_value(what: &str) -> String {
    let what = what.rsplit_once(" at line ").map_or(what, |(what, _)| what);
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
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let what = without_value(&error.inner().to_string());
        match path.as_str() {
            "." => Error::invalid(format!("The body is not what this operation takes: {what}.")),
            path => Error::invalid(format!("`{path}` is not what this operation takes: {what}.")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::json::tests::value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strict_takes_whatever_serde_json_writes(value in value()) {
            check_strict(value.to_string().as_bytes()).unwrap();
        }

        #[test]
        fn a_fingerprint_does_not_depend_on_the_order_of_keys(members in prop::collection::btree_map("[a-z]{1,6}", value(), 0..6)) {
            let forward: Vec<String> = members.iter().map(|(k, v)| format!("{}:{v}", Value::from(k.as_str()))).collect();
            let backward: Vec<String> = forward.iter().rev().cloned().collect();
            let parse = |members: &[String]| -> Value { serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap() };
            prop_assert_eq!(fingerprint(&[7; 32], &parse(&forward)), fingerprint(&[7; 32], &parse(&backward)));
            prop_assert_ne!(fingerprint(&[7; 32], &parse(&forward)), fingerprint(&[8; 32], &parse(&forward)));
        }

        #[test]
        fn no_bytes_make_the_checks_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_strict(&bytes);
            let _ = parse::<crate::model::CreateResource>(&bytes);
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
        let error = parse::<crate::model::CreateResource>(text).err().unwrap();
        assert!(
            error.message.contains("licenseQuantity") || error.message.contains("parameters"),
            "{}",
            error.message
        );
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        let told = |text: &str| parse::<crate::model::CreateResource>(text.as_bytes()).err();
        let option = told(
            r#"{"resource":{"type":"x"},"parameters":{"sku":"s","customoption1":{"title":12345,"value":1}},"requestor":{}}"#,
        );
        let message = option.unwrap().message;
        let named = message.contains("customoption1: invalid type: ");
        assert!(named && !message.contains("12345"), "{message}");
        for value in ["12345", "\"a, expected secret\"", "[\"12345\"]", "true", "-1.5"] {
            let text = format!(r#"{{"requestor":{value},"email":"x"}}"#);
            let message = parse::<crate::model::CreateUser>(text.as_bytes()).err().unwrap().message;
            let repeated =
                ["12345", "secret", "true", "-1.5"].iter().any(|part| message.contains(part));
            assert!(message.contains("`requestor`") && !repeated, "{message}");
        }
    }
}
