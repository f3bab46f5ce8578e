//! Why a guest was stopped and where it was, as text that is safe to log and to show to its vendor.
//!
//! The guest chooses its functions' names, so an error of the engine is never printed as it is: each part is
//! bounded while it is written, since a short mangled name can stand for a very long one.

use crate::limits::fixed;
use std::fmt::{self, Write};
use wasmtime::{FrameInfo, WasmBacktrace};

const REASON_BYTES_MAX: usize = fixed::TRAP_REASON_BYTES.max;
/// Of a function's name, and of its module's.
const NAME_BYTES_MAX: usize = fixed::TRAP_NAME_BYTES.max;
/// Of all frames together; their count is `calls.backtrace_frames_max`.
const BACKTRACE_BYTES_MAX: usize = fixed::TRAP_BACKTRACE_BYTES.max;
/// A name that is longer is not demangled.
const MANGLED_BYTES_MAX: usize = 1 << 10;
/// How the engine begins the text of a backtrace, which is read frame by frame instead.
const ENGINES_OWN: &str = "error while executing at wasm backtrace";

/// How a guest was stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// In the words of the engine, or of the import that stopped it.
    pub(crate) reason: String,
    /// The functions that it was in, the innermost first.
    pub(crate) backtrace: Vec<String>,
}

impl Stopped {
    pub(in crate::plugin) fn new(error: &wasmtime::Error) -> Stopped {
        let parts = error.chain().map(|part| bounded(REASON_BYTES_MAX, format_args!("{part}")));
        let parts: Vec<String> = parts.filter(|part| !part.starts_with(ENGINES_OWN)).collect();
        let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
        let mut backtrace = Vec::new();
        let mut bytes = 0;
        for shown in frames.iter().map(frame) {
            bytes += shown.len();
            if bytes > BACKTRACE_BYTES_MAX {
                break;
            }
            backtrace.push(shown);
        }
        Stopped { reason: parts.join(": "), backtrace }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.backtrace.as_slice() {
            [] => Ok(()),
            frames => write!(f, "; in {}", frames.join(" < ")),
        }
    }
}

/// A function, and where in which module it was.
fn frame(frame: &FrameInfo) -> String {
    let module = frame.module().name().unwrap_or("module");
    let function = function(frame.func_name(), frame.func_index());
    let module = bounded(NAME_BYTES_MAX, format_args!("{module}"));
    match frame.module_offset() {
        Some(offset) => format!("{function} ({module}+{offset:#x})"),
        None => format!("{function} ({module})"),
    }
}

fn function(name: Option<&str>, index: u32) -> String {
    let Some(name) = name else { return format!("function {index}") };
    match rustc_demangle::try_demangle(name) {
        // Without the hash at its end.
        Ok(name) if name.as_str().len() <= MANGLED_BYTES_MAX => {
            bounded(NAME_BYTES_MAX, format_args!("{name:#}"))
        }
        _ => bounded(NAME_BYTES_MAX, format_args!("{name}")),
    }
}

fn bounded(bytes_max: usize, text: fmt::Arguments<'_>) -> String {
    let mut bounded = Bounded { text: String::new(), bytes_max };
    // An error says that it is full.
    let _ = bounded.write_fmt(text);
    bounded.text
}

/// Takes so many bytes, and nothing that moves a terminal's cursor or forges a line.
struct Bounded {
    text: String,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            if self.text.len() + character.len_utf8() > self.bytes_max {
                // Whoever goes on after the error adds nothing.
                if self.text.len() <= self.bytes_max {
                    self.text.push('…');
                    self.bytes_max = 0;
                }
                return Err(fmt::Error);
            }
            self.text.push(if character.is_control() { ' ' } else { character });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demangled_cut_and_harmless() {
        let name = "_RNvNtCs6qq830T36ue_6greedy7indulge6deeper";
        assert_eq!(function(Some(name), 7), "greedy::indulge::deeper");
        let old = "_ZN6greedy7indulge6deeper17h0123456789abcdefE";
        assert_eq!(function(Some(old), 7), "greedy::indulge::deeper");
        assert_eq!(function(None, 7), "function 7");
        assert_eq!(function(Some("a\x1b[2J\nb"), 7), "a [2J b");
        assert_eq!(function(Some(&"x".repeat(1 << 20)), 7).len(), NAME_BYTES_MAX + '…'.len_utf8());
    }

    /// Each `B…` stands for all that was before it: 300 bytes that would be more text than there is memory for.
    #[test]
    fn a_name_that_stands_for_a_very_long_one_is_cut_while_it_is_written() {
        let mut name = "_RI".to_owned();
        name += "NvC1a1b";
        let mut at = vec![0_usize];
        for _ in 0..40 {
            let begin = name.len() - 2;
            let last = *at.last().unwrap();
            let back =
                |to: usize| if to == 0 { "B_".to_owned() } else { format!("B{}_", base62(to - 1)) };
            name += &format!("T{}{}E", back(last), back(last));
            at.push(begin);
        }
        name += "E";
        let began = std::time::Instant::now();
        let shown = function(Some(&name), 7);
        assert!(name.len() < MANGLED_BYTES_MAX && shown.starts_with("a::b::<"), "{shown}");
        assert!(shown.len() <= NAME_BYTES_MAX + '…'.len_utf8(), "{shown}");
        assert!(began.elapsed() < std::time::Duration::from_secs(1));
    }

    fn base62(mut number: usize) -> String {
        const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut digits = Vec::new();
        loop {
            digits.push(char::from(DIGITS[number % 62]));
            number /= 62;
            if number == 0 {
                return digits.iter().rev().collect();
            }
        }
    }
}
