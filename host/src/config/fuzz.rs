//! Any text as settings.

#![allow(clippy::expect_used, clippy::panic, reason = "what does not hold has to be seen")]

use super::layers::{Layers, Source};
use super::{Config, DEFAULT};
use crate::callers::Passwords;
use std::ffi::OsStr;
use std::path::PathBuf;

/// Lines `NAME=VALUE` of variables and of `--set`, up to an empty one; a file follows. What is refused is told with
/// its place, and what is taken can be used.
pub(crate) fn settings(text: &str) {
    let (assignments, file) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut layers = Layers::new(DEFAULT).expect("the defaults are valid");
    let mut added = layers.add_text(file, &Source::File(PathBuf::from("host.toml")));
    for line in assignments.lines() {
        added = added.and_then(|()| match line.strip_prefix("CNSP_").and(line.split_once('=')) {
            Some((name, value)) => layers.add_variable(OsStr::new(name), OsStr::new(value)),
            None => layers.add_assignment(line),
        });
    }
    match added.and_then(|()| Config::from(&layers)) {
        Ok(config) => {
            Passwords::new(&config.auth).expect("its cost can be paid");
            assert!(config.data.is_absolute(), "{:?}", config.data);
            assert!(config.auth.verify_concurrency_max > 0);
            let free = config.store.free_ratio_min;
            assert!((0.0..1.0).contains(&free), "{free}");
        }
        Err(error) => assert!(error.to_string().contains(" (from "), "{error}"),
    }
}
