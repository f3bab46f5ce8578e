//! The one engine of the process: which WebAssembly it takes, where instances live, and its clock.

use crate::config::Calls;
use crate::limits::{component, fixed};
use std::time::Duration;
use wasmparser::WasmFeatures;
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// The parts of WebAssembly that plugins may use. What adapters do not need is off: most security bugs of a
/// WebAssembly engine sit in its newest parts.
pub(super) const FEATURES: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::COMPONENT_MODEL);

/// How often the CPU clock of the guests ticks. A guest that computes is interrupted this often, to let
/// others on and to be charged.
pub(super) const EPOCH_TICK: Duration = Duration::from_millis(5);

/// Memory of a slot that is zeroed and kept instead of being given back to the kernel. What an adapter on
/// the SDK touches in a call fits, so a call costs no page fault. More would cost others: when a memory that has grown
/// is made small again, the kernel goes through what was kept of it, and nobody else may look at the process's map
/// meanwhile.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
const STACK_KEEP_RESIDENT_BYTES: usize = 32 << 10;
pub(super) const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = component::CORE_INSTANCES.max as u32;
pub(super) const MEMORIES_PER_COMPONENT_MAX: u32 = component::MEMORIES.max as u32;
pub(super) const TABLES_PER_COMPONENT_MAX: u32 = component::TABLES.max as u32;
pub(super) const TABLE_ELEMENTS_MAX: usize = component::TABLE_ELEMENTS.max;
const INSTANCE_BYTES_MAX: usize = component::INSTANCE_BYTES.max;

/// How much of the pool is in use.
pub(crate) struct PoolUse {
    /// Component instances that are alive.
    pub(crate) instances: u64,
    /// Bytes that unused slots keep in memory.
    pub(crate) resident_bytes: usize,
}

pub(super) fn start(limits: &Calls) -> anyhow::Result<Engine> {
    let mut pooled = config(limits.backtrace_frames_max);
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    let engine = match Engine::new(&pooled) {
        Ok(engine) => engine,
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "no address space for the instance pool: calls will be several times slower; raise the \
                 process's virtual memory limit, or lower calls.concurrency_max"
            );
            Engine::new(&config(limits.backtrace_frames_max))?
        }
    };
    tick(engine.weak())?;
    Ok(engine)
}

/// An engine that compiles what [`start`]'s runs, and runs nothing itself: it takes no address space and no clock.
pub(super) fn for_compiling() -> wasmtime::Result<Engine> {
    Engine::new(&config(1))
}

fn config(backtrace_frames_max: usize) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(fixed::GUEST_STACK_BYTES.max)
        .wasm_features(FEATURES.complement(), false)
        .wasm_features(FEATURES, true)
        .cranelift_nan_canonicalization(true)
        // Else debug information, which the guest brings, is read at every trap where a variable asks for it.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(backtrace_frames_max))
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}

fn pool(limits: &Calls) -> PoolingAllocationConfig {
    let calls = u32::try_from(limits.concurrency_max).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        // As many as all calls together may have: with fewer, a few calls of one plugin could take them all, and
        // every other endpoint would be told that the host is full. Tables take address space only.
        .total_core_instances(calls.saturating_mul(CORE_INSTANCES_PER_COMPONENT_MAX))
        .total_memories(calls)
        .total_tables(calls.saturating_mul(TABLES_PER_COMPONENT_MAX))
        .total_stacks(calls)
        .total_gc_heaps(0)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(calls)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Ticks from a thread of its own: a busy async runtime must not starve the clock that rescues it.
fn tick(engine: EngineWeak) -> std::io::Result<()> {
    std::thread::Builder::new().name("epoch".into()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH_TICK);
        }
    })?;
    Ok(())
}

pub(super) fn pool_use(engine: &Engine) -> Option<PoolUse> {
    let metrics = engine.pooling_allocator_metrics()?;
    let stacks = metrics.unused_stack_bytes_resident().unwrap_or(0);
    Some(PoolUse {
        instances: metrics.component_instances(),
        resident_bytes: metrics.unused_memory_bytes_resident()
            + metrics.unused_table_bytes_resident()
            + stacks,
    })
}
