//! The bodies of CNSP 1.0: one type is the JSON body, the record of `wit/types.wit` and the OpenAPI
//! schema at once, so the three cannot drift apart. wasmtime's `with` mapping checks sizes against the
//! WIT at compile time and names and types when a plugin is linked.
#![allow(
    unreachable_pub,
    reason = "the generated bindings re-export these types, so they are `pub`"
)]

mod account;
mod answer;
mod billing;
pub(crate) mod body;
mod catalog;
mod change;
mod discovery;
mod failure;
pub(crate) mod json;
mod operation;
mod resource;
mod shared;
mod user;

pub use self::account::*;
pub(crate) use self::answer::{Answer, nonsense, shown};
pub use self::billing::*;
pub use self::catalog::*;
pub(crate) use self::change::{Change, Done, Outcome};
pub use self::discovery::*;
pub use self::failure::*;
pub(crate) use self::operation::OperationKind;
pub use self::resource::*;
pub use self::shared::*;
pub use self::user::*;

/// A decimal number as text, in JSON's number grammar.
pub type Decimal = String;

/// A point in time, RFC 3339.
pub type Instant = String;
