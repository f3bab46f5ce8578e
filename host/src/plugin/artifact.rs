//! Compiled components on disk. An artifact is native code: it is loaded only when our own key vouches for
//! every byte of it, and only by the very engine settings and wasmtime version that made it.

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
fn name(engine: &Engine, digest: &Digest) -> String {
    let mut hasher = NameHasher(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{digest}-{:016x}.cwasm", hasher.finish())
}

pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> anyhow::Result<Component> {
    if !is_component(bytes) {
        anyhow::bail!(
            "this is not a WebAssembly component; build it with `cnsp plugin build`, which makes one"
        );
    }
    let compiled = Component::from_binary(engine, bytes).map_err(anyhow::Error::from);
    compiled.context("the component is not valid WebAssembly")
}

/// The preamble of a component, version 13, layer 1 (Component Model, Binary Format).
fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00])
}

pub(super) fn write(
    engine: &Engine,
    blobs: &Blobs,
    digest: &Digest,
    component: &Component,
) -> anyhow::Result<()> {
    blobs.put_artifact(&name(engine, digest), &component.serialize()?)
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
