//! Components that no compiler makes: a few functions in WebAssembly's text format, and what the contract wants
//! around them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldItem};

const WORLD: &str = "adapter";

/// What a guest exports besides, which makes handles: two resources of its own. It names their functions
/// `[resource-new]thing`, `[resource-rep]thing` and `[resource-drop]thing`, of [`HANDLES`].
const WITH_HANDLES: &str = "
    package hostile:handles;
    interface handles { resource thing; resource other; }
    world adapter { include cnsp:adapter/adapter@1.0.0; export handles; }";
const HANDLES: &str = "[export]hostile:handles/handles";

/// What a guest has that does not bring its own: 64 KiB of memory, with room for arguments in its upper half.
const MEMORY: &str = "(memory (export \"memory\") 1)";
const REALLOC: &str = "
    (global $room (mut i32) (i32.const 32768))
    (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
      (global.get $room)
      (global.set $room (i32.and (i32.add (global.get $room) (i32.add (local.get 3) (i32.const 7))) (i32.const -8))))";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hostile")
}

/// The names of `tests/fixtures/hostile/NAME.wat`, sorted.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// `tests/fixtures/hostile/NAME.wat` as a component. The file has what its habit needs: imports, functions, data.
/// A function of the contract that it does not export answers what is at address 0: all zeroes, which is a valid
/// and empty answer to everything. So a file's data begins at 1024.
///
/// # Panics
/// When it cannot be made into one.
pub fn component(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_extension("wat");
    let own = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    component_of(name, &own)
}

/// As [`component`], with a text from elsewhere.
///
/// # Panics
/// When it cannot be made into one.
pub fn component_of(name: &str, own: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (mut package, _) = resolve.push_dir(wit).expect("the contract can be read");
    if own.contains(HANDLES) {
        package = resolve.push_str("handles.wit", WITH_HANDLES).expect("it can be read");
    }
    let world = resolve.select_world(&[package], Some(WORLD)).expect("the contract has its world");
    // Imports have to come first, and only the file has some.
    let mut text = format!("(module {own}\n");
    for (export, item) in [("memory", MEMORY), ("cabi_realloc", REALLOC)] {
        if !own.contains(&format!("(export \"{export}\")")) {
            text.push_str(item);
        }
    }
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        for function in resolve.interfaces[*id].functions.values() {
            let export = format!("{}#{}", resolve.name_world_key(key), function.name);
            if own.contains(&format!("(export \"{export}\")")) {
                continue;
            }
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let _ = write!(text, "\n(func (export \"{export}\") (param");
            for param in &signature.params {
                let _ = write!(text, " {}", core_type(*param));
            }
            text.push_str(") (result i32) (i32.const 0))");
        }
    }
    text.push(')');
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the contract can be named");
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.validate(true).module(&module).and_then(|encoder| encoder.encode());
    encoded.unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

fn core_type(of: WasmType) -> &'static str {
    match of {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}
