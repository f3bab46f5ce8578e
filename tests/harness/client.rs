//! One caller of a host.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A call that takes longer hangs.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// One caller, on the unified path or at one endpoint. Calls block; threads may share it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    prefix: String,
    credentials: Option<(String, String)>,
    headers: Vec<(String, String)>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// Of HTTP.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The body, where it is JSON; else null.
    pub json: Value,
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("a runtime")
    })
}

impl Client {
    /// Somebody's client of the host at `url`.
    pub fn new(url: &str, credentials: Option<(&str, &str)>) -> Client {
        let _runtime = runtime().enter();
        let http = reqwest::Client::builder().timeout(CALL_TIMEOUT).no_proxy().build();
        Client {
            http: http.expect("a client"),
            url: url.to_owned(),
            prefix: "/apiv1".to_owned(),
            credentials: credentials.map(|(name, password)| (name.to_owned(), password.to_owned())),
            headers: Vec::new(),
        }
    }

    /// The same caller, at this endpoint's own path.
    pub fn at(&self, endpoint: &str) -> Client {
        Client { prefix: format!("/endpoints/{endpoint}/apiv1"), ..self.clone() }
    }

    /// The same caller, with one more header.
    pub fn with(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same caller, below another path than `/apiv1`.
    pub fn below(&self, prefix: &str) -> Client {
        Client { prefix: prefix.to_owned(), ..self.clone() }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None)
    }

    /// POST.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string().into_bytes()))
    }

    /// PUT.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string().into_bytes()))
    }

    /// DELETE with a body.
    pub fn delete(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::DELETE, path, Some(body.to_string().into_bytes()))
    }

    /// DELETE without one.
    pub fn delete_bare(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None)
    }

    /// Any method, any body.
    ///
    /// # Panics
    /// When there is no answer, or one below `/apiv1` that breaks the rules of every answer.
    pub fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Answer {
        let shown = format!("{method} {}{path}", self.prefix);
        let answer = self.try_send(method, path, body);
        let answer = answer.unwrap_or_else(|error| panic!("{shown}: no answer: {error:?}"));
        if self.prefix.ends_with("/apiv1") {
            answer.check_envelope(&shown);
        }
        answer
    }

    /// As [`Client::send`], where the host may be gone.
    pub fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{}{path}", self.url, self.prefix);
        let mut request = self.http.request(method, url);
        if let Some((name, password)) = &self.credentials {
            request = request.basic_auth(name, Some(password));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        runtime().block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            let json = serde_json::from_str(&text).unwrap_or_default();
            Ok(Answer { status, headers, text, json })
        })
    }
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `result`.
    pub fn result(&self) -> &Value {
        &self.json["result"]
    }

    /// `result.providerresponse`.
    pub fn body(&self) -> &Value {
        &self.result()["providerresponse"]
    }

    /// A text of `providerresponse`.
    ///
    /// # Panics
    /// When it has none of that name.
    pub fn text_of(&self, key: &str) -> String {
        let text = self.body()[key].as_str();
        text.unwrap_or_else(|| panic!("`{key}` is no text in {}", self.text)).to_owned()
    }

    /// `respcode`.
    pub fn respcode(&self) -> u64 {
        self.body()["respcode"].as_u64().unwrap_or_else(|| panic!("no respcode: {}", self.text))
    }

    /// `message`.
    pub fn message(&self) -> &str {
        self.result()["message"].as_str().unwrap_or_default()
    }

    /// `errormessage`, which is there beside `errorMessage`.
    pub fn error(&self) -> &str {
        self.body()["errormessage"].as_str().unwrap_or_default()
    }

    /// `errorcode`.
    pub fn code(&self) -> &str {
        self.body()["errorcode"].as_str().unwrap_or_default()
    }

    /// The answer, which has to be a success.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn succeeded(self) -> Answer {
        assert!(self.result()["success"] == true, "{} {}", self.status, self.text);
        self
    }

    /// The answer, which has to be this refusal.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Answer {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.result()["success"], false, "{}", self.text);
        self
    }

    /// The rules that every answer keeps. (Contract G4, A14, A15.)
    ///
    /// # Panics
    /// When it does not.
    pub fn check_envelope(&self, shown: &str) {
        let members = |value: &Value| -> Vec<String> {
            value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
        };
        let text = &self.text;
        assert_eq!(self.header("content-type"), Some("application/json"), "{shown}: {text}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{shown}: {text}");
        assert!(self.header("x-request-id").is_some(), "{shown}: no x-request-id");
        assert_eq!(members(&self.json), ["result"], "{shown}: {text}");
        assert_eq!(
            members(self.result()),
            ["message", "providerresponse", "success"],
            "{shown}: {text}"
        );
        assert!(self.result()["message"].is_string(), "{shown}: {text}");
        let success = self.result()["success"].as_bool();
        let respcode = self.respcode();
        assert_eq!(success, Some((200..300).contains(&respcode)), "{shown}: {text}");
        assert!([200, 201, 204].contains(&respcode) || respcode >= 400, "{shown}: {text}");
        if success == Some(false) {
            let keys = [&self.body()["errormessage"], &self.body()["errorMessage"]];
            assert!(
                keys.iter().all(|text| text.is_string()) && keys[0] == keys[1],
                "{shown}: {text}"
            );
        }
        if self.status != 200 {
            assert_eq!(u64::from(self.status), respcode, "{shown}: {text}");
        }
    }
}
