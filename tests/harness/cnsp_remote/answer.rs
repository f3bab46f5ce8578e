//! CNSP's envelope, with the quirks of its samples.

use super::Switches;
use serde_json::{Value, json};

/// An answer, before it is written.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) respcode: u16,
    pub(super) response: Value,
    message: String,
    /// The spelling that the operation's sample has.
    key: &'static str,
    /// Where a list goes on.
    pub(super) link: Option<String>,
    /// The sample has `success` and `message` inside of `providerresponse`.
    nested: bool,
}

impl Answer {
    pub(super) fn success(response: Value, message: &str) -> Answer {
        Answer::with(200, response, message)
    }

    pub(super) fn with(respcode: u16, response: Value, message: &str) -> Answer {
        let message = message.to_owned();
        Answer { respcode, response, message, key: "errormessage", link: None, nested: false }
    }

    pub(super) fn error(respcode: u16, key: &'static str, text: &str, message: &str) -> Answer {
        Answer { key, ..Answer::with(respcode, json!({ key: text }), message) }
    }

    pub(super) fn nested(self) -> Answer {
        Answer { nested: true, ..self }
    }

    /// One more member of `providerresponse`.
    pub(super) fn and(mut self, key: &str, value: Value) -> Answer {
        self.response[key] = value;
        self
    }

    /// Of HTTP: a 204 cannot have the body that CNSP wants.
    pub(super) fn status(&self) -> u16 {
        if self.respcode == 204 { 200 } else { self.respcode }
    }

    pub(super) fn body(&self, switches: Switches) -> String {
        let success = self.respcode < 400;
        let mut response = self.response.clone();
        response["respcode"] = json!(self.respcode);
        if !success && switches.other_spelling {
            let other = if self.key == "errormessage" { "errorMessage" } else { "errormessage" };
            let text = response.as_object_mut().and_then(|members| members.remove(self.key));
            response[other] = text.unwrap_or_default();
        }
        let mut result = json!({ "success": success, "message": self.message });
        if self.nested {
            response["success"] = result["success"].take();
            response["message"] = result["message"].take();
            result = json!({});
        }
        result["providerresponse"] = response;
        let body = json!({ "result": result }).to_string();
        match switches.slips {
            false => body,
            // A comma and a brace too many, and a comma too few: before each key that comes after an object.
            true => format!("{}}}", body.replace("},\"", "}\"").replace("\"}", "\",}")),
        }
    }
}
