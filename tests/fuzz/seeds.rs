//! Writes the seeds of the upload gate anew, `tests/fuzz/seeds/gate`: what is binary there is text here. The contract
//! is in some of them, so a new release of it makes new ones: `cargo run -p cnsp-tests --bin fuzz_seeds`.

#![allow(clippy::expect_used, clippy::panic, reason = "whoever runs it sees it")]

use cnsp_tests::handmade;
use std::path::Path;

/// A whole plugin whose answers are all zeroes, which the target `http` has at its endpoint; and one with an import.
const PLUGINS: [(&str, &str); 2] =
    [("zeroes", ""), ("kv_loop", include_str!("../fixtures/hostile/kv_loop.wat"))];

const PARTS: [(&str, &str); 14] = [
    ("empty", "(component)"),
    ("module", "(module (func) (memory 1) (export \"f\" (func 0)))"),
    ("import_func", "(component (import \"cnsp:adapter/kv@1.0.0\" (func)))"),
    (
        "import_instance",
        "(component (import \"wasi:clocks/wall-clock@0.2.3\" (instance)) (import \"cnsp:adapter/log@1.0.0\"
            (instance (export \"write\" (func)) (export \"other\" (func)))))",
    ),
    (
        "export_func",
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i \"f\"))) (export \"cnsp:adapter/health@1.0.0\" (func $f)))",
    ),
    (
        "nested",
        "(component (component (component (component (import \"kv\" (func)) (export \"x\" (func 0))))))",
    ),
    (
        "instances",
        "(component (component $c) (instance (instantiate $c)) (instance (instantiate $c))
            (core module $m) (core instance (instantiate $m)) (core instance (instantiate $m)))",
    ),
    (
        "module_inside",
        "(component (core module (memory 1 2) (table 10 funcref) (global (mut i32) (i32.const 1))
            (data (i32.const 0) \"abc\") (elem (i32.const 0) 0)
            (func (param i32) (result i32) (block (loop (br_table 0 1 0 (local.get 0))))
                (i32.const 3) (i32.add (local.get 0)))))",
    ),
    (
        "simd",
        "(component (core module (func (result v128)
            (i8x16.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))))",
    ),
    (
        "types",
        "(component (type $r (record (field \"a\" u8) (field \"b\" (list string))))
            (type (variant (case \"x\" $r) (case \"y\"))) (type (resource (rep i32)))
            (type (func (param \"p\" (option u64)) (result (result (error string))))))",
    ),
    (
        "start_and_names",
        "(component $named (core module $m (func $start) (start $start)) (core instance $i (instantiate $m)))",
    ),
    ("memory_too_big", "(component (core module (memory 5000)))"),
    ("threads_off", "(component (core module (memory 1 1 shared)))"),
    ("async_off", "(component (type (stream u8)) (type (future)))"),
];

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/gate");
    let plugins = PLUGINS.map(|(name, own)| (name, handmade::component_of(name, own)));
    let parts = PARTS.map(|(name, text)| {
        (name, wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    for (name, bytes) in plugins.into_iter().chain(parts) {
        std::fs::write(folder.join(name), bytes).expect("it can be written");
    }
}
