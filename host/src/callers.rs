//! Who calls: HTTP Basic, verified with argon2id, and what the caller may do.
//!
//! argon2 takes some 50 ms of a core on purpose, so a password that was verified is remembered for a short
//! time as a keyed hash ([`Entry::verified`]). Only successes are: failures would let anybody fill memory.
//! What is remembered belongs to the record's version, so that a changed password stops working with the
//! swap, and each caller remembers one, so that the memory is bounded by the callers that there are.
//!
//! A name that is unknown costs what a wrong password costs, and both get the same answer.

mod password;

pub(crate) use self::password::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, Passwords, generate};
use crate::config::Auth;
use crate::error::{Error, ErrorCode};
use crate::store::setup::{CallerRecord, EndpointAccess, Role, Stored};
use anyhow::{Context, anyhow};
use arc_swap::{ArcSwap, ArcSwapOption};
use argon2::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// The longest `Authorization` header that is looked at. Names have at most 64 bytes, passwords
/// [`PASSWORD_BYTES_MAX`], and base64 adds a third.
const HEADER_BYTES_MAX: usize = 1600;
/// How long a client is told to wait when too many verifications are waiting.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// HMAC-SHA256, under a key of this process, of version, name and password.
type Tag = [u8; 32];
/// A verification under way, which identical ones wait for.
type Flight = Shared<BoxFuture<'static, Result<bool, Refusal>>>;

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Exactly where the role is [`Role::Vendor`].
    pub(crate) vendor: Option<String>,
    pub(crate) endpoints: EndpointAccess,
}

impl Caller {
    /// Whether the caller may use an endpoint, which belongs to `endpoint_vendor`.
    pub(crate) fn may_use(&self, endpoint: &str, endpoint_vendor: &str) -> bool {
        let listed = match &self.endpoints {
            EndpointAccess::All => true,
            EndpointAccess::List(ids) => ids.contains(endpoint),
        };
        let own = match self.role {
            Role::Vendor => self.vendor.as_deref() == Some(endpoint_vendor),
            Role::Operator | Role::Marketplace | Role::Auditor => true,
        };
        listed && own
    }

    /// Whether the caller may change anything at the endpoints that it may use.
    pub(crate) fn may_change(&self) -> bool {
        match self.role {
            Role::Operator | Role::Vendor | Role::Marketplace => true,
            Role::Auditor => false,
        }
    }
}

/// A caller at one version of its record.
struct Entry {
    version: u64,
    /// None: what is stored cannot be used.
    hash: Option<Arc<PasswordHash>>,
    caller: Arc<Caller>,
    verified: ArcSwapOption<Verified>,
}

/// The password that was last verified, and when.
struct Verified {
    tag: Tag,
    at: Instant,
}

/// A clear refusal to verify, for all who wait for it.
#[derive(Clone)]
enum Refusal {
    Busy,
    Failed(Arc<anyhow::Error>),
}

/// Every caller, swapped as a whole, and the machinery that verifies passwords.
pub(crate) struct Callers {
    by_name: ArcSwap<HashMap<String, Arc<Entry>>>,
    /// Keyed at random, for this process.
    mac: Hmac<Sha256>,
    ttl: Duration,
    /// What an unknown name is verified against.
    decoy: Arc<PasswordHash>,
    passwords: Passwords,
    /// Running and waiting verifications.
    places: Arc<Semaphore>,
    /// Running ones.
    permits: Arc<Semaphore>,
    flights: Arc<Mutex<HashMap<Tag, Flight>>>,
}

impl Callers {
    /// Nobody yet. Computes one hash, so it takes a moment.
    pub(crate) fn new(auth: &Auth) -> anyhow::Result<Callers> {
        let passwords = Passwords::new(auth)?;
        let mut key = Zeroizing::new([0; 64]);
        getrandom::fill(key.as_mut()).context("the system gives no random numbers")?;
        let decoy = passwords.hash(&Zeroizing::new(generate()?))?;
        let running = auth.verify_concurrency_max.max(1);
        Ok(Callers {
            by_name: ArcSwap::default(),
            mac: Hmac::new((&*key).into()),
            ttl: Duration::from_secs(auth.cache_ttl_s),
            decoy: Arc::new(Passwords::parse(&decoy)?),
            passwords,
            places: Arc::new(Semaphore::new(running.saturating_add(auth.verify_queue_max))),
            permits: Arc::new(Semaphore::new(running)),
            flights: Arc::default(),
        })
    }

    /// Takes over the stored callers: who is not among them, or has another password, is out at once.
    pub(crate) fn replace(&self, records: &BTreeMap<String, Stored<CallerRecord>>) {
        let before = self.by_name.load();
        let after = records.iter().map(|(name, stored)| {
            let entry = match before.get(name) {
                Some(entry) if entry.version == stored.version => entry.clone(),
                _ => Arc::new(Entry::new(stored)),
            };
            (name.clone(), entry)
        });
        self.by_name.store(Arc::new(after.collect()));
    }

    /// Who sent this `Authorization` header. Every way to be wrong gets the same answer; the log learns which.
    pub(crate) async fn authenticate(&self, header: Option<&[u8]>) -> Result<Arc<Caller>, Error> {
        let credentials = parse(header).map_err(|why| refused().because(anyhow!(why)))?;
        let (name, password) = credentials.parts();
        loop {
            let entry = self.by_name.load().get(name).cloned();
            let tag = self.tag(entry.as_ref().map_or(0, |e| e.version), name, password);
            if let Some(entry) = &entry
                && entry.is_remembered(&tag, self.ttl)
            {
                return Ok(entry.caller.clone());
            }
            let hash =
                entry.as_ref().and_then(|e| e.hash.clone()).unwrap_or_else(|| self.decoy.clone());
            let matches = self.verify(tag, hash, password).await.map_err(Error::from)?;
            let Some(entry) = entry else {
                return Err(refused().because(anyhow!("there is no such caller")));
            };
            if entry.hash.is_none() {
                return Err(refused().because(anyhow!("the stored hash of {name} cannot be used")));
            }
            if !matches {
                return Err(refused().because(anyhow!("the password of {name} is wrong")));
            }
            // The password may have been changed meanwhile: then it has to prove itself again.
            if self.by_name.load().get(name).is_some_and(|now| Arc::ptr_eq(now, &entry)) {
                entry.verified.store(Some(Arc::new(Verified { tag, at: Instant::now() })));
                return Ok(entry.caller.clone());
            }
        }
    }

    fn tag(&self, version: u64, name: &str, password: &str) -> Tag {
        let mut mac = self.mac.clone();
        mac.update(&version.to_le_bytes());
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Runs argon2 where blocking is fine, bounded, and once for identical callers at the same time. It goes on
    /// when the client hangs up, so that hanging up frees no place before the work is done.
    async fn verify(
        &self,
        tag: Tag,
        hash: Arc<PasswordHash>,
        password: &str,
    ) -> Result<bool, Refusal> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&tag) {
                Some(flight) => flight.clone(),
                None => {
                    let flight = self.launch(tag, hash, password)?;
                    flights.insert(tag, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    fn launch(&self, tag: Tag, hash: Arc<PasswordHash>, password: &str) -> Result<Flight, Refusal> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let (permits, flights) = (self.permits.clone(), self.flights.clone());
        let passwords = self.passwords.clone();
        let password = Zeroizing::new(password.to_owned());
        let task = tokio::spawn(async move {
            let verdict = match permits.acquire_owned().await {
                Ok(permit) => tokio::task::spawn_blocking(move || {
                    let matches = passwords.verify(&password, &hash);
                    drop(permit);
                    matches
                })
                .await
                .map_err(|error| Refusal::Failed(Arc::new(error.into()))),
                Err(error) => Err(Refusal::Failed(Arc::new(error.into()))),
            };
            flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&tag);
            drop(place);
            verdict
        });
        let flight = task.map(|joined| {
            joined.unwrap_or_else(|error| Err(Refusal::Failed(Arc::new(error.into()))))
        });
        Ok(flight.boxed().shared())
    }
}

impl Entry {
    fn new(stored: &Stored<CallerRecord>) -> Entry {
        let record = &stored.record;
        let hash = Passwords::parse(&record.password_hash)
            .inspect_err(|error| {
                tracing::error!(caller = record.name, error = format!("{error:#}"), "a caller cannot log in: its stored password hash cannot be used; apply its set-up again");
            })
            .ok();
        Entry {
            version: stored.version,
            hash: hash.map(Arc::new),
            caller: Arc::new(Caller {
                name: record.name.clone(),
                role: record.role,
                vendor: record.vendor.clone(),
                endpoints: record.endpoints.clone(),
            }),
            verified: ArcSwapOption::empty(),
        }
    }

    fn is_remembered(&self, tag: &Tag, ttl: Duration) -> bool {
        self.verified
            .load()
            .as_ref()
            .is_some_and(|known| known.at.elapsed() < ttl && bool::from(known.tag.ct_eq(tag)))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::Busy => {
                let text =
                    "More passwords are waiting to be verified than the host takes. Try again.";
                Error::new(ErrorCode::Overloaded, text).retry_after(BUSY_RETRY_AFTER)
            }
            Refusal::Failed(cause) => {
                Error::internal(anyhow!("cannot verify a password: {cause:#}"))
            }
        }
    }
}

fn refused() -> Error {
    Error::new(ErrorCode::InvalidCredentials, "Invalid credentials provided.")
}

/// Name and password, which are there and not empty.
struct Credentials(Zeroizing<String>);

impl Credentials {
    fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or_default()
    }
}

fn parse(header: Option<&[u8]>) -> Result<Credentials, &'static str> {
    let header = header.ok_or("there is no Authorization header")?;
    if header.len() > HEADER_BYTES_MAX {
        return Err("the Authorization header is too long");
    }
    let (scheme, rest) =
        header.split_at_checked(6).ok_or("the Authorization header is too short")?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Err("the Authorization scheme is not Basic");
    }
    let bytes = STANDARD.decode(rest.trim_ascii()).map_err(|_| "the credentials are no base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "the credentials are no UTF-8")?;
    let credentials = Credentials(Zeroizing::new(text));
    match credentials.parts() {
        ("", _) => Err("the user name is missing"),
        (_, "") => Err("the password is missing"),
        (_, password) if password.len() > PASSWORD_BYTES_MAX => Err("the password is too long"),
        _ => Ok(credentials),
    }
}

#[cfg(test)]
mod tests;
