//! Calls to the provider's API, to the hosts that the endpoint's grants name.
//!
//! ```
//! use cnsp_sdk::{Failure, http::Request, testing};
//! # use cnsp_sdk::http::Response;
//! fn tenant_name(id: &str) -> Result<String, Failure> {
//!     let answer = Request::get(format!("https://api.example.com/tenants/{id}"))
//!         .bearer("api-token") // the secret's name; its value never enters the guest
//!         .header("Accept", "application/json")
//!         .send()?;
//!     match answer.status {
//!         200 => Ok(answer.json::<String>()?),
//!         status => Err(Failure::refused(502, format!("The provider answered {status}."))),
//!     }
//! }
//!
//! testing::on_http(|request| {
//!     assert_eq!(request.url, "https://api.example.com/tenants/7");
//!     Ok(Response { status: 200, headers: vec![], body: br#""Example Ltd""#.to_vec() })
//! });
//! assert_eq!(tenant_name("7").unwrap(), "Example Ltd");
//! ```

#[cfg(target_family = "wasm")]
use crate::bindings::cnsp::adapter::http as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::http as host;
use crate::types::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

pub use crate::bindings::cnsp::adapter::http::{Credential, Header, HttpError, Request, Response};

impl Request {
    /// A request without headers, body or credential. `method` in capitals; `url` absolute.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            credential: Credential::None,
            timeout_ms: None,
            effect: None,
        }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A `PATCH`.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// A `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header. `{{secret:NAME}}` in its value becomes that secret.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to this value's JSON, and says so in `Content-Type`.
    pub fn json(self, value: &impl Serialize) -> Result<Self, HttpError> {
        let body = serde_json::to_vec(value).map_err(|error| HttpError {
            code: 5,
            message: format!("The body cannot be written as JSON: {error}."),
            outcome_unknown: false,
        })?;
        Ok(self.header("Content-Type", "application/json").body(body))
    }

    /// Signs in with HTTP Basic; the named secret holds `username:password`.
    #[must_use]
    pub fn basic(mut self, secret: impl Into<String>) -> Self {
        self.credential = Credential::Basic(secret.into());
        self
    }

    /// Signs in with a bearer token; the named secret holds it.
    #[must_use]
    pub fn bearer(mut self, secret: impl Into<String>) -> Self {
        self.credential = Credential::Bearer(secret.into());
        self
    }

    /// The longest that the whole exchange may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Says whether the request changes something, where its method does not tell.
    #[must_use]
    pub fn effect(mut self, effect: bool) -> Self {
        self.effect = Some(effect);
        self
    }

    /// Sends it and waits for the answer, whatever its status.
    pub fn send(self) -> Result<Response, HttpError> {
        host::send(&self)
    }
}

impl Response {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(&header.value)
    }

    /// Whether the status is 200 to 299.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| HttpError {
            code: 6,
            message: format!("The answer is not the JSON that was expected: {error}."),
            outcome_unknown: false,
        })
    }
}

impl From<HttpError> for Failure {
    /// A provider that cannot be reached, that takes too long, or that has asked to be left alone for a while is worth
    /// another try.
    fn from(error: HttpError) -> Self {
        let respcode = match error.code {
            3 => 504,
            8 => 503,
            // Somebody has given the operation up.
            9 => 409,
            _ => 502,
        };
        let failure = Failure::refused(respcode, error.message);
        if matches!(error.code, 2 | 3 | 8) { failure.retryable() } else { failure }
    }
}
