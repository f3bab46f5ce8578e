//! What hostile guests cost: the whole corpus again and again against one host, and a good endpoint's latency beside
//! one hostile endpoint at full tilt.

use super::load::{self, Until, quantile};
use super::{account, get, micros, post, resident_kib, send_for_text};
use cnsp::measure::{self, Host};
use cnsp_tests::handmade;
use greedy::Habit;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SETTINGS: [&str; 5] = [
    "auth.cache_ttl_s=86400",
    "calls.cpu_ms=100",
    "calls.timeout_ms=500",
    "operations.pending_wait_ms=0",
    // The store's cache grows with the audit trail until it is full; a small one soon is.
    "store.cache_bytes=16777216",
];
/// An answer that takes longer never comes: the longest waits its turn, the time of a call, and then computes.
const HANG: Duration = Duration::from_secs(10);
/// How many callers the hostile endpoint has at a time.
const CALLERS: usize = 8;
const MEASURED: Duration = Duration::from_secs(5);
/// The good endpoint.
const GOOD: &str = "good";

/// A host with an endpoint for each habit and each handmade guest, and a good one.
async fn started(folder: &Path, guest: &Path) -> anyhow::Result<(Host, Vec<String>)> {
    let setup = folder.join("setup");
    std::fs::create_dir_all(&setup)?;
    let mut text = format!(
        "[vendors.acme]\nname = \"Acme\"\n[callers.bench]\nrole = \"operator\"\nendpoints = [\"*\"]\npassword = \"{}\"\n",
        super::PASSWORD
    );
    let mut endpoints = Vec::new();
    let mut declare = |id: String, plugin: &Path, config: &str| {
        let _ = writeln!(
            text,
            "[endpoints.{id}]\nvendor = \"acme\"\nplugin = {plugin:?}\nmode = \"sandbox\"\nconfig = {{ {config} }}"
        );
        endpoints.push(id);
    };
    let greedy = std::path::absolute("target/plugins/fixtures/greedy.wasm")?;
    for habit in Habit::ALL {
        declare(habit.name(), &greedy, &format!("habit = \"{}\"", habit.name()));
    }
    for name in handmade::names() {
        let plugin = setup.join(&name).with_extension("wasm");
        std::fs::write(&plugin, handmade::component(&name))?;
        declare(name.replace('_', "-"), &plugin, "");
    }
    declare(GOOD.to_owned(), &std::path::absolute(guest)?, "");
    endpoints.pop();
    std::fs::write(setup.join("setup.toml"), text)?;
    let data = folder.join("data");
    measure::apply(&data, &SETTINGS, &setup).await?;
    Ok((Host::start(&data, &SETTINGS).await?, endpoints))
}

/// One of each kind of call: every habit shows itself in one of them.
fn calls(endpoint: &str) -> Vec<Vec<u8>> {
    let path = |path: &str| format!("/endpoints/{endpoint}/apiv1{path}");
    // The same ids each time, so that what the host keeps does not grow with the rounds.
    let order = r#"{"resource":{"type":"saas"},"parameters":{"sku":"SKU"},"requestor":{"provideraccountid":"C-1"}}"#;
    vec![
        get(&path("/account/C-1")),
        get(&path("/health")),
        get(&path("/account")),
        get(&path("/billing/I-1")),
        post(&path("/account"), &account("C-1", "ada@example.com")),
        post(&path("/resource"), order),
    ]
}

/// The whole corpus, `rounds` times.
pub(crate) async fn run(guest: &Path, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (host, endpoints) = started(folder.path(), guest).await?;
    println!("hostile guests: {} endpoints, {rounds} rounds", endpoints.len());
    let (mut answers, mut crashes, mut hangs) = (0, 0, 0);
    let start = resident_kib()?;
    let mut first = start;
    for round in 0..rounds {
        for endpoint in &endpoints {
            for call in calls(endpoint) {
                match tokio::time::timeout(HANG, send_for_text(&host, call)).await {
                    Err(_) => {
                        hangs += 1;
                        println!("  {endpoint} hangs");
                    }
                    Ok(Ok(text)) if text.starts_with("HTTP/1.1 ") => answers += 1,
                    Ok(_) => {
                        crashes += 1;
                        println!("  {endpoint} gets no answer");
                    }
                }
            }
        }
        if round == 0 {
            first = resident_kib()?;
        }
    }
    let end = resident_kib()?;
    println!("  {answers} answers, {crashes} crashes (goal 0), {hangs} hangs (goal 0)");
    println!(
        "  resident memory: {start} KiB at the start, {first} KiB after one round, {end} KiB at the end: {:+.1} % since the first round (goal 5)",
        (end as f64 / first as f64 - 1.0) * 100.0
    );
    neighbours(&host).await?;
    host.stop().await
}

/// A good endpoint alone, and beside each of some.
async fn neighbours(host: &Host) -> anyhow::Result<()> {
    let good = get(&format!("/endpoints/{GOOD}/apiv1/discovery"));
    println!("a good endpoint's p99, one caller, beside {CALLERS} callers of one hostile endpoint");
    for habit in [Habit::Loop, Habit::Memory, Habit::AnswerList, Habit::LogLoop, Habit::Calls] {
        let hostile = get(&format!("/endpoints/{}/apiv1/health", habit.name()));
        let alone = p99(host, good.clone()).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let (address, stopped) = (host.address, stop.clone());
        let attack = std::thread::spawn(move || load::flood(address, CALLERS, &hostile, &stopped));
        let beside = p99(host, good.clone()).await;
        stop.store(true, Ordering::Relaxed);
        let attack = attack.join().map_err(|_| anyhow::anyhow!("the attack panicked"))?;
        let (beside, count) = (beside?, attack?);
        println!(
            "  {:<12} alone {:>7.0} µs   beside {:>7.0} µs   ratio {:.1} (goal 2.0)   {count} hostile calls",
            habit.name(),
            micros(alone),
            micros(beside),
            beside.as_secs_f64() / alone.as_secs_f64()
        );
    }
    Ok(())
}

async fn p99(host: &Host, request: Vec<u8>) -> anyhow::Result<Duration> {
    let measured = super::send(host, 1, Until::After(MEASURED), request).await?;
    Ok(quantile(&measured.latencies, 0.99))
}
