//! The way out: the only sockets towards providers, and only where an endpoint's grants and the public
//! Internet meet.
//!
//! A request goes out if a grant has its scheme, host, port, method and path. Its host's name is resolved by
//! the host, every address that is not public is dropped unless the grant exempts it, and exactly the
//! addresses that are left are dialled: a name that answers differently the next time changes nothing. Each
//! endpoint has connections of its own. Redirects are not followed, and no body is decompressed: the guest
//! sees both, and a request to the new place goes through all of this again.

mod address;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grant;
mod names;
mod pace;
mod tls;

use self::grant::{allows, check, is_encoded};
use self::names::Names;
use self::pace::Pace;
use crate::config;
use crate::limits::{Limit, Limits};
use crate::secrets::Secrets;
use crate::store::setup::{EndpointRecord, HttpGrant};
use hickory_resolver::TokioResolver;
use reqwest::{Client, Method, Url};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// What all endpoints share: how names are resolved, and how long connecting takes.
pub(crate) struct Egress {
    resolver: TokioResolver,
    settings: config::Egress,
}

/// Where one endpoint may send requests, how fast, and the secrets that it may use there. No grant, no
/// network.
pub(crate) struct Outbound {
    endpoint: String,
    /// None without a grant: most of a client's cost is in reading the system's certificates.
    client: Option<Client>,
    grants: Arc<[HttpGrant]>,
    secrets: Secrets,
    permits: Semaphore,
    pace: Mutex<Pace>,
    first_byte_max: Duration,
}

/// Why nothing went out. The texts are for the adapter's author and the vendor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("egress.denied: this endpoint has no grant; ask the operator to add one")]
    NoGrant,
    #[error("egress.denied: no grant of this endpoint allows {0}; ask the operator to add one")]
    NotGranted(String),
    #[error(
        "egress.denied: `{0}` has an encoded slash or dot in its path, which servers read differently; \
         send it as it is meant"
    )]
    EncodedPath(String),
    #[error("egress.denied: the secret `{0}` is not granted towards this host")]
    Secret(String),
    #[error("egress.denied: {host} resolved to {address}, which is {kind}; {advice}")]
    Address { host: String, address: IpAddr, kind: &'static str, advice: &'static str },
    #[error("egress.paused: {host} has asked to be left alone for {left_s} s more; try again then")]
    Paused { host: String, left_s: u64 },
}

impl Denied {
    fn reason(&self) -> &'static str {
        match self {
            Denied::NoGrant | Denied::NotGranted(_) => "grant",
            Denied::EncodedPath(_) => "path",
            Denied::Secret(_) => "secret",
            Denied::Address { .. } => "address",
            Denied::Paused { .. } => "paused",
        }
    }
}

impl Egress {
    /// Reads how this machine resolves names, unless the settings say how.
    pub(crate) fn start(settings: &config::Egress) -> anyhow::Result<Egress> {
        Ok(Egress { resolver: names::resolver(settings)?, settings: settings.clone() })
    }

    /// The way out of one endpoint.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that opens sockets towards providers"
    )]
    pub(crate) fn outbound(
        &self,
        record: &EndpointRecord,
        secrets: Secrets,
        limits: &Limits,
    ) -> anyhow::Result<Outbound> {
        let grants: Arc<[HttpGrant]> = record.grants.clone().into();
        let settings = &self.settings;
        let client = match grants.is_empty() {
            true => None,
            false => {
                let names = Names { resolver: self.resolver.clone(), grants: grants.clone() };
                let tls = tls::config(record.ca_pem.as_deref(), &record.certificate_sha256)?;
                let builder = Client::builder()
                    .tls_backend_preconfigured(tls)
                    .redirect(reqwest::redirect::Policy::none())
                    .no_proxy()
                    .dns_resolver(Arc::new(names))
                    .connect_timeout(Duration::from_millis(settings.connect_ms))
                    .pool_idle_timeout(Duration::from_secs(30));
                Some(builder.build()?)
            }
        };
        Ok(Outbound {
            endpoint: record.id.clone(),
            client,
            grants,
            secrets,
            permits: Semaphore::new(limits.count(Limit::HttpConcurrency)),
            pace: Mutex::new(Pace::new(limits.get(Limit::HttpRate))),
            first_byte_max: limits.time(Limit::HttpFirstByte),
        })
    }
}

impl Outbound {
    /// The same with other limits, and nobody under way.
    pub(crate) fn limited(&self, limits: &Limits) -> Outbound {
        Outbound {
            endpoint: self.endpoint.clone(),
            client: self.client.clone(),
            grants: self.grants.clone(),
            secrets: self.secrets.clone(),
            permits: Semaphore::new(limits.count(Limit::HttpConcurrency)),
            pace: Mutex::new(Pace::new(limits.get(Limit::HttpRate))),
            first_byte_max: limits.time(Limit::HttpFirstByte),
        }
    }
}

#[cfg(test)]
impl Outbound {
    /// Without a grant.
    pub(crate) fn closed(endpoint: &str) -> Outbound {
        Outbound {
            endpoint: endpoint.to_owned(),
            client: None,
            grants: Arc::default(),
            secrets: Secrets::default(),
            permits: Semaphore::new(1),
            pace: Mutex::new(Pace::new(1)),
            first_byte_max: Duration::from_secs(1),
        }
    }
}

impl Outbound {
    /// The grants that allow a request, and the client that sends it.
    pub(crate) fn admit(
        &self,
        method: &Method,
        url: &Url,
    ) -> Result<(&Client, Vec<&HttpGrant>), Denied> {
        let admitted = self.grants(method, url);
        if let Err(denied) = &admitted {
            self.count_denied(denied);
        }
        admitted
    }

    fn grants(&self, method: &Method, url: &Url) -> Result<(&Client, Vec<&HttpGrant>), Denied> {
        let Some(client) = &self.client else { return Err(Denied::NoGrant) };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Denied::NotGranted(format!("`{url}`, which names no host")));
        };
        let mut granted: Vec<&HttpGrant> =
            self.grants.iter().filter(|grant| allows(grant, method, url)).collect();
        if granted.is_empty() {
            let what = format!("{method} {}://{host}:{port}{}", url.scheme(), url.path());
            return Err(Denied::NotGranted(what));
        }
        // What is below a path for us must be below it for the server too: the secrets of a grant go no further.
        if is_encoded(url.path()) {
            granted.retain(|grant| grant.path == "/");
        }
        if granted.is_empty() {
            return Err(Denied::EncodedPath(url.path().to_owned()));
        }
        // A name is checked when it is resolved; an address never is.
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => IpAddr::from(address),
            Some(url::Host::Ipv6(address)) => IpAddr::from(address),
            _ => return Ok((client, granted)),
        };
        check(&self.grants, host, address)?;
        Ok((client, granted))
    }

    /// A secret, towards what these grants allow.
    pub(crate) fn secret(&self, grants: &[&HttpGrant], name: &str) -> Result<&str, Denied> {
        let granted = grants.iter().any(|grant| grant.secrets.contains(name));
        let secret = self.secrets.get(name).filter(|_| granted);
        secret.ok_or_else(|| {
            let denied = Denied::Secret(name.to_owned());
            self.count_denied(&denied);
            denied
        })
    }

    /// Waits until a request may go out, by the endpoint's rate and concurrency. Its provider may have asked
    /// for a pause, which is not waited for.
    pub(crate) async fn turn(&self, url: &Url) -> Result<SemaphorePermit<'_>, Denied> {
        let permit = self.permits.acquire().await;
        let now = Instant::now();
        let due = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(left) = pace.paused(&authority(url), now) {
                let left_s = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                let denied = Denied::Paused { host: authority(url), left_s };
                self.count_denied(&denied);
                return Err(denied);
            }
            pace.next(now)
        };
        tokio::time::sleep_until(due).await;
        // Nobody closes it.
        permit.map_err(|_| Denied::NoGrant)
    }

    /// Notes that a provider has asked for a pause.
    pub(crate) fn pause(&self, url: &Url, wait: Duration) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.pause(&authority(url), wait, Instant::now());
    }

    /// How long the first byte of an answer may take.
    pub(crate) fn first_byte_max(&self) -> Duration {
        self.first_byte_max
    }

    /// All secrets of the endpoint, to be taken out of what comes back.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Why the connecting failed, if it was for an address.
    pub(crate) fn denied(&self, error: &reqwest::Error) -> Option<Denied> {
        let first: Option<&dyn std::error::Error> = Some(error);
        let denied = std::iter::successors(first, |error| error.source())
            .find_map(|error| error.downcast_ref::<Denied>())
            .cloned()?;
        self.count_denied(&denied);
        Some(denied)
    }

    /// Counts what came of a request.
    pub(crate) fn count(&self, outcome: &'static str) {
        let endpoint = self.endpoint.clone();
        metrics::counter!("egress_requests_total", "endpoint" => endpoint, "outcome" => outcome)
            .increment(1);
    }

    fn count_denied(&self, denied: &Denied) {
        let (endpoint, reason) = (self.endpoint.clone(), denied.reason());
        metrics::counter!("egress_denied_total", "endpoint" => endpoint, "reason" => reason)
            .increment(1);
        tracing::info!(endpoint = self.endpoint, reason, %denied, "a request was not sent");
    }
}

/// What a pause is about: one host and port.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
}
