//! The import `log`: the plugin's own log, within bounds and without control characters.

use crate::limits::{Limit, fixed};
use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::log::{self, Level};

const LINE_BYTES_MAX: usize = fixed::LOG_LINE_BYTES.max;

/// What a call has logged so far.
#[derive(Default)]
pub(crate) struct LogUse {
    lines: usize,
    bytes: usize,
    dropped: bool,
}

impl LogUse {
    /// Whether there were more lines or bytes than it may have.
    pub(crate) fn has_dropped(&self) -> bool {
        self.dropped
    }
}

/// Cuts at the limit and replaces what could move a terminal's cursor or forge a line.
fn clean(text: &str, bytes_max: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        if cleaned.len() + character.len_utf8() > bytes_max {
            cleaned.push('…');
            break;
        }
        cleaned.push(if is_printable(character) { character } else { ' ' });
    }
    cleaned
}

/// Neither a control character, nor a line end of Unicode's own, nor one that changes the direction of what
/// follows, by which a line can be made to read as another one (Unicode's report 36, section 2.5).
fn is_printable(character: char) -> bool {
    let line_end = matches!(character, '\u{2028}' | '\u{2029}');
    let direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !(character.is_control() || line_end || direction)
}

impl log::Host for CallState {
    fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        let limits = &self.scope.limits;
        let endpoint = self.scope.endpoint.as_str();
        let rest = limits.count(Limit::LogBytes).saturating_sub(self.log.bytes);
        self.log.lines += 1;
        if self.log.lines > limits.count(Limit::LogLines) || rest == 0 {
            if !self.log.dropped {
                tracing::warn!(target: "plugin", endpoint, "further lines of this call are dropped");
            }
            self.log.dropped = true;
            return;
        }
        let message = clean(&message, rest.min(LINE_BYTES_MAX));
        let mut room = rest.saturating_sub(message.len()).min(LINE_BYTES_MAX);
        let mut shown = String::new();
        for (name, value) in &fields {
            if room == 0 {
                break;
            }
            let field = clean(&format!("{name}={value} "), room);
            room = room.saturating_sub(field.len());
            shown.push_str(&field);
        }
        self.log.bytes = self.log.bytes.saturating_add(message.len() + shown.len());
        let fields = shown.trim_end();
        let operation = self.operation.as_ref().map(|operation| operation.id.as_str());
        match level {
            Level::Trace => {
                tracing::trace!(target: "plugin", endpoint, operation, fields, "{message}")
            }
            Level::Debug => {
                tracing::debug!(target: "plugin", endpoint, operation, fields, "{message}")
            }
            Level::Info => {
                tracing::info!(target: "plugin", endpoint, operation, fields, "{message}")
            }
            Level::Warn => {
                tracing::warn!(target: "plugin", endpoint, operation, fields, "{message}")
            }
            Level::Error => {
                tracing::error!(target: "plugin", endpoint, operation, fields, "{message}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn control_characters_are_replaced_and_long_lines_are_cut() {
        assert_eq!(clean("a\x1b[31m\nb\u{9b}c", 100), "a [31m b c");
        assert_eq!(clean("abcdef", 3), "abc…");
        assert_eq!(clean("ééé", 3), "é…");
    }

    #[test]
    fn the_direction_of_a_line_cannot_be_turned() {
        for turn in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{2028}\u{2029}".chars() {
            assert_eq!(clean(&format!("paid {turn}001"), 100), "paid  001", "{}", turn.escape_unicode());
        }
        // Letters of a script that runs from right to left are letters.
        assert_eq!(clean("שלום", 100), "שלום");
    }
}
