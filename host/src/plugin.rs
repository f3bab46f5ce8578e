//! Runs plugins: from bytes to a typed answer, inside limits. Nothing here knows HTTP or CNSP's envelope.
//!
//! One engine and one linker serve the process. A plugin is looked at ([`gate`]) and compiled once, by a process
//! that can be killed ([`compiler`], [`worker`]), instantiated once to see that it starts, kept on disk as an
//! artifact that only this host's key vouches for, and prepared once in memory ([`Plugin`]). Each call gets an
//! instance of its own ([`Plugin::call`]), used once and thrown away.

mod artifact;
pub(crate) mod bindings;
mod call;
mod compiler;
mod custom;
mod engine;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gate;
mod trial;
mod worker;

pub(crate) use self::call::{CallError, CallState, Called, Growths, OperationContext, Stopped};
pub(crate) use self::custom::{VERSION_SECTION, version};
pub(crate) use self::engine::PoolUse;
pub(crate) use self::trial::Trial;
pub(crate) use self::worker::{WorkerLimits, work};

use crate::blobs::{Blobs, Digest};
use crate::config::{Calls, Compile};
use anyhow::Context;
use bindings::Indices;
use compiler::Compiler;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

const NOT_THE_CONTRACT: &str = "the component's exports do not have the types of cnsp:adapter@1.0.0; \
     build it with the SDK, or for the world `adapter` in wit/";

/// A plugin, ready to be called.
pub(crate) struct Plugin {
    /// Of the component's bytes.
    pub(crate) digest: Digest,
    pre: InstancePre<CallState>,
    indices: Indices,
}

/// Every plugin that is in use, and what it takes to run one.
pub(crate) struct Plugins {
    engine: Engine,
    linker: Linker<CallState>,
    blobs: Arc<Blobs>,
    compiler: Compiler,
    component_bytes_max: usize,
    memory_bytes_max: usize,
    ready: Mutex<HashMap<Digest, Arc<Plugin>>>,
}

impl Plugins {
    /// Starts the engine. Falls back to on-demand allocation, and says so loudly, where the pool's address
    /// space cannot be had.
    pub(crate) fn start(
        limits: &Calls,
        compile: &Compile,
        blobs: Arc<Blobs>,
    ) -> anyhow::Result<Plugins> {
        let engine = engine::start(limits)?;
        let linker = bindings::linker(&engine)?;
        let component_bytes_max = limits.component_bytes_max;
        let memory_bytes_max = limits.memory_bytes_max;
        let compiler = Compiler::new(compile, memory_bytes_max)?;
        Ok(Plugins {
            engine,
            linker,
            blobs,
            compiler,
            component_bytes_max,
            memory_bytes_max,
            ready: Mutex::default(),
        })
    }

    /// Takes a component in: checks it, compiles it, and keeps its artifact. Its bytes are the caller's to keep.
    pub(crate) fn accept(&self, bytes: &[u8]) -> anyhow::Result<Arc<Plugin>> {
        if bytes.len() > self.component_bytes_max {
            anyhow::bail!(
                "the component has {} bytes and may have {}; build it with optimisation and stripped",
                bytes.len(),
                self.component_bytes_max
            );
        }
        let digest = Digest::of(bytes);
        if let Some(plugin) = self.ready(&digest) {
            return Ok(plugin);
        }
        self.prepare(digest, bytes).inspect_err(|error| {
            tracing::warn!(%digest, why = format!("{error:#}"), "a component was refused");
        })
    }

    /// Gets a plugin that was accepted before.
    pub(crate) fn load(&self, digest: &Digest) -> anyhow::Result<Arc<Plugin>> {
        if let Some(plugin) = self.ready(digest) {
            return Ok(plugin);
        }
        if let Some(component) = artifact::read(&self.engine, &self.blobs, digest)? {
            return Ok(self.keep(self.link(*digest, &component)?));
        }
        let bytes = self.blobs.get(digest)?;
        self.prepare(*digest, &bytes)
    }

    /// How much of the instance pool is in use, for the metrics.
    pub(crate) fn pool(&self) -> Option<PoolUse> {
        engine::pool_use(&self.engine)
    }

    fn ready(&self, digest: &Digest) -> Option<Arc<Plugin>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn prepare(&self, digest: Digest, bytes: &[u8]) -> anyhow::Result<Arc<Plugin>> {
        let code = self.compiler.compile(bytes, artifact::fingerprint(&self.engine))?;
        let component = artifact::load(&self.engine, &code)?;
        let plugin = self.link(digest, &component)?;
        bindings::check(&self.engine, &component, self.memory_bytes_max)?;
        artifact::write(&self.engine, &self.blobs, &digest, &code)?;
        Ok(self.keep(plugin))
    }

    fn link(
        &self,
        digest: Digest,
        component: &wasmtime::component::Component,
    ) -> anyhow::Result<Plugin> {
        let pre = self.linker.instantiate_pre(component).map_err(anyhow::Error::from).context(
            "the component's imports do not have the types of cnsp:adapter@1.0.0; build it for the world `adapter` in wit/",
        )?;
        let indices = Indices::new(&pre).map_err(anyhow::Error::from).context(NOT_THE_CONTRACT)?;
        Ok(Plugin { digest, pre, indices })
    }

    /// Makes a plugin ready. Only what was checked may be: nothing looks at it again.
    fn keep(&self, plugin: Plugin) -> Arc<Plugin> {
        let plugin = Arc::new(plugin);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.insert(plugin.digest, plugin.clone());
        plugin
    }

    /// Forgets the plugins that no endpoint uses any more, so that their code can be unmapped.
    pub(crate) fn retain(&self, in_use: impl Fn(&Digest) -> bool) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.retain(|digest, _| in_use(digest));
    }
}
