//! Bodies of requests, spelled as the specification samples them. Values are JSON text from the start to the
//! end, so that each number keeps its digits.

use cnsp_sdk::OpenMapExt;
use cnsp_sdk::types::*;

/// The object as JSON text.
pub(crate) fn render(members: &OpenMap) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, json)| format!("{}:{json}", quoted(key))).collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A body that is being written.
#[derive(Default)]
pub(crate) struct Body(OpenMap);

impl Body {
    /// A text.
    pub(crate) fn text(mut self, key: &str, text: &str) -> Body {
        self.0.put(key, text);
        self
    }

    /// A text, where there is one.
    pub(crate) fn maybe(self, key: &str, text: &Option<String>) -> Body {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    /// A whole number, where there is one.
    pub(crate) fn number(mut self, key: &str, number: Option<u64>) -> Body {
        if let Some(number) = number {
            self.0.put(key, number);
        }
        self
    }

    /// JSON that is text already.
    pub(crate) fn json(mut self, key: &str, json: String) -> Body {
        self.0.push((key.to_owned(), json));
        self
    }

    /// An object inside.
    pub(crate) fn object(self, key: &str, inner: Body) -> Body {
        self.json(key, render(&inner.0))
    }

    /// A map inside.
    pub(crate) fn map(self, key: &str, map: &OpenMap) -> Body {
        self.json(key, render(map))
    }

    /// What else the caller has said.
    pub(crate) fn others(mut self, other: &OpenMap) -> Body {
        self.0.extend(other.iter().cloned());
        self
    }

    /// As it goes over the wire.
    pub(crate) fn render(&self) -> String {
        render(&self.0)
    }
}

pub(crate) fn address(address: &Address) -> Body {
    Body::default()
        .maybe("addressline1", &address.addressline1)
        .maybe("addressline2", &address.addressline2)
        .maybe("city", &address.city)
        .maybe("state", &address.state)
        .maybe("postalcode", &address.postalcode)
        .maybe("country", &address.country)
        .others(&address.other)
}

pub(crate) fn requestor(requestor: &Requestor) -> Body {
    Body::default()
        .maybe("accountid", &requestor.accountid)
        .maybe("accountname", &requestor.accountname)
        .maybe("provideraccountid", &requestor.provideraccountid)
        .maybe("userid", &requestor.userid)
        .maybe("provideruserid", &requestor.provideruserid)
        .others(&requestor.other)
}

pub(crate) fn instance_info(info: &InstanceInfo) -> Body {
    Body::default().text("providerinstanceid", &info.providerinstanceid).others(&info.other)
}

pub(crate) fn resource_kind(kind: &ResourceKind) -> Body {
    Body::default().text("type", &kind.type_).others(&kind.other)
}
