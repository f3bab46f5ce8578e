//! Settings from several places, each over the one before, with the place of every value remembered.
//!
//! The default file says which keys there are and of what type, so that a variable's text can be read as
//! what the key takes, and an unknown key is known to be one.

use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What variables for settings begin with.
const PREFIX: &str = "CNSP_";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("the defaults"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Variable(name) => write!(f, "the variable {name}"),
            Source::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting is wrong: which, where it came from, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{key} (from {from}) {problem}")]
pub(crate) struct ConfigError {
    key: String,
    from: Source,
    problem: String,
}

impl ConfigError {
    /// `problem` goes on from the key: "is …; it must …".
    pub(crate) fn new(key: impl Into<String>, from: Source, problem: String) -> ConfigError {
        ConfigError { key: key.into(), from, problem }
    }
}

/// The layers so far.
pub(super) struct Layers {
    values: Table,
    sources: BTreeMap<String, Source>,
}

impl Layers {
    /// The lowest layer, which has every key.
    pub(super) fn new(default: &str) -> Result<Layers, ConfigError> {
        let values = parse(default, &Source::Default)?;
        Ok(Layers { values, sources: BTreeMap::new() })
    }

    /// Goes over what is there with a TOML file.
    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let source = Source::File(path.to_owned());
        let text = std::fs::read_to_string(path).map_err(|e| {
            let problem = format!("cannot be read: {e}; name a readable TOML file");
            ConfigError::new("the file of --config", source.clone(), problem)
        })?;
        self.add_text(&text, &source)
    }

    /// Goes over what is there with what a TOML file says.
    pub(super) fn add_text(&mut self, text: &str, source: &Source) -> Result<(), ConfigError> {
        for (name, value) in parse(text, source)? {
            match value {
                Value::Table(section) => {
                    for (key, value) in section {
                        self.set(&format!("{name}.{key}"), value, source.clone())?;
                    }
                }
                value => self.set(&name, value, source.clone())?,
            }
        }
        Ok(())
    }

    /// Goes over what is there with a variable, if its name is one of ours.
    pub(super) fn add_variable(&mut self, name: &OsStr, value: &OsStr) -> Result<(), ConfigError> {
        let Some(name) = name.to_str() else { return Ok(()) };
        let Some(key) = name.strip_prefix(PREFIX) else { return Ok(()) };
        let key = key.to_ascii_lowercase().replace("__", ".");
        let source = Source::Variable(name.to_owned());
        match value.to_str() {
            Some(text) => self.set_text(&key, text, source),
            None => Err(ConfigError::new(key, source, "is not valid UTF-8".to_owned())),
        }
    }

    /// Goes over what is there with `KEY=VALUE` of the command line.
    pub(super) fn add_assignment(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let source = Source::Flag("--set");
        let Some((key, text)) = assignment.split_once('=') else {
            let problem = "has no value; write --set SECTION.KEY=VALUE".to_owned();
            return Err(ConfigError::new(assignment, source, problem));
        };
        self.set_text(key.trim(), text.trim(), source)
    }

    /// Sets a key from text, read as the type that the key has.
    pub(super) fn set_text(
        &mut self,
        key: &str,
        text: &str,
        source: Source,
    ) -> Result<(), ConfigError> {
        let wrong = |what: &str| {
            let problem = format!("is \"{text}\"; it must be {what}");
            ConfigError::new(key, source.clone(), problem)
        };
        let value = match self.slot(key, &source)? {
            Value::Integer(_) => {
                let digits = text.replace('_', "");
                Value::Integer(digits.parse().map_err(|_| wrong("a whole number"))?)
            }
            Value::Float(_) => Value::Float(text.parse().map_err(|_| wrong("a number"))?),
            Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
            _ => Value::String(text.to_owned()),
        };
        self.set(key, value, source)
    }

    fn set(&mut self, key: &str, value: Value, source: Source) -> Result<(), ConfigError> {
        *self.slot(key, &source)? = value;
        self.sources.insert(key.to_owned(), source);
        Ok(())
    }

    fn slot(&mut self, key: &str, source: &Source) -> Result<&mut Value, ConfigError> {
        let slot = match key.split_once('.') {
            Some((section, key)) => self
                .values
                .get_mut(section)
                .and_then(Value::as_table_mut)
                .and_then(|t| t.get_mut(key)),
            None => self.values.get_mut(key),
        };
        match slot {
            None => {
                let problem = "is no setting; `cnsp config` lists them all".to_owned();
                Err(ConfigError::new(key, source.clone(), problem))
            }
            Some(Value::Table(_)) => {
                let problem =
                    "is a section, not a setting; `cnsp config` lists its keys".to_owned();
                Err(ConfigError::new(key, source.clone(), problem))
            }
            Some(slot) => Ok(slot),
        }
    }

    /// All layers as one value.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(self.values.clone()).map_err(|error| {
            let key = error.path().to_string();
            let problem = error.into_inner().to_string();
            self.error(&key, format!("does not fit: {}", problem.trim_end().replace('\n', " ")))
        })
    }

    /// An error about a key, with the place that its value came from.
    pub(super) fn error(&self, key: &str, problem: String) -> ConfigError {
        let source = self.sources.get(key).cloned().unwrap_or(Source::Default);
        ConfigError::new(key, source, problem)
    }
}

fn parse(text: &str, source: &Source) -> Result<Table, ConfigError> {
    text.parse().map_err(|e: toml::de::Error| {
        ConfigError::new("the file", source.clone(), format!("is not valid TOML: {e}"))
    })
}
