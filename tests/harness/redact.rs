//! Answers as text to compare: what differs from run to run is replaced, the same thing by the same name.

use crate::client::Answer;
use serde_json::Value;

/// The kinds of ids that the sandbox makes.
const KINDS: [&str; 4] = ["acc", "usr", "ins", "sub"];
/// The headers that say something about the answer.
const HEADERS: [&str; 5] =
    ["idempotent-replayed", "link", "retry-after", "www-authenticate", "warning"];

/// The status, the telling headers and the whole body.
pub fn shown(answer: &Answer) -> String {
    let mut redactor = Redactor::default();
    let mut text = format!("{}\n", answer.status);
    for name in HEADERS {
        if let Some(value) = answer.header(name) {
            // A long wait has begun to run down by the time that it is told.
            let long = name == "retry-after" && value.len() > 2;
            let shown = if long { "[wait]".to_owned() } else { redactor.text(value) };
            text += &format!("{name}: {shown}\n");
        }
    }
    let mut json = answer.json.clone();
    redactor.value("", &mut json);
    text + "\n" + &serde_json::to_string_pretty(&json).expect("JSON can be written")
}

#[derive(Default)]
struct Redactor {
    known: Vec<String>,
}

impl Redactor {
    fn value(&mut self, key: &str, value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.iter_mut().for_each(|(key, value)| self.value(key, value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(key, item)),
            Value::String(text) if key == "password" => "[password]".clone_into(text),
            Value::String(text) => *text = self.text(text),
            // It depends on the day of the month; `billing` works it out.
            Value::Number(_) if key == "quantity" => *value = Value::from("[quantity]"),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) -> String {
        if is_time(text) {
            return "[time]".to_owned();
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let mut shown = String::new();
        for piece in text.split_inclusive(|c| !plain(c)) {
            let word = piece.trim_end_matches(|c| !plain(c));
            let rest = &piece[word.len()..];
            shown += &self.word(word, text);
            shown += rest;
        }
        shown
    }

    fn word(&mut self, word: &str, within: &str) -> String {
        if is_guid(word) {
            return self.known_as("guid", word);
        }
        let (kind, parts) = match word.split_once('-') {
            Some((kind, parts)) if KINDS.contains(&kind) => (kind, parts),
            // Any word of thirteen letters looks like one elsewhere.
            _ if within.contains(".sandbox.") || within.contains("after=") => ("part", word),
            _ => return word.to_owned(),
        };
        let count = if matches!(kind, "acc" | "part") { 1 } else { 2 };
        let parts: Vec<&str> = parts.split('-').collect();
        if parts.len() != count || !parts.iter().all(|part| is_part(part)) {
            return word.to_owned();
        }
        self.known_as(kind, word)
    }

    fn known_as(&mut self, kind: &str, word: &str) -> String {
        let index = self.known.iter().position(|known| known == word).unwrap_or_else(|| {
            self.known.push(word.to_owned());
            self.known.len() - 1
        });
        format!("[{kind} {}]", index + 1)
    }
}

/// What other adapters make of an operation's id.
fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// What the sandbox mints.
fn is_part(text: &str) -> bool {
    text.len() == 13 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    text.len() >= pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_gets_the_same_name() {
        let mut redactor = Redactor::default();
        let (a, b) = ("aaaaaaaaaaaaa", "bbbbbbbbbbbbb");
        let text = format!("No acc-{a}, but ins-{a}-{b}; https://{b}.sandbox.example/, acc-{a}.");
        let shown = "No [acc 1], but [ins 2]; https://[part 3].sandbox.example/, [acc 1].";
        assert_eq!(redactor.text(&text), shown);
        assert_eq!(redactor.text("acc-short and update.suspend"), "acc-short and update.suspend");
        assert_eq!(redactor.text("2016-08-01T00:00:00+00:00"), "[time]");
    }
}
