//! What hostile guests cost: the whole corpus again and again against one host, and a good endpoint's latency beside
//! one hostile endpoint at full tilt. All of it without the breaker, which would soon leave nothing to measure; and a
//! few again with it, as hosts run.

use super::load::{self, Until, quantile};
use super::{account, get, micros, post, resident_kib, send_for_text};
use cnsp::measure::{self, Host};
use cnsp_tests::handmade;
use greedy::Habit;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// So many failures in a row that the breaker never opens.
const WITHOUT_BREAKER: &str = "breaker.failure_count=4294967295";
const SETTINGS: [&str; 6] = [
    "auth.cache_ttl_s=86400",
    "calls.cpu_ms=100",
    "calls.timeout_ms=500",
    "operations.pending_wait_ms=0",
    // What the habits keep through `kv` is all there after the first rounds: more of it would take more memory.
    "calls.kv_quota_bytes_max=4194304",
    // The store's cache grows with the audit trail until it is full; a small one soon is.
    "store.cache_bytes=2097152",
];
/// An answer that takes longer never comes: the longest waits its turn, the time of a call, and then computes.
const HANG: Duration = Duration::from_secs(10);
/// How many callers the hostile endpoint has at a time.
const CALLERS: usize = 8;
const MEASURED: Duration = Duration::from_secs(3);
/// A handmade guest whose longest call took less is over at once, and nobody's neighbour.
const AT_ONCE: Duration = Duration::from_millis(2);
/// The habits that are measured with the breaker, too.
const WITH_BREAKER: [Habit; 5] =
    [Habit::Loop, Habit::Memory, Habit::AnswerList, Habit::LogLoop, Habit::Calls];
/// How large a part of the rounds fills what the host keeps: its pool, its cache.
const WARM_PART: usize = 5;
/// Of a thread that computes only where nobody else does, or almost.
const NICENESS_MAX: i32 = 19;
/// How many times as long the good one's slowest hundredth may take.
const GOAL: f64 = 2.0;
/// The good endpoint.
const GOOD: &str = "good";
/// One as good, whose callers are as many as a hostile one has: what any load costs.
const BUSY: &str = "busy";

/// An endpoint with a bad habit.
struct Hostile {
    id: String,
    handmade: bool,
    /// Its call that took longest of those that came to nothing, or of all where all is well; and how long.
    worst: Worst,
}

/// Ordered by what tells most of a habit: a call that fails, and how long it takes.
type Worst = (bool, Duration, Vec<u8>);

/// Declares an endpoint for each habit and each handmade guest, and two good ones.
async fn declare(folder: &Path, guest: &Path) -> anyhow::Result<Vec<Hostile>> {
    let setup = folder.join("setup");
    std::fs::create_dir_all(&setup)?;
    let mut text = format!(
        "[vendors.acme]\nname = \"Acme\"\n[callers.bench]\nrole = \"operator\"\nendpoints = [\"*\"]\npassword = \"{}\"\n",
        super::PASSWORD
    );
    let mut endpoints = Vec::new();
    let mut declare = |id: String, plugin: &Path, config: &str, handmade: bool| {
        let _ = writeln!(
            text,
            "[endpoints.{id}]\nvendor = \"acme\"\nplugin = {plugin:?}\nmode = \"sandbox\"\nconfig = {{ {config} }}"
        );
        let worst = (false, Duration::ZERO, Vec::new());
        endpoints.push(Hostile { id, handmade, worst });
    };
    let greedy = std::path::absolute("target/plugins/fixtures/greedy.wasm")?;
    for habit in Habit::ALL {
        declare(habit.name(), &greedy, &format!("habit = \"{}\"", habit.name()), false);
    }
    for name in handmade::names() {
        let plugin = setup.join(&name).with_extension("wasm");
        std::fs::write(&plugin, handmade::component(&name))?;
        declare(name.replace('_', "-"), &plugin, "", true);
    }
    for good in [GOOD, BUSY] {
        declare(good.to_owned(), &std::path::absolute(guest)?, "", false);
    }
    endpoints.retain(|one| ![GOOD, BUSY].contains(&one.id.as_str()));
    std::fs::write(setup.join("setup.toml"), text)?;
    measure::apply(&folder.join("data"), &SETTINGS, &setup).await?;
    Ok(endpoints)
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
        get(&path("/account/user/U-1")),
        get(&path("/billing/I-1")),
        get(&path("/catalog")),
        get(&path("/resource/I-1")),
        post(&path("/account"), &account("C-1", "ada@example.com")),
        post(&path("/resource"), order),
    ]
}

/// The whole corpus, `rounds` times, and who is beside it: those with one of these names, or all that last.
pub(crate) async fn run(guest: &Path, rounds: usize, names: &[String]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut endpoints = declare(folder.path(), guest).await?;
    let data = folder.path().join("data");
    let without = [SETTINGS.as_slice(), &[WITHOUT_BREAKER]].concat();
    let host = Host::start(&data, &without).await?;
    corpus(&host, &mut endpoints, rounds).await?;
    println!(
        "beside {CALLERS} callers of one hostile endpoint, without the breaker: a good one's p99, one caller"
    );
    let read = get(&format!("/endpoints/{BUSY}/apiv1/discovery"));
    let busy =
        Hostile { id: BUSY.to_owned(), handmade: false, worst: (false, Duration::ZERO, read) };
    neighbours(&host, std::iter::once(&busy)).await?;
    let named = |one: &Hostile| names.contains(&one.id);
    let some = endpoints.iter().any(named);
    let wanted = |one: &&Hostile| match some {
        true => named(one),
        false => !one.handmade || one.worst.1 >= AT_ONCE,
    };
    neighbours(&host, endpoints.iter().filter(wanted)).await?;
    host.stop().await?;

    let host = Host::start(&data, &SETTINGS).await?;
    println!("the same with the breaker");
    let few = WITH_BREAKER.map(Habit::name);
    neighbours(&host, endpoints.iter().filter(|one| few.contains(&one.id))).await?;
    host.stop().await
}

/// Of the first so many.
fn median(resident: &[u64], count: usize) -> u64 {
    let mut some: Vec<u64> = resident.iter().copied().take(count).collect();
    some.sort_unstable();
    some.get(some.len() / 2).copied().unwrap_or_default()
}

/// Lets everyone do what it does, and notes what took longest.
async fn corpus(host: &Host, endpoints: &mut [Hostile], rounds: usize) -> anyhow::Result<()> {
    println!("hostile guests: {} endpoints, {rounds} rounds without the breaker", endpoints.len());
    // The first call of all has its caller's password looked at.
    send_for_text(host, get(&format!("/endpoints/{GOOD}/apiv1/discovery"))).await?;
    let (mut answers, mut crashes, mut hangs) = (0, 0, 0);
    let start = resident_kib()?;
    let mut resident = Vec::new();
    for _ in 0..rounds {
        for endpoint in &mut *endpoints {
            for call in calls(&endpoint.id) {
                let began = Instant::now();
                let mut failed = true;
                match tokio::time::timeout(HANG, send_for_text(host, call.clone())).await {
                    Err(_) => {
                        hangs += 1;
                        println!("  {} hangs", endpoint.id);
                    }
                    Ok(Ok(text)) if text.starts_with("HTTP/1.1 ") => {
                        answers += 1;
                        // A refusal of its own, such as 501, is an answer.
                        failed = text.contains(r#""errorcode":"PLUGIN_"#);
                    }
                    Ok(_) => {
                        crashes += 1;
                        println!("  {} gets no answer", endpoint.id);
                    }
                }
                endpoint.worst =
                    (failed, began.elapsed(), call).max(std::mem::take(&mut endpoint.worst));
            }
        }
        resident.push(resident_kib()?);
    }
    // What the first rounds fill is kept: the pool, the cache. One round says little, since the kernel is given back
    // what is not used for a while.
    let part = rounds.div_ceil(WARM_PART);
    let warm = median(resident.get(part..).unwrap_or(&resident), part);
    resident.reverse();
    let end = median(&resident, part);
    println!("  {answers} answers, {crashes} crashes (goal 0), {hangs} hangs (goal 0)");
    println!(
        "  resident memory: {start} KiB at the start; medians of {part} rounds: {warm} KiB after the first {part}, {end} KiB at the end: {:+.1} % (goal 5)",
        (end as f64 / warm as f64 - 1.0) * 100.0
    );
    Ok(())
}

/// A good endpoint alone, and beside each of these in its worst call.
async fn neighbours<'a>(
    host: &Host,
    hostile: impl Iterator<Item = &'a Hostile>,
) -> anyhow::Result<()> {
    let good = get(&format!("/endpoints/{GOOD}/apiv1/discovery"));
    let mut ratios = Vec::new();
    for Hostile { id, worst: (.., call), .. } in hostile {
        let alone = p99(host, good.clone()).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let (address, stopped, call) = (host.address, stop.clone(), call.clone());
        let attack = std::thread::spawn(move || {
            // They are on other machines: what they compute must not be what the good one waits for.
            rustix::process::setpriority_process(None, NICENESS_MAX)?;
            load::flood(address, CALLERS, &call, &stopped)
        });
        let beside = p99(host, good.clone()).await;
        stop.store(true, Ordering::Relaxed);
        let attack = attack.join().map_err(|_| anyhow::anyhow!("the attack panicked"))?;
        let (beside, count) = (beside?, attack?);
        let ratio = beside.as_secs_f64() / alone.as_secs_f64();
        println!(
            "  {id:<24} alone {:>7.0} µs   beside {:>7.0} µs   ratio {ratio:.1}   {count} hostile calls",
            micros(alone),
            micros(beside),
        );
        ratios.push((ratio, id));
    }
    ratios.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let within = ratios.iter().filter(|(ratio, _)| *ratio <= GOAL).count();
    if let ([.., (worst, id)], Some((median, _))) =
        (ratios.as_slice(), ratios.get(ratios.len() / 2))
    {
        println!(
            "  of {}: median {median:.1}, {within} within the goal of {GOAL:.1}, the worst {worst:.1} beside {id}",
            ratios.len()
        );
    }
    Ok(())
}

async fn p99(host: &Host, request: Vec<u8>) -> anyhow::Result<Duration> {
    let measured = super::send(host, 1, Until::After(MEASURED), request).await?;
    Ok(quantile(&measured.latencies, 0.99))
}
