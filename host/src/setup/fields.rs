//! Reads one TOML table key by key and notes every problem, where a parser would stop at the first.

use super::Problem;
use toml::{Table, Value};

/// The longest text of a set-up file.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// A table that is being read. What is left at the end is unknown.
pub(super) struct Fields<'p> {
    file: String,
    /// Where the table is: `callers.bob`.
    path: String,
    table: Table,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Fields<'p> {
    pub(super) fn new(
        file: &str,
        path: String,
        table: Table,
        problems: &'p mut Vec<Problem>,
    ) -> Fields<'p> {
        Fields { file: file.to_owned(), path, table, known: Vec::new(), problems }
    }

    /// Notes that a key is wrong: the text goes on from the key.
    pub(super) fn problem(&mut self, key: &str, text: impl Into<String>) {
        let key = self.join(key);
        self.problems.push(Problem { file: self.file.clone(), key, text: text.into() });
    }

    fn join(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn wrong(&mut self, key: &str, value: &Value, wanted: &str) {
        // Not the value itself: it may be a secret at the wrong place.
        self.problem(key, format!("is a TOML {}; it must be {wanted}", value.type_str()));
    }

    /// Whether the key is there, whatever it holds.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text that may be missing.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if text.len() <= TEXT_BYTES_MAX => Some(text),
            Value::String(_) => {
                self.problem(key, format!("is longer than {TEXT_BYTES_MAX} bytes"));
                None
            }
            other => {
                self.wrong(key, &other, "text in quotes");
                None
            }
        }
    }

    /// A text that has to be there. After a problem it is empty, and reading goes on.
    pub(super) fn required_text(&mut self, key: &'static str) -> String {
        let there = self.has(key);
        let text = self.text(key);
        if !there {
            self.problem(key, "is missing");
        }
        text.unwrap_or_default()
    }

    /// One of a few words; the first where the key is missing and `required` is not.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        required: bool,
    ) -> Option<T> {
        let there = self.has(key);
        let text = self.text(key);
        let listed =
            || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        match text {
            Some(text) => {
                let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
                if found.is_none() {
                    self.problem(
                        key,
                        format!("is \"{}\"; it must be one of {}", text.escape_debug(), listed()),
                    );
                }
                found
            }
            None if there => None,
            None if required => {
                self.problem(key, format!("is missing; it must be one of {}", listed()));
                None
            }
            None => words.first().map(|(_, value)| *value),
        }
    }

    /// A list of texts that may be missing.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let wanted = "a list of texts in quotes";
        let Value::Array(items) = value else {
            self.wrong(key, &value, wanted);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item {
                Value::String(text) => texts.push(text),
                other => self.wrong(key, &other, wanted),
            }
        }
        Some(texts)
    }

    /// A whole number in a range, that may be missing.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        min: u64,
        max: u64,
        why: &str,
    ) -> Option<u64> {
        let value = self.take(key)?;
        let Value::Integer(number) = value else {
            self.wrong(key, &value, "a whole number");
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                self.problem(key, format!("is {number}; it must be {min} to {max}{why}"));
                None
            }
        }
    }

    /// A table of tables, or of other values, that may be missing.
    pub(super) fn table(&mut self, key: &'static str) -> Table {
        match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.wrong(key, &other, "a table");
                Table::new()
            }
        }
    }

    /// A list of tables that may be missing.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong(key, &other, "a list of tables");
                Vec::new()
            }
        }
    }

    /// Goes into a value below a key, which has to be a table.
    pub(super) fn enter(&mut self, key: &str, value: Value) -> Option<Fields<'_>> {
        match value {
            Value::Table(table) => {
                let path = self.join(key);
                Some(Fields::new(&self.file, path, table, self.problems))
            }
            other => {
                self.wrong(key, &other, "a table");
                None
            }
        }
    }

    /// Everything that nobody asked for is a problem.
    pub(super) fn finish(mut self) {
        let known = self.known.join(", ");
        for (key, _) in std::mem::take(&mut self.table) {
            self.problem(&key, format!("is not known; there is {known}"));
        }
    }
}
