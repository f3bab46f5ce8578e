//! `cnsp compile-worker`: what a host starts to have a component compiled. See `plugin/compiler.rs`.

use super::Failure;
use crate::plugin::{WorkerLimits, work};
use clap::Args;

/// Compile one component from stdin to stdout, confined. A host starts this; it is of no use to anybody else.
#[derive(Args)]
pub(super) struct CompileWorker {
    /// Address space that it may take
    #[arg(long)]
    memory_bytes_max: u64,
    /// Processor time that it may take
    #[arg(long)]
    cpu_s: u64,
    /// Linear memory that the component may ask for to start with
    #[arg(long)]
    guest_memory_bytes_max: usize,
}

impl CompileWorker {
    pub(super) fn run(self) -> Result<(), Failure> {
        let CompileWorker { memory_bytes_max, cpu_s, guest_memory_bytes_max } = self;
        Ok(work(&WorkerLimits { memory_bytes_max, cpu_s, guest_memory_bytes_max })?)
    }
}
