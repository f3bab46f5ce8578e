//! The host of cnsp: one API, CNSP 1.0, over every cloud provider.
//!
//! The library is for the `cnsp` binary, its tests and its benchmarks; see ARCHITECTURE.md for the rooms.

/// Every call allocates and frees some hundred small things on several threads. In profiles of creates, glibc's
/// allocator took about 15 % of the calls' time and this one about 12 %; it was not measured by itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) mod api;
pub(crate) mod app;
pub(crate) mod blobs;
pub(crate) mod callers;
pub(crate) mod capability;
pub(crate) mod cipher;
pub mod cli;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod drift;
pub(crate) mod egress;
pub(crate) mod endpoints;
pub(crate) mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub(crate) mod heavy;
pub(crate) mod journal;
pub(crate) mod limits;
#[doc(hidden)]
pub mod measure;
pub(crate) mod model;
pub(crate) mod plugin;
pub(crate) mod rate;
pub(crate) mod sealer;
pub(crate) mod secrets;
pub(crate) mod selftest;
pub(crate) mod server;
pub(crate) mod setup;
pub(crate) mod steps;
pub mod store;
