//! What each operation of CNSP 1.0 does, and its sampled errors.

use super::answer::Answer;
use super::{State, Switches};
use crate::upstream::Received;
use serde_json::{Value, json};

const NOT_AUTHORIZED_TO: &str = "The user is not authorized to perform this operation.";
const STATES: [&str; 4] = ["pending", "active", "suspended", "cancel"];
const ACTIONS: [&str; 8] = [
    "create",
    "update",
    "update.suspend",
    "update.reactivate",
    "update.rename",
    "delete",
    "assign",
    "revoke",
];

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
        let more = items.len() > from + page.len();
        let mut answer = Answer::success(json!({ key: page }), message);
        answer.link = more.then(|| format!("/apiv1{}?from={}", self.path, from + size));
        answer
    }

    fn create_account(&mut self) -> Answer {
        let failed = |text| Answer::error(400, "errorMessage", text, "Account creation failed");
        let accountid = self.text("/accountid").unwrap_or_default();
        if self.account(&accountid).is_some() {
            return failed("The account exists already.");
        }
        let email = self.text("/userinfo/email");
        if email.is_some_and(|email| {
            self.state.users.iter().any(|user| user["email"] == email.as_str())
        }) {
            return failed("User with email address already exists.");
        }
        let id = self.state.mint("pa");
        let mut account = self.body.clone();
        account["provideraccountid"] = json!(id);
        account["additionalattributes"] = self.open("/additionalattributes");
        let user = account.as_object_mut().and_then(|members| members.remove("userinfo"));
        if let Some(mut user) = user {
            user.as_object_mut().and_then(|members| members.remove("password"));
            user["provideruserid"] = json!(self.state.mint("pu"));
            user["provideraccountid"] = json!(id);
            self.state.users.push(user);
        }
        self.state.accounts.push(account);
        Answer::success(
            json!({ "accountid": accountid, "provideraccountid": id }),
            "Account created successfully",
        )
    }

    fn update_account(&mut self) -> Answer {
        let Some(at) = self.requestors_account() else {
            return Answer::error(
                404,
                "errormessage",
                "The account doesn't exist.",
                "Account updation failed",
            );
        };
        let attributes = self.open("/additionalattributes");
        let body = self.body.clone();
        let account = &mut self.state.accounts[at];
        lay(account, &body, &["requestor", "additionalattributes"]);
        lay(&mut account["additionalattributes"], &attributes, &[]);
        Answer::success(ids_of(account), "Account updated successfully")
    }

    fn delete_account(&mut self) -> Answer {
        let Some(at) = self.requestors_account() else {
            return Answer::error(
                404,
                "errormessage",
                "The account doesn't exist.",
                "Account deletion failed",
            );
        };
        let account = self.state.accounts.remove(at);
        self.state.users.retain(|user| user["provideraccountid"] != account["provideraccountid"]);
        Answer::success(ids_of(&account), "Account deleted successfully")
    }

    fn create_user(&mut self) -> Answer {
        let email = self.text("/email").unwrap_or_default();
        let failed = |code, text| Answer::error(code, "errormessage", text, "User creation failed");
        let Some(account) = self.requestors_account() else {
            return failed(404, "The account doesn't exist.");
        };
        if self.state.users.iter().any(|user| user["email"] == email.as_str()) {
            return failed(400, "The email address already exists");
        }
        let id = self.state.mint("pu");
        let mut user = self.body.clone();
        for key in ["password", "requestor"] {
            user.as_object_mut().and_then(|members| members.remove(key));
        }
        user["provideruserid"] = json!(id);
        user["provideraccountid"] = self.state.accounts[account]["provideraccountid"].clone();
        user["additionalattributes"] = self.open("/additionalattributes");
        self.state.users.push(user);
        Answer::with(
            201,
            json!({ "userid": id, "provideruserid": id }),
            "User created successfully",
        )
    }

    fn update_user(&mut self) -> Answer {
        let Some(at) = self.requestors_user() else {
            return Answer::error(
                404,
                "errorMessage",
                "The user doesn't exist.",
                "User updation failed",
            );
        };
        let attributes = self.open("/additionalattributes");
        let body = self.body.clone();
        let user = &mut self.state.users[at];
        lay(user, &body, &["requestor", "additionalattributes"]);
        lay(&mut user["additionalattributes"], &attributes, &[]);
        let id = user["provideruserid"].clone();
        Answer::success(json!({ "userid": id, "provideruserid": id }), "User updated successfully")
    }

    fn delete_user(&mut self) -> Answer {
        let Some(at) = self.requestors_user() else {
            return Answer::error(
                404,
                "errorMessage",
                "The user doesn't exist.",
                "User profile deletion failed",
            );
        };
        let user = self.state.users.remove(at);
        // As the sample has it: only this.
        Answer::success(
            json!({ "userid": user["provideruserid"] }),
            "User profile deleted successfully",
        )
    }

    fn get_user(&mut self, id: &str) -> Answer {
        let shown = |user: &Value| {
            let mut user = user.clone();
            user.as_object_mut().and_then(|members| members.remove("provideraccountid"));
            user
        };
        if let Some(user) = self.state.users.iter().find(|user| user["provideruserid"] == id) {
            return Answer::success(
                json!({ "userinfo": shown(user) }),
                "User retrieved successfully",
            );
        }
        let Some(at) = self.account(id) else {
            return Answer::error(403, "errormessage", NOT_AUTHORIZED_TO, NOT_AUTHORIZED_TO);
        };
        let account = &self.state.accounts[at]["provideraccountid"];
        let users = self.state.users.iter().filter(|user| user["provideraccountid"] == *account);
        let users = users.map(shown).collect();
        self.listed("users", users, "Users retrieved successfully")
    }

    fn change_seat(&mut self) -> Answer {
        let assign = self.text("/action").as_deref() == Some("assign");
        let failed = |code, text| {
            let message = match assign {
                true => "Entitling of subscription failed",
                false => "Revoking of the given subscription for the subscriber failed",
            };
            Answer::error(code, "errorMessage", text, message)
        };
        let (Some(user), Some(instance)) = (self.requestors_user(), self.instance()) else {
            return failed(403, NOT_AUTHORIZED_TO);
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seat = (
            text(&self.state.resources[instance]["parameters"]["providerinstanceid"]),
            text(&self.state.users[user]["provideruserid"]),
        );
        let had = self.state.seats.contains(&seat);
        let done = json!({ "providerinstanceid": seat.0 });
        match (assign, had) {
            (true, true) => failed(404, "The subscriber already has a seat for the subscription."),
            (false, false) => failed(403, NOT_AUTHORIZED_TO),
            (true, false) => {
                self.state.seats.push(seat);
                Answer::success(done, "Subscription entitled successfully")
            }
            (false, true) => {
                self.state.seats.retain(|known| *known != seat);
                Answer::success(
                    done,
                    "The given subscription revoked successfully for the subscriber",
                )
            }
        }
    }

    fn create_resource(&mut self) -> Answer {
        let sku = self.text("/parameters/sku").unwrap_or_default();
        let Some(account) = self.requestors_account() else {
            return Answer::error(403, "errorMessage", NOT_AUTHORIZED_TO, NOT_AUTHORIZED_TO);
        };
        if !catalog().iter().any(|offering| offering["parameters"]["sku"] == sku.as_str()) {
            return Answer::error(
                400,
                "errorMessage",
                "There is no such sku.",
                "Resource creation failed",
            );
        }
        let id = self.state.mint("i");
        let subscription = id.replace("i-", "s-");
        let pending = self.switches.pending > 0;
        let status = if pending { "pending" } else { "active" };
        let mut resource = json!({
            "resource": self.body["resource"],
            "parameters": {
                "providerinstanceid": id, "instancename": format!("{sku} {id}"), "sku": sku,
                "license": self.body["parameters"]["licenseQuantity"], "status": status,
                "startdate": "2016-08-01T00:00:00+00:00", "subscriptionid": subscription,
            },
            "additionalparameters": self.open("/parameters/additionalparameters"),
            "provideraccountid": self.state.accounts[account]["provideraccountid"],
        });
        if let Some(option) = self.body["parameters"]["customoption1"].get("value") {
            resource["parameters"]["customparm1"] = option.clone();
        }
        self.state.resources.push(resource);
        let mut made = json!({
            "providerinstanceid": id, "subscriptionid": subscription, "username": format!("admin@{id}"),
            "respparam1": { "label": "Console", "value": format!("https://{id}.example/"), "order": 1.50 },
            "status": status,
        });
        match pending {
            true => drop(self.state.pending.insert(id, self.switches.pending)),
            false => made["password"] = json!("instance-password"),
        }
        Answer::success(made, "Resource created successfully")
    }

    fn change_resource(&mut self) -> Answer {
        let action = self.text("/action").unwrap_or_default();
        let id = self.body["instanceinfo"]["providerinstanceid"].clone();
        let done = json!({ "providerinstanceid": id });
        let Some(at) = self.instance() else {
            let (code, text, message) = match action.as_str() {
                "update" => {
                    (500, "The user is not authorized.", "Resource details updation failed")
                }
                _ => (404, "Resource not found", "Suspension of resource failed"),
            };
            return Answer::error(code, "errorMessage", text, message)
                .and("providerinstanceid", id);
        };
        let additional = self.open("/additionalparameters");
        let parameters = self.body["parameters"].clone();
        let resource = &mut self.state.resources[at];
        lay(&mut resource["additionalparameters"], &additional, &[]);
        let wanted = match action.as_str() {
            "update" => {
                lay(&mut resource["parameters"], &parameters, &[]);
                return Answer::success(done, "Resource details updated successfully");
            }
            "update.rename" => {
                resource["parameters"]["instancename"] = parameters["instancename"].clone();
                return Answer::success(done, "Renamed");
            }
            "update.suspend" => "suspended",
            _ => "active",
        };
        if resource["parameters"]["status"] == wanted {
            let text = format!("The resource is {wanted} already.");
            return Answer::error(409, "errorMessage", &text, "Suspension of resource failed");
        }
        resource["parameters"]["status"] = json!(wanted);
        let message = match wanted {
            "suspended" => "Resource suspended successfully",
            _ => "Resource reactivated successfully",
        };
        Answer::with(204, done, message)
    }

    fn delete_resource(&mut self) -> Answer {
        let Some(at) = self.instance() else {
            return Answer::error(
                500,
                "errorMessage",
                "The user is not authorized.",
                "Resource deletion failed",
            );
        };
        let resource = self.state.resources.remove(at);
        let id = resource["parameters"]["providerinstanceid"].clone();
        self.state.pending.remove(id.as_str().unwrap_or_default());
        Answer::success(json!({ "providerinstanceid": id }), "Resource deleted successfully")
    }

    fn get_resource(&mut self, id: &str) -> Answer {
        let shown = |resource: &Value| {
            let mut resource = resource.clone();
            resource.as_object_mut().and_then(|members| members.remove("provideraccountid"));
            resource
        };
        if let Some(at) = self.resource(id) {
            let answer = shown(&self.state.resources[at]);
            // The next one who asks may find it ready.
            if let Some(left) = self.state.pending.get_mut(id) {
                *left -= 1;
                if *left == 0 {
                    self.state.pending.remove(id);
                    self.state.resources[at]["parameters"]["status"] = json!("active");
                }
            }
            let response = json!({ "resourceinfo": answer });
            return Answer::success(response, "Resource details retrieved successfully").nested();
        }
        let Some(at) = self.account(id) else {
            return Answer::error(404, "errorMessage", "Resource not found", "Resource not found");
        };
        let account = &self.state.accounts[at]["provideraccountid"];
        let resources =
            self.state.resources.iter().filter(|of| of["provideraccountid"] == *account);
        let resources = resources.map(shown).collect();
        self.listed("resources", resources, "Resources retrieved successfully")
    }

    /// A record of each instance, for the window that is asked for.
    fn usage(&mut self, id: &str) -> Answer {
        let of = |name: &str, otherwise: &str| {
            let found = self.query.iter().find(|(key, _)| key == name);
            found.map_or(otherwise.to_owned(), |(_, value)| value.clone())
        };
        let start = of("usage_start_time", "2016-08-01T00:00:00+00:00");
        let end = of("usage_end_time", "2016-09-01T00:00:00+00:00");
        let account =
            self.account(id).map(|at| self.state.accounts[at]["provideraccountid"].clone());
        let by_instance = self.resource(id).is_some();
        let wanted = |resource: &&Value| {
            resource["parameters"]["providerinstanceid"] == id
                || resource["parameters"]["subscriptionid"] == id
                || account.as_ref() == Some(&resource["provideraccountid"])
        };
        let record = |resource: &Value| {
            let mut record = json!({
                "instanceid": resource["parameters"]["providerinstanceid"], "chargeid": "mail-users",
                "usage_start_time": start, "usage_end_time": end, "object_type": "UsageRecord",
                "meter_name": "Users", "meter_region": "eu", "meter_category": "licences", "unit": "/mo",
                "info_fields": { "rate": 4.50 }, "quantity": resource["parameters"]["license"],
            });
            if !by_instance {
                record["subscriptionid"] = resource["parameters"]["subscriptionid"].clone();
            }
            record
        };
        let records: Vec<Value> = self.state.resources.iter().filter(wanted).map(record).collect();
        if records.is_empty() && account.is_none() {
            return Answer::error(
                403,
                "errormessage",
                "The user is not authorized.",
                "The user is not authorized.",
            )
            .and("errorcode", json!("BZSSS1452E"));
        }
        let accountid = account
            .and_then(|_| self.account(id))
            .map(|at| self.state.accounts[at]["accountid"].clone());
        let mut feed =
            json!({ "usage_start_time": start, "usage_end_time": end, "usagefeed": records });
        if let Some(accountid) = accountid {
            feed["accountid"] = accountid;
        }
        Answer::success(feed, "Usage data retrieved successfully")
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

fn ids_of(account: &Value) -> Value {
    json!({ "accountid": account["accountid"], "provideraccountid": account["provideraccountid"] })
}

fn discovery() -> Answer {
    let artifact = json!({ "type": "saas", "states": STATES, "actions": ACTIONS, "quota": 1.50 });
    Answer::success(json!({ "spversion": "4.2", "resources": [artifact] }), "Discovered")
}

/// Two offerings, each with a price.
fn catalog() -> Vec<Value> {
    let offering = |sku: &str, name: &str, amount: &str| {
        let tier = json!({
            "sequencenumber": 1, "startingvalue": 1, "endingvalue": null, "chargeamount": amount,
            "chargeamountunit": "/mo", "currencycode": "usd", "isdefault": 1, "isenabled": 1,
        });
        let price = json!({
            "billingperiodfrequency": 1, "billingperiodunit": "month", "chargetype": "recurring",
            "tierpricing": [tier],
        });
        json!({
            "resource": {
                "type": "saas", "fulfillmenttype": "automatic", "vendor": "Remote Ltd", "region": "eu",
                "isaccountrequired": true,
            },
            "parameters": {
                "sku": sku, "name": name, "description": "<p>Mail, for everybody.</p>",
                "minpurchasequantity": "1", "maxpurchasequantity": "500", "autorenew": true,
                "plantype": "monthly", "isenabled": true, "colour": "blue",
            },
            "additionalparameters": { "limits": [1.50, { "gb": 50 }] },
            "chargeattributes": [{
                "chargeid": "mail-users", "chargename": "Users", "description": "Per user",
                "subscriptionserviceterm": { "costprice": price, "sellprice": price, "erpprice": price },
            }],
        })
    };
    vec![offering("MAIL-S", "Mail", "4.00"), offering("MAIL-L", "Mail, large", "7.50")]
}
