//! The benchmarks: ratios from one run on one machine. `cargo run --release -p cnsp-tests --bin bench [NAME…]`, with the
//! numbers of connections for `creates` where they are to be others than 1, 16 and 128, or of rounds for `hostile`
//! (10), which runs when it is named only, and beside the habits that are named if there are any.
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod hostile;
mod journal;
mod load;
mod sled_ceiling;

use anyhow::{Context, bail};
use base64::Engine;
use cnsp::measure::{self, HEAVY_NICENESS, Host};
use load::{Measured, Until, quantile};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SETTINGS: [&str; 2] = ["log.filter=warn", "auth.cache_ttl_s=86400"];
const PASSWORD: &str = "correct horse battery staple";

fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let connections: Vec<usize> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let rounds = connections.first().copied().unwrap_or(10);
    let connections = if connections.is_empty() { vec![1, 16, 128] } else { connections };
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let guest = Path::new("target/plugins/sandbox.wasm");
    if !guest.exists() {
        bail!("build the guests first: make guests");
    }
    let hostile = names.iter().any(|name| name == "hostile");
    // What hostile guests do is logged as errors.
    let filter = if hostile { "off" } else { "warn" };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = measure::runtime()?;
    runtime.block_on(async {
        if wanted("reads") || wanted("parts") {
            reads(guest).await?;
        }
        if wanted("creates") {
            creates(guest, connections).await?;
        }
        if wanted("start") {
            start(guest).await?;
        }
        if wanted("leak") {
            leak(guest).await?;
        }
        if wanted("journal") {
            journal::run().await?;
        }
        if hostile {
            hostile::run(guest, rounds, &names).await?;
        }
        Ok(())
    })
}

/// A folder with a host's declarations: `count` endpoints, each with a plugin of its own, which is the sandbox
/// provider with the endpoint's number in a custom section.
async fn declare(folder: &Path, guest: &Path, count: usize) -> anyhow::Result<()> {
    let setup = folder.join("setup");
    std::fs::create_dir_all(&setup)?;
    let guest = std::fs::read(guest)?;
    let mut text = format!(
        "[vendors.acme]\nname = \"Acme\"\n[callers.bench]\nrole = \"operator\"\nendpoints = [\"*\"]\npassword = \"{PASSWORD}\"\n"
    );
    for number in 0..count {
        let plugin = setup.join(format!("{number}.wasm"));
        // Section 0, of 10 bytes, with a name of 5: see the binary format of WebAssembly, 5.5.3.
        let section = [&[0, 10, 5], format!("bench{number:04}").as_bytes()].concat();
        std::fs::write(&plugin, [guest.as_slice(), &section].concat())?;
        text.push_str(&format!(
            "[endpoints.e{number}]\nvendor = \"acme\"\nplugin = \"{}\"\nmode = \"sandbox\"\n[endpoints.e{number}.limits]\nconcurrency_max = 256\n",
            plugin.display()
        ));
    }
    std::fs::write(setup.join("setup.toml"), text)?;
    measure::apply(&folder.join("data"), &settings(), &setup).await
}

fn settings() -> Vec<&'static str> {
    let mut settings = SETTINGS.to_vec();
    settings.push("calls.endpoint_concurrency_max=256");
    settings
}

fn get(path: &str) -> Vec<u8> {
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("bench:{PASSWORD}"));
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {basic}\r\n\r\n").into_bytes()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("bench:{PASSWORD}"));
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {basic}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn account(id: &str, email: &str) -> String {
    format!(
        r#"{{"accountid":"{id}","accountname":"Analytical Engines","phone":"+44 20 7946 0000","userinfo":{{"firstname":"Ada","lastname":"Lovelace","email":"{email}","role":"admin"}},"address":{{"addressline1":"12 St James's Square","city":"London","postalcode":"SW1Y 4JH","country":"GB"}},"additionalattributes":{{"tier":"gold"}}}}"#
    )
}

async fn started(folder: &Path, guest: &Path) -> anyhow::Result<Host> {
    declare(folder, guest, 1).await?;
    Host::start(&folder.join("data"), &settings()).await
}

async fn send(
    host: &Host,
    connections: usize,
    until: Until,
    request: Vec<u8>,
) -> anyhow::Result<Measured> {
    send_with(host, 0, connections, until, request).await
}

/// As [`send`], from a thread of this niceness.
async fn send_with(
    host: &Host,
    niceness: i32,
    connections: usize,
    until: Until,
    request: Vec<u8>,
) -> anyhow::Result<Measured> {
    let address = host.address;
    tokio::task::spawn_blocking(move || {
        load::run(address, niceness, connections, until, move |_, _| request.clone())
    })
    .await?
}

/// One answer as it is.
async fn send_for_text(host: &Host, request: Vec<u8>) -> anyhow::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(host.address).await?;
    let request = String::from_utf8(request)?.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A read through the plugin against a route that does all but ask it; and where the time goes.
async fn reads(guest: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let host = started(folder.path(), guest).await?;
    send(
        &host,
        1,
        Until::Requests(1),
        post("/apiv1/account", &account("C-1001", "ada@example.com")),
    )
    .await?;
    let bare = get("/bare/account/C-1001");
    let read = get("/apiv1/account/C-1001");
    let brief = Until::After(Duration::from_secs(2));
    for request in [&bare, &read] {
        send(&host, 16, brief, request.clone()).await.context("warming up")?;
    }
    println!("reads, 16 connections: requests per second");
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let bare = send(&host, 16, brief, bare.clone()).await?;
        // A busy endpoint is served by the heavy threads. Callers are on other machines: here they must not come before
        // who answers them, or they send their requests one by one.
        let read = send_with(&host, HEAVY_NICENESS, 16, brief, read.clone()).await?;
        let ratio = read.per_second() / bare.per_second();
        println!(
            "  bare {:>7.0}   plugin {:>7.0}   ratio {ratio:.3}   plugin p50 {:>5.0} µs  p99 {:>6.0} µs",
            bare.per_second(),
            read.per_second(),
            micros(read.quantile(0.5)),
            micros(read.quantile(0.99))
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "  median ratio {:.3} (goal 0.45)",
        ratios.get(ratios.len() / 2).copied().unwrap_or_default()
    );

    println!("one caller: medians");
    let instances = host.instances("e0", 20_000).await.map(|times| quantile(&times, 0.5))?;
    let calls = host.calls("e0", "C-1001", 20_000).await.map(|times| quantile(&times, 0.5))?;
    let whole = send(&host, 1, Until::Requests(20_000), read).await?.quantile(0.5);
    let bare = send(&host, 1, Until::Requests(20_000), bare).await?.quantile(0.5);
    println!(
        "  instantiate {:.1} µs, instantiate + call {:.1} µs, whole HTTP {:.1} µs, bare HTTP {:.1} µs",
        micros(instances),
        micros(calls),
        micros(whole),
        micros(bare)
    );
    println!(
        "  host overhead over instantiate + call: {:.1} µs (goal 100)",
        micros(whole.saturating_sub(calls))
    );
    host.stop().await
}

/// Durable creates against raw sled, with one flush and fdatasync per create and with one per 64 (the
/// ceiling). Host and sled take turns, since a machine is not equally fast all the time, and begin anew each
/// time, since sled gets slower as it grows.
async fn creates(guest: &Path, connections: Vec<usize>) -> anyhow::Result<()> {
    const ROUNDS: usize = 5;
    let time = Duration::from_secs(4);
    println!("durable creates of an account with its first user");
    for connections in connections {
        let group = if connections < 64 { 1 } else { 64 };
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let folder = tempfile::tempdir()?;
            let host = started(folder.path(), guest).await?;
            create(&host, connections, "warm", time / 8).await?;
            let made = create(&host, connections, "made", time).await?;
            if round + 1 == ROUNDS {
                print_stages(&send_for_text(&host, get("/metrics")).await?);
            }
            host.stop().await?;
            let shape = sled_ceiling::shape(&folder.path().join("data/store")).await?;
            let raw = tokio::task::spawn_blocking(move || sled_ceiling::run(&shape, group, time));
            let raw = raw.await??;
            let ratio = made.per_second() / raw;
            println!(
                "  {connections:>3} connections: {:>6.0}/s   p50 {:>6.0} µs   p99 {:>6.0} µs   raw sled, {group:>2} per sync: {raw:>6.0}/s   ratio {ratio:.2}",
                made.per_second(),
                micros(made.quantile(0.5)),
                micros(made.quantile(0.99)),
            );
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ROUNDS / 2).copied().unwrap_or_default();
        let goal = if group == 64 { " (goal 0.60)" } else { "" };
        println!("  {connections:>3} connections: median ratio {median:.2}{goal}");
    }
    Ok(())
}

/// What the store's thread was at, from its metrics.
fn print_stages(metrics: &str) {
    for line in metrics.lines().filter(|line| {
        line.starts_with("store_group_size_") && !line.contains("bucket")
            || line.starts_with("store_commit_seconds_sum")
    }) {
        println!("      {line}");
    }
}

/// Creates accounts for a while. `name` makes their ids new ones.
async fn create(
    host: &Host,
    connections: usize,
    name: &str,
    time: Duration,
) -> anyhow::Result<Measured> {
    let (address, name) = (host.address, name.to_owned());
    let load = move || {
        load::run(address, 0, connections, Until::After(time), move |connection, number| {
            let id = format!("{name}-{connection}-{number}");
            post("/apiv1/account", &account(&id, &format!("{id}@example.com")))
        })
    };
    tokio::task::spawn_blocking(load).await?
}

/// From an open data folder to every endpoint ready, with artifacts from before.
async fn start(guest: &Path) -> anyhow::Result<()> {
    println!("start-up until ready");
    for count in [1, 100] {
        let folder = tempfile::tempdir()?;
        declare(folder.path(), guest, count).await?;
        for round in ["first", "warm"] {
            let began = Instant::now();
            let host = Host::start(&folder.path().join("data"), &settings()).await?;
            println!(
                "  {count:>3} endpoints, {round}: {:.0} ms (goal 1000)",
                began.elapsed().as_secs_f64() * 1e3
            );
            host.stop().await?;
        }
    }
    Ok(())
}

/// A leak that would show in a day shows in a million reads.
async fn leak(guest: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let host = started(folder.path(), guest).await?;
    send(
        &host,
        1,
        Until::Requests(1),
        post("/apiv1/account", &account("C-1001", "ada@example.com")),
    )
    .await?;
    let read = get("/apiv1/account/C-1001");
    send(&host, 16, Until::Requests(100_000), read.clone()).await?;
    let before = resident_kib()?;
    // In rounds, so that the latencies that the load keeps are no part of what is measured.
    for _ in 0..9 {
        send(&host, 16, Until::Requests(100_000), read.clone()).await?;
    }
    let after = resident_kib()?;
    println!(
        "resident memory: {before} KiB after 100,000 reads, {after} KiB after 1,000,000: {:+.1} % (goal 10)",
        (after as f64 / before as f64 - 1.0) * 100.0
    );
    host.stop().await
}

fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
