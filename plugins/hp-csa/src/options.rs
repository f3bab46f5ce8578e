//! The options of an offering: sets, of each of which one or several options are chosen, and their properties.

use crate::check;
use crate::xml::{Element, escape};
use cnsp_sdk::types::OpenMap;
use cnsp_sdk::{Failure, OpenMapExt};
use serde_json::{Map, Value, json};

/// How many sets are shown, and told to CSA.
const SETS_MAX: usize = 64;
/// Options of a set, and properties of an option.
const ITEMS_MAX: usize = 64;

/// An option model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    name: String,
    sets: Vec<Set>,
}

#[derive(Clone, Debug)]
struct Set {
    name: String,
    title: String,
    choices: Vec<Choice>,
}

#[derive(Clone, Debug)]
struct Choice {
    name: String,
    title: String,
    is_selected: bool,
    properties: Vec<Property>,
}

#[derive(Clone, Debug)]
struct Property {
    name: String,
    title: String,
    value: Option<String>,
}

/// What a caller says about one set: the key, perhaps the set's title, and the choice.
pub(crate) struct Said {
    pub(crate) key: String,
    pub(crate) title: Option<String>,
    pub(crate) value: Value,
}

fn names(element: &Element) -> Option<(String, String)> {
    let name = element.owned(&["name"])?;
    let title = element.owned(&["displayName"]).unwrap_or_else(|| name.clone());
    Some((name, title))
}

impl Options {
    /// CSA has `optionSets` where it is told something, and `optionSet` in some of its answers.
    pub(crate) fn read(model: &Element) -> Self {
        let sets = model.all("optionSets").chain(model.all("optionSet"));
        let sets = sets.take(SETS_MAX).filter_map(|set| {
            let (name, title) = names(set)?;
            let choices = set.all("options").take(ITEMS_MAX).filter_map(|option| {
                let (name, title) = names(option)?;
                let properties = option.all("property").take(ITEMS_MAX).filter_map(|property| {
                    let (name, title) = names(property)?;
                    let value = property.owned(&["values", "value"]);
                    let value = value.or_else(|| property.owned(&["defaultValue"]));
                    Some(Property { name, title, value })
                });
                Some(Choice {
                    is_selected: option.text_at(&["isSelected"]) == Some("true"),
                    properties: properties.collect(),
                    name,
                    title,
                })
            });
            Some(Set { choices: choices.collect(), name, title })
        });
        Self { name: model.owned(&["name"]).unwrap_or_default(), sets: sets.collect() }
    }

    /// As the catalog shows them, in the order in which they are numbered.
    pub(crate) fn show(&self, map: &mut OpenMap) {
        for (index, set) in self.sets.iter().enumerate() {
            let choices: Vec<Value> = set.choices.iter().map(Choice::show).collect();
            let shown = json!({ "title": check::said(&set.title), "options": choices });
            map.put(format!("customoption{}", index + 1), shown);
        }
    }

    /// The option model with what was said in it, as CSA wants it. None where there is nothing to tell.
    pub(crate) fn choose(&self, said: &[Said]) -> Result<Option<String>, Failure> {
        let mut sets = self.sets.clone();
        for one in said {
            let position = self.position(one)?;
            if let Some(set) = sets.get_mut(position) {
                set.choose(one)?;
            }
        }
        if sets.is_empty() {
            return Ok(None);
        }
        let sets: String = sets.iter().map(Set::xml).collect();
        Ok(Some(format!("<optionModel><name>{}</name>{sets}</optionModel>", escape(&self.name))))
    }

    /// By its title, else by its number.
    fn position(&self, said: &Said) -> Result<usize, Failure> {
        let found = match &said.title {
            Some(title) => {
                self.sets.iter().position(|set| set.title == *title || set.name == *title)
            }
            None => {
                let digits = said.key.trim_start_matches(|c: char| !c.is_ascii_digit());
                let number: Option<usize> = digits.parse().ok();
                let position = number.and_then(|number| number.checked_sub(1));
                position.filter(|position| *position < self.sets.len())
            }
        };
        found.ok_or_else(|| {
            let titles: Vec<&str> = self.sets.iter().map(|set| set.title.as_str()).collect();
            let known = match titles.is_empty() {
                true => "it has none".to_owned(),
                false => format!("it has {}", check::said(&titles.join(", "))),
            };
            Failure::invalid(format!(
                "`{}` is no option of this offering: {known}.",
                check::said(&said.key)
            ))
        })
    }
}

impl Set {
    /// A text is one option's name or title; a list of those is several; an object is one with values for its
    /// properties: `{"option": "…", "properties": {"…": …}}`.
    fn choose(&mut self, said: &Said) -> Result<(), Failure> {
        let wrong = || {
            Failure::invalid(format!(
                "`{}` has to be the name of an option, a list of those, or an object with `option` and `properties`.",
                check::said(&said.key)
            ))
        };
        let (names, properties): (Vec<&str>, Option<&Map<String, Value>>) = match &said.value {
            Value::String(name) => (vec![name], None),
            Value::Array(names) => {
                let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
                (names.ok_or_else(wrong)?, None)
            }
            Value::Object(members) => {
                let name = members.get("option").and_then(Value::as_str).ok_or_else(wrong)?;
                let properties = match members.get("properties") {
                    None => None,
                    Some(properties) => Some(properties.as_object().ok_or_else(wrong)?),
                };
                (vec![name], properties)
            }
            _ => return Err(wrong()),
        };
        self.choices.iter_mut().for_each(|choice| choice.is_selected = false);
        for name in names {
            let titles: Vec<&str> =
                self.choices.iter().map(|choice| choice.title.as_str()).collect();
            let known = check::said(&titles.join(", "));
            let choice = self.choices.iter_mut().find(|one| one.name == name || one.title == name);
            let Some(choice) = choice else {
                let text = format!(
                    "`{}` ({}) has to be one of {known}.",
                    check::said(&said.key),
                    check::said(&self.title)
                );
                return Err(Failure::invalid(text));
            };
            choice.is_selected = true;
            for (name, value) in properties.into_iter().flatten() {
                choice.set(&said.key, name, value)?;
            }
        }
        Ok(())
    }

    fn xml(&self) -> String {
        let options: String = self.choices.iter().map(Choice::xml).collect();
        format!("<optionSets><name>{}</name>{options}</optionSets>", escape(&self.name))
    }
}

impl Choice {
    fn show(&self) -> Value {
        let properties: Vec<Value> = self
            .properties
            .iter()
            .map(
                |property| json!({ "name": check::said(&property.title), "value": property.value }),
            )
            .collect();
        let mut shown = json!({ "name": check::said(&self.title), "isdefault": self.is_selected });
        if let (false, Some(members)) = (properties.is_empty(), shown.as_object_mut()) {
            members.insert("properties".to_owned(), Value::Array(properties));
        }
        shown
    }

    fn set(&mut self, key: &str, name: &str, value: &Value) -> Result<(), Failure> {
        let property = self.properties.iter_mut().find(|one| one.name == name || one.title == name);
        let text = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        match (property, text) {
            (Some(property), Some(text)) => {
                check::text(key, Some(&text))?;
                property.value = Some(text);
                Ok(())
            }
            (None, _) => Err(Failure::invalid(format!(
                "`{}` has no property `{}` in this option.",
                check::said(key),
                check::said(name)
            ))),
            (Some(_), None) => Err(Failure::invalid(format!(
                "`{}`: the property `{}` has to be a text, a number, true or false.",
                check::said(key),
                check::said(name)
            ))),
        }
    }

    fn xml(&self) -> String {
        let properties = self.properties.iter().filter_map(|property| {
            let value = escape(property.value.as_deref()?);
            Some(format!(
                "<property><name>{}</name><values><value>{value}</value></values></property>",
                escape(&property.name)
            ))
        });
        let properties: String = properties.filter(|_| self.is_selected).collect();
        format!(
            "<options><name>{}</name><isSelected>{}</isSelected>{properties}</options>",
            escape(&self.name),
            self.is_selected
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml;

    const MODEL: &str = "<optionModel><name>model</name><optionSets><name>size</name><displayName>Size</displayName>\
        <options><name>s</name><displayName>Small</displayName><isSelected>true</isSelected></options>\
        <options><name>l</name><displayName>Large</displayName>\
        <property><name>mem</name><displayName>Memory</displayName><values><value>4096</value></values></property>\
        </options></optionSets></optionModel>";

    fn said(title: Option<&str>, value: Value) -> Said {
        Said { key: "customoption1".to_owned(), title: title.map(str::to_owned), value }
    }

    fn choose(said: Said) -> Result<String, String> {
        let options = Options::read(&xml::parse("It", MODEL.as_bytes()).unwrap());
        options.choose(&[said]).map(Option::unwrap).map_err(|failure| failure.errormessage)
    }

    #[test]
    fn what_is_said_is_what_csa_is_told() {
        let small = "<options><name>s</name><isSelected>true</isSelected></options>";
        let large = |mem: &str| {
            format!(
                "<options><name>l</name><isSelected>true</isSelected><property><name>mem</name><values><value>{mem}</value></values></property></options>"
            )
        };
        assert!(choose(said(None, json!("s"))).unwrap().contains(small));
        assert!(choose(said(Some("Size"), json!("Large"))).unwrap().contains(&large("4096")));
        assert!(choose(said(Some("size"), json!(["Small", "l"]))).unwrap().contains(small));
        let more = json!({ "option": "Large", "properties": { "Memory": 8192 } });
        let told = choose(said(None, more)).unwrap();
        assert!(told.contains(&large("8192")) && !told.contains(small));
        let evil = json!({ "option": "l", "properties": { "mem": "</value><x>&" } });
        assert!(choose(said(None, evil)).unwrap().contains(&large("&lt;/value&gt;&lt;x&gt;&amp;")));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for (said, why) in [
            (said(Some("Colour"), json!("red")), "no option of this offering: it has Size"),
            (said(None, json!("Huge")), "one of Small, Large"),
            (said(None, json!(1)), "has to be the name"),
            (said(None, json!(["s", 1])), "has to be the name"),
            (said(None, json!({ "option": "l", "properties": { "cpu": 1 } })), "no property `cpu`"),
            (said(None, json!({ "option": "l", "properties": { "mem": [] } })), "a text, a number"),
            (said(None, json!({ "option": "l", "properties": 1 })), "has to be the name"),
        ] {
            let refused = choose(said).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let none = Options::default();
        assert_eq!(none.choose(&[]).unwrap(), None);
        assert!(
            none.choose(&[said(None, json!("s"))])
                .unwrap_err()
                .errormessage
                .contains("it has none")
        );
    }
}
