//! Trips every limit of an endpoint once, before the host serves: one that is inert stops the start.
//!
//! Each is set to next to nothing, and then is gone over in the way that a guest would: by a component of our own
//! inside the engine, by the imports that guests call, by a provider that is a socket of this process. What has
//! to come is the refusal of just this limit.

use crate::capability::Scope;
use crate::egress::{Egress, Outbound};
use crate::endpoints::Lane;
use crate::limits::{Limit, Limits, OwnLimits};
use crate::plugin::bindings::cnsp::adapter::http::{Credential, Host as _, Request};
use crate::plugin::bindings::cnsp::adapter::kv::Host as _;
use crate::plugin::bindings::cnsp::adapter::log::{Host as _, Level};
use crate::plugin::{CallError, CallState, Growths, OperationContext, Plugins, Trial};
use crate::secrets::Secrets;
use crate::steps::Steps;
use crate::store::setup::{EndpointRecord, HttpGrant, Mode, Scheme};
use crate::store::{Partition, Store};
use anyhow::{Context, ensure};
use ipnet::IpNet;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tracing::subscriber::NoSubscriber;

/// No endpoint has this id.
const NOBODY: &str = "";
/// What the provider of the test answers: two bytes.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// More of everything than the test takes, in bytes, milliseconds and counts: what limits a part of it, is the
/// limit that it is about. It does not depend on the settings.
const PLENTY: Limits = Limits::all(1 << 20);
/// What does not end by the limit that it is about has to end all the same.
const GIVEN_UP_MS: u64 = 2000;

/// Who gets no turn within this has to wait for one.
const NO_TURN: Duration = Duration::from_millis(20);

/// What it takes to trip the limits.
struct Bench<'a> {
    trial: Trial,
    store: Arc<dyn Store>,
    provider: TcpListener,
    port: u16,
    /// Leads to the provider.
    outbound: Outbound,
    /// These limits with one of them set to this.
    narrow: &'a (dyn Fn(Limits, Limit, u64) -> Limits + Sync),
}

/// Trips each limit. An error names the one that is inert.
pub(crate) async fn run(
    plugins: &Plugins,
    egress: &Egress,
    store: Arc<dyn Store>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let bench = Bench::new(plugins, egress, store, &Limits::with).await?;
    let checks = async {
        // One after the other: the pool may have room for one instance only.
        for limit in Limit::ALL {
            bench.check(limit).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        kept = checks => kept?,
        ended = bench.answer() => ended?,
    }
    tracing::debug!(took = ?began.elapsed(), limits = Limit::ALL.len(), "every limit is kept");
    Ok(())
}

impl<'a> Bench<'a> {
    async fn new(
        plugins: &Plugins,
        egress: &Egress,
        store: Arc<dyn Store>,
        narrow: &'a (dyn Fn(Limits, Limit, u64) -> Limits + Sync),
    ) -> anyhow::Result<Bench<'a>> {
        let trial = plugins.trial().context("the self-test's component cannot be compiled")?;
        let provider = TcpListener::bind("127.0.0.1:0")
            .await
            .context("the self-test cannot listen on 127.0.0.1, this machine's own address")?;
        let port = provider.local_addr()?.port();
        let grant = HttpGrant {
            scheme: Scheme::Http,
            host: "127.0.0.1".to_owned(),
            port,
            path: "/".to_owned(),
            methods: BTreeSet::new(),
            addresses: vec![IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST))],
            secrets: BTreeSet::new(),
        };
        let record = EndpointRecord {
            id: NOBODY.to_owned(),
            vendor: NOBODY.to_owned(),
            plugin: String::new(),
            plugin_name: String::new(),
            plugin_version: None,
            mode: Mode::Sandbox,
            config: BTreeMap::new(),
            secret_references: BTreeMap::new(),
            grants: vec![grant],
            ca_pem: None,
            certificate_sha256: Default::default(),
            limits: OwnLimits::default(),
            drift_check_s: None,
        };
        let outbound = egress.outbound(&record, Secrets::default(), &PLENTY)?;
        Ok(Bench { trial, store, provider, port, outbound, narrow })
    }

    /// Answers requests for `/`, and no others, for as long as it is polled.
    async fn answer(&self) -> anyhow::Result<()> {
        loop {
            let (mut stream, _) = self.provider.accept().await?;
            // Ends when the other end hangs up, which it does at its limits.
            tokio::spawn(async move {
                let mut head = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut head).await {
                    let asked = head.get(..read).is_some_and(|head| head.starts_with(b"POST / "));
                    if asked && stream.write_all(ANSWER).await.is_err() {
                        break;
                    }
                }
            });
        }
    }

    async fn check(&self, limit: Limit) -> anyhow::Result<()> {
        let key = limit.about().key;
        let kept =
            self.keeps(limit).await.with_context(|| format!("the limit {key} cannot be tried"))?;
        ensure!(
            kept,
            "the limit {key} is inert: it was gone over, and nothing happened. This host does not serve, since \
             one plugin could hurt the others; please report it with your system and the version of cnsp"
        );
        Ok(())
    }

    /// Goes over a limit. Whether that was refused, and for this reason.
    async fn keeps(&self, limit: Limit) -> anyhow::Result<bool> {
        Ok(match limit {
            Limit::CallTimeout => {
                // Else its processor time would end it, too late.
                let limits = self.limits(limit, 10).with(Limit::Cpu, GIVEN_UP_MS / 2);
                matches!(
                    self.trial.call(&self.scope(limits), "spin").await,
                    Err(CallError::Timeout(_))
                )
            }
            Limit::Cpu => self.stops("spin", limit, 1, "CPU time").await,
            Limit::Memory => {
                self.stops("grow-memory", limit, 512 << 10, "memory").await
                    && self.stops("grow-table", limit, 128 << 10, "memory").await
            }
            Limit::AnswerBytes => self.stops("answer", limit, 1024, "answer size").await,
            Limit::HostMemory => {
                let held = self.state(limit, 0).get("a".to_owned()).await;
                self.refuses(limit, 3, "/", b"body", "host_bytes_max").await
                    && held.is_err_and(|error| error.message.contains("host_bytes_max"))
            }
            Limit::LogLines | Limit::LogBytes => {
                let mut state = self.state(limit, 1);
                // The lines of this test are for nobody.
                tracing::subscriber::with_default(NoSubscriber::default(), || {
                    state.write(Level::Info, "a".to_owned(), Vec::new());
                    state.write(Level::Info, "b".to_owned(), Vec::new());
                });
                state.log.has_dropped()
            }
            Limit::HttpRequests => self.refuses(limit, 0, "/", b"", "requests").await,
            Limit::HttpBodyBytes | Limit::HttpBytes => {
                let key = limit.about().key;
                self.refuses(limit, 3, "/", b"body", key).await
                    && self.refuses(limit, 1, "/", b"", key).await
            }
            Limit::HttpFirstByte => {
                self.refuses(limit, 10, "/silent", b"", "begin to answer").await
            }
            Limit::HttpConcurrency | Limit::HttpRate => {
                let outbound = self.outbound.limited(&self.limits(limit, 1));
                let url = Url::parse("http://127.0.0.1/")?;
                let first = outbound.turn(&url).await;
                first.is_ok() && tokio::time::timeout(NO_TURN, outbound.turn(&url)).await.is_err()
            }
            Limit::KvOperations => {
                let got = self.state(limit, 0).get("a".to_owned()).await;
                got.is_err_and(|error| error.message.contains("read or write 0 keys"))
            }
            Limit::KvWriteBytes | Limit::KvWriteCount => {
                let set = self.state(limit, 0).set("a".to_owned(), b"b".to_vec()).await;
                set.is_err_and(|error| error.message.contains("may write 0"))
            }
            Limit::KvQuotaBytes | Limit::KvQuotaCount => {
                let set = self.state(limit, 0).set("a".to_owned(), b"b".to_vec()).await;
                set.is_err_and(|error| error.code == 2)
            }
            Limit::Concurrency => {
                let lane = Lane::new(&self.limits(limit, 1));
                let now = Instant::now();
                let first = lane.enter(now).await;
                first.is_some() && lane.enter(now).await.is_none()
            }
        })
    }

    fn limits(&self, limit: Limit, value: u64) -> Limits {
        (self.narrow)(PLENTY.with(Limit::CallTimeout, GIVEN_UP_MS), limit, value)
    }

    fn scope(&self, limits: Limits) -> Arc<Scope> {
        Arc::new(Scope {
            endpoint: NOBODY.to_owned(),
            partition: Partition::of(NOBODY),
            config: BTreeMap::new(),
            outbound: self.outbound.limited(&limits),
            store: self.store.clone(),
            limits,
            weight: Arc::default(),
            growths: Growths::default(),
        })
    }

    /// Whether the component is stopped for this.
    async fn stops(&self, function: &str, limit: Limit, value: u64, name: &str) -> bool {
        let called = self.trial.call(&self.scope(self.limits(limit, value)), function).await;
        matches!(called, Err(CallError::Limit(of, _)) if of == name)
    }

    /// A call that is never made: its imports are called from here. It commits nothing.
    fn state(&self, limit: Limit, value: u64) -> CallState {
        let steps = Steps::alone(self.store.clone(), NOBODY);
        let operation = OperationContext { id: NOBODY.to_owned(), token: None, steps };
        CallState::new(&self.scope(self.limits(limit, value)), Some(operation))
    }

    /// Whether a request to the provider comes to nothing, in these words.
    async fn refuses(
        &self,
        limit: Limit,
        value: u64,
        path: &str,
        body: &[u8],
        words: &str,
    ) -> bool {
        let mut state = self.state(limit, value);
        let request = Request {
            method: "POST".to_owned(),
            url: format!("http://127.0.0.1:{}{path}", self.port),
            headers: Vec::new(),
            body: body.to_vec(),
            credential: Credential::None,
            timeout_ms: None,
            // Else it would be taken down.
            effect: Some(false),
        };
        state.send(request).await.is_err_and(|error| error.message.contains(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::Blobs;
    use crate::config::{Config, Flags};
    use crate::store::memory::MemoryStore;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_limit_that_is_inert_is_found() {
        let data = tempfile::tempdir().unwrap();
        // The least that a host can have.
        let set = ["calls.concurrency_max=1", "calls.memory_bytes_max=1048576"].map(str::to_owned);
        let data_folder = Some(data.path().join("data"));
        let flags = Flags { data: data_folder, set: set.to_vec(), ..Flags::default() };
        let config = Config::load(&flags).unwrap();
        let blobs = Arc::new(Blobs::open(&config.data).unwrap());
        let plugins = Plugins::start(&config.calls, &config.compile, blobs).unwrap();
        let egress = Egress::start(&config.egress).unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        run(&plugins, &egress, store.clone()).await.unwrap();
        for inert in Limit::ALL {
            let narrow = |limits: Limits, limit, value| match limit == inert {
                true => limits.with(limit, 1 << 40),
                false => limits.with(limit, value),
            };
            let bench = Bench::new(&plugins, &egress, store.clone(), &narrow).await.unwrap();
            for limit in Limit::ALL {
                let checked = tokio::select! {
                    checked = bench.check(limit) => checked,
                    ended = bench.answer() => ended,
                };
                let found = checked.is_err_and(|error| error.to_string().contains("is inert"));
                assert_eq!(found, limit == inert, "{limit:?} while {inert:?} is inert");
            }
        }
    }
}
