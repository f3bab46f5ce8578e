//! BillingStack and Keystone, small and with their traps, over real HTTP on a port each: built from the description of
//! how a subscription is made. They go wrong on demand, and tests look into what they have.

mod billing;
mod identity;
mod step;

pub use step::Step;

use crate::upstream::{Received, answer, read};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The merchant's API key and secret.
pub const LOGIN: &str = "merchant-key:merchant-secret-canary";
/// Keystone's administrator.
pub const ADMIN: &str = "keystone-admin-canary";
/// Whose customers ours are.
pub const MERCHANT: &str = "merchant-1";
/// Roles that there are: an administrator of OpenStack, one of BillingStack, and a member.
pub const ROLES: [&str; 3] = ["role-admin", "role-bs-admin", "role-member"];

/// How the paths are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// To the letter of the description: `/merchant/` and `/merchants/`, `/role/` and `/roles/`, `/v2.0/tenants` and
    /// `/tenants`.
    Document,
    /// As the services have them: `/v2`, and `/roles/OS-KSADM/`.
    Services,
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Does nothing, and answers this status.
    Status(u16),
    /// Does nothing, and forbids as BillingStack does: with 500.
    Forbidden,
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
    /// Acts, and answers an id that no path can hold.
    WildId,
    /// Acts, and answers 500.
    FailedAfter,
}

/// All that both have and are told.
pub struct State {
    /// Keystone's users, by id, with their passwords.
    pub users: BTreeMap<String, Value>,
    /// Keystone's tenants, by id.
    pub tenants: BTreeMap<String, Value>,
    /// Who has which role where: tenant, user, role.
    pub granted: BTreeSet<(String, String, String)>,
    /// The roles that there are.
    pub roles: Vec<String>,
    /// How many scoped tokens are refused because roles are not known everywhere yet.
    pub role_lag: u32,
    /// BillingStack's customers of all merchants, by id.
    pub customers: BTreeMap<String, Value>,
    /// BillingStack's subscriptions, by id.
    pub subscriptions: BTreeMap<String, Value>,
    /// The merchant's plans, with their items.
    pub plans: Vec<Value>,
    /// The merchant's products.
    pub products: Vec<Value>,
    /// The merchant's usage.
    pub usage: Vec<Value>,
    /// Every request, with what it asked for.
    pub requests: Vec<(Step, Received)>,
    /// How often credentials were wrong.
    pub strangers: usize,
    paths: Paths,
    minted: u32,
    /// Step, how often not yet, how often then (0: for ever), and what.
    faults: Vec<(Step, u32, u32, Fault)>,
}

/// The two services, for as long as the test runs.
pub struct Services {
    billing: SocketAddr,
    identity: SocketAddr,
    paths: Paths,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy)]
enum Side {
    Billing,
    Identity,
}

impl Services {
    /// Starts both, with a catalog, a customer of another merchant, and a user of nobody's.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(paths: Paths) -> Services {
        let state = Arc::new(Mutex::new(State::new(paths)));
        let listen = |side| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("it has an address");
            let shared = state.clone();
            // It waits for connections until the process ends.
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = shared.clone();
                    // A client that goes away ends its connection, and nothing else.
                    std::thread::spawn(move || drop(serve(stream, side, &state)));
                }
            });
            address
        };
        let (billing, identity) = (listen(Side::Billing), listen(Side::Identity));
        Services { billing, identity, paths, state }
    }

    /// `http://127.0.0.1:PORT` of BillingStack and of Keystone.
    pub fn origins(&self) -> [String; 2] {
        [self.billing, self.identity].map(|address| format!("http://{address}"))
    }

    /// What an endpoint for them is set to, in TOML without its braces.
    pub fn config(&self) -> String {
        let [billing, identity] = self.origins();
        let [admin, billing_admin, member] = ROLES;
        let common = format!(
            "merchant = {MERCHANT:?}, keystone_url = \"{identity}/v2.0\", openstack_admin_role = {admin:?}, \
             billingstack_admin_role = {billing_admin:?}, member_role = {member:?}"
        );
        match self.paths {
            Paths::Document => format!(
                "{common}, billingstack_url = {billing:?}, create_customer_below = \"merchant\", \
                 account_role_path = \"role\", subscription_role_path = \"roles\", \
                 subscription_tenants_url = {identity:?}"
            ),
            Paths::Services => format!("{common}, billingstack_url = \"{billing}/v2\""),
        }
    }

    /// What they have now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Lets the next call of this step go wrong.
    pub fn fail(&self, step: Step, fault: Fault) {
        self.fail_at(step, 1, 1, fault);
    }

    /// Lets calls of this step go wrong: from the `first`, counted from 1, so many; 0: every one from then on.
    pub fn fail_at(&self, step: Step, first: u32, count: u32, fault: Fault) {
        self.state().faults.push((step, first - 1, count, fault));
    }

    /// Begins again, as after [`Services::start`], but with ids that were never there.
    pub fn reset(&self) {
        let mut state = self.state();
        let minted = state.minted;
        *state = State { minted, ..State::new(self.paths) };
    }

    /// Forgets what was asked, and everything that is still to go wrong.
    pub fn calm(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.faults.clear();
        state.role_lag = 0;
    }

    /// What was asked for, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.state().requests.iter().map(|(step, _)| *step).collect()
    }

    /// How often this was asked for.
    pub fn count(&self, step: Step) -> usize {
        self.steps().iter().filter(|asked| **asked == step).count()
    }

    /// The body of the last request of this step.
    ///
    /// # Panics
    /// When there was none, or it is no JSON.
    pub fn last_body(&self, step: Step) -> Value {
        let state = self.state();
        let last = state.requests.iter().rev().find(|(asked, _)| *asked == step);
        let (_, received) = last.unwrap_or_else(|| panic!("there was no {step:?}"));
        serde_json::from_slice(&received.body).expect("the body is JSON")
    }
}

impl State {
    fn new(paths: Paths) -> State {
        let catalog: Value =
            serde_json::from_str(include_str!("../fixtures/billingstack/catalog.json"))
                .expect("the catalog is JSON");
        let list = |key: &str| catalog[key].as_array().expect("it is a list").clone();
        let stranger = json!({
            "id": "c-stranger",
            "name": "Contoso",
            "merchant_id": "merchant-2",
            "contact_info": [{ "company": "Contoso" }],
        });
        let nobody = json!({
            "id": "u-nobody",
            "name": "taken@example.com",
            "email": "taken@example.com",
            "enabled": true,
            "password": "somebody's",
        });
        State {
            users: BTreeMap::from([("u-nobody".to_owned(), nobody)]),
            tenants: BTreeMap::new(),
            granted: BTreeSet::new(),
            roles: ROLES.map(str::to_owned).to_vec(),
            role_lag: 0,
            customers: BTreeMap::from([("c-stranger".to_owned(), stranger)]),
            subscriptions: BTreeMap::new(),
            plans: list("plans"),
            products: list("products"),
            usage: Vec::new(),
            requests: Vec::new(),
            strangers: 0,
            paths,
            minted: 0,
            faults: Vec::new(),
        }
    }

    /// The id of what is made `after` others from now on.
    pub fn will_mint(&self, kind: &str, after: u32) -> String {
        format!("{kind}-{}", self.minted + after + 1)
    }

    fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        format!("{kind}-{}", self.minted)
    }

    /// What there is beside what there was at the start: users, customers, tenants, subscriptions.
    pub fn counts(&self) -> [usize; 4] {
        let (users, customers) = (self.users.len() - 1, self.customers.len() - 1);
        [users, customers, self.tenants.len(), self.subscriptions.len()]
    }

    /// The names of all tenants.
    pub fn tenant_names(&self) -> Vec<String> {
        let name = |tenant: &Value| tenant["name"].as_str().expect("it has a name").to_owned();
        self.tenants.values().map(name).collect()
    }

    fn take_fault(&mut self, step: Step) -> Option<Fault> {
        let position = self.faults.iter().position(|(of, ..)| *of == step)?;
        let (_, wait, count, fault) = &mut self.faults[position];
        let fault = *fault;
        match (*wait, *count) {
            (1.., _) => {
                *wait -= 1;
                return None;
            }
            (0, 0) => {}
            (0, 1) => drop(self.faults.remove(position)),
            (0, _) => *count -= 1,
        }
        Some(fault)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A status and a body.
type Answer = (u16, Value);

fn serve(stream: TcpStream, side: Side, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader)? {
        let (fault, (status, body)) = {
            let mut state = lock(state);
            let step = step::of(&received);
            let fault = state.take_fault(step);
            let nothing = matches!(
                fault,
                Some(Fault::Status(_) | Fault::Forbidden | Fault::DropBefore | Fault::HangBefore)
            );
            let acted = match (nothing, side) {
                (true, _) => {
                    (500, json!({ "code": 500, "type": "forbidden", "message": "Told to." }))
                }
                (false, Side::Billing) => billing::act(&mut state, &received),
                (false, Side::Identity) => identity::act(&mut state, &received),
            };
            if acted.0 == 401 {
                state.strangers += 1;
            }
            state.requests.push((step, received));
            (fault, acted)
        };
        let stream = reader.get_mut();
        let headers = "Content-Type: application/json\r\n";
        let failed = br#"{"code":500,"type":"unknown","message":"Told to fail."}"#;
        match fault {
            Some(Fault::DropBefore | Fault::DropAfter) => return Ok(()),
            Some(Fault::HangBefore | Fault::HangAfter) => {
                // Until the client goes.
                stream.read(&mut [0]).map(drop)?;
                return Ok(());
            }
            Some(Fault::Status(status)) => answer(stream, status.into(), headers, failed)?,
            Some(Fault::FailedAfter) => answer(stream, 500, headers, failed)?,
            Some(Fault::Garbage) => answer(stream, status.into(), headers, b"{\"id\":")?,
            Some(Fault::WildId) => {
                let wild = r#"{"id":"../x","user":{"id":"../x"},"tenant":{"id":"a\nb"}}"#;
                answer(stream, status.into(), headers, wild.as_bytes())?;
            }
            Some(Fault::Forbidden) | None => {
                let body = if body.is_null() { String::new() } else { body.to_string() };
                answer(stream, status.into(), headers, body.as_bytes())?;
            }
        }
    }
    Ok(())
}
