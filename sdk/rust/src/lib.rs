//! Write a CNSP adapter plugin in Rust.
//!
//! An adapter is a type that implements [`Adapter`]. `cnsp plugin build` makes a component of its crate
//! (`crate-type = ["cdylib", "rlib"]`); `cargo test` runs its unit tests natively, against the fake host in
//! `testing`. This is a whole one, for a provider that opens tenants over HTTP:
//!
//! ```
//! use cnsp_sdk::{Adapter, Failure, config, done, http::Request, kv, operation, types::*};
//! use serde::{Deserialize, Serialize};
//!
//! struct Tenants;
//!
//! #[derive(Deserialize, Serialize)]
//! struct Tenant {
//!     id: String,
//!     name: String,
//! }
//!
//! impl Adapter for Tenants {
//!     fn describe() -> Result<Description, Failure> {
//!         Ok(Description {
//!             spversion: env!("CARGO_PKG_VERSION").to_owned(),
//!             capabilities: vec!["account.create".to_owned(), "account.get".to_owned()],
//!             ..Default::default()
//!         })
//!     }
//!
//!     fn create_account(request: CreateAccount) -> Result<CreateAccountOutcome, Failure> {
//!         // The operation's id names the tenant, so a second run of it finds the first one's.
//!         let tenant = Tenant { id: operation::require_id()?, name: request.accountname };
//!         let answer = Request::post(format!("{}/tenants", config::require("url")?))
//!             .bearer("api-token")
//!             .json(&tenant)?
//!             .send()?;
//!         if answer.status == 409 {
//!             return Err(Failure::refused(400, "User with email address already exists."));
//!         }
//!         kv::set_json(&format!("tenant/{}", tenant.id), &tenant)?;
//!         done(AccountIds {
//!             accountid: request.accountid,
//!             provideraccountid: tenant.id,
//!             ..Default::default()
//!         })
//!     }
//!
//!     fn get_account(id: String) -> Result<AccountInfo, Failure> {
//!         let tenant = kv::get_json::<Tenant>(&format!("tenant/{id}"))?
//!             .ok_or_else(|| Failure::refused(404, "The account doesn't exist."))?;
//!         Ok(AccountInfo {
//!             provideraccountid: tenant.id,
//!             accountname: tenant.name,
//!             ..Default::default()
//!         })
//!     }
//! }
//!
//! cnsp_sdk::export!(Tenants);
//!
//! // And its unit test. The fake host answers the request.
//! use cnsp_sdk::{http::Response, testing};
//!
//! testing::set_config("url", "https://tenants.example.com");
//! testing::on_http(|request| {
//!     assert_eq!(request.url, "https://tenants.example.com/tenants");
//!     Ok(Response { status: 201, headers: vec![], body: vec![] })
//! });
//! let request = CreateAccount {
//!     accountid: "a-1".to_owned(),
//!     accountname: "Example Ltd".to_owned(),
//!     ..Default::default()
//! };
//! let ids = testing::finish("op-1", || Tenants::create_account(request.clone())).unwrap();
//! assert_eq!(Tenants::get_account(ids.provideraccountid).unwrap().accountname, "Example Ltd");
//! assert_eq!(Tenants::check_health(None).unwrap_err().respcode, 501);
//! ```

mod adapter;
mod exports;
mod failure;
mod open_map;
mod outcome;

pub mod clock;
pub mod config;
pub mod http;
pub mod kv;
pub mod log;
pub mod operation;
pub mod random;
pub mod undo;

#[cfg(not(target_family = "wasm"))]
pub mod testing;

mod arena;
#[doc(hidden)]
pub mod bindings;

/// Every record of CNSP 1.0, as the contract spells it.
pub mod types {
    pub use crate::bindings::cnsp::adapter::types::*;
}

pub use adapter::Adapter;
pub use arena::Arena;
#[doc(hidden)]
pub use exports::{Exports, adapter_only};
pub use open_map::OpenMapExt;
pub use outcome::{Outcome, done, pending, pending_resource};
pub use types::Failure;
