//! Compiled components on disk. An artifact is native code: it is loaded only when our own key vouches for
//! every byte of it, and only by the very engine settings and wasmtime version that made it.

use super::worker::FINGERPRINT_BYTES;
use crate::blobs::{Blobs, Digest};
use anyhow::Context;
use std::hash::{Hash, Hasher};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Hashes with BLAKE3, since the name of an artifact has to be the same after a restart.
struct NameHasher(blake3::Hasher);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// wasmtime's own loader looks at its major version only; this hash holds the full one and every setting
/// that changes the code, so that a fixed compiler never runs what the broken one made.
pub(super) fn fingerprint(engine: &Engine) -> [u8; FINGERPRINT_BYTES] {
    let mut hasher = NameHasher(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

fn name(engine: &Engine, digest: &Digest) -> String {
    format!("{digest}-{:016x}.cwasm", u64::from_be_bytes(fingerprint(engine)))
}

/// Loads what a worker has just made.
pub(super) fn load(engine: &Engine, code: &[u8]) -> anyhow::Result<Component> {
    #[expect(unsafe_code, reason = "wasmtime cannot check native code")]
    // SAFETY: it comes from our own program, through a pipe that nobody else has, and the worker has told the
    // fingerprint of this very engine.
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(anyhow::Error::from).context("the component does not fit into this host")
}

/// Keeps a component that has passed everything: under our key lies nothing else.
pub(super) fn write(
    engine: &Engine,
    blobs: &Blobs,
    digest: &Digest,
    code: &[u8],
) -> anyhow::Result<()> {
    blobs.put_artifact(&name(engine, digest), code)
}

/// None when there is no artifact that can be trusted: compile again.
pub(super) fn read(
    engine: &Engine,
    blobs: &Blobs,
    digest: &Digest,
) -> anyhow::Result<Option<Component>> {
    let Some(bytes) = blobs.get_artifact(&name(engine, digest)) else { return Ok(None) };
    #[expect(
        unsafe_code,
        reason = "wasmtime cannot check native code; blobs has checked our key's hash"
    )]
    // SAFETY: `get_artifact` returns only what `put_artifact` wrote under our key, and the name pins
    // wasmtime's version and settings.
    let component = unsafe { Component::deserialize(engine, bytes) };
    match component {
        Ok(component) => Ok(Some(component)),
        Err(error) => {
            tracing::warn!(%digest, error = format!("{error:#}"), "an artifact does not load; compiling again");
            Ok(None)
        }
    }
}
