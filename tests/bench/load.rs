//! Load from a thread of its own: connections that write a request, read the answer, and do it again. As little
//! work per request as possible, since it shares the machine with what it measures.

use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a load has measured.
pub(crate) struct Measured {
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn quantile(&self, q: f64) -> Duration {
        quantile(&self.latencies, q)
    }
}

/// Of sorted times.
pub(crate) fn quantile(sorted: &[Duration], q: f64) -> Duration {
    sorted.get(((sorted.len().saturating_sub(1)) as f64 * q) as usize).copied().unwrap_or_default()
}

/// How long a load goes on.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    After(Duration),
    Requests(usize),
}

/// Sends what `request` makes, over `connections` at a time, from a thread of this niceness. Every answer has to be a 200.
pub(crate) fn run(
    address: SocketAddr,
    niceness: i32,
    connections: usize,
    until: Until,
    request: impl Fn(usize, usize) -> Vec<u8> + Send + Sync + 'static,
) -> anyhow::Result<Measured> {
    let request = Arc::new(request);
    let thread = std::thread::spawn(move || -> anyhow::Result<Measured> {
        rustix::process::setpriority_process(None, niceness)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let began = Instant::now();
            let mut tasks = Vec::new();
            for connection in 0..connections {
                let request = request.clone();
                let share = match until {
                    Until::After(_) => usize::MAX,
                    Until::Requests(count) => count / connections,
                };
                let end = match until {
                    Until::After(time) => began + time,
                    Until::Requests(_) => began + Duration::from_secs(3600),
                };
                tasks.push(tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    let mut latencies = Vec::new();
                    let mut buffer = Vec::with_capacity(8192);
                    while latencies.len() < share && Instant::now() < end {
                        let sent = Instant::now();
                        stream.write_all(&request(connection, latencies.len())).await?;
                        answer(&mut stream, &mut buffer).await?;
                        latencies.push(sent.elapsed());
                    }
                    anyhow::Ok(latencies)
                }));
            }
            let mut latencies = Vec::new();
            for task in tasks {
                latencies.extend(task.await??);
            }
            let took = began.elapsed();
            latencies.sort();
            Ok(Measured { latencies, took })
        })
    });
    thread.join().map_err(|_| anyhow::anyhow!("the load panicked"))?
}

/// Sends one request over `connections` at a time until it is told to stop; how often. Whatever the answers are.
pub(crate) fn flood(
    address: SocketAddr,
    connections: usize,
    request: &[u8],
    stop: &AtomicBool,
) -> anyhow::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let one = async || {
            let mut stream = TcpStream::connect(address).await?;
            let mut buffer = Vec::with_capacity(8192);
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(request).await?;
                read_answer(&mut stream, &mut buffer).await?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        let counts = futures_util::future::try_join_all((0..connections).map(|_| one())).await?;
        Ok(counts.into_iter().sum())
    })
}

/// Reads one answer, which has to be a 200.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    read_answer(stream, buffer).await?;
    match buffer.starts_with(b"HTTP/1.1 200") {
        true => Ok(()),
        false => bail!("{}", String::from_utf8_lossy(buffer)),
    }
}

/// Reads one answer with a length, and nothing after it.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the host closed the connection");
        }
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(buffer.get(..head).unwrap_or_default())?;
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("no length")?
            .parse::<usize>()?;
        if buffer.len() < head + 4 + length {
            continue;
        }
        return Ok(());
    }
}
