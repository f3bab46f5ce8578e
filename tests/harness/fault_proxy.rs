//! Stands between a host and its provider: what passes is written down, and one request, or several, go wrong.

use crate::upstream::{Received, answer, read};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The provider is not asked, and the connection ends.
    DropBefore,
    /// The provider is not asked, and nobody answers.
    SilentBefore,
    /// The provider is not asked, and this is answered.
    Status(u16),
    /// The provider acts, and the connection ends.
    DropAfter,
    /// The provider acts, and nobody answers.
    SilentAfter,
    /// The provider acts, and 500 is answered.
    FailedAfter,
    /// The provider acts, and its status comes with what is no JSON.
    Garbage,
    /// The provider acts, and half of its answer comes before the connection ends.
    Truncated,
    /// The provider acts, and its status comes with nothing.
    Empty,
    /// The provider acts, and its answer comes when it is let go.
    Late,
}

impl Fault {
    /// Whether the provider is asked all the same.
    pub fn acts(self) -> bool {
        !matches!(self, Fault::DropBefore | Fault::SilentBefore | Fault::Status(_))
    }
}

/// A request that has arrived.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The provider's status; none if it was not asked.
    pub status: Option<u16>,
    /// How much it has answered.
    pub body_bytes: usize,
}

impl Exchange {
    /// Whether the provider is another one after it. To sign in changes nothing, and one of them cancels with a GET.
    pub fn is_effect(&self) -> bool {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        match self.method.as_str() {
            "GET" | "HEAD" => last == "cancel",
            _ => !matches!(last, "token" | "tokens"),
        }
    }

    /// The method and the path, without ids: those have digits.
    pub fn step(&self) -> String {
        let words = self.path.split('/').map(|word| {
            let is_id = word.bytes().any(|byte| byte.is_ascii_digit());
            if is_id { "*" } else { word }
        });
        format!("{} {}", self.method, words.collect::<Vec<_>>().join("/"))
    }
}

#[derive(Default)]
struct State {
    exchanges: Vec<Exchange>,
    /// Where it was last begun to watch.
    from: usize,
    /// Which requests go wrong, counted from there, and how.
    fault: Option<(Range<usize>, Fault)>,
    /// How many requests have come to where nobody answers, or not yet.
    silent: usize,
    /// Whether what is late is let go.
    let_go: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    let_go: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a provider is, and how it is spoken to.
#[derive(Clone)]
struct Provider {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// A proxy for as long as the test runs, on a port for each address of the provider.
pub struct FaultProxy {
    origins: Vec<String>,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Stands before these origins: `http://ADDRESS:PORT`.
    ///
    /// # Panics
    /// When there is no port, or one is no origin.
    pub fn before(origins: &[String]) -> FaultProxy {
        FaultProxy::listen(origins, None)
    }

    /// As [`FaultProxy::before`], where the provider speaks TLS. Whoever asks the proxy does not.
    ///
    /// # Panics
    /// As there.
    pub fn before_tls(origins: &[String], tls: &Arc<ClientConfig>) -> FaultProxy {
        FaultProxy::listen(origins, Some(tls))
    }

    fn listen(origins: &[String], tls: Option<&Arc<ClientConfig>>) -> FaultProxy {
        let shared = Arc::new(Shared::default());
        let listen = |origin: &String| {
            let (_, address) = origin.split_once("://").expect("an origin");
            let provider =
                Provider { address: address.parse().expect("an address"), tls: tls.cloned() };
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("it has an address");
            let shared = shared.clone();
            // It waits for connections until the process ends.
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (provider, shared) = (provider.clone(), shared.clone());
                    // A client that goes away ends its connection, and nothing else.
                    std::thread::spawn(move || drop(serve(stream, &provider, &shared)));
                }
            });
            format!("http://{address}")
        };
        let origins = origins.iter().map(listen).collect();
        FaultProxy { origins, shared }
    }

    /// Where it listens, in the order of what it stands before.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Lets everything pass, and watches from now on.
    pub fn watch(&self) {
        let mut state = self.shared.lock();
        let from = state.exchanges.len();
        *state =
            State { from, exchanges: std::mem::take(&mut state.exchanges), ..State::default() };
    }

    /// Watches from now on, and lets these of the requests go wrong, counted from 0.
    pub fn fail(&self, requests: Range<usize>, fault: Fault) {
        self.watch();
        self.shared.lock().fault = Some((requests, fault));
    }

    /// Lets everything pass from now on.
    pub fn calm(&self) {
        self.shared.lock().fault = None;
    }

    /// What has arrived since it was last begun to watch.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let state = self.shared.lock();
        state.exchanges[state.from..].to_vec()
    }

    /// How many requests wait for an answer that does not come, or is late.
    pub fn silent(&self) -> usize {
        self.shared.lock().silent
    }

    /// Lets go what is late.
    pub fn let_go(&self) {
        self.shared.lock().let_go = true;
        self.shared.let_go.notify_all();
    }
}

fn serve(stream: TcpStream, provider: &Provider, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader)? {
        let (number, fault) = {
            let mut state = shared.lock();
            let number = state.exchanges.len();
            let at = number - state.from;
            let due = state.fault.as_ref().filter(|(requests, _)| requests.contains(&at));
            let fault = due.map(|(_, fault)| *fault);
            state.exchanges.push(Exchange {
                method: received.method.clone(),
                path: received.path.split('?').next().unwrap_or_default().to_owned(),
                status: None,
                body_bytes: 0,
            });
            (number, fault)
        };
        let stream = reader.get_mut();
        if fault.is_none_or(Fault::acts) {
            let (status, headers, body) = forward(provider, &received)?;
            {
                let mut state = shared.lock();
                let exchange = &mut state.exchanges[number];
                (exchange.status, exchange.body_bytes) = (Some(status), body.len());
            }
            match fault {
                None => answer(stream, status.into(), &headers, &body)?,
                Some(Fault::FailedAfter) => answer(stream, 500, JSON, b"{}")?,
                Some(Fault::Garbage) => answer(stream, status.into(), &headers, b"{\"id\":")?,
                Some(Fault::Empty) => answer(stream, status.into(), &headers, b"")?,
                Some(Fault::Truncated) => {
                    let (length, half) = (body.len(), &body[..body.len() / 2]);
                    let head = format!(
                        "HTTP/1.1 {status} Told\r\n{headers}Content-Length: {length}\r\n\r\n"
                    );
                    stream.write_all(&[head.as_bytes(), half].concat())?;
                    return Ok(());
                }
                Some(Fault::Late) => {
                    let mut state = shared.lock();
                    state.silent += 1;
                    drop(shared.let_go.wait_while(state, |state| !state.let_go));
                    answer(stream, status.into(), &headers, &body)?;
                }
                Some(Fault::SilentAfter) => return silent(stream, shared),
                Some(_) => return Ok(()),
            }
        } else {
            match fault {
                Some(Fault::Status(status @ (429 | 503))) => {
                    answer(stream, status.into(), &format!("{JSON}Retry-After: 0\r\n"), b"{}")?;
                }
                Some(Fault::Status(status)) => answer(stream, status.into(), JSON, b"{}")?,
                Some(Fault::SilentBefore) => return silent(stream, shared),
                _ => return Ok(()),
            }
        }
    }
    Ok(())
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Says nothing until the client goes.
fn silent(stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    shared.lock().silent += 1;
    stream.read(&mut [0]).map(drop)
}

/// What the provider says.
fn forward(provider: &Provider, received: &Received) -> std::io::Result<(u16, String, Vec<u8>)> {
    let stream = TcpStream::connect(provider.address)?;
    let Some(tls) = &provider.tls else { return exchange(stream, received) };
    let name = ServerName::from(provider.address.ip());
    let connection = ClientConnection::new(tls.clone(), name).map_err(std::io::Error::other)?;
    exchange(StreamOwned::new(connection, stream), received)
}

/// Its status, its headers but those that say how long the body is, and its body.
fn exchange(
    mut stream: impl Read + Write,
    received: &Received,
) -> std::io::Result<(u16, String, Vec<u8>)> {
    let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    let headers: String = received.headers.iter().map(line).collect();
    let head = format!("{} {} HTTP/1.1\r\n{headers}\r\n", received.method, received.path);
    stream.write_all(&[head.as_bytes(), &received.body].concat())?;
    stream.flush()?;
    // An answer is laid out as a request is: where that has its path, it has its status.
    let said = read(&mut BufReader::new(stream))?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = said.path.parse().map_err(|_| std::io::ErrorKind::InvalidData)?;
    let kept = said.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    Ok((status, kept.map(line).collect(), said.body))
}
