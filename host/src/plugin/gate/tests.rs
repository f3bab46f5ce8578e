use super::*;

fn refusal(text: &str) -> String {
    let bytes = wat::parse_str(text).unwrap();
    format!("{:#}", check(&bytes, 64 << 20).unwrap_err())
}

/// The functions of each interface in a file of `wit/`, by its name.
fn functions_in(wit: &str) -> Vec<(String, Vec<String>)> {
    let plain = |name: &str| name.trim().trim_start_matches('%').to_owned();
    let mut interfaces: Vec<(String, Vec<String>)> = Vec::new();
    for line in wit.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("interface ") {
            interfaces.push((plain(name.trim_end_matches('{')), Vec::new()));
        } else if let Some((name, _)) = line.split_once(": func(") {
            interfaces.last_mut().unwrap().1.push(plain(name));
        }
    }
    interfaces
}

fn named(package: &str, release: &str, wit: &str, among: &[Interface]) {
    for (name, functions) in functions_in(wit) {
        let name = format!("{package}/{name}@{release}");
        let known = among.iter().find(|(known, _)| *known == name);
        let known = known.unwrap_or_else(|| panic!("{name} is missing")).1;
        assert_eq!(known, functions, "{name}");
    }
}

#[test]
fn the_lists_are_the_contracts() {
    let adapter = include_str!("../../../../wit/adapter.wit");
    let (wasi, cnsp) = ("0.2.12", "1.0.0");
    named("cnsp:adapter", cnsp, adapter, &EXPORTS);
    named("cnsp:adapter", cnsp, include_str!("../../../../wit/types.wit"), &IMPORTS);
    named("cnsp:adapter", cnsp, include_str!("../../../../wit/imports.wit"), &IMPORTS);
    let clocks = include_str!("../../../../wit/deps/clocks/clocks.wit");
    named("wasi:clocks", wasi, clocks, &IMPORTS);
    let random = include_str!("../../../../wit/deps/random/random.wit");
    named("wasi:random", wasi, random, &IMPORTS);
    // And nothing that is not in the world.
    let world = adapter.split_once("world adapter {").unwrap().1;
    let count = |what: &str| world.matches(what).count();
    assert_eq!((count("import "), count("export ")), (IMPORTS.len() - 1, EXPORTS.len()));
}

#[test]
fn compatible_releases_are_one() {
    for (name, shared) in [
        ("cnsp:adapter/kv@1.0.0", "cnsp:adapter/kv@1"),
        ("cnsp:adapter/kv@1.2.3", "cnsp:adapter/kv@1"),
        ("wasi:random/random@0.2.12", "wasi:random/random@0.2"),
        ("wasi:random/random@0.2.0", "wasi:random/random@0.2"),
        ("kv", "kv"),
        ("kv@1", "kv@1"),
        ("kv@", "kv@"),
    ] {
        assert_eq!(release(name), shared);
    }
}

#[test]
fn names_of_other_things_than_interfaces_do_not_pass() {
    let import = refusal("(component (import \"kv\" (func)))");
    assert!(import.contains("imports kv, which"), "{import}");
    let import = refusal("(component (import \"cnsp:adapter/kv@1.0.0\" (func)))");
    assert!(import.contains("imports cnsp:adapter/kv@1.0.0, which"), "{import}");
    let import = "(component (import \"cnsp:adapter/kv@2.0.0\" (instance)))";
    assert!(refusal(import).contains("imports cnsp:adapter/kv@2.0.0, which"));
    let export = "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i \"f\"))) (export \"cnsp:adapter/health@1.0.0\" (func $f)))";
    assert!(refusal(export).contains("and 2 more"), "{}", refusal(export));
}

/// Whatever a plugin could want of its host beside the contract.
#[test]
fn no_interface_of_wasi_is_offered_beside_clocks_and_random() {
    let refused = [
        "wasi:cli/environment@0.2.12",
        "wasi:cli/exit@0.2.12",
        "wasi:cli/stdin@0.2.12",
        "wasi:cli/stdout@0.2.12",
        "wasi:cli/stderr@0.2.12",
        "wasi:cli/terminal-input@0.2.12",
        "wasi:cli/terminal-output@0.2.12",
        "wasi:cli/terminal-stdin@0.2.12",
        "wasi:cli/terminal-stdout@0.2.12",
        "wasi:cli/terminal-stderr@0.2.12",
        "wasi:cli/run@0.2.12",
        "wasi:filesystem/types@0.2.12",
        "wasi:filesystem/preopens@0.2.12",
        "wasi:sockets/network@0.2.12",
        "wasi:sockets/instance-network@0.2.12",
        "wasi:sockets/ip-name-lookup@0.2.12",
        "wasi:sockets/tcp@0.2.12",
        "wasi:sockets/tcp-create-socket@0.2.12",
        "wasi:sockets/udp@0.2.12",
        "wasi:sockets/udp-create-socket@0.2.12",
        "wasi:io/error@0.2.12",
        "wasi:io/poll@0.2.12",
        "wasi:io/streams@0.2.12",
        "wasi:http/types@0.2.12",
        "wasi:http/outgoing-handler@0.2.12",
        "wasi:http/incoming-handler@0.2.12",
        "wasi:clocks/timezone@0.2.12",
        // Another release than the offered one, another package, and what is no release.
        "wasi:clocks/wall-clock@0.3.0",
        "wasi:random/random@1.0.0",
        "wasi:random/random",
        "wasi:config/store@0.2.0-draft",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:blobstore/container@0.2.0-draft",
        "wasi:messaging/producer@0.2.0-draft",
        "wasi:nn/inference@0.2.0-rc-2024-10-28",
        "wasi:threads/thread-spawn@0.1.0",
        "wasi:process/spawn@0.1.0",
        "wasi-snapshot-preview1",
    ];
    for name in refused {
        let text = refusal(&format!("(component (import \"{name}\" (instance)))"));
        let words = format!("the component imports {name}, which no plugin is offered; do without");
        assert!(text.starts_with(&words), "{text}");
    }
    // Preview 1, where ending the process is a function. A core module alone is no component; inside of one, what it
    // imports has to come from somewhere.
    let preview_1 = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))";
    let alone = refusal(&format!("(module {preview_1})"));
    assert!(alone.contains("a core WebAssembly module and not a component"), "{alone}");
    let inside =
        format!("(component (core module $m {preview_1}) (core instance (instantiate $m)))");
    let inside = refusal(&inside);
    assert!(inside.contains("missing module instantiation argument"), "{inside}");
    let named = refusal("(component (import \"wasi_snapshot_preview1\" (instance)))");
    assert!(named.contains("not valid WebAssembly"), "{named}");
}

#[test]
fn what_is_used_and_what_is_nested_does_not_pass_for_the_components_own() {
    // An import of a component inside is its own business; its exports are no exports of the whole.
    let inside = refusal("(component (component (import \"kv\" (func)) (export \"x\" (func 0))))");
    assert!(inside.contains("does not export cnsp:adapter/discovery@1.0.0"), "{inside}");
}

#[test]
fn any_bytes_are_answered() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for number in 0..20_000_u32 {
        bytes.truncate(8);
        bytes.extend(blake3::hash(&number.to_le_bytes()).as_bytes());
        assert!(check(&bytes, 64 << 20).is_err());
    }
}
