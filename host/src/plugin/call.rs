//! One call of a plugin: an instance of its own, two clocks, caps on all it can use.

mod backtrace;
mod clock;
mod memory;

pub(crate) use self::backtrace::Stopped;
pub(crate) use self::memory::Growths;

use self::clock::Clock;
use self::memory::MemoryUse;
use super::Plugin;
use super::bindings::Exports;
use crate::capability::{HttpUse, Kv, LogUse, Scope};
use crate::heavy;
use crate::limits::{Limit, fixed};
use crate::steps::Steps;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use wasmtime::{Engine, UpdateDeadline};

/// The operation that a call belongs to, as the guest sees it.
pub(crate) struct OperationContext {
    /// The same for every run of one operation.
    pub(crate) id: String,
    /// Of the `pending` before.
    pub(crate) token: Option<String>,
    /// What it asks its provider for.
    pub(crate) steps: Steps,
}

/// What the host keeps during one call: the `T` of the `wasmtime::Store`.
pub(crate) struct CallState {
    pub(crate) scope: Arc<Scope>,
    pub(crate) operation: Option<OperationContext>,
    pub(crate) kv: Kv,
    pub(crate) http: HttpUse,
    pub(crate) log: LogUse,
    pub(crate) deadline: Instant,
    memory: MemoryUse,
    cpu: CpuUse,
}

struct CpuUse {
    clock: Clock,
    max: Duration,
    exceeded: bool,
}

/// What a call gave back.
pub(crate) struct Called<R> {
    /// What the guest answered.
    pub(crate) answer: R,
    /// What it read and wants written.
    pub(crate) kv: Kv,
    /// The operation that it was part of.
    pub(crate) operation: Option<OperationContext>,
}

/// Why a call gave back nothing. Its text is for the log and the vendor, not for the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The wall clock ran out.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// A limit was hit; the first text names it.
    #[error("over its {0}: {1}")]
    Limit(&'static str, Stopped),
    /// The pool has no room for an instance of this shape.
    #[error("no room in the instance pool: {0}")]
    Full(String),
    /// The guest trapped.
    #[error("trapped: {0}")]
    Trap(Stopped),
}

impl Plugin {
    /// Makes an instance, lets `run` call one of its functions, and throws the instance away. Dropping the
    /// future cancels the call, wherever it is.
    pub(crate) async fn call<R, F>(
        &self,
        scope: &Arc<Scope>,
        operation: Option<OperationContext>,
        run: F,
    ) -> Result<Called<R>, CallError>
    where
        F: for<'a> FnOnce(
            &'a Exports<'a>,
            &'a mut wasmtime::Store<CallState>,
        ) -> BoxFuture<'a, wasmtime::Result<R>>,
    {
        let mut store = limited(self.pre.engine(), CallState::new(scope, operation));
        let answer = in_time(&mut store, async |store| {
            let instance = self.pre.instantiate_async(&mut *store).await?;
            run(&Exports { instance, indices: &self.indices }, store).await
        })
        .await;
        conclude(store, answer)
    }
}

/// What a call runs in: it is held to the limits of its scope there, but for the wall clock.
pub(super) fn limited(engine: &Engine, state: CallState) -> wasmtime::Store<CallState> {
    let answer_bytes_max = state.scope.limits.count(Limit::AnswerBytes);
    let mut store = wasmtime::Store::new(engine, state);
    store.limiter_async(|state| state);
    store.set_hostcall_fuel(answer_bytes_max);
    store.set_max_component_handles(fixed::HANDLES.max);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| {
        let cpu = &mut context.data_mut().cpu;
        let shown = cpu.clock.show();
        cpu.exceeded = shown.total > cpu.max;
        if cpu.exceeded {
            return Ok(UpdateDeadline::Interrupt);
        }
        // A tick can come at once: it is the engine's, not the call's.
        if shown.stint < heavy::LONG {
            return Ok(UpdateDeadline::Continue(1));
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(heavy::leave())))
    });
    store
}

/// Lets a call run until its wall clock has run out.
pub(super) async fn in_time<R>(
    store: &mut wasmtime::Store<CallState>,
    run: impl AsyncFnOnce(&mut wasmtime::Store<CallState>) -> wasmtime::Result<R>,
) -> Result<wasmtime::Result<R>, Elapsed> {
    let CallState { deadline, cpu, scope, .. } = store.data();
    let (deadline, clock, scope) = (*deadline, cpu.clock.clone(), scope.clone());
    clock.time(&scope.weight, tokio::time::timeout_at(deadline, run(store))).await
}

/// What came of a call, once its wall clock has run out or it has ended.
pub(super) fn conclude<R>(
    store: wasmtime::Store<CallState>,
    answer: Result<wasmtime::Result<R>, Elapsed>,
) -> Result<Called<R>, CallError> {
    match answer {
        Ok(Ok(answer)) => {
            let CallState { kv, operation, .. } = store.into_data();
            Ok(Called { answer, kv, operation })
        }
        Ok(Err(error)) => Err(store.data().explain(&error)),
        Err(_) => Err(CallError::Timeout(store.data().scope.limits.time(Limit::CallTimeout))),
    }
}

impl CallState {
    /// A call that begins now.
    pub(crate) fn new(scope: &Arc<Scope>, operation: Option<OperationContext>) -> CallState {
        let limits = &scope.limits;
        CallState {
            scope: scope.clone(),
            kv: Kv::new(operation.is_some()),
            operation,
            http: HttpUse::default(),
            log: LogUse::default(),
            deadline: Instant::now() + limits.time(Limit::CallTimeout),
            memory: MemoryUse::new(limits.count(Limit::Memory)),
            cpu: CpuUse { clock: Clock::new(), max: limits.time(Limit::Cpu), exceeded: false },
        }
    }

    fn explain(&self, error: &wasmtime::Error) -> CallError {
        let stopped = Stopped::new(error);
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            CallError::Full(stopped.reason)
        } else if self.cpu.exceeded {
            CallError::Limit("CPU time", stopped)
        } else if self.memory.exceeded {
            CallError::Limit("memory", stopped)
        } else if stopped.reason.contains("fuel allocated for hostcalls") {
            // An answer is copied when the guest has returned, an argument with the guest below it.
            let limit = match error.is::<wasmtime::WasmBacktrace>() {
                true => "argument size",
                false => "answer size",
            };
            CallError::Limit(limit, stopped)
        } else {
            CallError::Trap(stopped)
        }
    }
}

#[cfg(test)]
impl CallState {
    /// A call for the tests of the imports, in an operation or not.
    pub(crate) fn for_test(store: Arc<dyn crate::store::Store>, in_operation: bool) -> CallState {
        let limits = [
            (Limit::CallTimeout, 1000),
            (Limit::Cpu, 1000),
            (Limit::Memory, 1 << 20),
            (Limit::HostMemory, 3 << 20),
            (Limit::AnswerBytes, 1 << 20),
            (Limit::LogLines, 3),
            (Limit::LogBytes, 1000),
            (Limit::HttpRequests, 2),
            (Limit::HttpBodyBytes, 1000),
            (Limit::KvOperations, 100),
            (Limit::KvWriteBytes, 10_000),
            (Limit::KvWriteCount, 20),
            (Limit::KvQuotaBytes, 20_000),
            (Limit::KvQuotaCount, 100),
        ];
        let limits = limits
            .into_iter()
            .fold(crate::limits::Limits::all(0), |all, (limit, value)| all.with(limit, value));
        let scope = Scope {
            endpoint: "e".to_owned(),
            partition: crate::store::Partition::of("e"),
            config: Default::default(),
            outbound: crate::egress::Outbound::closed("e"),
            store,
            limits,
            weight: Arc::default(),
            growths: Growths::default(),
        };
        let steps = Steps::alone(scope.store.clone(), "e");
        let operation =
            in_operation.then(|| OperationContext { id: "op".to_owned(), token: None, steps });
        CallState::new(&Arc::new(scope), operation)
    }
}
