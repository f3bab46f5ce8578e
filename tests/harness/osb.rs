//! A service broker (OSB 2.17) over real HTTP, small and exact: it checks what a broker has to check, works in the
//! background when told to, and goes wrong on demand. Tests look into what it has.

mod background;
mod service;

use crate::upstream::{Received, answer, read};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who may sign in.
pub const LOGIN: &str = "platform:broker-password-canary";

/// A broker on a port of its own, for as long as the test runs.
pub struct Osb {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// All that it has and is told.
#[derive(Default)]
pub struct State {
    /// What `GET /v2/catalog` answers.
    pub catalog: Value,
    /// By `instance_id`.
    pub instances: BTreeMap<String, Instance>,
    /// By `instance_id` and `binding_id`.
    pub bindings: BTreeMap<(String, String), Binding>,
    /// Every request, with what it asked for.
    pub requests: Vec<(Op, Received)>,
    /// How the next works in the background end; while there is one, changes are answered with 202.
    pub background: Vec<Background>,
    /// What each binding's credentials are.
    pub credentials: Value,
    faults: Vec<Fault>,
    operations: u32,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// `GET /v2/catalog`
    Catalog,
    /// `PUT` of an instance
    Provision,
    /// `PATCH`
    Update,
    /// `DELETE` of an instance
    Deprovision,
    /// `PUT` of a binding
    Bind,
    /// `DELETE` of a binding
    Unbind,
    /// `GET …/last_operation`, of either
    LastOperation,
    /// `GET` of an instance
    FetchInstance,
    /// `GET` of a binding
    FetchBinding,
    /// Anything else
    Unknown,
}

/// A service instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// As it was provisioned, with what updates have changed.
    pub body: Value,
    /// What goes on in the background.
    pub running: Option<Running>,
}

/// A service binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// As it was bound.
    pub body: Value,
    /// What goes on in the background.
    pub running: Option<Running>,
}

/// How work in the background goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Background {
    /// How often it is `in progress`.
    pub polls: u32,
    /// What `last_operation` says in the end.
    pub end: Value,
}

/// Work in the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    operation: String,
    plan: Background,
    then: Then,
}

#[derive(Clone, Debug, PartialEq)]
enum Then {
    Stays,
    Becomes(Value),
    Goes,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// At which request.
    pub op: Op,
    /// At which of them from now on, from 1; 0: at every one.
    pub nth: u32,
    /// Whether the broker does what it is asked all the same.
    pub acts: bool,
    /// What it answers.
    pub answers: Answers,
}

/// What a faulty broker answers.
#[derive(Clone, Debug)]
pub enum Answers {
    /// This status and body, with these headers.
    With(u16, String, &'static str),
    /// Nothing, for as long as the client waits.
    Nothing,
    /// The end of the connection.
    Hangup,
}

/// `{"state": …}`, in the background, after being in progress so often.
pub fn background(polls: u32, state: &str) -> Background {
    Background {
        polls,
        end: serde_json::json!({ "state": state, "description": format!("it has {state}") }),
    }
}

impl Osb {
    /// Starts one with the catalog of `fixtures/osb/catalog.json`.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Osb {
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
        Osb { address, state }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next request of this kind go wrong, without being acted upon.
    pub fn refuse(&self, op: Op, status: u16, body: &str) {
        self.fault(op, false, Answers::With(status, body.to_owned(), ""));
    }

    /// Lets the next request of this kind go wrong.
    pub fn fault(&self, op: Op, acts: bool, answers: Answers) {
        self.state().faults.push(Fault { op, nth: 1, acts, answers });
    }

    /// Lets something go wrong.
    pub fn fault_at(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// How many instances it has.
    pub fn instances(&self) -> usize {
        self.state().instances.len()
    }

    /// How many bindings it has.
    pub fn bindings(&self) -> usize {
        self.state().bindings.len()
    }

    /// How often this was asked for.
    pub fn count(&self, op: Op) -> usize {
        self.state().requests.iter().filter(|(asked, _)| *asked == op).count()
    }

    /// The last request of this kind.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self, op: Op) -> Received {
        let state = self.state();
        let last = state.requests.iter().rev().find(|(asked, _)| *asked == op);
        last.unwrap_or_else(|| panic!("there was no {op:?}")).1.clone()
    }

    /// The body of the last request of this kind.
    ///
    /// # Panics
    /// When there was none, or it is no JSON.
    pub fn last_body(&self, op: Op) -> Value {
        serde_json::from_slice(&self.last(op).body).expect("the body is JSON")
    }

    /// Begins again, with nothing.
    pub fn reset(&self) {
        *self.state() = State::new();
    }

    /// Forgets what was asked, and everything that is still to go wrong.
    pub fn calm(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.faults.clear();
        state.background.clear();
    }
}

impl State {
    fn new() -> State {
        let catalog = include_str!("../fixtures/osb/catalog.json");
        State {
            catalog: serde_json::from_str(catalog).expect("the catalog is JSON"),
            credentials: serde_json::json!({
                "uri": "amqp://queue.example",
                "password": "binding-password-canary",
            }),
            ..State::default()
        }
    }

    /// Ends what goes on in the background for an instance, as it was told.
    ///
    /// # Panics
    /// When there is nothing.
    pub fn finish(&mut self, instance: &str) {
        let instance = self.instances.get_mut(instance).expect("there is one");
        let running = instance.running.take().expect("something goes on");
        if let Then::Becomes(body) = running.then {
            instance.body = body;
        }
    }

    /// The fault for this request, when there is one.
    fn take_fault(&mut self, op: Op) -> Option<Fault> {
        let position = self.faults.iter().position(|fault| fault.op == op)?;
        let fault = &mut self.faults[position];
        match fault.nth {
            0 => Some(fault.clone()),
            1 => Some(self.faults.remove(position)),
            _ => {
                fault.nth -= 1;
                None
            }
        }
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader)? {
        let (answers, headers) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let op = service::op(&received);
            state.requests.push((op, received.clone()));
            let fault = state.take_fault(op);
            let acted = match &fault {
                Some(Fault { acts: false, .. }) => None,
                _ => Some(service::act(&mut state, op, &received)),
            };
            match (fault, acted) {
                (Some(fault), _) => (fault.answers, ""),
                (None, Some((status, body))) => {
                    (Answers::With(status, body.to_string(), ""), "Retry-After: 0\r\n")
                }
                (None, None) => return Ok(()),
            }
        };
        match answers {
            Answers::With(status, body, more) => {
                let headers = format!("Content-Type: application/json\r\n{headers}{more}");
                answer(reader.get_mut(), status.into(), &headers, body.as_bytes())?;
            }
            Answers::Nothing => {
                // Until the client goes.
                reader.get_mut().read(&mut [0]).map(drop)?;
                return Ok(());
            }
            Answers::Hangup => return Ok(()),
        }
    }
    Ok(())
}
