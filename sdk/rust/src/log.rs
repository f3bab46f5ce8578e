//! The plugin's own log, kept for its vendor. Never write a password or a token into it.

#[cfg(target_family = "wasm")]
use crate::bindings::cnsp::adapter::log as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::log as host;

pub use crate::bindings::cnsp::adapter::log::Level;

/// Writes a line with its fields.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    host::write(level, message, &fields);
}

/// Each step, for who debugs the adapter.
pub fn trace(message: &str, fields: &[(&str, &str)]) {
    write(Level::Trace, message, fields);
}

/// What a developer of the adapter wants to see.
pub fn debug(message: &str, fields: &[(&str, &str)]) {
    write(Level::Debug, message, fields);
}

/// What the vendor wants to see.
pub fn info(message: &str, fields: &[(&str, &str)]) {
    write(Level::Info, message, fields);
}

/// Something odd that did no harm.
pub fn warn(message: &str, fields: &[(&str, &str)]) {
    write(Level::Warn, message, fields);
}

/// Something that somebody has to look at.
pub fn error(message: &str, fields: &[(&str, &str)]) {
    write(Level::Error, message, fields);
}
