//! Any bytes on a connection.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what does not hold has to be seen"
)]

use super::{Refusing, http, open_store, recorder};
use crate::api;
use crate::app::App;
use crate::blobs::Blobs;
use crate::callers::Passwords;
use crate::config::{Config, Flags};
use crate::model::body::check_strict;
use crate::plugin;
use crate::setup::fuzz::endpoint;
use crate::store::setup::{CallerRecord, EndpointAccess, Role, caller_key, endpoint_key};
use crate::store::{Key, Operation, Partition, Store, Tx};
use axum::Router;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// A component that answers nothing but zeroes, to everything.
const PLUGIN: &[u8] = include_bytes!("../../../tests/fuzz/seeds/gate/zeroes");
/// Of every caller. The seeds have it in their headers.
const PASSWORD: &str = "password";
const ROLES: [(&str, Role); 2] = [("operator", Role::Operator), ("shop", Role::Marketplace)];
/// What is under way between the two ends of a connection.
const PIPE_BYTES: usize = 64 << 10;

/// A host without a socket: its two callers have the same password, and its one endpoint a plugin.
pub struct Http {
    runtime: Runtime,
    app: Arc<App>,
    service: TowerToHyperService<Router>,
}

impl Http {
    /// Starts one in an empty folder.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(data: &Path) -> Http {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let app = runtime.block_on(start(data)).expect("the host starts");
        let service = TowerToHyperService::new(api::router(app.clone(), Router::new()));
        Http { runtime, app, service }
    }

    /// Sends the bytes, and reads all that comes back.
    ///
    /// # Panics
    /// When a request has no answer, or an answer is not what it has to be.
    pub fn exchange(&self, request: &[u8]) {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        // The bytes are all that there is, so their end must not take the answers away.
        let mut http = http(&self.app.config.http);
        let connection = http.half_close(true).serve_connection(
            TokioIo::new(Refusing::new(server, self.app.config.http.clone())),
            self.service.clone(),
        );
        let mut answers = Vec::new();
        self.runtime.block_on(async {
            let talk = async {
                let (mut reader, mut writer) = tokio::io::split(&mut client);
                let send = async {
                    // It may have seen enough before the end.
                    let _refused = writer.write_all(request).await;
                    let _refused = writer.shutdown().await;
                };
                let ((), read) = tokio::join!(send, reader.read_to_end(&mut answers));
                read.expect("a pipe can be read");
            };
            // How a connection ends is its client's to see, by its answers.
            let ((), _ended) = tokio::join!(talk, connection);
        });
        let count = check(&answers);
        assert!(count > 0 || !is_request(request), "{:?}", String::from_utf8_lossy(request));
    }
}

/// Whether there is a head with an end. One that says that HTTP/2 follows is left to itself.
fn is_request(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
    let head = &bytes[start..];
    let ends = |end: &[u8]| head.windows(end.len()).any(|window| window == end);
    (ends(b"\n\r\n") || ends(b"\n\n")) && !head.starts_with(b"PRI * HTTP/2.0")
}

/// Reads answers one after the other, and checks each. Answers how many there are.
fn check(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, rest) = bytes.split_at(end.unwrap_or_else(|| panic!("{}", shown())) + 4);
        let head = std::str::from_utf8(head).unwrap_or_else(|_| panic!("{}", shown()));
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.into_iter().find(|line| line.0.eq_ignore_ascii_case(name)).map(|line| line.1)
        };
        let status: u16 = head[9..12].parse().unwrap_or_else(|_| panic!("{}", shown()));
        if status == 100 {
            bytes = rest;
            continue;
        }
        count += 1;
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(header("transfer-encoding").is_none(), "{}", shown());
        // The answer to a HEAD has the length of what it does not have.
        let is_bare = rest.is_empty() || rest.starts_with(b"HTTP/1.");
        let (body, next) = rest.split_at(if is_bare { 0 } else { length });
        assert_ne!(status, 500, "{}", shown());
        match header("content-type") {
            Some("application/json") if is_bare => {}
            Some("application/json") => check_json(status, body),
            _ => assert!(status < 400, "{}", shown()),
        }
        bytes = next;
    }
    count
}

/// The envelope, or one of the two documents that have none.
fn check_json(status: u16, body: &[u8]) {
    check_strict(body).expect("a body is strict JSON");
    let value: Value = serde_json::from_slice(body).expect("strict JSON is JSON");
    if status == 200 && (value.get("openapi").is_some() || value.get("failures").is_some()) {
        return;
    }
    let result = value["result"].as_object().unwrap_or_else(|| panic!("{value}"));
    let members: Vec<&str> = result.keys().map(String::as_str).collect();
    assert_eq!(members, ["message", "providerresponse", "success"], "{value}");
    let response = &result["providerresponse"];
    let respcode = response["respcode"].as_u64().unwrap_or_else(|| panic!("{value}"));
    let success = (200..300).contains(&respcode);
    assert_eq!(result["success"], success, "{value}");
    assert!(status == 200 || u64::from(status) == respcode, "{value}");
    assert!(success || response["errormessage"].is_string(), "{value}");
    assert_eq!(response["errormessage"], response["errorMessage"], "{value}");
}

async fn start(data: &Path) -> anyhow::Result<Arc<App>> {
    let settings = [
        // Else wrong passwords are all that there is time for.
        "auth.argon2_memory_kib=8",
        "auth.argon2_passes=1",
        "auth.cache_ttl_s=86400",
        // A small pool.
        "calls.concurrency_max=4",
        "calls.memory_bytes_max=1048576",
        "store.free_ratio_min=0",
    ];
    let flags = Flags {
        data: Some(data.to_owned()),
        set: settings.map(str::to_owned).to_vec(),
        ..Flags::default()
    };
    let config = Arc::new(Config::load(&flags)?);
    let store = open_store(&config)?;
    let blobs = Arc::new(Blobs::open(data)?);
    let plugin = plugin::fuzz::keep(&config.calls, &blobs, PLUGIN)?;
    let mut tx = Tx::new(Partition::SETUP);
    let mut put = |key: Key, record: Vec<u8>| {
        tx.operations.push(Operation::Put(key, Bytes::from(record)));
    };
    let password_hash = Passwords::new(&config.auth)?.hash(PASSWORD)?;
    for (name, role) in ROLES {
        let record = CallerRecord {
            name: name.to_owned(),
            role,
            vendor: None,
            endpoints: EndpointAccess::All,
            password_hash: password_hash.clone(),
        };
        put(caller_key(name), json(&record)?);
    }
    let mut record = endpoint("[endpoints.zeroes]\nvendor = \"acme\"\nplugin = \"zeroes.wasm\"");
    record.plugin = plugin.to_string();
    put(endpoint_key(&record.id), json(&record)?);
    store.commit(tx).await?;
    App::start(config, store, blobs, recorder()?).await
}

fn json(record: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(record)?)
}
