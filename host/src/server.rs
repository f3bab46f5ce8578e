//! The process: opens the data folder, listens, and stops in order.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod refusal;
mod socket;

use self::refusal::Refusing;
use self::socket::Socket;
use crate::api;
use crate::app::App;
use crate::blobs::Blobs;
use crate::config::{self, Config};
use crate::control;
use crate::heavy;
use crate::store::{SledOptions, SledStore};
use anyhow::{Context, anyhow};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

/// The edges of the latency histograms, in seconds.
const LATENCY_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// How long a client may take to make room for more of its answer.
const CLIENT_READS_WITHIN: Duration = Duration::from_secs(30);
/// How often the samples of the metrics are folded: what comes in between takes memory.
const METRICS_FOLDED_EVERY: Duration = Duration::from_secs(2);
/// hyper has its own limits of headers, behind ours, which tell more. What is over them is in `refusal`.
const OVER_OUR_LIMITS: usize = 4;

/// A connection whose client has to read.
type Timed = Pin<Box<TimeoutStream<Socket>>>;

/// Opens the store of a data folder, for this process alone. It blocks until the store has recovered.
pub(crate) fn open_store(config: &Config) -> anyhow::Result<Arc<SledStore>> {
    let mut options = SledOptions::new(config.data.join("store"));
    options.cache_bytes = config.store.cache_bytes;
    Ok(Arc::new(SledStore::open(options)?))
}

/// Where the metrics are gathered: one recorder per process.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let latency = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(latency, &LATENCY_BUCKETS)?;
    let handle = builder.install_recorder().context("the metrics cannot be gathered")?;
    // Samples pile up until somebody folds them into their histograms; nobody may ever ask for them.
    let folding = handle.clone();
    std::thread::Builder::new().name("metrics".into()).spawn(move || {
        loop {
            std::thread::sleep(METRICS_FOLDED_EVERY);
            folding.run_upkeep();
        }
    })?;
    Ok(RECORDER.get_or_init(|| handle).clone())
}

/// Serves until a signal, or until the store fails. `ready` is called once the address is bound and every
/// endpoint is there.
pub(crate) async fn run(config: Arc<Config>, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    run_until(config, Router::new(), |_, address| ready(address), stop).await
}

/// The threads and timers that everything asynchronous needs. One thread more than cores: as many as there are cores
/// may wait for the store's disk at a time, and those who need no store go on.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + 1)
        .enable_all()
        .build()
        .context("the system gives no threads")
}

/// As [`run`], until `stop`, with more routes beside the API.
pub(crate) async fn run_until(
    config: Arc<Config>,
    beside: Router<Arc<App>>,
    ready: impl FnOnce(&Arc<App>, SocketAddr),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    heavy::start()?;
    let store = open_store(&config)?;
    let blobs = Arc::new(Blobs::open(&config.data)?);
    let app = App::start(config.clone(), store.clone(), blobs.clone(), recorder()?).await?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}; is another program there?", config.listen)
    })?;
    let control = control::serve(app.clone(), blobs)?;
    ready(&app, listener.local_addr()?);
    let served = accept(&app, beside, listener, stop).await;
    tracing::info!("stopping");
    drop(control);
    let wait = match served {
        Ok(()) => Duration::from_millis(config.http.shutdown_timeout_ms),
        // Without its store nothing that is running can be kept: the sooner the next process starts, the better.
        Err(_) => Duration::ZERO,
    };
    let stopped = async { tokio::join!(app.drift.stop(), app.journal.stop()) };
    if tokio::time::timeout(wait, stopped).await.is_err() {
        tracing::warn!(?wait, "some operations did not finish in time");
    }
    tokio::task::spawn_blocking(move || store.close()).await?;
    served
}

/// How one connection is read.
fn http(limits: &config::Http) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_headers(limits.header_count_max.saturating_mul(OVER_OUR_LIMITS))
        .max_buf_size(limits.header_bytes_max.saturating_mul(OVER_OUR_LIMITS).max(64 << 10));
    http
}

/// Accepts connections until `stop`, then lets the calls inside finish.
async fn accept(
    app: &Arc<App>,
    beside: Router<Arc<App>>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let limits = &app.config.http;
    let http = http(limits);
    let service = TowerToHyperService::new(api::router(app.clone(), beside));
    let places = Arc::new(Semaphore::new(limits.connection_count_max));
    let graceful = GracefulShutdown::new();
    let store_failed = app.store.failed();
    tokio::pin!(stop, store_failed);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await?;
            let (stream, _) = listener.accept().await?;
            anyhow::Ok((place, stream))
        };
        tokio::select! {
            () = &mut stop => break,
            why = &mut store_failed => return Err(anyhow!(StoreFailed(why))),
            accepted = next => match accepted {
                Ok((place, stream)) => {
                    let stream = Refusing::new(timed(stream), limits.clone());
                    connect(&http, &service, &graceful, place, stream);
                }
                Err(error) => {
                    // For want of file descriptors, mostly: others have to close first.
                    tracing::warn!(error = format!("{error:#}"), "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    app.stopping.store(true, Ordering::Relaxed);
    drop(listener);
    let wait = Duration::from_millis(limits.shutdown_timeout_ms);
    if tokio::time::timeout(wait, graceful.shutdown()).await.is_err() {
        tracing::warn!(?wait, "some calls did not finish in time and are cut off");
    }
    Ok(())
}

fn timed(stream: TcpStream) -> Timed {
    // An answer is one small write: it should not wait for another.
    let _ = stream.set_nodelay(true);
    // A client that reads nothing of its answer must not keep its place.
    let mut stream = TimeoutStream::new(Socket::new(stream));
    stream.set_write_timeout(Some(CLIENT_READS_WITHIN));
    Box::pin(stream)
}

fn connect(
    http: &http1::Builder,
    service: &TowerToHyperService<axum::Router>,
    graceful: &GracefulShutdown,
    place: OwnedSemaphorePermit,
    stream: Refusing<Timed>,
) {
    let connection = http.serve_connection(TokioIo::new(stream), service.clone());
    let connection = graceful.watch(connection);
    tokio::spawn(heavy::task(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
        drop(place);
    }));
}

/// The store has stopped: the process ends with status 70, so that a supervisor starts it anew.
#[derive(Debug, thiserror::Error)]
#[error("the store has failed: {0}")]
pub(crate) struct StoreFailed(pub(crate) String);
