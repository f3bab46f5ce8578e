//! A component of our own that goes over its limits, for the self-test. It is no plugin: it imports nothing.

use super::call::{conclude, in_time, limited};
use super::{CallError, CallState, Plugins};
use crate::capability::Scope;
use anyhow::Context;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Val};

const TEXT: &str = include_str!("trial.wat");

/// The component, ready to be called.
pub(crate) struct Trial {
    pre: InstancePre<CallState>,
}

impl Plugins {
    /// Compiles it, in this process: its text is ours.
    pub(crate) fn trial(&self) -> anyhow::Result<Trial> {
        let bytes = wat::parse_str(TEXT).context("the text of the self-test")?;
        let component = Component::new(&self.engine, bytes)?;
        Ok(Trial { pre: self.linker.instantiate_pre(&component)? })
    }
}

impl Trial {
    /// Calls one of its functions as a plugin's is called. None of them comes to a good end.
    pub(crate) async fn call(&self, scope: &Arc<Scope>, function: &str) -> Result<(), CallError> {
        let mut store = limited(self.pre.engine(), CallState::new(scope, None));
        let answer = in_time(&mut store, async |store| {
            let instance = self.pre.instantiate_async(&mut *store).await?;
            let function = instance
                .get_func(&mut *store, function)
                .ok_or_else(|| wasmtime::format_err!("there is no such function"))?;
            let mut results = vec![Val::Bool(false); function.ty(&*store).results().len()];
            function.call_async(store, &[], &mut results).await
        })
        .await;
        conclude(store, answer).map(drop)
    }
}
