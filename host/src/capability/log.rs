//! The import `log`: the plugin's own log, within bounds and without control characters.

use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::log::{self, Level};

/// The longest message, and the longest list of fields, in bytes.
const LINE_BYTES_MAX: usize = 4 << 10;

/// What a call has logged so far.
#[derive(Default)]
pub(crate) struct LogUse {
    lines: usize,
    bytes: usize,
    dropped: bool,
}

/// Cuts at the limit and replaces what could move a terminal's cursor or forge a line.
fn clean(text: &str, bytes_max: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        if cleaned.len() + character.len_utf8() > bytes_max {
            cleaned.push('…');
            break;
        }
        cleaned.push(if character.is_control() { ' ' } else { character });
    }
    cleaned
}

impl log::Host for CallState {
    fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        let limits = &self.scope.limits;
        let endpoint = self.scope.endpoint.as_str();
        let rest = limits.log_bytes_max.saturating_sub(self.log.bytes);
        self.log.lines += 1;
        if self.log.lines > limits.log_line_count_max || rest == 0 {
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
}
