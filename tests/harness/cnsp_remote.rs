//! A small provider that speaks CNSP 1.0 itself, the way its samples do, with HTTP Basic, a memory that tests can
//! look into, and faults on demand.

mod answer;
mod routes;

use crate::upstream::{self, Received};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who may call it.
pub const LOGIN: &str = "marketplace:remote-password-canary";

/// How it differs from the specification's samples, or does not.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// Errors under the other spelling than the one sampled for the operation.
    pub other_spelling: bool,
    /// HTTP 200 whatever `respcode` says.
    pub always_200: bool,
    /// Writes JSON as the samples do: with commas too many and braces too many.
    pub slips: bool,
    /// Has `/discovery`.
    pub discovery: bool,
    /// Has `/health`.
    pub health: bool,
    /// Recognises a repeat, by `requestid` or the header `Idempotency-Key`.
    pub honours_ids: bool,
    /// Keeps the attributes that CNSP leaves open.
    pub keeps_attributes: bool,
    /// How often an instance that was ordered says that it is pending. 0: it is active at once.
    pub pending: u32,
    /// Answers at most so many items, and says in a header where a list goes on.
    pub page: Option<usize>,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            other_spelling: false,
            always_200: false,
            slips: false,
            discovery: true,
            health: true,
            honours_ids: false,
            keeps_attributes: true,
            pending: 0,
            page: None,
        }
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Does nothing, and answers this status with no envelope.
    Status(u16),
    /// Does nothing, and refuses with this `respcode`.
    Refusal(u16),
    /// Does nothing, and closes the connection.
    DropBefore,
    /// Acts, and closes the connection.
    DropAfter,
    /// Does nothing, and never answers.
    HangBefore,
    /// Acts, and never answers.
    HangAfter,
    /// Acts, and answers what is no JSON.
    Garbage,
    /// Acts, and answers 502 as a proxy would.
    BadGateway,
}

/// How its lists of resources lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The page after is always the same one.
    Circle,
    /// Pages with nothing, and always another one.
    Nothing,
    /// Always another page of resources that nobody has heard of.
    Endless,
}

/// What it knows. Ids are `pa-1`, `pu-1`, `i-1` and so on.
#[derive(Default)]
pub struct State {
    /// As `GET /account/:id` answers them.
    pub accounts: Vec<Value>,
    /// As `GET /account/user/:id` answers them, with their `provideraccountid`.
    pub users: Vec<Value>,
    /// As `GET /resource/:id` answers them, with their `provideraccountid` beside.
    pub resources: Vec<Value>,
    /// Instance and user.
    pub seats: Vec<(String, String)>,
    /// None: they do not.
    pub lie: Option<Lie>,
    /// Every request that came with the right credentials.
    pub requests: Vec<Received>,
    /// How often the credentials were wrong.
    pub strangers: usize,
    minted: u32,
    remembered: HashMap<String, answer::Answer>,
    pending: HashMap<String, u32>,
    faults: Vec<(&'static str, &'static str, u32, Fault)>,
}

/// A server on a port of its own, for as long as the test runs.
pub struct Remote {
    address: SocketAddr,
    switches: Switches,
    state: Arc<Mutex<State>>,
}

impl Remote {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(switches: Switches) -> Remote {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        // It waits for connections until the process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || drop(serve(stream, switches, &state)));
            }
        });
        Remote { address, switches, state }
    }

    /// How it is.
    pub fn switches(&self) -> Switches {
        self.switches
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it knows now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Begins again, with nothing, but with ids that were never there.
    pub fn reset(&self) {
        let mut state = self.state();
        *state = State { minted: state.minted, ..State::default() };
    }

    /// Lets the `nth` call of this method and path from now on go wrong, counted from 1. The path has no query and
    /// no `/apiv1`; one with `:id` at its end is that of any id.
    pub fn fail(&self, method: &'static str, path: &'static str, nth: u32, fault: Fault) {
        self.state().faults.push((method, path, nth, fault));
    }

    /// How many requests of this method there were for this path, its query left out.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let state = self.state();
        let path = format!("/apiv1{path}");
        let same = |request: &&Received| {
            request.method == method && request.path.split('?').next() == Some(path.as_str())
        };
        state.requests.iter().filter(same).count()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        format!("{kind}-{}", self.minted)
    }

    /// Lets nothing go wrong that has not yet.
    pub fn forget_faults(&mut self) {
        self.faults.clear();
    }

    /// The fault of this call, whose turn it is.
    fn fault(&mut self, method: &str, path: &str) -> Option<Fault> {
        let mut due = None;
        for (at, (of, place, left, fault)) in self.faults.iter_mut().enumerate() {
            let fits = match place.strip_suffix(":id") {
                Some(before) => path.strip_prefix(before).is_some_and(|id| !id.is_empty()),
                None => path == *place,
            };
            if *of == method && fits {
                *left -= 1;
                if *left == 0 {
                    due = Some((at, *fault));
                }
            }
        }
        let (at, fault) = due?;
        self.faults.remove(at);
        Some(fault)
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, switches: Switches, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = upstream::read(&mut reader)? {
        let path = received.path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/apiv1").unwrap_or(path).to_owned();
        let basic = format!("Basic {}", BASE64_STANDARD.encode(LOGIN));
        let is_known = received.headers("authorization") == [basic.as_str()];
        let (answer, fault) = {
            let mut state = lock(state);
            let fault = match is_known {
                true => state.fault(&received.method, &path),
                false => None,
            };
            let answer = match (is_known, fault) {
                (false, _) => {
                    state.strangers += 1;
                    answer::Answer::error(
                        401,
                        "errormessage",
                        "Invalid credentials provided.",
                        "Authentication failed",
                    )
                }
                (true, Some(Fault::Status(_) | Fault::DropBefore | Fault::HangBefore)) => {
                    state.requests.push(received);
                    answer::Answer::success(json!({}), "")
                }
                (true, Some(Fault::Refusal(respcode))) => {
                    state.requests.push(received);
                    answer::Answer::error(respcode, "errormessage", "Told to refuse.", "Refused")
                }
                (true, _) => {
                    let answer = routes::answer(&mut state, switches, &received, &path);
                    state.requests.push(received);
                    answer
                }
            };
            (answer, fault)
        };
        let stream = reader.get_mut();
        match fault {
            Some(Fault::DropBefore | Fault::DropAfter) => return Ok(()),
            // Until the client goes.
            Some(Fault::HangBefore | Fault::HangAfter) => drop(stream.read(&mut [0])?),
            Some(Fault::Status(status)) => send(stream, status, "", "<html>told to</html>")?,
            Some(Fault::BadGateway) => send(stream, 502, "", "<html>Bad Gateway</html>")?,
            Some(Fault::Garbage) => send(stream, 200, "", "{\"result\":")?,
            Some(Fault::Refusal(_)) | None => {
                let status = if switches.always_200 { 200 } else { answer.status() };
                // Whoever is not known is told so by HTTP: it is the one status that the specification names.
                let status = if is_known { status } else { 401 };
                let link = answer.link.as_ref();
                let link =
                    link.map_or(String::new(), |url| format!("Link: <{url}>; rel=\"next\"\r\n"));
                send(stream, status, &link, &answer.body(switches))?;
            }
        }
    }
    Ok(())
}

fn send(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    // In one piece: a second one would wait until the first is acknowledged.
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    stream.flush()
}
