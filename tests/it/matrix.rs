//! The fault matrix: every adapter, every operation that changes something, every request of it to the provider, and
//! everything that can go wrong with it. Each cell ends with all of what was asked for, once, and a success; or with
//! nothing of it, and a refusal. Judged by looking into the provider, and at what the host says.

#![allow(clippy::print_stdout, reason = "how many cells there were has to show")]

mod cell;
mod lane;
mod operation;
mod provider;
mod providers;
mod run;
mod said;
mod third;

use provider::Provider;
use providers::{Abacus, BillingStack, CnspRemote, HpCsa, Osb};

/// How many cells there are at least.
const CELLS_MIN: usize = 500;

#[test]
fn there_are_enough_cells() {
    let sum = CnspRemote::<false>::CELLS_MIN
        + CnspRemote::<true>::CELLS_MIN
        + Osb::<false>::CELLS_MIN
        + Osb::<true>::CELLS_MIN
        + BillingStack::CELLS_MIN
        + Abacus::CELLS_MIN
        + HpCsa::CELLS_MIN;
    println!("matrix: at least {sum} cells in all");
    assert!(sum >= CELLS_MIN, "{sum} cells");
}

#[test]
fn every_adapter_does_what_it_says_and_refuses_the_rest() {
    said::check::<CnspRemote<false>>();
    said::check::<Osb<false>>();
    said::check::<BillingStack>();
    said::check::<Abacus>();
    said::check::<HpCsa>();
    let tried = [
        CnspRemote::<false>::PLUGIN,
        Osb::<false>::PLUGIN,
        BillingStack::PLUGIN,
        Abacus::PLUGIN,
        HpCsa::PLUGIN,
        // The routes' own tests are its.
        "sandbox",
    ];
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins");
    for plugin in std::fs::read_dir(plugins).unwrap() {
        let plugin = plugin.unwrap().file_name();
        let is_tried = tried.iter().any(|name| *name == plugin);
        assert!(is_tried, "no provider is there to try {plugin:?} with");
    }
}

#[test]
fn cnsp_remote() {
    run::run::<CnspRemote<false>>();
}

#[test]
fn cnsp_remote_that_recognises_a_repeat() {
    run::run::<CnspRemote<true>>();
}

#[test]
fn osb() {
    run::run::<Osb<false>>();
}

#[test]
fn osb_in_the_background() {
    run::run::<Osb<true>>();
}

#[test]
fn billingstack() {
    run::run::<BillingStack>();
}

#[test]
fn abacus() {
    run::run::<Abacus>();
}

#[test]
fn hp_csa() {
    run::run::<HpCsa>();
}
