//! Any bytes at the upload gate.

#![allow(clippy::expect_used, clippy::panic, reason = "what does not hold has to be seen")]

use super::engine::{FEATURES, TABLES_PER_COMPONENT_MAX};
use super::{artifact, engine, gate, worker};
use crate::blobs::{Blobs, Digest};
use crate::config::Calls;
use wasmparser::{Parser, Payload, Validator};

const MEMORY_BYTES_MAX: usize = 64 << 20;

/// A refusal says what to do, and whether the bytes are valid is what the parser says when it sees them all at once.
/// What passes is within limits that are counted here in another way.
pub fn gate(bytes: &[u8]) {
    let valid = Validator::new_with_features(FEATURES).validate_all(bytes);
    match gate::check(bytes, MEMORY_BYTES_MAX) {
        Ok(()) => {
            valid.expect("what the gate lets through is valid");
            let mut tables = 0;
            for payload in Parser::new(0).parse_all(bytes) {
                if let Payload::TableSection(section) = payload.expect("it is valid") {
                    tables += section.count();
                }
            }
            assert!(tables <= TABLES_PER_COMPONENT_MAX, "{tables} tables");
        }
        Err(refusal) => {
            let text = format!("{refusal:#}");
            assert!(text.contains("; "), "it says nothing to do: {text}");
            let blames_bytes = text.contains("is not valid WebAssembly");
            assert!(!blames_bytes || valid.is_err(), "the parser takes it: {text}");
        }
    }
}

/// Compiles a component in this process, so that a host on these blobs has it.
pub(crate) fn keep(calls: &Calls, blobs: &Blobs, bytes: &[u8]) -> anyhow::Result<Digest> {
    let digest = blobs.put(bytes)?;
    let (_, code) = worker::make(bytes, calls.memory_bytes_max)?;
    artifact::write(&engine::for_compiling()?, blobs, &digest, &code)?;
    Ok(digest)
}
