//! How the open maps and decimals of the contract look in JSON.
//!
//! Values travel as JSON text. A value that came from a plugin is checked here when it is written: text
//! that is not JSON makes the whole answer fail, and the caller is told that the plugin answered nonsense.

use super::CustomOption;
use super::body::without_value;
use jiff::Timestamp;
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

/// The most bytes of space around a value, and of a decimal: what is checked by how long it is as JSON should
/// not be much longer as text.
const SPACE_BYTES_MAX: usize = 64;
const DECIMAL_BYTES_MAX: usize = 64;
/// The longest point in time: with nanoseconds and an offset it has 35.
const INSTANT_BYTES_MAX: usize = 40;

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
    let wrong = |why: &str| format!("`{}` is not a decimal: {why}", text.escape_debug());
    // The parser takes `1_000` and `.5`, too, which are none elsewhere.
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = [whole.strip_prefix('-').unwrap_or(whole), part];
    if !digits.iter().all(|some| !some.is_empty() && some.bytes().all(|b| b.is_ascii_digit())) {
        return Err(wrong("it is spelled -?[0-9]+(.[0-9]+)?"));
    }
    Decimal::from_str_exact(text).map_err(|error| wrong(&error.to_string()))
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

/// A point in time from a plugin, or why it is none: RFC 3339 with an offset, between the years 0 and 9999.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    // The parser takes other notations, too.
    let plain = |c: u8| c.is_ascii_digit() || b"-:.+TtZz".contains(&c);
    let is_rfc_3339 = text.len() <= INSTANT_BYTES_MAX
        && text.bytes().all(plain)
        && text.as_bytes().get(4) == Some(&b'-')
        && !text.starts_with(['-', '+']);
    let parsed = is_rfc_3339.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| {
        let shown: String = text.chars().take(INSTANT_BYTES_MAX).collect();
        format!("`{}` is no time as RFC 3339 has it", shown.escape_debug())
    })
}

/// `#[serde(serialize_with)]` of an [`Instant`](super::Instant), which stays as it is written.
pub(crate) mod instant_text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
        instant(text).map_err(S::Error::custom)?;
        s.serialize_str(text)
    }
}

/// As [`instant_text`], or `null`.
pub(crate) mod optional_instant_text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &Option<String>, s: S) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => instant_text::serialize(text, s),
            None => s.serialize_none(),
        }
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
            // From text: serde cannot flatten a long number of a `Value`.
            let option = serde_json::from_str(&value.to_string()).map_err(|error| {
                de::Error::custom(format!("{key}: {}", without_value(&error.to_string())))
            })?;
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_is_refused() {
        assert!(decimal("-12.50").is_ok() && decimal(&"0".repeat(65)).is_err());
        for wrong in ["", "-", ".5", "5.", "+1", "1_000", "1e3", "--1", "1.2.3", " 1", "１"] {
            assert!(decimal(wrong).is_err(), "{wrong}");
        }
        let padded = |spaces: usize| raw::<serde_json::Error>(&(" ".repeat(spaces) + "1")).is_ok();
        assert!(padded(64) && !padded(65));
    }

    #[test]
    fn a_time_is_rfc_3339_or_none() {
        for text in [
            "2016-08-01T00:00:00+00:00",
            "2016-08-01t00:00:00.123456789-23:59",
            "9999-12-30T00:00:00Z",
        ] {
            assert!(instant(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "2016-08-01",
            "2016-08-01T00:00:00",
            "2016-08-32T00:00:00Z",
            "20160801T000000Z",
            "2016-08-01T00:00:00+00:00[UTC]",
            "-009999-01-01T00:00:00Z",
            "-123-08-01T00:00:00Z",
            "+1234-08-01T00:00:00Z",
            "99999-08-01T00:00:00Z",
            "1470009600",
            "NaN",
            &"9".repeat(1000),
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
        assert!(instant(&"9".repeat(1 << 20)).unwrap_err().len() < 100);
    }

    /// Any JSON value that the checks of a body let through.
    pub(crate) fn value() -> impl Strategy<Value = Value> {
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
    }
}
