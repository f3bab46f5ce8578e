//! What it costs that operations survive: the same operations with what they ask for taken down and without, and ten
//! thousand of them that were open when the host was stopped.

use super::load::{self, Until};
use super::{PASSWORD, get, post, send_for_text};
use anyhow::{Context, bail};
use cnsp::measure::{self, Host};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long the provider takes for each request.
const DELAY: Duration = Duration::from_millis(20);
/// How many requests that change something each operation sends.
const STEPS: usize = 4;
const CALLERS: usize = 64;
/// How many times each kind of load is measured, in turns.
const ROUNDS: usize = 5;
const MEASURED: Duration = Duration::from_secs(4);
/// What the throughput may fall to.
const COST_GOAL: f64 = 0.8;

const OPEN: usize = 10_000;
const ENDPOINTS: usize = 50;
/// Requests per second that each endpoint may send, as hosts have it.
const RATE: usize = 200;
const RESUME_GOAL: Duration = Duration::from_secs(10);

/// A provider that answers after a while. Requests to `/gate/E/…` are let through once for each path, and then only
/// when the gates are open.
struct Provider {
    address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    delay: Duration,
    opened: AtomicBool,
    paths: Mutex<std::collections::HashSet<String>>,
    /// When a request of each endpoint came since the gates were opened.
    times: Mutex<Vec<Vec<Instant>>>,
    requests: AtomicUsize,
}

impl Provider {
    fn start(delay: Duration) -> anyhow::Result<Provider> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen {
            delay,
            opened: AtomicBool::new(false),
            paths: Mutex::default(),
            times: Mutex::new(vec![Vec::new(); ENDPOINTS]),
            requests: AtomicUsize::new(0),
        });
        let shared = seen.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Until the process ends.
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((stream, _)) = listener.accept().await {
                    let seen = shared.clone();
                    tokio::spawn(async move { drop(serve(stream, &seen).await) });
                }
            });
        });
        Ok(Provider { address, seen })
    }

    /// The most requests of one endpoint within a second.
    fn fastest(&self) -> usize {
        let times = self.seen.times.lock().unwrap_or_else(PoisonError::into_inner);
        let second = Duration::from_secs(1);
        let within = |times: &Vec<Instant>| {
            let after = |from: &Instant| {
                times.iter().filter(|at| *at >= from && at.duration_since(*from) < second).count()
            };
            times.iter().map(after).max().unwrap_or(0)
        };
        times.iter().map(within).max().unwrap_or(0)
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (head, end) = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head =
                    String::from_utf8_lossy(buffer.get(..at).unwrap_or_default()).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let end = at + 4 + length.unwrap_or(0);
                if buffer.len() >= end {
                    break (head, end);
                }
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        buffer.drain(..end);
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let made = match path.strip_prefix("/gate/") {
            None => true,
            Some(rest) if seen.opened.load(Ordering::SeqCst) => {
                let endpoint =
                    rest.split('/').next().and_then(|number| number.parse::<usize>().ok());
                let mut times = seen.times.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(times) = endpoint.and_then(|endpoint| times.get_mut(endpoint)) {
                    times.push(Instant::now());
                }
                true
            }
            Some(_) => {
                let mut paths = seen.paths.lock().unwrap_or_else(PoisonError::into_inner);
                paths.insert(path.to_owned())
            }
        };
        tokio::time::sleep(seen.delay).await;
        let status = if made { "201 Created" } else { "503 Later" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Declares endpoints that send what they are told to this provider.
async fn declare(
    folder: &Path,
    count: usize,
    provider: &Provider,
    settings: &[&str],
) -> anyhow::Result<()> {
    let plugin = std::path::absolute("target/plugins/fixtures/caller.wasm")?;
    if !plugin.exists() {
        bail!("build the guests of the tests first: make fixtures");
    }
    let setup = folder.join("setup");
    std::fs::create_dir_all(&setup)?;
    let mut text = format!(
        "[vendors.acme]\nname = \"Acme\"\n[callers.bench]\nrole = \"operator\"\nendpoints = [\"*\"]\npassword = \"{PASSWORD}\"\n"
    );
    for number in 0..count {
        let _ = writeln!(
            text,
            "[endpoints.e{number}]\nvendor = \"acme\"\nplugin = {plugin:?}\ngrants = [{{ url = \"http://{}\", addresses = [\"127.0.0.0/8\"] }}]",
            provider.address
        );
    }
    std::fs::write(setup.join("setup.toml"), text)?;
    measure::apply(&folder.join("data"), settings, &setup).await
}

/// An account whose creation sends so many requests.
fn order(endpoint: usize, account: &str, asked: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"accountid":"{account}","accountname":"Analytical Engines","userinfo":{{"firstname":"Ada","lastname":"Lovelace","email":"{account}@example.com"}},"additionalattributes":{{"request":{asked}}}}}"#
    );
    let request = post(&format!("/endpoints/e{endpoint}/apiv1/account"), &body);
    let headers =
        format!("\r\nidempotency-key: {account}\r\ncnsp-always-200: true\r\ncontent-length:");
    String::from_utf8_lossy(&request).replacen("\r\ncontent-length:", &headers, 1).into_bytes()
}

pub(super) async fn run() -> anyhow::Result<()> {
    cost().await?;
    resume().await
}

/// Operations of four requests, with and without their being taken down.
async fn cost() -> anyhow::Result<()> {
    const SETTINGS: [&str; 5] = [
        "log.filter=warn",
        "auth.cache_ttl_s=86400",
        "calls.endpoint_concurrency_max=256",
        "egress.concurrency_max=256",
        "egress.requests_per_s_max=1000000",
    ];
    let provider = Provider::start(DELAY)?;
    let folder = tempfile::tempdir()?;
    declare(folder.path(), 1, &provider, &SETTINGS).await?;
    let host = Host::start(&folder.path().join("data"), &SETTINGS).await?;
    let url = format!("http://{}/things", provider.address);
    let load = async |round: usize, effect: bool, time: Duration| {
        let (address, url) = (host.address, url.clone());
        let repeats = STEPS - 1;
        tokio::task::spawn_blocking(move || {
            load::run(address, 0, CALLERS, Until::After(time), move |connection, number| {
                let account = format!("a-{round}-{effect}-{connection}-{number}");
                let asked = format!(
                    r#"{{"method":"POST","url":"{url}","repeats":{repeats},"effect":{effect},"body":"{{}}"}}"#
                );
                order(0, &account, &asked)
            })
        })
        .await?
    };
    load(0, true, Duration::from_secs(1)).await.context("warming up")?;
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let without = load(round, false, MEASURED).await?;
        let with = load(round, true, MEASURED).await?;
        let (with, without) = (with.per_second(), without.per_second());
        let ratio = with / without;
        println!("journal: {with:.0}/s of {without:.0}/s without it, {ratio:.2}");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ROUNDS / 2).copied().unwrap_or_default();
    println!(
        "journal: median {median:.2} at {CALLERS} callers, {STEPS} requests each, a provider that takes {DELAY:?} (goal {COST_GOAL})"
    );
    host.stop().await
}

/// Operations that were open when the host was stopped, until the last has come to its end.
async fn resume() -> anyhow::Result<()> {
    const SETTINGS: [&str; 4] = [
        "log.filter=off",
        "auth.cache_ttl_s=86400",
        "operations.pending_wait_ms=0",
        "calls.endpoint_concurrency_max=256",
    ];
    let provider = Provider::start(DELAY)?;
    let folder = tempfile::tempdir()?;
    declare(folder.path(), ENDPOINTS, &provider, &SETTINGS).await?;
    let host = Host::start(&folder.path().join("data"), &SETTINGS).await?;
    let (address, origin) = (host.address, format!("http://{}", provider.address));
    let each = OPEN / ENDPOINTS;
    tokio::task::spawn_blocking(move || {
        // Each connection is an endpoint's own.
        load::run(address, 0, ENDPOINTS, Until::Requests(OPEN), move |endpoint, number| {
            let account = format!("a-{endpoint}-{number}");
            let asked = format!(
                r#"{{"method":"POST","url":"{origin}/gate/{endpoint}/{account}","repeats":1,"undo":"{origin}/things"}}"#
            );
            order(endpoint, &account, &asked)
        })
    })
    .await??;
    let listed = async |host: &Host, endpoint: usize, limit: usize| {
        let path = format!("/endpoints/e{endpoint}/operations?state=open&limit={limit}");
        let text = send_for_text(host, get(&path)).await?;
        anyhow::Ok(text.matches("\"state\":\"open\"").count())
    };
    let mut open = 0;
    for endpoint in 0..ENDPOINTS {
        open += listed(&host, endpoint, each).await?;
    }
    if open != OPEN {
        bail!("{open} operations are open, and not {OPEN}");
    }
    host.stop().await?;
    provider.seen.opened.store(true, Ordering::SeqCst);
    let before = provider.seen.requests.load(Ordering::Relaxed);
    let began = Instant::now();
    let host = Host::start(&folder.path().join("data"), &SETTINGS).await?;
    let ready = began.elapsed();
    for endpoint in 0..ENDPOINTS {
        while listed(&host, endpoint, 1).await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let took = began.elapsed();
    let requests = provider.seen.requests.load(Ordering::Relaxed) - before;
    println!(
        "journal: {OPEN} open operations of {ENDPOINTS} endpoints: ready after {ready:.1?}, the last one done after {took:.1?} (goal {RESUME_GOAL:?}), {requests} requests, at most {} of one endpoint within a second ({RATE} allowed, and {RATE} at once)",
        provider.fastest()
    );
    host.stop().await
}
