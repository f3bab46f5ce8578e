//! The other end of the control socket, for `cnsp apply`.

use super::{Address, Answer, ApplyRequest};
use crate::setup::{ApplyError, Report};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io::ErrorKind;
use std::path::Path;
use tokio::net::UnixStream;

/// The longest answer: names of records and problems.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Has the host that runs on this data folder apply a folder. None: no host does.
pub(crate) async fn apply(
    data: &Path,
    directory: &Path,
    dry_run: bool,
) -> Option<Result<Report, ApplyError>> {
    let stream = match connect(data).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return None;
        }
        Err(error) => {
            let text = format!("cannot reach the host that runs on {}", data.display());
            return Some(Err(ApplyError::Failed(anyhow!(error).context(text))));
        }
    };
    match ask(stream, directory, dry_run).await {
        Ok(Answer::Report(report)) => Some(Ok(report)),
        Ok(Answer::Problems(problems)) => Some(Err(ApplyError::Problems(problems))),
        Ok(Answer::Error(text)) => Some(Err(ApplyError::Failed(anyhow!(text)))),
        Err(error) => {
            let text = "the running host did not answer; see its log, and `cnsp apply --dry-run` for what it stored";
            Some(Err(ApplyError::Failed(error.context(text))))
        }
    }
}

async fn connect(data: &Path) -> std::io::Result<UnixStream> {
    let address = Address::of(data)?;
    UnixStream::connect(&address.path).await
}

async fn ask(stream: UnixStream, directory: &Path, dry_run: bool) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let body = serde_json::to_vec(&ApplyRequest { directory: directory.to_owned() })
        .context("the folder's path is not valid UTF-8")?;
    let request = Request::post(format!("/apply?dry_run={dry_run}"))
        .header("host", "localhost")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let collected = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = collected.map_err(|error| anyhow!(error))?.to_bytes();
    driver.abort();
    serde_json::from_slice(&body).context("its answer is none that this version of cnsp knows")
}
