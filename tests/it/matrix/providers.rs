//! The providers of the adapters that there are.

mod abacus;
mod billingstack;
mod cnsp_remote;
mod hp_csa;
mod osb;

pub(crate) use abacus::Abacus;
pub(crate) use billingstack::BillingStack;
pub(crate) use cnsp_remote::CnspRemote;
pub(crate) use hp_csa::HpCsa;
pub(crate) use osb::Osb;
