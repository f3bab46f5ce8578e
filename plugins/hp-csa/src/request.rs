//! CSA's requests: orders, modifications and cancellations, which people may have to approve.

use crate::csa::{Csa, Sent, encode, is_given_up};
use crate::organization::Person;
use crate::settings;
use crate::xml::{self, Element, escape};
use crate::{check, ids, time};
use cnsp_sdk::{Failure, log};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a request is sent that never shows.
const SENT_MAX: u32 = 3;
/// How long to wait before a request is looked for that may just be on its way.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// A request, as it is now.
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) state: State,
    /// Who made it.
    pub(crate) created_by: Option<String>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It can still be cancelled.
    Pending,
    /// Approved, and at work.
    Working,
    Completed,
    /// It has come to an end, and to nothing.
    Failed,
    /// An approval was denied, or came too late.
    Rejected,
    Cancelled,
}

impl Request {
    fn read(element: &Element) -> Option<Self> {
        let id = element.text_at(&["id"]).filter(|id| ids::is_plain(id))?.to_owned();
        let upper = |name: &str| element.text_at(&[name, "name"]).map(str::to_ascii_uppercase);
        let failed = upper("requestStatus").is_some_and(|status| status == "FAILURE");
        let state = match upper("requestState").unwrap_or_default().as_str() {
            "REJECTED" | "DENIED" => State::Rejected,
            "CANCELLED" | "CANCELED" => State::Cancelled,
            _ if failed => State::Failed,
            "COMPLETED" => State::Completed,
            "APPROVED" | "IN_PROGRESS" => State::Working,
            _ => State::Pending,
        };
        let by = element.child("createdBy");
        let by = by.and_then(|by| by.text_at(&["displayName"]).or(by.text_at(&["name"])));
        Some(Self { id, state, created_by: by.map(check::said) })
    }
}

/// A request of this id. None when CSA does not have it.
pub(crate) fn find(
    csa: &Csa,
    catalog: &str,
    id: &str,
    person: &Person,
) -> Result<Option<Request>, Failure> {
    let path = format!(
        "/catalog/{}/request/{}?userIdentifier={}",
        encode(catalog),
        encode(id),
        encode(&person.id)
    );
    let what = "The request";
    let Some(root) = csa.find(&path, what)? else { return Ok(None) };
    match Request::read(&root) {
        Some(request) => Ok(Some(request)),
        None => Err(Failure::refused(
            502,
            format!("{what} that CSA answered has no id. Its vendor must look."),
        )),
    }
}

/// Cancels a request that is still pending: a GET that changes something.
pub(crate) fn cancel(csa: &Csa, catalog: &str, id: &str, person: &Person) -> Sent {
    let path = format!(
        "/catalog/{}/request/{}/cancel?userIdentifier={}",
        encode(catalog),
        encode(id),
        encode(&person.id)
    );
    csa.change("GET", &path, None, "to cancel a request")
}

/// What is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) catalog: &'a str,
    pub(crate) person: &'a Person,
    /// Ours: CSA is told it, so that the request can be found again.
    pub(crate) guid: &'a str,
    /// ORDER and the like.
    pub(crate) action: &'a str,
    /// Of an offering or of a subscription.
    pub(crate) context: &'a str,
    /// What people see.
    pub(crate) name: &'a str,
    /// Names and values of the action.
    pub(crate) properties: &'a [(&'static str, String)],
    /// The options, as XML.
    pub(crate) options: Option<&'a str>,
}

impl Wanted<'_> {
    fn body(&self) -> String {
        let mark = ids::mark(self.guid);
        let mut properties = String::new();
        for (name, value) in self.properties {
            properties += &format!(
                "<property><name>{name}</name><values><value>{}</value></values></property>",
                escape(value)
            );
        }
        if let Some(options) = self.options {
            properties += &format!(
                "<property><name>OPTION_MODEL</name><values>{options}</values></property>"
            );
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ServiceRequest><description>{mark}</description><name>{mark}</name><displayName>{}</displayName><artifactContext><id>{}</id></artifactContext><requestedAction><name>{}</name>{properties}</requestedAction></ServiceRequest>",
            escape(self.name),
            escape(self.context),
            escape(self.action)
        )
    }

    /// The request with our mark on it, if CSA has it.
    fn look(&self, csa: &Csa) -> Result<Option<String>, Failure> {
        let path = format!(
            "/catalog/{}/request?userIdentifier={}&scope=base&submitter={}",
            encode(self.catalog),
            encode(&self.person.id),
            encode(&self.person.name)
        );
        let root = csa.get(&path, "The list of requests")?;
        let ours = root.all("ServiceRequest").find(|request| {
            ["name", "displayName", "description"]
                .iter()
                .any(|name| request.text_at(&[name]).and_then(ids::marked) == Some(self.guid))
        });
        Ok(ours.and_then(Request::read).map(|request| request.id))
    }
}

impl Wanted<'_> {
    /// Cancels the request if CSA has it, and gives the failure with what has become of that.
    fn take_back(&self, csa: &Csa, mut failure: Failure) -> Failure {
        let id = match self.look(csa) {
            Ok(Some(id)) => id,
            Ok(None) => return failure,
            Err(why) => return why,
        };
        match cancel(csa, self.catalog, &id, self.person) {
            Sent::Answer(_) => {
                failure.errormessage += " The request was cancelled in CSA.";
                failure
            }
            Sent::Not(why) if why.retryable => why,
            Sent::Not(_) | Sent::Unknown => {
                failure.errormessage += &format!(
                    " CSA has not cancelled the request {id}, and may still carry it out: its vendor must look."
                );
                failure.with("orphans", [format!("the request {id}")])
            }
        }
    }
}

/// Where the sending of a request stands, from one call to the next.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Sending {
    /// How often it was sent.
    sent: u32,
    /// It may have arrived, and is looked for until then.
    look_until: Option<i64>,
}

/// What it has come to.
pub(crate) enum Step {
    /// CSA has it, with this id.
    Sent(String),
    /// Call again after this.
    Wait(Duration),
}

impl Sending {
    /// Sends a request once, whatever happens to its answer: where nobody knows, it is looked for before it is sent again.
    pub(crate) fn go_on(&mut self, csa: &Csa, wanted: &Wanted<'_>) -> Result<Step, Failure> {
        if let Some(until) = self.look_until {
            let found = match wanted.look(csa) {
                // Without knowing, nothing is sent again.
                Err(failure) if failure.retryable => return Ok(Step::Wait(self.pause()?)),
                found => found?,
            };
            if let Some(id) = found {
                return Ok(Step::Sent(id));
            }
            if time::now() < until {
                return Ok(Step::Wait(self.pause()?));
            }
            if self.sent >= SENT_MAX {
                let text = "CSA was asked several times, has not answered, and does not show the request. Ask again later, with a new request id.";
                return Err(Failure::refused(504, text).code("REQUEST_UNCERTAIN"));
            }
        }
        let path = format!(
            "/catalog/{}/request?userIdentifier={}",
            encode(wanted.catalog),
            encode(&wanted.person.id)
        );
        self.look_until = None;
        match csa.change("POST", &path, Some(wanted.body()), "to take a request") {
            Sent::Answer(answer) => {
                let root = xml::parse("The request", &answer.body);
                if let Some(request) = root.ok().as_ref().and_then(Request::read) {
                    return Ok(Step::Sent(request.id));
                }
                log::warn("CSA took a request, and did not say its id: it is looked for.", &[]);
            }
            Sent::Not(failure) if failure.retryable && self.sent > 0 => {
                self.look_until = Some(time::now());
                return Ok(Step::Wait(self.pause()?));
            }
            Sent::Not(failure) => return Err(failure),
            Sent::Unknown => {}
        }
        self.sent = self.sent.saturating_add(1);
        match wanted.look(csa) {
            Ok(Some(id)) => return Ok(Step::Sent(id)),
            Err(failure) if is_given_up(&failure) => return Err(wanted.take_back(csa, failure)),
            // What goes wrong with that is no reason to begin anew: the request may be there.
            Ok(None) | Err(_) => {}
        }
        let settle = i64::try_from(settings::settle()?.as_millis()).unwrap_or(i64::MAX);
        self.look_until = Some(time::now().saturating_add(settle));
        Ok(Step::Wait(self.pause()?))
    }

    fn pause(self) -> Result<Duration, Failure> {
        Ok(settings::settle()?.min(LOOK_AGAIN))
    }
}
