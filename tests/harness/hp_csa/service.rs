//! What CSA does with a request that nothing goes wrong with.

use super::render::{self, document, list};
use super::{CATALOG, LOGIN, MAIL, Op, SERVER, ServiceRequest, State, Subscription};
use crate::upstream::Received;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;

/// A status and a body.
type Done = (u16, String);

/// The path below `/csa/rest`, and the query.
struct Asked {
    path: Vec<String>,
    query: BTreeMap<String, String>,
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex: Vec<u8> = if byte == b'%' { rest.by_ref().take(2).collect() } else { vec![] };
        let hex = std::str::from_utf8(&hex).expect("ASCII");
        bytes.push(if byte == b'%' { u8::from_str_radix(hex, 16).expect("hex") } else { byte });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn asked(received: &Received) -> Asked {
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    let path = path.strip_prefix("/csa/rest/").unwrap_or("unknown").split('/');
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Asked {
        path: path.map(decoded).collect(),
        query: pairs.map(|(name, value)| (decoded(name), decoded(value))).collect(),
    }
}

/// What a request asks for.
pub(super) fn op(received: &Received) -> Op {
    let asked = asked(received);
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (received.method.as_str(), path.as_slice()) {
        ("GET", ["login", ..]) => Op::Login,
        ("GET", ["organization"]) => Op::Organizations,
        ("GET", ["organization", _]) => Op::Organization,
        ("GET", ["user", "mysubscription"]) => Op::Subscriptions,
        ("GET", ["catalog", _, "subscription", _]) => Op::Subscription,
        ("GET", ["utilization", _]) => Op::Utilization,
        ("GET", ["catalog"]) => Op::Catalogs,
        ("GET", ["catalog", _, "offering"]) => Op::Offerings,
        ("GET", ["catalog", _, "offering", _]) => Op::Offering,
        ("GET", ["catalog", _, "instance", _]) => Op::Instance,
        ("GET", ["catalog", _, "request"]) => Op::Requests,
        ("POST", ["catalog", _, "request"]) => Op::Submit,
        ("GET", ["catalog", _, "request", _]) => Op::Request,
        ("GET", ["catalog", _, "request", _, "cancel"]) => Op::CancelRequest,
        ("POST", ["user", "multipleSubscription", "delete"]) => Op::Delete,
        _ => Op::Unknown,
    }
}

fn bare(status: u16) -> Done {
    (status, "<html><body>JBoss</body></html>".to_owned())
}

pub(super) fn act(state: &mut State, op: Op, received: &Received) -> Done {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(LOGIN));
    if received.headers("authorization") != [expected.as_str()] {
        return bare(401);
    }
    // It speaks JSON to whoever does not ask for XML.
    if received.headers("accept") != ["application/xml"] {
        return (200, "{}".to_owned());
    }
    let asked = asked(received);
    if op == Op::Login {
        return login(state, &asked);
    }
    let Some(user) = asked.query.get("userIdentifier").filter(|id| state.persons.contains_key(*id))
    else {
        return bare(if op == Op::Unknown { 404 } else { 401 });
    };
    let part = |index: usize| asked.path.get(index).map(String::as_str).unwrap_or_default();
    match op {
        Op::Login | Op::Unknown => bare(404),
        Op::Organizations => {
            let all = state.organizations.iter().map(|(id, organization)| {
                format!("<organization>{}</organization>", render::organization(id, organization))
            });
            (200, list(state, "OrganizationList", &all.collect::<Vec<_>>()))
        }
        Op::Organization => organization(state, part(1), &asked),
        Op::Subscriptions => subscriptions(state, user, &asked),
        Op::Subscription => match state.subscriptions.get(part(3)) {
            Some(of) => {
                (200, document("ServiceSubscription", &render::subscription(state, part(3), of)))
            }
            None => bare(404),
        },
        Op::Utilization => match state.subscriptions.get(part(1)) {
            Some(of) => {
                let all = of.reserved.iter().map(|(name, usage)| render::utilization(name, *usage));
                (200, list(state, "UtilizationList", &all.collect::<Vec<_>>()))
            }
            None => bare(404),
        },
        Op::Catalogs => {
            let catalog = format!("<catalog><id>{CATALOG}</id><name>Servers</name></catalog>");
            (200, list(state, "CatalogList", &[catalog]))
        }
        Op::Offerings
        | Op::Offering
        | Op::Requests
        | Op::Submit
        | Op::Request
        | Op::CancelRequest
        | Op::Instance
            if part(1) != CATALOG =>
        {
            bare(404)
        }
        Op::Offerings => {
            let all = [SERVER, MAIL]
                .map(|id| format!("<ServiceOffering><id>{id}</id></ServiceOffering>"));
            (200, list(state, "ServiceOfferingList", &all))
        }
        Op::Offering => match [SERVER, MAIL].contains(&part(3)) {
            true => (200, document("ServiceOffering", &render::offering(part(3)))),
            false => bare(404),
        },
        Op::Instance => {
            let kind =
                "<serviceDesignerExperienceType>SEQUENCE_BASED</serviceDesignerExperienceType>";
            (200, document("ServiceInstance", kind))
        }
        Op::Requests => requests(state, &asked),
        Op::Submit => submit(state, user, received),
        Op::Request => request(state, part(3)),
        Op::CancelRequest => cancel(state, part(3)),
        Op::Delete => delete(state, received),
    }
}

/// Whoever LDAP knows becomes a person with the first login.
fn login(state: &mut State, asked: &Asked) -> Done {
    let part = |index: usize| asked.path.get(index).map(String::as_str);
    let name = match (part(2), part(3), asked.query.get("userName")) {
        (Some("userLookup"), None, Some(name)) => name.clone(),
        (Some(name), Some(""), None) => name.to_owned(),
        // Without the slash at its end, what is behind the last full stop is taken for a format.
        (Some(name), None, None) => {
            name.rsplit_once('.').map_or(name, |(before, _)| before).to_owned()
        }
        _ => return bare(404),
    };
    let organization =
        state.organizations.iter().find(|(_, one)| Some(one.name.as_str()) == part(1));
    let Some(organization) = organization.map(|(id, _)| id.clone()) else { return bare(404) };
    let known = state
        .persons
        .iter()
        .find(|(_, one)| one.organization == organization && one.name == name)
        .map(|(id, _)| id.clone());
    let id = match known {
        Some(id) => id,
        None if state.ldap.contains(&(organization.clone(), name.clone())) => {
            state.person(&organization, &name, &[])
        }
        None => return bare(404),
    };
    let person = render::person(&id, &state.persons[&id]);
    (
        200,
        document(
            "person",
            &format!("{person}<organization><id>{organization}</id></organization>"),
        ),
    )
}

fn organization(state: &State, id: &str, asked: &Asked) -> Done {
    let Some(organization) = state.organizations.get(id) else { return bare(404) };
    let mut body = render::organization(id, organization);
    let wants = |name: &str, value: &str| asked.query.get(name).is_some_and(|is| is == value);
    if wants("scope", "baseplusone") && wants("detail", "basic") {
        body += &format!("<catalog><id>{CATALOG}</id><name>Servers</name></catalog>");
        for (id, person) in
            state.persons.iter().filter(|(_, one)| one.organization == *asked.path[1])
        {
            body += &format!("<person>{}</person>", render::person(id, person));
        }
        body += "<group><id>1</id><name>team</name></group>";
    }
    (200, document("Organization", &body))
}

fn is_date(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        })
}

fn subscriptions(state: &State, user: &str, asked: &Asked) -> Done {
    let dates = ["creationStartDate", "creationEndDate"].map(|name| asked.query.get(name));
    let dated = match dates {
        [None, None] => true,
        [Some(start), end] => is_date(start) && end.is_none_or(|end| is_date(end) && start < end),
        // An end without a start.
        [None, Some(_)] => false,
    };
    let own = &state.persons[user].organization;
    let requestor = asked.query.get("requestor").and_then(|name| {
        state.persons.iter().find(|(_, one)| one.name == *name && one.organization == *own)
    });
    let (true, Some((id, person))) = (dated, requestor) else {
        return bare(if dated { 401 } else { 500 });
    };
    let is_viewed = asked.query.get("scope").is_some_and(|scope| scope == "view");
    // What a group shares is listed for each of its members.
    let has = |of: &Subscription| {
        let is_shared = of.group.as_ref().is_some_and(|group| person.groups.contains(group));
        of.by == *id || is_shared && state.persons[&of.by].organization == *own
    };
    let all = state.subscriptions.iter().filter(|(_, of)| has(of)).map(|(id, of)| {
        let body = match is_viewed {
            true => render::subscription(state, id, of),
            false => format!("<id>{id}</id><name>{}</name>", render::escape(&of.name)),
        };
        format!("<ServiceSubscription>{body}</ServiceSubscription>")
    });
    (200, list(state, "ServiceSubscriptionList", &all.collect::<Vec<_>>()))
}

fn requests(state: &State, asked: &Asked) -> Done {
    let Some(submitter) = asked.query.get("submitter") else { return bare(500) };
    let is_his = |of: &ServiceRequest| state.persons[&of.by].name == *submitter;
    let all = state.service_requests.iter().filter(|(_, of)| is_his(of)).map(|(id, of)| {
        format!("<ServiceRequest>{}</ServiceRequest>", render::request(state, id, of))
    });
    (200, list(state, "ServiceRequestList", &all.collect::<Vec<_>>()))
}

/// The text of the first element of this name.
fn text(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}

fn submit(state: &mut State, user: &str, received: &Received) -> Done {
    if received.headers("content-type") != ["application/xml"] {
        return bare(415);
    }
    let body = String::from_utf8_lossy(&received.body).into_owned();
    let action = body.split_once("<requestedAction>").map(|(_, action)| action).unwrap_or_default();
    let context = body.split_once("<artifactContext>").and_then(|(_, context)| text(context, "id"));
    let (Some(name), Some(context), Some(what)) =
        (text(&body, "displayName"), context, text(action, "name"))
    else {
        return bare(500);
    };
    let known = match what.as_str() {
        "ORDER" => [SERVER, MAIL].contains(&context.as_str()),
        "MODIFY_SUBSCRIPTION" | "CANCEL_SUBSCRIPTION" => state.subscriptions.contains_key(&context),
        _ => false,
    };
    if !known {
        return bare(404);
    }
    let mut properties = BTreeMap::new();
    for property in action.split("<property>").skip(1) {
        if let (Some(name), Some(value)) = (text(property, "name"), text(property, "value")) {
            properties.insert(name, value);
        }
    }
    let request = ServiceRequest {
        action: what,
        context,
        by: user.to_owned(),
        name,
        description: text(&body, "description").unwrap_or_default(),
        properties,
        state: if state.approval { "PENDING_APPROVAL" } else { "APPROVED" },
        status: None,
    };
    let id = state.id();
    let shown = render::request(state, &id, &request);
    state.service_requests.insert(id, request);
    (200, document("ServiceRequest", &shown))
}

/// Each look at a request is a step on: approved, at work, done.
fn request(state: &mut State, id: &str) -> Done {
    let Some(mut request) = state.service_requests.get(id).cloned() else { return bare(404) };
    let shown = document("ServiceRequest", &render::request(state, id, &request));
    match request.state {
        "APPROVED" => {
            request.state = "IN_PROGRESS";
            if request.action == "ORDER" {
                order(state, id, &request);
            }
        }
        "IN_PROGRESS" => {
            request.state = "COMPLETED";
            request.status = Some("SUCCESS");
            finish(state, id, &request);
        }
        _ => {}
    }
    state.service_requests.insert(id.to_owned(), request);
    (200, shown)
}

fn order(state: &mut State, id: &str, request: &ServiceRequest) {
    let property = |name: &str| request.properties.get(name).cloned();
    let subscription = Subscription {
        request: id.to_owned(),
        name: property("SERVICE_NAME").unwrap_or_default(),
        description: property("SERVICE_DESCRIPTION").unwrap_or_default(),
        offering: request.context.clone(),
        by: request.by.clone(),
        group: None,
        status: "PENDING",
        state: "DEPLOYING",
        start: property("START_DATE").unwrap_or_else(|| "2026-01-01T00:00:00.000-07:00".to_owned()),
        end: property("END_DATE"),
        setup: (request.context == SERVER).then_some("1200.0"),
        recurring: Some("150.0"),
        multiplier: "1.1",
        period: "MONTH",
        typed: true,
        reserved: vec![("CPU", 2), ("MEMORY", 4096)],
    };
    let id = state.id();
    state.subscriptions.insert(id, subscription);
}

fn finish(state: &mut State, id: &str, request: &ServiceRequest) {
    let (outcome, price) = (state.outcome, state.modified_price);
    let ordered = state.subscriptions.values_mut().find(|of| of.request == id);
    match (request.action.as_str(), ordered) {
        ("ORDER", Some(of)) => (of.status, of.state) = ("ACTIVE", outcome),
        ("MODIFY_SUBSCRIPTION", _) => {
            if let Some(of) = state.subscriptions.get_mut(&request.context) {
                of.recurring = Some(price);
                of.reserved = vec![("CPU", 4), ("MEMORY", 8192)];
                if let Some(name) = request.properties.get("SERVICE_NAME") {
                    of.name.clone_from(name);
                }
            }
        }
        ("CANCEL_SUBSCRIPTION", _) => {
            if let Some(of) = state.subscriptions.get_mut(&request.context) {
                (of.status, of.state) = ("CANCELLED", "CANCELLED");
            }
        }
        _ => {}
    }
}

/// Only what is pending can be cancelled.
fn cancel(state: &mut State, id: &str) -> Done {
    match state.service_requests.get_mut(id) {
        None => bare(404),
        Some(request) if ["SUBMITTED", "PENDING_APPROVAL"].contains(&request.state) => {
            request.state = "CANCELLED";
            (200, document("ServiceRequest", &format!("<id>{id}</id>")))
        }
        Some(_) => bare(500),
    }
}

/// 200 in any case; the list has what was deleted.
fn delete(state: &mut State, received: &Received) -> Done {
    let body = String::from_utf8_lossy(&received.body).into_owned();
    let mut deleted = Vec::new();
    for one in body.split("<ServiceSubscription>").skip(1) {
        let id = text(one, "id").unwrap_or_default();
        let is_over = state.subscriptions.get(&id).is_some_and(|of| of.status != "ACTIVE");
        if is_over && !state.undeletable.contains(&id) {
            state.subscriptions.remove(&id);
            deleted.push(format!("<ServiceSubscription><id>{id}</id></ServiceSubscription>"));
        }
    }
    let count = deleted.len();
    (
        200,
        document("ServiceSubscriptionList", &format!("<count>{count}</count>{}", deleted.concat())),
    )
}
