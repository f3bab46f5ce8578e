//! A provider's API as bad as it may be: the path of a request says how it is answered.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How much of a body that never ends is sent at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A server on a port of its own, for as long as the test runs.
pub struct Upstream {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Seen>,
}

/// A request that has arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// As it was sent.
    pub method: String,
    /// With its query.
    pub path: String,
    /// As they were sent, in their order.
    pub headers: Vec<(String, String)>,
    /// The whole of it.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Received>>,
    opened: AtomicBool,
}

impl Received {
    /// The values of the headers of this name, in any case.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

impl Upstream {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Upstream {
        Upstream::at("127.0.0.1:0")
    }

    /// Starts one at `ADDRESS:PORT`.
    ///
    /// # Panics
    /// When that is not free.
    pub fn at(address: &str) -> Upstream {
        Upstream::listen(address, None)
    }

    /// Starts one that speaks TLS.
    ///
    /// # Panics
    /// When there is no port.
    pub fn tls(config: Arc<ServerConfig>) -> Upstream {
        Upstream::listen("127.0.0.1:0", Some(config))
    }

    fn listen(address: &str, tls: Option<Arc<ServerConfig>>) -> Upstream {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        // It waits for connections until the process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, tls) = (shared.clone(), tls.clone());
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || match tls {
                    None => drop(serve(stream, &seen)),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a connection");
                        drop(serve(StreamOwned::new(connection, stream), &seen));
                    }
                });
            }
        });
        Upstream { address, scheme, seen }
    }

    /// `http://127.0.0.1:PORT`, or `https:`.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// A grant for it, in TOML, with the exemption that its address needs.
    pub fn grant(&self) -> String {
        format!("{{ url = {:?}, addresses = [\"127.0.0.0/8\"] }}", self.origin())
    }

    /// The URL of a path: `/status/CODE`, `/bytes/COUNT`, `/headers/COUNT`, `/redirect`,
    /// `/redirect-to`, `/later/CODE`, `/echo`, `/packed`, `/drip`, `/endless`, `/silent`,
    /// `/silent-at/NUMBER`, `/silent-from/NUMBER`, `/echo-until/NUMBER`, `/gate/NUMBER`, `/cut` or `/garbage`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Lets every request through `/gate` from now on.
    pub fn open_gates(&self) {
        self.seen.opened.store(true, Ordering::SeqCst);
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one request so far.
    ///
    /// # Panics
    /// When there are others, or none.
    pub fn only_request(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.into_iter().next().expect("there is one")
    }
}

/// Answers the requests of one connection.
fn serve(stream: impl Read + Write, seen: &Seen) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader)? {
        let path = received.path.clone();
        let method = received.method.clone();
        let echo: String =
            received.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let body = String::from_utf8_lossy(&received.body).into_owned();
        let place = received.headers("x-location").first().map_or(String::new(), |p| p.to_string());
        seen.requests.lock().unwrap_or_else(PoisonError::into_inner).push(received);
        let mut words = path.trim_start_matches('/').split(['/', '?']);
        let what = words.next().unwrap_or_default();
        let stream = reader.get_mut();
        let number: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        match what {
            "status" => answer(stream, number, "X-Upstream: here\r\n", b"the answer")?,
            "bytes" => answer(stream, 200, "", &vec![b'x'; number])?,
            "headers" => answer(stream, 200, &"X-Many: 1\r\n".repeat(number), b"")?,
            "redirect" => answer(stream, 302, "Location: /status/200\r\n", b"")?,
            "redirect-to" => answer(stream, 302, &format!("Location: {place}\r\n"), b"")?,
            // 429, in a minute.
            "later" => answer(stream, number, "Retry-After: 60\r\n", b"")?,
            "echo" => {
                let header = format!("X-Echo: {}\r\n", echo.replace("\r\n", " "));
                answer(stream, 200, &header, echo.as_bytes())?;
            }
            // Says that it is packed, which nobody looks at.
            "packed" => answer(stream, 200, "Content-Encoding: gzip\r\n", b"the answer")?,
            // Acts on the request of this number among those of its path, and is not heard of any more.
            "silent-at" | "echo-until" => {
                let before = seen.requests.lock().unwrap_or_else(PoisonError::into_inner);
                let of_path = before.iter().filter(|one| one.path == path).count();
                drop(before);
                match of_path == number {
                    true => drop(stream.read(&mut [0])?),
                    false if what == "silent-at" => {
                        answer(stream, 201, "", of_path.to_string().as_bytes())?;
                    }
                    false => answer(stream, 201, "", (echo + &body).as_bytes())?,
                }
            }
            // As that, and is not heard of by anybody after it.
            "silent-from" => {
                let before = seen.requests.lock().unwrap_or_else(PoisonError::into_inner);
                let of_path = before.iter().filter(|one| one.path == path).count();
                drop(before);
                match of_path >= number {
                    true => drop(stream.read(&mut [0])?),
                    false => answer(stream, 201, "", b"")?,
                }
            }
            // Has so many made, and then no more until the gates are opened. What is deleted is deleted.
            "gate" if method == "DELETE" => answer(stream, 204, "", b"")?,
            "gate" => {
                let before = seen.requests.lock().unwrap_or_else(PoisonError::into_inner);
                let of_path = before.iter().filter(|one| one.path == path).count();
                drop(before);
                let open = of_path <= number || seen.opened.load(Ordering::SeqCst);
                answer(stream, if open { 201 } else { 503 }, "", b"")?;
            }
            "drip" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
                // Until the client goes: then the write fails.
                loop {
                    stream.write_all(b"x")?;
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            }
            "endless" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    write!(stream, "{CHUNK_BYTES:x}\r\n")?;
                    stream.write_all(&[b'x'; CHUNK_BYTES])?;
                    stream.write_all(b"\r\n")?;
                }
            }
            // Until the client goes.
            "silent" => drop(stream.read(&mut [0])?),
            "cut" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")?;
                return Ok(());
            }
            _ => {
                stream.write_all(b"this is \x00 not HTTP\r\n\r\n")?;
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(crate) fn answer(
    stream: &mut impl Write,
    status: usize,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Told\r\n{headers}Content-Length: {length}\r\n\r\n");
    // In one piece: a second one would wait until the first is acknowledged.
    stream.write_all(&[head.as_bytes(), body].concat())?;
    stream.flush()
}

/// The next request; none when the client is done.
pub(crate) fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut received = Received { method, path, headers, body: Vec::new() };
    let length = received.headers("content-length").first().and_then(|length| length.parse().ok());
    received.body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut received.body)?;
    Ok(Some(received))
}
