//! What the tests stand on: a real host in a process of its own, callers of its API, and ways to hurt it.
//!
//! [`host`] starts and ends the process, [`client`] calls it as one caller, [`bodies`] makes what callers send,
//! [`setup`] declares endpoints and callers, [`raw`] sends what no HTTP library would, [`redact`] makes answers
//! comparable, [`upstream`] plays the provider that a guest calls, [`cnsp_remote`] one that speaks CNSP 1.0 itself,
//! [`osb`] a service broker, [`billingstack`] BillingStack and Keystone, [`abacus`] a metering service, [`hp_csa`] HP
//! CSA, [`fault_proxy`] lets what is between them and the host go wrong, [`certificates`] makes what they need for TLS,
//! [`handmade`] makes guests that no compiler makes, [`neighbour`] is who must not notice, [`programs`] finds what is
//! tested, and [`powerloss`] makes its disk fail.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on stops, and says why"
)]

pub mod abacus;
pub mod billingstack;
pub mod bodies;
pub mod certificates;
pub mod client;
pub mod cnsp_remote;
pub mod fault_proxy;
pub mod handmade;
pub mod host;
pub mod hp_csa;
pub mod names;
pub mod neighbour;
pub mod osb;
pub mod powerloss;
pub mod programs;
pub mod raw;
pub mod redact;
pub mod setup;
pub mod upstream;

use std::time::{Duration, Instant};

/// Asks again until there is an answer: only for what the API itself does later, such as pending work.
///
/// # Panics
/// When there is none within `limit`.
pub fn eventually<T>(what: &str, limit: Duration, ask: impl FnMut() -> Option<T>) -> T {
    within(limit, ask).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// As [`eventually`], where there need not be an answer.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Does something that has to be done by then.
///
/// # Panics
/// When it took longer than `limit`.
pub fn check_time<T>(limit: Duration, job: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = job();
    let took = began.elapsed();
    assert!(took < limit, "it took {took:?}, not less than {limit:?}");
    done
}
