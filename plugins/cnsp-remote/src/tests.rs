//! The adapter against a remote that is a list of answers.

mod changes;
mod lists;
mod reads;
mod unknown;

use crate::CnspRemote;
use cnsp_sdk::http::{Credential, Header, HttpError, Request, Response};
use cnsp_sdk::types::*;
use cnsp_sdk::{Adapter, Failure, testing};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

type Answer = Result<Response, HttpError>;

/// A remote that gives these answers, one after the other, and remembers what it was asked.
#[derive(Clone, Default)]
struct Remote {
    answers: Rc<RefCell<VecDeque<Answer>>>,
    asked: Rc<RefCell<Vec<Request>>>,
}

impl Remote {
    /// `mode` is the setting `idempotency`.
    fn start(mode: &str, answers: Vec<Answer>) -> Remote {
        testing::set_config("url", "https://sp.example/apiv1/");
        testing::set_config("idempotency", mode);
        let remote = Remote { answers: Rc::new(RefCell::new(answers.into())), ..Remote::default() };
        let (queue, asked) = (remote.answers.clone(), remote.asked.clone());
        testing::on_http(move |request| {
            asked.borrow_mut().push(request.clone());
            queue.borrow_mut().pop_front().expect("nothing more was to be asked")
        });
        remote
    }

    /// `METHOD path?query` of every request so far. Every answer has to be used up.
    #[track_caller]
    fn asked(&self) -> Vec<String> {
        assert!(self.answers.borrow().is_empty(), "an answer was not asked for");
        let asked = self.asked.borrow();
        let shown = |request: &Request| {
            let path = request.url.strip_prefix("https://sp.example/apiv1").unwrap();
            format!("{} {path}", request.method)
        };
        asked.iter().map(shown).collect()
    }

    fn request(&self, at: usize) -> Request {
        self.asked.borrow()[at].clone()
    }

    /// The body of a request.
    fn body(&self, at: usize) -> Value {
        serde_json::from_slice(&self.request(at).body).unwrap()
    }
}

fn plain(status: u16, body: &str) -> Answer {
    Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

/// A success with this `providerresponse`.
fn success(mut response: Value) -> Answer {
    response["respcode"] = json!(200);
    let body = json!({"result": {"providerresponse": response, "success": true, "message": "ok"}});
    plain(200, &body.to_string())
}

/// A refusal with this `respcode`.
fn refusal(respcode: u16, text: &str) -> Answer {
    let response = json!({"errormessage": text, "respcode": respcode});
    let body = json!({"result": {"providerresponse": response, "success": false, "message": "no"}});
    plain(respcode, &body.to_string())
}

fn with_header(answer: Answer, name: &str, value: &str) -> Answer {
    let mut response = answer.unwrap();
    response.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
    Ok(response)
}

/// The provider may have acted.
fn lost() -> Answer {
    Err(HttpError { code: 3, message: "not in time".to_owned(), outcome_unknown: true })
}

fn new_account() -> CreateAccount {
    let mut request = CreateAccount {
        accountid: "C-1".to_owned(),
        accountname: "Contoso".to_owned(),
        ..CreateAccount::default()
    };
    request.additionalattributes.push(("price".to_owned(), "1.10".to_owned()));
    request
}

fn requestor() -> Requestor {
    Requestor {
        accountid: Some("C-1".to_owned()),
        provideraccountid: Some("pa-1".to_owned()),
        ..Requestor::default()
    }
}

fn of_user() -> Requestor {
    Requestor { userid: Some("u-1".to_owned()), ..requestor() }
}

fn new_user() -> CreateUser {
    CreateUser {
        email: "ada@example.com".to_owned(),
        requestor: requestor(),
        ..CreateUser::default()
    }
}

fn order() -> CreateResource {
    CreateResource {
        requestid: Some("the caller's".to_owned()),
        resource: ResourceKind { type_: "saas".to_owned(), ..ResourceKind::default() },
        parameters: CreateParameters {
            sku: "MAIL".to_owned(),
            license_quantity: Some(5),
            ..CreateParameters::default()
        },
        requestor: requestor(),
        ..CreateResource::default()
    }
}

fn instance() -> InstanceInfo {
    InstanceInfo { providerinstanceid: "i-1".to_owned(), ..InstanceInfo::default() }
}

fn act(action: &str) -> ActOnResource {
    ActOnResource {
        action: action.to_owned(),
        instanceinfo: instance(),
        requestor: requestor(),
        ..ActOnResource::default()
    }
}

fn deletion() -> DeleteResource {
    DeleteResource { instanceinfo: instance(), requestor: requestor(), ..DeleteResource::default() }
}

/// As `GET /resource/:id` answers it.
fn resourceinfo(id: &str, status: &str, mark: Option<&str>) -> Value {
    let mut info = json!({
        "resource": {"type": "saas"},
        "parameters": {"providerinstanceid": id, "sku": "MAIL", "status": status},
        "additionalparameters": {},
    });
    if let Some(mark) = mark {
        info["additionalparameters"]["cnspoperation"] = json!(mark);
    }
    info
}

/// Runs a change that is done at its first call.
fn change<O: cnsp_sdk::Outcome>(
    run: impl FnOnce() -> Result<O, Failure>,
) -> Result<O::Done, Failure> {
    testing::operation("op-1", run)
        .map(|outcome| outcome.into_result().unwrap_or_else(|_| panic!("it is pending")))
}
