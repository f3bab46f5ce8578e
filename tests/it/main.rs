//! What the outside sees of a host: one binary, every test with a host of its own.
//!
//! `routes` has a file per noun and verb of CNSP; the others are about what holds for all of them.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests, also where they are no test functions"
)]

mod abacus;
mod ambiguity;
mod apply;
mod auth;
mod bad_input;
mod billingstack;
mod breaker;
mod canary;
mod cnsp_remote;
mod coverage;
mod drift;
mod egress;
mod egress_addresses;
mod egress_tls;
mod endpoint_choice;
mod envelope;
mod failures;
mod fuzz;
mod gate;
mod greedy;
mod hostile;
mod hp_csa;
mod idempotency;
mod journal;
mod kill;
mod kv_quota;
mod limits;
mod matrix;
mod observe;
mod open_maps;
mod operations;
mod osb;
mod osb_peer;
mod paging;
mod pending;
mod powerloss;
mod restart;
mod roles;
mod routes;
mod secrets;
mod store_crash;

use cnsp_tests::client::Answer;
use cnsp_tests::redact;

/// Where the snapshots lie.
const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/snapshots");

/// Compares a whole answer with the snapshot `<method>_<route>.<ok or error>[.what]`; `coverage` looks for
/// these names.
fn check(name: &str, answer: &Answer) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(SNAPSHOTS);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, redact::shown(answer)));
}
