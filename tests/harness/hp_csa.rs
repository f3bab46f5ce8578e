//! HP CSA 4.00 over real HTTPS, small and as odd as the real one: Basic with a certificate that signs itself, a GET that
//! cancels, lists that count more than they have, a group's subscription for each of its members, attachments inside of
//! answers, and deletions that are answered with 200 whatever came of them. It goes wrong on demand. Tests look into what
//! it has.

mod render;
mod service;

use crate::certificates::Identity;
use crate::upstream::{Received, answer, read};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who may ask at all.
pub const LOGIN: &str = "csaTransportUser:csa-password-canary";
/// The organization and the user of the integration.
pub const PROVIDER: (&str, &str) = ("CSA-Provider", "admin");
/// Of the only catalog.
pub const CATALOG: &str = "90cec3a03a93ef89013a93faa4cd0c01";
/// Of its offerings: a server, and mail without options or a setup price.
pub const SERVER: &str = "90cec3a03a93ef89013a93faa4cd0f01";
/// See [`SERVER`].
pub const MAIL: &str = "90cec3a03a93ef89013a93faa4cd0f02";

/// A CSA on a port of its own, for as long as the test runs.
pub struct HpCsa {
    address: SocketAddr,
    identity: Identity,
    state: Arc<Mutex<State>>,
}

/// All that it has and is told.
#[derive(Default)]
pub struct State {
    /// By id.
    pub organizations: BTreeMap<String, Organization>,
    /// By id: who has signed in once.
    pub persons: BTreeMap<String, Person>,
    /// Names of an organization that LDAP has, by the organization's id.
    pub ldap: Vec<(String, String)>,
    /// By id.
    pub service_requests: BTreeMap<String, ServiceRequest>,
    /// By id.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// Whether requests wait for somebody to approve them.
    pub approval: bool,
    /// What becomes of an instance that is deployed: its state.
    pub outcome: &'static str,
    /// The recurring price after the next modification.
    pub modified_price: &'static str,
    /// How many bytes of attachments each subscription has in it.
    pub attachment_bytes: usize,
    /// Whether a list says that it is cut.
    pub cut: bool,
    /// Subscriptions that are not deleted.
    pub undeletable: Vec<String>,
    /// Every request, with what it asked for.
    pub requests: Vec<(Op, Received)>,
    faults: Vec<Fault>,
    ids: u32,
}

/// An organization of LDAP's.
#[derive(Clone, Debug)]
pub struct Organization {
    /// What its users sign in to.
    pub name: String,
    /// CONSUMER, or what sells.
    pub role: &'static str,
}

/// A user who has signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// What he or she signs in with.
    pub name: String,
    /// The organization's id.
    pub organization: String,
    /// Of LDAP's.
    pub groups: Vec<String>,
}

/// An order, a modification or a cancellation.
#[derive(Clone, Debug)]
pub struct ServiceRequest {
    /// ORDER and the like.
    pub action: String,
    /// Of an offering, or of a subscription.
    pub context: String,
    /// The person's id.
    pub by: String,
    /// As it was sent.
    pub name: String,
    /// As it was sent.
    pub description: String,
    /// SERVICE_NAME and the like.
    pub properties: BTreeMap<String, String>,
    /// SUBMITTED, PENDING_APPROVAL and the like.
    pub state: &'static str,
    /// SUCCESS or FAILURE, once there is one.
    pub status: Option<&'static str>,
}

/// What somebody has.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The request that began it.
    pub request: String,
    /// As it was told.
    pub name: String,
    /// As it was told.
    pub description: String,
    /// Of [`SERVER`] or [`MAIL`].
    pub offering: String,
    /// The person's id.
    pub by: String,
    /// Who shares it.
    pub group: Option<String>,
    /// ACTIVE and the like.
    pub status: &'static str,
    /// Of the instance.
    pub state: &'static str,
    /// As CSA shows it.
    pub start: String,
    /// As CSA shows it.
    pub end: Option<String>,
    /// `totalPrice` of SETUP.
    pub setup: Option<&'static str>,
    /// `totalPrice` of RECURRING.
    pub recurring: Option<&'static str>,
    /// Of the pricing model.
    pub multiplier: &'static str,
    /// Of the pricing model.
    pub period: &'static str,
    /// Whether prices are told apart by their type, or by their category.
    pub typed: bool,
    /// What is reserved: name of the type, and how many.
    pub reserved: Vec<(&'static str, u32)>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `GET /login/…`
    Login,
    /// `GET /organization`
    Organizations,
    /// `GET` of one
    Organization,
    /// `GET /user/mysubscription`
    Subscriptions,
    /// `GET` of one
    Subscription,
    /// `GET /utilization/…`
    Utilization,
    /// `GET /catalog`
    Catalogs,
    /// `GET` of a catalog's
    Offerings,
    /// `GET` of one
    Offering,
    /// `GET` of a service instance
    Instance,
    /// `GET` of a catalog's requests
    Requests,
    /// `POST` of an order, a modification or a cancellation
    Submit,
    /// `GET` of a request
    Request,
    /// `GET …/cancel`
    CancelRequest,
    /// `POST /user/multipleSubscription/delete`
    Delete,
    /// Anything else
    Unknown,
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

/// What a faulty CSA answers.
#[derive(Clone, Debug)]
pub enum Answers {
    /// This status and body, with these headers.
    With(u16, &'static str, &'static str),
    /// Nothing, for as long as the client waits.
    Nothing,
    /// The end of the connection.
    Hangup,
}

impl HpCsa {
    /// Starts one without organizations but its own.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> HpCsa {
        let identity = Identity::self_signed(&["127.0.0.1"]);
        let state = Arc::new(Mutex::new(State::new()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (shared, tls) = (state.clone(), identity.server());
        // It waits for connections until the process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (shared.clone(), tls.clone());
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || drop(serve(stream, tls, &state)));
            }
        });
        HpCsa { address, identity, state }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Its certificate, which signs itself.
    pub fn identity(&self) -> &Identity {
        &self.identity
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

    /// The bodies of the requests of this kind.
    pub fn bodies(&self, op: Op) -> Vec<String> {
        let state = self.state();
        let asked = state.requests.iter().filter(|(asked, _)| *asked == op);
        asked.map(|(_, got)| String::from_utf8_lossy(&got.body).into_owned()).collect()
    }

    /// The kinds of the requests since it was last forgotten what was asked, in their order.
    pub fn asked(&self) -> Vec<Op> {
        self.state().requests.iter().map(|(op, _)| *op).collect()
    }

    /// Forgets what was asked, and everything that is still to go wrong.
    pub fn calm(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.faults.clear();
    }
}

impl State {
    fn new() -> State {
        let mut state = State { outcome: "DEPLOYED", modified_price: "225.0", ..State::default() };
        let provider = state.organization("PROVIDER", PROVIDER.0);
        state.ldap.push((provider, PROVIDER.1.to_owned()));
        state
    }

    /// An id as CSA makes them.
    pub fn id(&mut self) -> String {
        self.ids += 1;
        format!("90d96588360da0c7{:016x}", self.ids)
    }

    /// Makes an organization, and says its id.
    pub fn organization(&mut self, role: &'static str, name: &str) -> String {
        let id = self.id();
        self.organizations.insert(id.clone(), Organization { name: name.to_owned(), role });
        id
    }

    /// Lets somebody sign in to an organization for the first time, and says the person's id.
    pub fn person(&mut self, organization: &str, name: &str, groups: &[&str]) -> String {
        let id = self.id();
        let person = Person {
            name: name.to_owned(),
            organization: organization.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        self.persons.insert(id.clone(), person);
        id
    }

    /// Makes a deployed subscription that nobody has ordered at the marketplace, and says its id.
    pub fn subscription(&mut self, by: &str, name: &str, start: &str) -> String {
        let request = self.id();
        let ordered = ServiceRequest {
            action: "ORDER".to_owned(),
            context: SERVER.to_owned(),
            by: by.to_owned(),
            name: name.to_owned(),
            description: String::new(),
            properties: BTreeMap::new(),
            state: "COMPLETED",
            status: Some("SUCCESS"),
        };
        self.service_requests.insert(request.clone(), ordered);
        let subscription = Subscription {
            request,
            name: name.to_owned(),
            description: String::new(),
            offering: SERVER.to_owned(),
            by: by.to_owned(),
            group: None,
            status: "ACTIVE",
            state: "DEPLOYED",
            start: start.to_owned(),
            end: None,
            setup: Some("1200.0"),
            recurring: Some("150.0"),
            multiplier: "1.0",
            period: "MONTH",
            typed: true,
            reserved: vec![("CPU", 2), ("MEMORY", 4096), ("Colour", 7)],
        };
        let id = self.id();
        self.subscriptions.insert(id.clone(), subscription);
        id
    }

    /// A subscription, to change it.
    ///
    /// # Panics
    /// When there is none.
    pub fn change(&mut self, subscription: &str) -> &mut Subscription {
        self.subscriptions.get_mut(subscription).expect("there is one")
    }

    /// Approves, or denies, what waits for it.
    pub fn decide(&mut self, approved: bool) {
        let waits = |request: &&mut ServiceRequest| request.state == "PENDING_APPROVAL";
        for request in self.service_requests.values_mut().filter(waits) {
            request.state = if approved { "APPROVED" } else { "REJECTED" };
        }
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

fn serve(
    stream: impl Read + Write,
    tls: Arc<ServerConfig>,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(received) = read(&mut reader)? {
        let (fault, done) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let op = service::op(&received);
            state.requests.push((op, received.clone()));
            let fault = state.take_fault(op);
            let acts = fault.as_ref().is_none_or(|fault| fault.acts);
            (fault, acts.then(|| service::act(&mut state, op, &received)))
        };
        let xml = "Content-Type: application/xml\r\n";
        let stream = reader.get_mut();
        match (fault.map(|fault| fault.answers), done) {
            (Some(Answers::With(status, body, more)), _) => {
                answer(stream, status.into(), &format!("{xml}{more}"), body.as_bytes())?;
            }
            (Some(Answers::Nothing), _) => {
                // Until the client goes.
                stream.read(&mut [0]).map(drop)?;
                return Ok(());
            }
            (None, Some((status, body))) => {
                answer(stream, status.into(), xml, body.as_bytes())?;
            }
            (Some(Answers::Hangup), _) | (None, None) => return Ok(()),
        }
    }
    Ok(())
}
