//! What a plan's schemas let a customer choose. Only the first level of a JSON Schema becomes options; whatever is below
//! is for `additionalparameters.parameters`, and the broker checks it all.

use cnsp_sdk::Failure;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// OSB's bound on one schema.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// More options than this no form can show.
const OPTIONS_MAX: usize = 64;

/// What can be chosen, by number.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) list: Vec<Choice>,
    /// Why a schema was left out, or not all of it is shown.
    pub(crate) problem: Option<String>,
}

/// One thing that can be chosen: a parameter.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: String,
    /// The property's schema, as the plan has it.
    pub(crate) schema: Value,
    pub(crate) on_create: bool,
    pub(crate) on_update: bool,
    pub(crate) required: bool,
}

/// When something is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Create,
    Update,
}

/// A `customoptionN` of an order, or a `customparamN` of an update.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) key: String,
    pub(crate) title: Option<String>,
    pub(crate) value: Value,
}

impl Options {
    /// Of `plan.schemas`.
    pub(crate) fn read(schemas: Option<&Value>) -> Self {
        let schema = |action| schemas?.get("service_instance")?.get(action)?.get("parameters");
        let mut choices: BTreeMap<String, Choice> = BTreeMap::new();
        let mut problem = None;
        for when in [When::Create, When::Update] {
            let name = if when == When::Create { "create" } else { "update" };
            let Some(schema) = schema(name).filter(|schema| !schema.is_null()) else { continue };
            match properties(schema) {
                Ok(properties) => add(&mut choices, when, schema, properties),
                Err(why) => problem = Some(format!("The schema to {name} is left out: {why}.")),
            }
        }
        if choices.len() > OPTIONS_MAX {
            problem = Some(format!("Only the first {OPTIONS_MAX} parameters are shown."));
        }
        Self { list: choices.into_values().collect(), problem }
    }

    /// Those that a form can show, in their order.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Choice> {
        self.list.iter().take(OPTIONS_MAX)
    }

    /// The parameter of this name, where it can be told then.
    pub(crate) fn declared(&self, name: &str, when: When) -> Option<&Choice> {
        self.list.iter().find(|choice| choice.name == name && choice.is_for(when))
    }

    /// The parameter of this name, where an update can set it to true and false.
    pub(crate) fn switch(&self, name: &str) -> Option<&Choice> {
        self.declared(name, When::Update).filter(|choice| choice.types() == ["boolean"])
    }

    /// What was said, as parameters.
    pub(crate) fn choose(
        &self,
        said: Vec<Said>,
        when: When,
    ) -> Result<Map<String, Value>, Failure> {
        let mut parameters = Map::new();
        for said in said {
            let choice = self.named(&said)?;
            if !choice.is_for(when) {
                let name = &choice.name;
                let text = match when {
                    When::Create => {
                        format!("`{}` ({name}) can only be told in an update.", said.key)
                    }
                    When::Update => {
                        format!("`{}` ({name}) cannot be changed once it is bought.", said.key)
                    }
                };
                return Err(Failure::invalid(text));
            }
            choice.check(&said)?;
            parameters.insert(choice.name.clone(), said.value);
        }
        Ok(parameters)
    }

    /// By its title, else by its number.
    fn named(&self, said: &Said) -> Result<&Choice, Failure> {
        let found = match &said.title {
            Some(title) => self
                .list
                .iter()
                .find(|choice| choice.name == *title || choice.title() == Some(title)),
            None => {
                let digits = said.key.trim_start_matches(|c: char| !c.is_ascii_digit());
                let number: Option<usize> = digits.parse().ok();
                number.and_then(|number| self.list.get(number.checked_sub(1)?))
            }
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = self.list.iter().map(|choice| choice.name.as_str()).collect();
            let known = match names.is_empty() {
                true => "it has none".to_owned(),
                false => format!("it has {}", names.join(", ")),
            };
            Failure::invalid(format!("`{}` is no option of this plan: {known}.", said.key))
        })
    }

    /// Whether everything is there that an order has to say.
    pub(crate) fn check_required(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        let missing = |choice: &&Choice| choice.required && !parameters.contains_key(&choice.name);
        let missing: Vec<&str> =
            self.list.iter().filter(missing).map(|choice| choice.name.as_str()).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Failure::invalid(format!(
                "The plan needs {}: name it in a `customoptionN`, or in `additionalparameters.parameters`.",
                missing.join(", ")
            ))),
        }
    }
}

/// Adds the properties of one schema.
fn add(
    choices: &mut BTreeMap<String, Choice>,
    when: When,
    schema: &Value,
    properties: &Map<String, Value>,
) {
    let required: BTreeSet<&str> = match schema.get("required").and_then(Value::as_array) {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => BTreeSet::new(),
    };
    for (name, property) in properties {
        let choice = choices.entry(name.clone()).or_insert_with(|| Choice {
            name: name.clone(),
            schema: property.clone(),
            on_create: false,
            on_update: false,
            required: false,
        });
        match when {
            When::Create => {
                choice.on_create = true;
                choice.required = required.contains(name.as_str());
            }
            When::Update => choice.on_update = true,
        }
    }
}

impl Choice {
    fn is_for(&self, when: When) -> bool {
        match when {
            When::Create => self.on_create,
            When::Update => self.on_update,
        }
    }

    /// What it is called for people.
    pub(crate) fn title(&self) -> Option<&str> {
        self.schema.get("title").and_then(Value::as_str)
    }

    fn types(&self) -> Vec<&str> {
        match self.schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// What is plainly wrong is told here, with the option's name; the rest is for the broker.
    fn check(&self, said: &Said) -> Result<(), Failure> {
        let types = self.types();
        if !types.is_empty() && !types.iter().any(|name| is_type(&said.value, name)) {
            let text = format!("`{}` ({}) has to be: {}.", said.key, self.name, types.join(" or "));
            return Err(Failure::invalid(text));
        }
        if let Some(values) = self.schema.get("enum").and_then(Value::as_array)
            && !values.contains(&said.value)
        {
            let values: Vec<String> = values.iter().map(Value::to_string).collect();
            let text =
                format!("`{}` ({}) has to be one of {}.", said.key, self.name, values.join(", "));
            return Err(Failure::invalid(text));
        }
        Ok(())
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        // A word of a schema to come: for the broker to judge.
        _ => true,
    }
}

/// The properties of a schema that keeps OSB's rules.
fn properties(schema: &Value) -> Result<&Map<String, Value>, String> {
    let bytes = schema.to_string().len();
    if bytes > SCHEMA_BYTES_MAX {
        return Err(format!("it has {bytes} bytes, and {SCHEMA_BYTES_MAX} is the most"));
    }
    if !schema.get("$schema").is_some_and(Value::is_string) {
        return Err("it has no $schema".to_owned());
    }
    if let Some(reference) = outside(schema) {
        let shown: String = reference.chars().take(100).collect();
        return Err(format!("it refers to {shown}, outside of itself"));
    }
    match schema.get("properties") {
        Some(Value::Object(properties)) => Ok(properties),
        _ => Err("it names no properties".to_owned()),
    }
}

/// A reference that leads out of the schema.
fn outside(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            own.filter(|reference| !reference.starts_with('#'))
                .or_else(|| members.values().find_map(outside))
        }
        Value::Array(items) => items.iter().find_map(outside),
        _ => None,
    }
}
