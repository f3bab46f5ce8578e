//! The upload gate: what no host should run is refused in words that help, in little time, and nobody who is being
//! served notices. What is compiled is compiled by a process that leaves nothing behind.

mod start;

use cnsp_tests::check_time;
use cnsp_tests::eventually;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::programs::fixture;
use cnsp_tests::setup::SetupFolder;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A refusal that needs no compiling.
const AT_ONCE: Duration = Duration::from_secs(2);
/// What a call of a neighbour takes at the most, while a component is looked at.
const NEIGHBOUR: Duration = Duration::from_secs(1);

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A module in a component that exports nothing.
fn module(text: &str) -> Vec<u8> {
    component(&format!("(component (core module {text}))"))
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// A plugin that is right, with one more core module, which is instantiated with the others.
fn with_module(module: &[u8]) -> Vec<u8> {
    with_section(1, module, 2)
}

/// A plugin that is right, with one more section, which the section `instances` instantiates without arguments.
fn with_section(id: u8, content: &[u8], instances: u8) -> Vec<u8> {
    let plugin = std::fs::read(fixture("greedy")).unwrap();
    let (mut at, mut before) = (8, 0);
    while at < plugin.len() {
        before += usize::from(plugin[at] == id);
        let (mut length, mut shift) = (0, 0);
        loop {
            at += 1;
            length |= usize::from(plugin[at] & 0x7f) << shift;
            shift += 7;
            if plugin[at] < 0x80 {
                break;
            }
        }
        at += 1 + length;
    }
    let instance = [&[1, 0], leb(before).as_slice(), &[0]].concat();
    [plugin, section(id, content), section(instances, &instance)].concat()
}

/// A module of so many functions without parameters, each with this body.
fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let body = [leb(body.len()).as_slice(), body].concat();
    let bodies = [leb(count), body.repeat(count)].concat();
    let types = [leb(count), vec![0; count]].concat();
    let header = b"\0asm\x01\0\0\0".to_vec();
    [header, section(1, &[1, 0x60, 0, 0]), section(3, &types), section(10, &bodies)].concat()
}

/// Small to send and dear to compile: functions with all the locals that there may be.
fn bomb() -> Vec<u8> {
    let body = [&[1], leb(50_000).as_slice(), &[0x7e, 0x0b]].concat();
    with_module(&functions(40_000, &body))
}

fn declared(bytes: &[u8]) -> SetupFolder {
    let setup = SetupFolder::default()
        .text("[endpoints.upload]\nvendor = \"acme\"\nplugin = \"upload.wasm\"");
    std::fs::write(setup.path().join("upload.wasm"), bytes).unwrap();
    setup
}

/// Uploads it, and answers with what words it was refused.
fn refusal(host: &Host, bytes: &[u8], limit: Duration) -> String {
    let setup = declared(bytes);
    let output = check_time(limit, || host.apply(setup.path(), &[]));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("endpoints.upload.plugin"), "{text}");
    assert_eq!(children(host), [0; 0], "nobody is left: {text}");
    check_time(NEIGHBOUR, || host.marketplace().at("sandbox").new_account());
    host.operator().at("upload").get("/discovery").refused(404, "NOT_FOUND");
    text
}

#[track_caller]
fn refused(host: &Host, bytes: &[u8], words: &str) {
    let text = refusal(host, bytes, AT_ONCE);
    assert!(text.contains(words), "{words} is not in: {text}");
    assert!(text.lines().all(|line| line.len() < 1000), "{text}");
}

/// The processes that the host has started and that are there.
fn children(host: &Host) -> Vec<u32> {
    let parent = host.process_id();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| stat(*id).is_some_and(|stat| stat[1] == i64::from(parent))).collect()
}

/// The numbers of `/proc/ID/stat` from the state on, which is no number and 0 here: 1 is the parent, 2 the group,
/// 16 the niceness.
fn stat(id: u32) -> Option<Vec<i64>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, numbers) = text.rsplit_once(") ")?;
    Some(numbers.split(' ').map(|number| number.trim().parse().unwrap_or(0)).collect())
}

#[test]
fn what_is_no_whole_component_is_refused() {
    let host = Host::start();
    refused(&host, b"", "the file is empty");
    let plugin = std::fs::read(fixture("greedy")).unwrap();
    for length in [1, 4, 7, 9, 100, plugin.len() / 2, plugin.len() - 1] {
        refused(&host, &plugin[..length], "not valid WebAssembly");
    }
    refused(
        &host,
        &wat::parse_str("(module)").unwrap(),
        "a core WebAssembly module and not a component",
    );
    refused(&host, &[plugin.as_slice(), b"more"].concat(), "not valid WebAssembly");
    refused(&host, b"\x7fELF and so on", "not valid WebAssembly");
    let wrong = "(func (result i32) i64.const 1)";
    refused(&host, &wat_unchecked(wrong), "type mismatch");
    for off in ["(memory i64 1)", "(func (return_call 0))", "(tag)"] {
        refused(&host, &module(off), "not valid WebAssembly");
    }
}

/// As [`module`]; `wat` does not validate, which is what this is for.
fn wat_unchecked(text: &str) -> Vec<u8> {
    module(text)
}

#[test]
fn what_does_not_fit_the_contract_is_told_by_name() {
    let host = Host::start();
    let imports =
        "(component (import \"wasi:sockets/tcp@0.2.0\" (instance (export \"f\" (func)))))";
    refused(
        &host,
        &component(imports),
        "imports wasi:sockets/tcp@0.2.0, which no plugin is offered",
    );
    let steals =
        "(component (import \"cnsp:adapter/kv@1.0.0\" (instance (export \"steal\" (func)))))";
    refused(&host, &component(steals), "imports cnsp:adapter/kv@1.0.0 steal, which");
    refused(
        &host,
        &component("(component)"),
        "does not export cnsp:adapter/discovery@1.0.0, cnsp:adapter/catalog@1.0.0",
    );
    let interfaces = [
        ("discovery", "describe"),
        ("catalog", "list"),
        ("account", "create update delete get list"),
        ("user", "create update delete get list assign revoke"),
        ("resource", "create update act delete get list"),
        ("billing", "usage"),
        ("health", "check"),
    ];
    let exports = interfaces.map(|(name, functions)| {
        let functions = functions.split(' ').map(|name| format!("(export \"{name}\" (func $f))"));
        let functions: String = functions.collect();
        format!("(instance ${name} {functions}) (export \"cnsp:adapter/{name}@1.0.0\" (instance ${name}))")
    });
    let exports = exports.concat();
    let text = format!(
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
         (func $f (canon lift (core func $i \"f\"))) {exports})"
    );
    refused(&host, &component(&text), "exports do not have the types of cnsp:adapter@1.0.0");
    let text = text.replace("(export \"usage\" (func $f))", "");
    refused(&host, &component(&text), "does not export cnsp:adapter/billing@1.0.0 usage;");
}

#[test]
fn what_is_too_much_for_a_compiler_is_counted_before() {
    let host = Host::start();
    let many = |what: &str, count: usize| what.repeat(count);
    refused(&host, &module(&many("(func)", 100_000)), "100000 functions in one module");
    let targets = many(" 0", 200_000);
    let table = format!("(func (br_table{targets} (i32.const 0)))");
    refused(&host, &module(&table), "199999 branch targets in one function");
    let long = format!("(func {})", many("nop ", (1 << 20) + 1));
    refused(&host, &module(&long), "bytes in one function");
    let deep = [vec![0], [0x02, 0x40].repeat(20_000), vec![0x0b; 20_001]].concat();
    refused(&host, &with_module(&functions(1, &deep)), "blocks inside of each other");
    let nested = format!("{}{}", many("(component ", 20), many(")", 20));
    refused(&host, &component(&nested), "9 components inside of each other");
    let beside = format!("(component {})", many("(component)", 200));
    refused(&host, &component(&beside), "components inside");
    let modules = format!("(component {})", many("(core module)", 100));
    refused(&host, &component(&modules), "core modules");
    let instances = many("(core instance (instantiate 0))", 100);
    let instances = format!("(component (core module) {instances})");
    refused(&host, &component(&instances), "core instances");
    let instances = many("(instance (instantiate 0))", 300);
    let instances = format!("(component (component) {instances})");
    refused(&host, &component(&instances), "instances of components");
    refused(&host, &module("(memory 1) (memory 1)"), "2 memories");
    refused(&host, &with_module(&wat::parse_str("(module (memory 1))").unwrap()), "2 memories");
    refused(&host, &module("(memory 65536)"), "4294967296 bytes of memory");
    refused(&host, &module(&many("(table 1 funcref)", 30)), "30 tables");
    refused(&host, &module("(table 1000000 funcref)"), "1000000 elements in one table");
    let data = many("(data \"\")", 30_000);
    refused(&host, &module(&data), "30000 data segments");
    let name = format!("(func ${})", many("n", (64 << 10) + 1));
    refused(&host, &module(&name), "65537 bytes in one name");
    let custom = many("(@custom \"c\" \"\")", 3000);
    refused(&host, &module(&custom), "2001 custom sections");
    let elements = many("(elem func)", 2000);
    refused(&host, &module(&elements), "2000 element segments");
}

#[test]
fn a_component_of_too_many_bytes_is_not_looked_at() {
    let host = Options::default().set("calls.component_bytes_max", 1_000_000).start();
    refused(&host, &vec![0; 1_000_001], "has 1000001 bytes and may have 1000000");
}

/// Uploads the bomb while others are served, and answers how it was refused.
fn explode(host: &Host, bomb: &[u8], limit: Duration) -> String {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let client = host.marketplace().at("sandbox");
            let (mut slowest, mut count) = (Duration::ZERO, 0);
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.get("/catalog").succeeded();
                slowest = slowest.max(began.elapsed());
                count += 1;
                // The worker only gets what calls leave.
                std::thread::sleep(Duration::from_millis(5));
            }
            (slowest, count)
        });
        let upload = scope.spawn(|| refusal(host, bomb, limit));
        let text = upload.join();
        done.store(true, Ordering::Relaxed);
        let (slowest, count) = neighbour.join().unwrap();
        assert!(slowest < NEIGHBOUR && count > 10, "{count} calls, the slowest took {slowest:?}");
        text.unwrap()
    })
}

#[test]
fn a_compile_bomb_runs_into_the_wall_clock() {
    let host = Options::default().set("compile.timeout_ms", 3000).start();
    let text = explode(&host, &bomb(), Duration::from_secs(6));
    assert!(text.contains("took longer than 3s") && text.contains("compile.timeout_ms"), "{text}");
}

#[test]
fn a_compile_bomb_runs_into_its_processor_time() {
    let host = Options::default().set("compile.cpu_s", 2).start();
    let text = explode(&host, &bomb(), Duration::from_secs(30));
    assert!(text.contains("more than 2 s of processor time"), "{text}");
    assert!(text.contains("compile.cpu_s"), "{text}");
}

/// One function with all the locals that there may be and many small blocks: each block wants to know of each local.
fn memory_bomb() -> Vec<u8> {
    let mut body = [&[1], leb(50_000).as_slice(), &[0x7f]].concat();
    for number in 0_usize.. {
        let local = |factor: usize| leb(number * factor % 50_000);
        let leave = [vec![0x02, 0x40, 0x20], local(1), vec![0x0d, 0]].concat();
        let copy = [vec![0x20], local(7919), vec![0x21], local(104_729), vec![0x0b]].concat();
        body.extend([leave, copy].concat());
        if body.len() > 1_000_000 {
            break;
        }
    }
    body.push(0x0b);
    with_module(&functions(1, &body))
}

#[test]
fn a_compile_bomb_runs_into_its_memory() {
    let host = Options::default().set("compile.memory_bytes_max", 2_u64 << 30).start();
    let text = explode(&host, &memory_bomb(), Duration::from_secs(110));
    assert!(text.contains("more than 2147483648 bytes of memory"), "{text}");
    assert!(text.contains("compile.memory_bytes_max"), "{text}");
}

#[test]
fn the_worker_has_nothing_of_the_host_and_goes_with_it() {
    let mut host = Options::default().set("compile.memory_bytes_max", 3_u64 << 30).start();
    let setup = declared(&bomb());
    std::thread::scope(|scope| {
        let (path, data) = (setup.path(), host.data());
        scope.spawn(move || {
            let mut apply = cnsp_tests::programs::command(&[]);
            apply.arg("apply").arg(path).arg("--data").arg(data).output().unwrap()
        });
        let limit = Duration::from_secs(10);
        let worker = eventually("a worker", limit, || children(&host).first().copied());
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{worker}/{what}")).unwrap();
        // It confines itself first, and then takes long over the bomb.
        let limits = eventually("its limits", limit, || {
            Some(read("limits")).filter(|limits| has(limits, "Max open files", "0"))
        });
        assert!(has(&limits, "Max address space", "3221225472"), "{limits}");
        assert!(has(&limits, "Max cpu time", "120"), "{limits}");
        assert!(has(&limits, "Max file size", "0"), "{limits}");
        assert!(has(&limits, "Max core file size", "0"), "{limits}");
        assert_eq!(read("environ"), "");
        assert_eq!(read("oom_score_adj"), "1000\n");
        assert_eq!(std::fs::read_link(format!("/proc/{worker}/cwd")).unwrap(), Path::new("/"));
        let mut open: Vec<_> = std::fs::read_dir(format!("/proc/{worker}/fd"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        open.sort();
        assert_eq!(open, ["0", "1", "2"]);
        let stat = stat(worker).unwrap();
        assert_eq!((stat[2], stat[16]), (i64::from(worker), 19), "its own group, and nice");
        host.kill9();
        eventually("its end", Duration::from_secs(2), || {
            (!Path::new(&format!("/proc/{worker}")).exists()).then_some(())
        });
    });
}

fn has(limits: &str, name: &str, value: &str) -> bool {
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    line.is_some_and(|line| line.split_whitespace().next() == Some(value))
}

#[test]
fn a_host_without_artifacts_compiles_them_again() {
    let mut host = Host::start();
    host.terminate();
    let artifacts = host.data().join("artifacts");
    let compiled = || {
        let entries = std::fs::read_dir(&artifacts).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "cwasm")).collect::<Vec<_>>()
    };
    let before = compiled();
    assert_eq!(before.len(), 1);
    std::fs::remove_file(&before[0]).unwrap();
    host.resume();
    host.marketplace().at("sandbox").new_account();
    assert_eq!((compiled(), children(&host)), (before, vec![]));
}
