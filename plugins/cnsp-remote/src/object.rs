//! What the remote sends, by key. Each member is taken once; what is left over is `other`, so that nothing is
//! lost. An optional member that does not fit its type is left over, too.

use crate::{lenient, number};
use cnsp_sdk::types::OpenMap;
use cnsp_sdk::{Failure, log};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// Deeper than this is no attribute; the host takes no more than 128 levels of a whole answer.
const DEPTH_MAX: usize = 64;

/// What is wrong with an answer.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Failure {
        Failure::refused(
            502,
            format!(
                "The provider's answer is not what CNSP 1.0 says: {}. Its vendor has to mend it.",
                wrong.0
            ),
        )
    }
}

/// A JSON object that is being read.
#[derive(Debug, Default)]
pub(crate) struct Object {
    members: OpenMap,
    /// Where it stands in the answer, to say what is wrong.
    path: String,
}

/// The members of an object in their order, each value as its text. Of a key that comes twice the last counts,
/// as nearly every reader of JSON has it.
struct Members(OpenMap);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = OpenMap::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    let value = value.get().to_owned();
                    match places.get(&key).and_then(|at| members.get_mut(*at)) {
                        Some((_, old)) => *old = value,
                        None => {
                            places.insert(key.clone(), members.len());
                            members.push((key, value));
                        }
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The value of an open map: as it came, but for keys that come twice somewhere inside of it, which the host
/// would refuse.
fn normal(json: &str, depth: usize) -> Result<String, Wrong> {
    let parse = |error: serde_json::Error| Wrong(error.to_string());
    if depth > DEPTH_MAX {
        return Err(Wrong(format!("it has more than {DEPTH_MAX} levels")));
    }
    Ok(match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json).map_err(parse)?;
            let mut inner = OpenMap::with_capacity(members.len());
            for (key, value) in members {
                inner.push((key, normal(&value, depth + 1)?));
            }
            crate::body::render(&inner)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(parse)?;
            let items: Result<Vec<String>, Wrong> =
                items.into_iter().map(|item| normal(item.get(), depth + 1)).collect();
            format!("[{}]", items?.join(","))
        }
        _ => json.to_owned(),
    })
}

impl Object {
    /// The body of an answer. Slips that the specification's own samples have are mended.
    pub(crate) fn parse_body(text: &str) -> Result<Object, Wrong> {
        let text = text.trim_start_matches('\u{feff}');
        let members = match serde_json::from_str(text) {
            Ok(Members(members)) => members,
            Err(error) => {
                let mended: Result<Members, _> = serde_json::from_str(&lenient::mend(text));
                let Members(members) =
                    mended.map_err(|_| Wrong(format!("it is not JSON ({error})")))?;
                log::warn(
                    "The provider's answer is not JSON, and was read all the same. Its vendor should mend it.",
                    &[("error", &error.to_string())],
                );
                members
            }
        };
        Ok(Object { members, path: String::new() })
    }

    fn parse(json: &str, path: String) -> Result<Object, Wrong> {
        match serde_json::from_str(json) {
            Ok(Members(members)) => Ok(Object { members, path }),
            Err(_) => Err(Wrong(format!("`{path}` is no object"))),
        }
    }

    fn at(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.members.iter().position(|(name, _)| name == key)
    }

    /// The member, whatever it is. Null is none.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        let (_, json) = self.members.remove(self.position(key)?);
        Some(json).filter(|json| json != "null")
    }

    /// The member, where `read` can make something of it.
    fn take_as<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let at = self.position(key)?;
        let value = self.members.get(at).and_then(|(_, json)| read(json))?;
        self.members.remove(at);
        Some(value)
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        self.take_as(key, |json| serde_json::from_str(json).ok())
    }

    /// A text that has to be there. A number stands for its digits: there are providers whose ids are numbers.
    pub(crate) fn required_text(&mut self, key: &str) -> Result<String, Wrong> {
        let read = |json: &str| serde_json::from_str(json).ok().or_else(|| number::plain(json));
        self.take_as(key, read).ok_or_else(|| self.wrong(key, "a text"))
    }

    /// As [`Object::required_text`], with what stands for it where there is none.
    pub(crate) fn text_or(&mut self, key: &str, otherwise: &str) -> String {
        self.required_text(key).unwrap_or_else(|_| {
            self.take(key);
            otherwise.to_owned()
        })
    }

    /// Whether there is such a member. Null is none.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.members.iter().any(|(name, json)| name == key && json != "null")
    }

    /// A text that stays where it is.
    pub(crate) fn peek(&self, key: &str) -> Option<String> {
        let (_, json) = self.members.get(self.position(key)?)?;
        serde_json::from_str(json).ok()
    }

    /// A yes or no, also as 1 or 0, or as a text of any of them.
    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        self.take_as(key, |json| match json.trim_matches('"').to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// A whole number, also as a text.
    pub(crate) fn whole<T: std::str::FromStr>(&mut self, key: &str) -> Option<T> {
        self.take_as(key, |json| json.trim_matches('"').parse().ok())
    }

    /// A number with all of its digits, also as a text.
    pub(crate) fn decimal(&mut self, key: &str) -> Option<String> {
        self.take_as(key, |json| number::plain(json.trim_matches('"')))
    }

    /// A number that has to be there.
    pub(crate) fn required_decimal(&mut self, key: &str) -> Result<String, Wrong> {
        self.decimal(key).ok_or_else(|| self.wrong(key, "a number"))
    }

    /// An object of which `read` can make something.
    pub(crate) fn take_if<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Object) -> Option<T>,
    ) -> Option<T> {
        let path = self.at(key);
        self.take_as(key, |json| read(Object::parse(json, path).ok()?))
    }

    /// A point in time, where it is written as RFC 3339 has it.
    pub(crate) fn instant(&mut self, key: &str) -> Option<String> {
        self.take_as(key, |json| {
            let text: String = serde_json::from_str(json).ok()?;
            text.parse::<jiff::Timestamp>().is_ok().then_some(text)
        })
    }

    /// A map that the specification leaves open. Null and an empty list are an empty one: some languages know no
    /// difference.
    pub(crate) fn map(&mut self, key: &str) -> Result<OpenMap, Wrong> {
        match self.take(key).as_deref() {
            None | Some("[]") => Ok(OpenMap::new()),
            Some(json) => Object::parse(json, self.at(key))?.rest(),
        }
    }

    /// An object, where there is one.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Object>, Wrong> {
        let path = self.at(key);
        self.take(key).map(|json| Object::parse(&json, path)).transpose()
    }

    /// An object that has to be there.
    pub(crate) fn required_object(&mut self, key: &str) -> Result<Object, Wrong> {
        self.object(key)?.ok_or_else(|| self.wrong(key, "an object"))
    }

    /// A list of objects, where there is one.
    pub(crate) fn list(&mut self, key: &str) -> Result<Option<Vec<Object>>, Wrong> {
        let Some(json) = self.take(key) else { return Ok(None) };
        let path = self.at(key);
        let items: Vec<&RawValue> =
            serde_json::from_str(&json).map_err(|_| Wrong(format!("`{path}` is no list")))?;
        let read =
            |(at, item): (usize, &RawValue)| Object::parse(item.get(), format!("{path}[{at}]"));
        items.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// A list of objects that has to be there.
    pub(crate) fn required_list(&mut self, key: &str) -> Result<Vec<Object>, Wrong> {
        self.list(key)?.ok_or_else(|| self.wrong(key, "a list"))
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.take_as(key, |json| serde_json::from_str(json).ok())
    }

    /// The keys of what is left.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.members.iter().map(|(key, _)| key.clone()).collect()
    }

    /// What nothing has taken.
    pub(crate) fn rest(self) -> Result<OpenMap, Wrong> {
        let Object { members, path } = self;
        let mut rest = OpenMap::with_capacity(members.len());
        for (key, json) in members {
            let json =
                normal(&json, 0).map_err(|Wrong(what)| Wrong(format!("`{path}`: {what}")))?;
            rest.push((key, json));
        }
        Ok(rest)
    }

    /// What to say about a member that is not there, or not what it has to be.
    pub(crate) fn wrong(&self, key: &str, what: &str) -> Wrong {
        let found = self.position(key).is_some();
        let path = self.at(key);
        Wrong(match found {
            true => format!("`{path}` is not {what}"),
            false => format!("`{path}` is missing"),
        })
    }
}

#[cfg(test)]
mod tests;
