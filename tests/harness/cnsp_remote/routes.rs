//! What each operation of CNSP 1.0 does, and its sampled errors.

mod instances;
mod offers;
mod people;

use super::answer::Answer;
use super::{Lie, State, Switches};
use crate::upstream::Received;
use offers::{catalog, discovery};
use serde_json::{Value, json};

const NOT_AUTHORIZED_TO: &str = "The user is not authorized to perform this operation.";
/// A request, and what is needed to answer it.
struct Ask<'a> {
    state: &'a mut State,
    switches: Switches,
    body: Value,
    query: Vec<(String, String)>,
    path: &'a str,
}

pub(super) fn answer(
    state: &mut State,
    switches: Switches,
    received: &Received,
    path: &str,
) -> Answer {
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let query = received.path.split_once('?').map_or("", |(_, query)| query);
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.to_owned(), value.replace("%3A", ":").replace("%2B", "+"))
    };
    let query = query.split('&').filter(|part| !part.is_empty()).map(pair).collect();
    let of_body = ["requestid", "requestId"].iter().find_map(|key| body[key].as_str());
    let id = received.headers("idempotency-key").first().map(|id| (*id).to_owned());
    let id = id.or(of_body.map(str::to_owned)).filter(|_| switches.honours_ids);
    let id = id.map(|id| format!("{} {path} {id}", received.method));
    let mut ask = Ask { state, switches, body, query, path };
    if let Some(id) = &id
        && let Some(known) = ask.state.remembered.get(id).cloned()
    {
        return ask.replay(known);
    }
    let answer = ask.route(&received.method);
    if let Some(id) = id
        && received.method != "GET"
    {
        ask.state.remembered.insert(id, answer.clone());
    }
    answer
}

impl Ask<'_> {
    fn route(&mut self, method: &str) -> Answer {
        let parts: Vec<&str> = self.path.split('/').filter(|part| !part.is_empty()).collect();
        match (method, parts.as_slice()) {
            ("GET", ["discovery"]) if self.switches.discovery => discovery(),
            ("GET", ["health"]) if self.switches.health => {
                let checks = json!([{ "name": "billing", "healthy": true, "since": 1.50 }]);
                Answer::success(json!({ "status": "ok", "checks": checks }), "Healthy")
            }
            ("GET", ["catalog"]) => {
                let resources = catalog();
                self.listed("resources", resources, "Catalog retrieved successfully")
            }
            ("POST", ["account"]) => self.create_account(),
            ("PUT", ["account"]) => self.update_account(),
            ("DELETE", ["account"]) => self.delete_account(),
            ("GET", ["account"]) => {
                let accounts = self.state.accounts.clone();
                self.listed("accounts", accounts, "Accounts retrieved successfully")
            }
            ("POST", ["account", "user"]) => self.create_user(),
            ("PUT", ["account", "user"]) => self.update_user(),
            ("DELETE", ["account", "user"]) => self.delete_user(),
            ("PUT", ["account", "user", "resource"]) => self.change_seat(),
            ("GET", ["account", "user", id]) => self.get_user(id),
            ("GET", ["account", id]) => match self.account(id) {
                Some(at) => {
                    let info = self.state.accounts[at].clone();
                    Answer::success(
                        json!({ "accountinfo": info }),
                        "Account retrieved successfully",
                    )
                }
                None => Answer::error(
                    500,
                    "errormessage",
                    "The user is not authorized.",
                    "Account retrieval failed",
                ),
            },
            ("POST", ["resource"]) => self.create_resource(),
            ("PUT", ["resource"]) => self.change_resource(),
            ("DELETE", ["resource"]) => self.delete_resource(),
            ("GET", ["resource", id]) => self.get_resource(id),
            ("GET", ["billing", id]) => self.usage(id),
            _ => Answer::error(404, "errormessage", "There is no such operation.", "Not found"),
        }
    }

    /// What an earlier request with the same id has come to: of an order, how it stands now.
    fn replay(&mut self, known: Answer) -> Answer {
        let id = known.response["providerinstanceid"].as_str().map(str::to_owned);
        match id {
            Some(id)
                if known.response["status"] == "pending"
                    && !self.state.pending.contains_key(&id) =>
            {
                known.and("status", json!("active")).and("password", json!("instance-password"))
            }
            _ => known,
        }
    }

    fn text(&self, pointer: &str) -> Option<String> {
        self.body.pointer(pointer)?.as_str().map(str::to_owned)
    }

    fn account(&self, id: &str) -> Option<usize> {
        self.state
            .accounts
            .iter()
            .position(|account| account["provideraccountid"] == id || account["accountid"] == id)
    }

    fn requestors_account(&self) -> Option<usize> {
        let ids = ["/requestor/provideraccountid", "/requestor/accountid"];
        ids.iter().find_map(|id| self.account(&self.text(id)?))
    }

    fn requestors_user(&self) -> Option<usize> {
        let id =
            self.text("/requestor/userid").or_else(|| self.text("/requestor/provideruserid"))?;
        self.state.users.iter().position(|user| user["provideruserid"] == id.as_str())
    }

    fn instance(&self) -> Option<usize> {
        self.resource(&self.text("/instanceinfo/providerinstanceid")?)
    }

    fn resource(&self, id: &str) -> Option<usize> {
        self.state
            .resources
            .iter()
            .position(|resource| resource["parameters"]["providerinstanceid"] == id)
    }

    fn open(&self, pointer: &str) -> Value {
        match self.switches.keeps_attributes {
            true => self.body.pointer(pointer).cloned().unwrap_or_else(|| json!({})),
            false => json!({}),
        }
    }

    fn listed(&mut self, key: &str, items: Vec<Value>, message: &str) -> Answer {
        let from = self.query.iter().find(|(key, _)| key == "from");
        let from = from.and_then(|(_, from)| from.parse().ok()).unwrap_or(0);
        let size = self.switches.page.unwrap_or(items.len());
        let page: Vec<Value> = items.iter().skip(from).take(size).cloned().collect();
        if let Some(lie) = self.state.lie.filter(|_| key == "resources") {
            return self.lie(lie, from);
        }
        let more = items.len() > from + page.len();
        let mut answer = Answer::success(json!({ key: page }), message);
        answer.link = more.then(|| format!("/apiv1{}?from={}", self.path, from + size));
        answer
    }
}

impl Ask<'_> {
    /// A page of a list that cannot be.
    fn lie(&self, lie: Lie, from: usize) -> Answer {
        const LONG: usize = 500;
        let resource = |number: usize| {
            json!({
                "resource": { "type": "saas" },
                "parameters": {
                    "providerinstanceid": format!("x-{number}"), "sku": "MAIL-S", "status": "active",
                },
                "additionalparameters": {},
            })
        };
        let (items, next) = match lie {
            Lie::Circle => (vec![resource(from)], 1),
            Lie::Nothing => (Vec::new(), from + 1),
            Lie::Endless => ((from..from + LONG).map(resource).collect(), from + LONG),
        };
        let mut answer = Answer::success(json!({ "resources": items }), "Told to lie");
        answer.link = Some(format!("/apiv1{}?from={next}", self.path));
        answer
    }
}

/// Lays the members of one object over another's.
fn lay(under: &mut Value, over: &Value, without: &[&str]) {
    for (key, value) in over.as_object().into_iter().flatten() {
        if !without.contains(&key.as_str()) {
            under[key] = value.clone();
        }
    }
}
