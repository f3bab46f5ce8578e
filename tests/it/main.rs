//! Tests.

mod store_crash;
