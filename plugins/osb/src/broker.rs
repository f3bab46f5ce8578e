//! The broker's API: how each request is made. What its answer means is in `verdict`.

use crate::account::Account;
use crate::instance::Instance;
use crate::progress::{self, Progress};
use crate::update::Change;
use crate::verdict::{self, Body, Kind, Verdict};
use crate::{check, ids, settings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cnsp_sdk::http::{Credential, HttpError, Request, Response};
use cnsp_sdk::types::Requestor;
use cnsp_sdk::{Failure, operation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;

const VERSION: &str = "2.17";
/// Our name, in `context` and in the originating identity: OSB wants the same in both.
const PLATFORM: &str = "cnsp";

/// The broker, as one call of the adapter reaches it.
pub(crate) struct Broker {
    url: String,
    credential: Credential,
    timeout: Option<Duration>,
    /// Who asked for this, where it was somebody.
    originator: Option<String>,
    request_identity: String,
    pub(crate) interval: Duration,
}

/// What a request is about: an instance, or one of its bindings.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) binding: Option<&'a str>,
}

impl Target<'_> {
    fn path(self) -> String {
        let instance = &self.instance.id;
        match self.binding {
            None => format!("/v2/service_instances/{instance}"),
            Some(binding) => format!("/v2/service_instances/{instance}/service_bindings/{binding}"),
        }
    }

    fn plan(self) -> String {
        let Instance { service_id, plan_id, .. } = self.instance;
        format!("service_id={}&plan_id={}", encoded(service_id), encoded(plan_id))
    }
}

/// An instance as the broker tells of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Fetched {
    #[serde(default)]
    pub(crate) plan_id: Option<String>,
    #[serde(default)]
    pub(crate) dashboard_url: Option<String>,
    #[serde(default)]
    pub(crate) parameters: Option<Map<String, Value>>,
}

/// What the broker knows of something.
pub(crate) enum Known<T> {
    Is(T),
    /// It does not know it.
    Missing,
    /// It does not say now.
    Unsaid(Failure),
}

impl Broker {
    /// For a read that nobody asked for in particular.
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self {
            url: settings::broker_url()?,
            credential: settings::credential()?,
            timeout: settings::timeout()?,
            originator: None,
            request_identity: ids::random(),
            interval: settings::poll_interval()?,
        })
    }

    /// For a change that somebody asked for.
    pub(crate) fn for_change(
        requestor: &Requestor,
        requestid: Option<&str>,
    ) -> Result<Self, Failure> {
        let user = requestor.userid.as_ref().or(requestor.provideruserid.as_ref());
        let account = requestor.accountid.as_ref().or(requestor.provideraccountid.as_ref());
        let originator = match user.or(account) {
            None => None,
            Some(id) => {
                check::required("requestor", id, check::ID_BYTES_MAX)?;
                let mut who = Map::new();
                who.insert("user_id".to_owned(), json!(id));
                if let Some(account) = account {
                    check::required("requestor", account, check::ID_BYTES_MAX)?;
                    who.insert("account_id".to_owned(), json!(account));
                }
                let who = BASE64_STANDARD.encode(Value::Object(who).to_string());
                Some(format!("{PLATFORM} {who}"))
            }
        };
        // A caller's text in a header: only a plain one, and never what the host would take for a secret's name.
        let plain = |id: &&str| {
            (1..=check::ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        let request_identity = match requestid.filter(plain) {
            Some(id) => id.to_owned(),
            None => operation::require_id()?,
        };
        Ok(Self { originator, request_identity, ..Self::open()? })
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response, HttpError> {
        let mut request = Request::new(method, format!("{}{path}", self.url))
            .header("X-Broker-API-Version", VERSION)
            .header("X-Broker-API-Request-Identity", &self.request_identity)
            .header("Accept", "application/json");
        request.credential = self.credential.clone();
        if let Some(originator) = &self.originator {
            request = request.header("X-Broker-API-Originating-Identity", originator);
        }
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        if let Some(body) = body {
            request = request.json(body)?;
        }
        request.send()
    }

    /// A read, and what is wrong when there is no answer of 200.
    pub(crate) fn catalog(&self) -> Result<Response, Failure> {
        let answer =
            self.send("GET", "/v2/catalog", None).map_err(|error| verdict::unsent(&error))?;
        match answer.status {
            200 => Ok(answer),
            _ => Err(verdict::unreadable("for its catalog", &answer)),
        }
    }

    pub(crate) fn provision(&self, instance: &Instance, account: &Account) -> Verdict {
        let mut body = json!({
            "service_id": instance.service_id,
            "plan_id": instance.plan_id,
            "organization_guid": account.id,
            "space_guid": account.space,
            "context": context(instance, account),
        });
        add(&mut body, "parameters", filled(&instance.parameters));
        add(&mut body, "maintenance_info", version(instance));
        let target = Target { instance, binding: None };
        let path = format!("{}?accepts_incomplete=true", target.path());
        verdict::judge(Kind::Provision, self.send("PUT", &path, Some(&body)), self.interval)
    }

    pub(crate) fn update(&self, before: &Instance, change: &Change, account: &Account) -> Verdict {
        let next = &change.next;
        let mut previous = json!({
            "service_id": before.service_id,
            "plan_id": before.plan_id,
            "organization_id": account.id,
            "space_id": account.space,
        });
        add(&mut previous, "maintenance_info", version(before));
        let mut body = json!({
            "service_id": before.service_id,
            "previous_values": previous,
            "context": context(next, account),
        });
        add(&mut body, "parameters", filled(&change.parameters));
        if next.plan_id != before.plan_id {
            add(&mut body, "plan_id", Some(json!(next.plan_id)));
            add(&mut body, "maintenance_info", version(next));
        }
        let target = Target { instance: before, binding: None };
        let path = format!("{}?accepts_incomplete=true", target.path());
        verdict::judge(Kind::Update, self.send("PATCH", &path, Some(&body)), self.interval)
    }

    pub(crate) fn bind(&self, target: Target<'_>, account: &Account, user: &str) -> Verdict {
        let instance = target.instance;
        let body = json!({
            "service_id": instance.service_id,
            "plan_id": instance.plan_id,
            "context": context(instance, account),
            // Who uses the instance here is a user, and some brokers insist on an application.
            "app_guid": user,
            "bind_resource": { "app_guid": user },
        });
        let path = format!("{}?accepts_incomplete=true", target.path());
        verdict::judge(Kind::Bind, self.send("PUT", &path, Some(&body)), self.interval)
    }

    /// Deprovisions or unbinds.
    pub(crate) fn remove(&self, target: Target<'_>) -> Verdict {
        let kind = if target.binding.is_some() { Kind::Unbind } else { Kind::Deprovision };
        let path = format!("{}?{}&accepts_incomplete=true", target.path(), target.plan());
        verdict::judge(kind, self.send("DELETE", &path, None), self.interval)
    }

    /// How far the broker is with what it has accepted.
    pub(crate) fn last_operation(&self, target: Target<'_>, operation: Option<&str>) -> Progress {
        let mut path = format!("{}/last_operation?{}", target.path(), target.plan());
        if let Some(operation) = operation {
            let _ = write!(path, "&operation={}", encoded(operation));
        }
        progress::progress(self.send("GET", &path, None), self.interval)
    }

    /// The instance as the broker knows it. Only where its service says that it can be asked for.
    pub(crate) fn fetch_instance(&self, instance: &Instance) -> Known<Fetched> {
        self.fetch(Target { instance, binding: None })
    }

    /// The credentials of a binding. Only where its service says that it can be asked for.
    pub(crate) fn fetch_binding(&self, target: Target<'_>) -> Known<Body> {
        self.fetch(target)
    }

    fn fetch<T: serde::de::DeserializeOwned>(&self, target: Target<'_>) -> Known<T> {
        let path = format!("{}?{}", target.path(), target.plan());
        let answer = match self.send("GET", &path, None) {
            Ok(answer) => answer,
            Err(error) => return Known::Unsaid(verdict::unsent(&error)),
        };
        match answer.status {
            200 => match verdict::read(&answer) {
                Ok(body) => Known::Is(body),
                Err(why) => {
                    let text = format!("The broker was asked for what it has, and {why}.");
                    Known::Unsaid(Failure::refused(502, text))
                }
            },
            404 | 410 => Known::Missing,
            _ => Known::Unsaid(verdict::unreadable("for what it has", &answer)),
        }
    }
}

fn context(instance: &Instance, account: &Account) -> Value {
    json!({
        "platform": PLATFORM,
        "organization_guid": account.id,
        "organization_name": account.name,
        "space_guid": account.space,
        "instance_name": instance.name,
    })
}

fn version(instance: &Instance) -> Option<Value> {
    instance.maintenance_version.as_ref().map(|version| json!({ "version": version }))
}

fn filled(parameters: &Map<String, Value>) -> Option<Value> {
    (!parameters.is_empty()).then(|| Value::Object(parameters.clone()))
}

fn add(body: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (body.as_object_mut(), value) {
        members.insert(key.to_owned(), value);
    }
}

/// As a part of a query (RFC 3986, "unreserved").
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
