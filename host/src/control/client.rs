//! The other end of the control socket, for `cnsp apply`, `cnsp endpoint`, `cnsp operations` and `cnsp secret`.

use super::operations::ListQuery;
use super::{Address, Answer, ApplyRequest, DriftCommand, View};
use crate::journal::Decision;
use crate::secrets::{Listed, Rotated};
use crate::setup::{ApplyError, Report};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::request::Builder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;
use tokio::net::UnixStream;

/// The longest answer: names of records and problems.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const OTHER_VERSION: &str = "its answer is none that this version of cnsp knows";

/// Has the host that runs on this data folder apply a folder. None: no host does.
pub(crate) async fn apply(
    data: &Path,
    directory: &Path,
    dry_run: bool,
) -> Option<Result<Report, ApplyError>> {
    let stream = match connect(data).await {
        Ok(stream) => stream?,
        Err(error) => return Some(Err(error.into())),
    };
    let asked = async {
        let body = serde_json::to_vec(&ApplyRequest { directory: directory.to_owned() })
            .context("the folder's path is not valid UTF-8")?;
        let request = Request::post(format!("/apply?dry_run={dry_run}"));
        ask(stream, request, body.into()).await
    };
    match asked.await {
        Ok(Answer::Report(report)) => Some(Ok(report)),
        Ok(Answer::Problems(problems)) => Some(Err(ApplyError::Problems(problems))),
        Ok(Answer::Error(text)) => Some(Err(ApplyError::Failed(anyhow!(text)))),
        Ok(_) => Some(Err(ApplyError::Failed(anyhow!(OTHER_VERSION)))),
        Err(error) => {
            let text = "the running host did not answer; see its log, and `cnsp apply --dry-run` for what it stored";
            Some(Err(ApplyError::Failed(error.context(text))))
        }
    }
}

/// Looks at an endpoint, as the API answers it. None: no host runs on this data folder.
pub(crate) async fn look(data: &Path, view: View, endpoint: &str) -> anyhow::Result<Option<Value>> {
    let Some(stream) = connect(data).await? else { return Ok(None) };
    let path = match view {
        View::Failures => "/failures",
        View::Limits => "/limits",
    };
    let request = Request::get(format!("{path}?endpoint={}", in_address(endpoint)?));
    match ask(stream, request, Bytes::new()).await? {
        Answer::Endpoint(seen) => Ok(Some(seen)),
        Answer::Error(text) => Err(anyhow!(text)),
        _ => Err(anyhow!(OTHER_VERSION)),
    }
}

/// Has the host do something with the drift checks of an endpoint, and answers as the API does. None: no host runs on
/// this data folder.
pub(crate) async fn drift(data: &Path, command: &DriftCommand) -> anyhow::Result<Option<Value>> {
    let Some(stream) = connect(data).await? else { return Ok(None) };
    let body = serde_json::to_vec(command)?;
    match ask(stream, Request::post("/drift"), body.into()).await? {
        Answer::Endpoint(seen) => Ok(Some(seen)),
        Answer::Error(text) => Err(anyhow!(text)),
        _ => Err(anyhow!(OTHER_VERSION)),
    }
}

/// Has the host that runs on this data folder seal its secrets anew. None: no host does.
pub(crate) async fn rotate(data: &Path) -> anyhow::Result<Option<Rotated>> {
    let Some(stream) = connect(data).await? else { return Ok(None) };
    match ask(stream, Request::post("/secrets/rotate"), Bytes::new()).await? {
        Answer::Rotated(rotated) => Ok(Some(rotated)),
        Answer::Error(text) => Err(anyhow!(text)),
        _ => Err(anyhow!(OTHER_VERSION)),
    }
}

/// The secrets that are kept, without the secrets. None: no host runs on this data folder.
pub(crate) async fn secrets(
    data: &Path,
    endpoint: Option<&str>,
) -> anyhow::Result<Option<Vec<Listed>>> {
    let Some(stream) = connect(data).await? else { return Ok(None) };
    let path = match endpoint {
        Some(endpoint) => format!("/secrets?endpoint={}", in_address(endpoint)?),
        None => "/secrets".to_owned(),
    };
    match ask(stream, Request::get(path), Bytes::new()).await? {
        Answer::Secrets(listed) => Ok(Some(listed)),
        Answer::Error(text) => Err(anyhow!(text)),
        _ => Err(anyhow!(OTHER_VERSION)),
    }
}

/// As far as it matters here.
#[derive(Deserialize)]
struct Page {
    operations: Vec<Value>,
    next: Option<String>,
}

/// Every operation that has no outcome yet, of one endpoint or of all. None: no host runs on this data folder.
pub(crate) async fn operations(
    data: &Path,
    endpoint: Option<&str>,
    state: Option<&str>,
) -> anyhow::Result<Option<Vec<Value>>> {
    let mut query = ListQuery {
        endpoint: endpoint.map(str::to_owned),
        state: state.map(str::to_owned),
        after: None,
    };
    let mut all = Vec::new();
    loop {
        let Some(stream) = connect(data).await? else { return Ok(None) };
        let path = format!("/operations?{}", serde_urlencoded::to_string(&query)?);
        let page = match ask(stream, Request::get(path), Bytes::new()).await? {
            Answer::Operations(page) => {
                serde_json::from_value::<Page>(page).context(OTHER_VERSION)?
            }
            Answer::Error(text) => return Err(anyhow!(text)),
            _ => return Err(anyhow!(OTHER_VERSION)),
        };
        all.extend(page.operations);
        if page.next.is_none() {
            return Ok(Some(all));
        }
        query.after = page.next;
    }
}

/// Shows an operation, or carries out a decision about it. None: no host runs on this data folder.
pub(crate) async fn operation(
    data: &Path,
    endpoint: &str,
    id: &str,
    decision: Option<&Decision>,
) -> anyhow::Result<Option<Value>> {
    let Some(stream) = connect(data).await? else { return Ok(None) };
    let plain = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !plain(id) || id.is_empty() {
        return Err(anyhow!("there is no operation `{}`", id.escape_debug()));
    }
    let path = format!("/operations/{id}?endpoint={}", in_address(endpoint)?);
    let (request, body) = match decision {
        None => (Request::get(path), Bytes::new()),
        Some(decision) => (Request::post(path), serde_json::to_vec(decision)?.into()),
    };
    match ask(stream, request, body).await? {
        Answer::Operations(seen) => Ok(Some(seen)),
        Answer::Error(text) => Err(anyhow!(text)),
        _ => Err(anyhow!(OTHER_VERSION)),
    }
}

/// An endpoint's id that becomes part of an address. No endpoint has another.
fn in_address(endpoint: &str) -> anyhow::Result<&str> {
    let plain = endpoint.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match plain {
        true => Ok(endpoint),
        false => Err(anyhow!("there is no endpoint `{}`", endpoint.escape_debug())),
    }
}

/// None: nobody listens there.
async fn connect(data: &Path) -> anyhow::Result<Option<UnixStream>> {
    let connected = async {
        let address = Address::of(data)?;
        UnixStream::connect(&address.path).await
    };
    match connected.await {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            Ok(None)
        }
        Err(error) => {
            let text = format!("cannot reach the host that runs on {}", data.display());
            Err(anyhow!(error).context(text))
        }
    }
}

async fn ask(stream: UnixStream, request: Builder, body: Bytes) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = request.header("host", "localhost").body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let collected = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = collected.map_err(|error| anyhow!(error))?.to_bytes();
    driver.abort();
    serde_json::from_slice(&body).context(OTHER_VERSION)
}
