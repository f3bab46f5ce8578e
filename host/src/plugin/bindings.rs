//! The typed face of `wit/`, generated, with the records mapped to [`crate::model`].
#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/")]

use super::CallState;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

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
