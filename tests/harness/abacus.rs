//! Cloud Foundry Abacus over real HTTP, small and exact: its collector, sampler, reports, plans and accounts, behind an
//! authorization server, all at one address. It counts what it is sent twice twice, as Abacus does, and goes wrong on
//! demand. Tests look into what it has.

mod plans;
mod report;
mod service;

use crate::upstream::{Received, answer, read};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who gets tokens: a client's id and secret.
pub const LOGIN: &str = "marketplace:client-secret-canary";

/// An Abacus on a port of its own, for as long as the test runs.
pub struct Abacus {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// All that it has and is told.
#[derive(Default)]
pub struct State {
    /// The `organization_id`s that there are.
    pub organizations: BTreeSet<String>,
    /// What the collector has taken, each with its `processed_id`.
    pub documents: Vec<Value>,
    /// What the sampler knows.
    pub spans: Vec<Span>,
    /// By kind, `metering`, `rating` or `pricing`, and id.
    pub plans: BTreeMap<(String, String), Value>,
    /// Every request, with what it asked for.
    pub requests: Vec<(Op, Received)>,
    /// Whether reports say that they are incomplete.
    pub partial: bool,
    /// Whether what is collected does not come into the reports yet.
    pub unsettled: bool,
    /// What tokens may not do.
    pub out_of_scope: Vec<Op>,
    tokens: Vec<String>,
    tokens_given: usize,
    faults: Vec<Fault>,
    processed: u32,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `POST /oauth/token`
    Token,
    /// `POST` of a usage document
    Collect,
    /// `GET` of a usage document
    Document,
    /// `POST` of a start event
    Start,
    /// `POST` of a stop event
    Stop,
    /// `GET` of a plan
    Plan,
    /// `GET` of an organization's report
    Report,
    /// `GET` of an organization's account
    Account,
    /// Anything else
    Unknown,
}

/// Something that the sampler meters, or has metered.
#[derive(Clone, Debug)]
pub struct Span {
    /// The six ids.
    pub target: Value,
    /// As the start event said.
    pub measured: Value,
    /// The id of the start event.
    pub start_id: String,
    /// In milliseconds.
    pub start: i64,
    /// The id of the stop event, and its time.
    pub end: Option<(String, i64)>,
}

#[derive(Clone, Debug)]
struct Fault {
    op: Op,
    /// How many of them go well before.
    after: usize,
    /// Whether it is done all the same.
    acts: bool,
    answers: Answers,
}

/// What a faulty Abacus answers.
#[derive(Clone, Debug)]
pub enum Answers {
    /// This status and body, with these headers.
    With(u16, &'static str, &'static str),
    /// Nothing, for as long as the client waits.
    Nothing,
    /// The end of the connection.
    Hangup,
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(now.as_millis()).expect("it is before the year 292,000,000")
}

impl Span {
    /// How many of its measure there are.
    pub fn quantity(&self) -> u64 {
        self.measured[0]["quantity"].as_u64().expect("a whole number")
    }
}

impl Abacus {
    /// Starts one with plans of object storage and of licences, and without organizations.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Abacus {
        let state = Arc::new(Mutex::new(State::new()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let shared = state.clone();
        // It waits for connections until the process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Abacus { address, state }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next request of this kind be answered with this status, without being acted upon.
    pub fn refuse(&self, op: Op, status: u16, body: &'static str) {
        self.fault(op, false, Answers::With(status, body, ""));
    }

    /// Lets the next request of this kind go wrong.
    pub fn fault(&self, op: Op, acts: bool, answers: Answers) {
        self.fault_after(op, 0, acts, answers);
    }

    /// Lets a request of this kind go wrong after so many that go well. Faults of one kind happen in their order.
    pub fn fault_after(&self, op: Op, after: usize, acts: bool, answers: Answers) {
        self.state().faults.push(Fault { op, after, acts, answers });
    }

    /// How often this was asked for.
    pub fn count(&self, op: Op) -> usize {
        self.state().requests.iter().filter(|(asked, _)| *asked == op).count()
    }

    /// The bodies of the requests of this kind, as JSON.
    ///
    /// # Panics
    /// When one is no JSON.
    pub fn bodies(&self, op: Op) -> Vec<Value> {
        let state = self.state();
        let asked = state.requests.iter().filter(|(asked, _)| *asked == op);
        asked.map(|(_, got)| serde_json::from_slice(&got.body).expect("JSON")).collect()
    }

    /// How many usage documents it has counted.
    pub fn documents(&self) -> usize {
        self.state().documents.len()
    }

    /// How many spans it has metered, or meters.
    pub fn spans(&self) -> usize {
        self.state().spans.len()
    }

    /// What is metered now.
    pub fn running(&self) -> Vec<Span> {
        self.state().spans.iter().filter(|span| span.end.is_none()).cloned().collect()
    }

    /// Ends every token that it has given out.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Begins again, with one organization; tokens stay.
    pub fn reset(&self, organization: &str) {
        let mut state = self.state();
        let tokens = std::mem::take(&mut state.tokens);
        let tokens_given = state.tokens_given;
        *state = State { tokens, tokens_given, ..State::new() };
        state.organizations.insert(organization.to_owned());
    }
}

impl State {
    fn new() -> State {
        State { plans: plans::all(), ..State::default() }
    }

    /// The fault for this request, when there is one.
    fn take_fault(&mut self, op: Op) -> Option<Fault> {
        let position = self.faults.iter().position(|fault| fault.op == op)?;
        let fault = &mut self.faults[position];
        if fault.after == 0 {
            return Some(self.faults.remove(position));
        }
        fault.after -= 1;
        None
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader)? {
        let (fault, done) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let op = service::op(&received);
            state.requests.push((op, received.clone()));
            let fault = state.take_fault(op);
            let acts = fault.as_ref().is_none_or(|fault| fault.acts);
            (fault, acts.then(|| service::act(&mut state, op, &received)))
        };
        let json = "Content-Type: application/json\r\n";
        let stream = reader.get_mut();
        match (fault.map(|fault| fault.answers), done) {
            (Some(Answers::With(status, body, more)), _) => {
                answer(stream, status.into(), &format!("{json}{more}"), body.as_bytes())?;
            }
            (Some(Answers::Nothing), _) => {
                // Until the client goes.
                stream.read(&mut [0]).map(drop)?;
                return Ok(());
            }
            (None, Some(service::Done { status, headers, body })) => {
                answer(stream, status.into(), &format!("{json}{headers}"), body.as_bytes())?;
            }
            (Some(Answers::Hangup), _) | (None, None) => return Ok(()),
        }
    }
    Ok(())
}
