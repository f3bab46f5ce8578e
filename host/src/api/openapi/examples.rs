//! An example of every request and every answer: CNSP's samples, as strict JSON, with values of one made-up
//! customer. The texts around them are those that the handlers answer with.

mod accounts;
mod reads;
mod resources;

use super::super::envelope;
use crate::error::ErrorCode;
use crate::model::OperationKind;
use serde_json::{Map, Value, json};

/// The examples of one operation.
pub(super) struct Examples {
    /// The operation's id: the name of its handler.
    pub(super) operation: &'static str,
    /// What it is, where an answer does not tell.
    pub(super) kind: OperationKind,
    pub(super) requests: Vec<Request>,
    pub(super) answers: Vec<Answer>,
}

pub(super) struct Request {
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) body: Value,
    /// How the host takes it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests parse the body as it"))]
    pub(super) kind: OperationKind,
}

pub(super) struct Answer {
    pub(super) name: String,
    pub(super) summary: String,
    /// The HTTP status.
    pub(super) status: u16,
    pub(super) body: Value,
}

/// The examples of every operation that has any.
pub(super) fn all() -> Vec<Examples> {
    [accounts::all(), resources::all(), reads::all()].into_iter().flatten().collect()
}

fn enveloped(respcode: u16, mut response: Value, success: bool, message: &str) -> Value {
    if let Value::Object(members) = &mut response {
        members.insert("respcode".to_owned(), respcode.into());
    }
    json!({"result": {"providerresponse": response, "success": success, "message": message}})
}

/// An answer of the host's own.
pub(super) fn error(kind: Option<OperationKind>, code: ErrorCode, text: &str) -> Answer {
    let answer = envelope::answer(kind, &crate::error::Error::new(code, text));
    let body = serde_json::from_str(&answer.body).unwrap_or_default();
    Answer {
        name: code.as_str().to_owned(),
        summary: format!("{}: {text}", code.as_str()),
        status: answer.respcode,
        body: enveloped(answer.respcode, body, false, &answer.message),
    }
}

/// What is answered while the provider still works.
pub(super) fn pending(kind: OperationKind, instance: Option<&str>) -> Answer {
    let mut body = Map::from_iter([("status".to_owned(), Value::from("pending"))]);
    if let Some(instance) = instance {
        body.insert("providerinstanceid".to_owned(), Value::from(instance));
    }
    let message = format!("{} is accepted and not finished yet", kind.texts().name);
    Answer {
        // Examples are sorted by name, and this one should not come first.
        name: "waiting".to_owned(),
        summary: "The provider still works on it".to_owned(),
        status: 200,
        body: enveloped(200, Value::Object(body), true, &message),
    }
}

impl Examples {
    fn of(operation: &'static str, kind: OperationKind) -> Examples {
        Examples { operation, kind, requests: Vec::new(), answers: Vec::new() }
    }

    fn request(mut self, name: &str, kind: OperationKind, summary: &str, body: Value) -> Examples {
        let (name, summary) = (name.to_owned(), summary.to_owned());
        self.requests.push(Request { name, summary, body, kind });
        self
    }

    fn done(mut self, name: &str, kind: OperationKind, summary: &str, response: Value) -> Examples {
        let texts = kind.texts();
        self.answers.push(Answer {
            name: name.to_owned(),
            summary: summary.to_owned(),
            // A 204 has no body, and CNSP's has one.
            status: if texts.respcode == 204 { 200 } else { texts.respcode },
            body: enveloped(texts.respcode, response, true, texts.success),
        });
        self
    }

    /// A refusal of the provider's, as CNSP samples it.
    fn refused(self, name: &str, kind: OperationKind, respcode: u16, text: &str) -> Examples {
        self.refused_with(name, kind, respcode, text, json!({}))
    }

    /// As [`Examples::refused`], with further members.
    fn refused_with(
        mut self,
        name: &str,
        kind: OperationKind,
        respcode: u16,
        text: &str,
        mut response: Value,
    ) -> Examples {
        if let Value::Object(members) = &mut response {
            for key in ["errormessage", "errorMessage"] {
                members.insert(key.to_owned(), Value::from(text));
            }
        }
        self.answers.push(Answer {
            name: name.to_owned(),
            summary: format!("The provider refuses: {text}"),
            status: respcode,
            body: enveloped(respcode, response, false, &kind.failure_message(respcode, text)),
        });
        self
    }

    /// A refusal of the host's that only this operation has.
    fn error(mut self, name: &str, kind: OperationKind, code: ErrorCode, text: &str) -> Examples {
        let answer = error(Some(kind), code, text);
        self.answers.push(Answer { name: name.to_owned(), ..answer });
        self
    }
}

fn address() -> Value {
    json!({
        "addressline1": "12 St James's Square",
        "addressline2": "2nd floor",
        "city": "London",
        "state": "Greater London",
        "postalcode": "SW1Y 4JH",
        "country": "GB",
    })
}

/// Who asks, of the made-up customer.
fn requestor() -> Value {
    json!({"accountid": "C-1001", "provideraccountid": "acc-5f0c2a", "userid": "usr-91b3"})
}
