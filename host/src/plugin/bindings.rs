//! The typed face of `wit/`, generated, with the records mapped to [`crate::model`].
#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/")]

use super::engine::EPOCH_TICK;
use super::{CallState, Stopped};
use crate::limits::{component, fixed};
use anyhow::{Context, anyhow};
use exports::cnsp::adapter::{account, billing, catalog, discovery, health, resource, user};
use wasmtime::component::{Component, HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Engine, StoreLimits, StoreLimitsBuilder, Trap};

wasmtime::component::bindgen!({
    world: "adapter",
    path: "../wit",
    with: { "cnsp:adapter/types": types },
    imports: {
        "cnsp:adapter/http": async,
        "cnsp:adapter/kv": async,
        "wasi:random": trappable,
    },
    exports: { default: async },
});

/// The records of the contract, and the empty host of an interface that has no functions, as the generated
/// code expects both in one module.
pub mod types {
    pub use crate::model::*;
    use wasmtime::component::{HasData, Linker};

    pub trait HostWithStore<T>: HasData {}
    impl<T, D: HasData> HostWithStore<T> for D {}
    pub trait Host {}
    impl<T> Host for T {}

    pub fn add_to_linker<T, D: HasData>(
        _: &mut Linker<T>,
        _: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// A linker that offers everything of the contract, and nothing else.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    Adapter::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Where the functions of a plugin are, looked up once.
pub(super) struct Indices {
    account: account::GuestIndices,
    billing: billing::GuestIndices,
    catalog: catalog::GuestIndices,
    discovery: discovery::GuestIndices,
    health: health::GuestIndices,
    resource: resource::GuestIndices,
    user: user::GuestIndices,
}

impl Indices {
    pub(super) fn new<T>(pre: &InstancePre<T>) -> wasmtime::Result<Indices> {
        Ok(Indices {
            account: account::GuestIndices::new(pre)?,
            billing: billing::GuestIndices::new(pre)?,
            catalog: catalog::GuestIndices::new(pre)?,
            discovery: discovery::GuestIndices::new(pre)?,
            health: health::GuestIndices::new(pre)?,
            resource: resource::GuestIndices::new(pre)?,
            user: user::GuestIndices::new(pre)?,
        })
    }
}

/// The functions of an instance. An interface's types are compared when it is asked for, which takes longer
/// than a small call: so only the one that is called, and not all seven as `Adapter` does.
pub(crate) struct Exports<'a> {
    pub(super) instance: Instance,
    pub(super) indices: &'a Indices,
}

impl Exports<'_> {
    pub(crate) fn account(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<account::Guest> {
        self.indices.account.load(store, &self.instance)
    }

    pub(crate) fn billing(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<billing::Guest> {
        self.indices.billing.load(store, &self.instance)
    }

    pub(crate) fn catalog(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<catalog::Guest> {
        self.indices.catalog.load(store, &self.instance)
    }

    pub(crate) fn discovery(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<discovery::Guest> {
        self.indices.discovery.load(store, &self.instance)
    }

    pub(crate) fn health(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<health::Guest> {
        self.indices.health.load(store, &self.instance)
    }

    pub(crate) fn resource(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<resource::Guest> {
        self.indices.resource.load(store, &self.instance)
    }

    pub(crate) fn user(
        &self,
        store: &mut wasmtime::Store<CallState>,
    ) -> wasmtime::Result<user::Guest> {
        self.indices.user.load(store, &self.instance)
    }
}

/// Makes an instance that can call nothing of ours, which has to succeed within a tiny budget, and compares the
/// types of all of its functions with the contract. None is called: even `describe` may need the endpoint's
/// configuration, or its provider, and there is no endpoint here.
pub(super) fn check(
    engine: &Engine,
    component: &Component,
    memory_bytes_max: usize,
) -> anyhow::Result<()> {
    let mut linker = Linker::<StoreLimits>::new(engine);
    linker.define_unknown_imports_as_traps(component)?;
    let pre = linker.instantiate_pre(component)?;
    let limits = StoreLimitsBuilder::new().memory_size(memory_bytes_max).build();
    let mut store = wasmtime::Store::new(engine, limits);
    store.limiter(|limits| limits);
    store.set_max_component_handles(fixed::HANDLES.max);
    store.set_epoch_deadline(CHECK_TICKS_MAX.into());
    let instance = pre.instantiate(&mut store).map_err(|error| {
        let why = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => format!(
                "the component's start did not end within {:?}",
                EPOCH_TICK.saturating_mul(CHECK_TICKS_MAX)
            ),
            Some(trap) => format!("the component's start failed: {trap}"),
            None => format!("the component does not start: {}", Stopped::new(&error).reason),
        };
        anyhow!("{why}; do in the functions what is done at the start, where the imports can be called, too")
    })?;
    let indices = AdapterIndices::new(&pre).map_err(anyhow::Error::from);
    let exports = indices.and_then(|indices| Ok(indices.load(&mut store, &instance)?));
    exports.map(drop).context(super::NOT_THE_CONTRACT)
}

/// What a plugin's start may take while it is checked, in ticks of the epoch.
const CHECK_TICKS_MAX: u32 = (component::START_MS.max as u128 / EPOCH_TICK.as_millis()) as u32;
