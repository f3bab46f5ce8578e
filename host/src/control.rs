//! The control socket of a running host: `<data>/control.sock`, for the same user on the same machine.
//!
//! It takes `POST /apply?dry_run=true|false` with `{"directory": "/absolute"}`. Only a path travels: the host
//! reads the folder itself, with its own environment and its own rights. And it takes
//! `GET /failures?endpoint=ID` and `GET /limits?endpoint=ID`, which are for whoever runs the host and has no
//! caller's password at hand; `POST /secrets/rotate`, and `GET /secrets?endpoint=ID`, which answers no secret;
//! `GET /operations?endpoint=ID`, `GET /operations/ID?endpoint=ID` and `POST` to that, with a decision; and what is done
//! with drift checks, as `POST /drift` with a command.

mod client;
mod drift;
mod operations;
mod secrets;

pub(crate) use self::client::{apply, drift, look, operation, operations, rotate, secrets};
pub(crate) use self::drift::DriftCommand;
use crate::app::App;
use crate::blobs::Blobs;
use crate::secrets::{Listed, Rotated};
use crate::setup::{ApplyError, Problem, Report, Setup};
use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, oneshot};

const SOCKET: &str = "control.sock";
/// What the kernel takes as a socket's path, its ending NUL included.
const SOCKET_PATH_BYTES_MAX: usize = 108;
/// How long to wait after the kernel could not give a connection, for example for want of file handles.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(200);

/// Makes the running host take over what was stored.
type OnApplied = Arc<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// What can be seen of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The last calls that its plugin failed.
    Failures,
    /// Its limits as they are in force.
    Limits,
}

/// As the API answers it; none where there is no such endpoint.
type Look = Arc<dyn Fn(View, &str) -> Option<Value> + Send + Sync>;

/// The body of a request.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyRequest {
    directory: PathBuf,
}

/// The parameters of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyQuery {
    #[serde(default)]
    dry_run: bool,
}

/// The parameters of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookQuery {
    endpoint: String,
}

/// The body of an answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Report(Report),
    /// As the API answers it.
    Endpoint(Value),
    /// As the API answers it.
    Operations(Value),
    Secrets(Vec<Listed>),
    Rotated(Rotated),
    Problems(Vec<Problem>),
    Error(String),
}

/// A control socket that is served. Dropping it closes the socket, once what was begun is finished.
pub(crate) struct Served {
    _stop: oneshot::Sender<()>,
}

/// Opens the control socket of a host, and serves it until the answer is dropped.
pub(crate) fn serve(app: Arc<App>, blobs: Arc<Blobs>) -> anyhow::Result<Served> {
    let control = Control::bind(&app.config.data)?;
    let plugins = app.plugins.clone();
    let setup = Setup {
        config: app.config.clone(),
        store: app.store.clone(),
        blobs,
        accept: Arc::new(move |bytes| Ok(plugins.accept(bytes)?.digest)),
        vault: app.vault.clone(),
    };
    let endpoints = app.endpoints.clone();
    let look: Look = Arc::new(move |view, id| match view {
        View::Failures => serde_json::to_value(endpoints.get(id)?.failed_calls()).ok(),
        View::Limits => serde_json::to_value(endpoints.get(id)?.limits()).ok(),
    });
    let beside = self::operations::router(app.clone())
        .merge(self::drift::router(app.endpoints.clone(), app.drift.clone()));
    let on_applied: OnApplied = Arc::new(move || {
        let app = app.clone();
        Box::pin(async move { app.reload().await })
    });
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(control.serve(setup, on_applied, look, beside, async { drop(stopped.await) }));
    Ok(Served { _stop: stop })
}

/// The socket, bound.
struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket. Only the holder of the store's lock may: whatever lies there is from a host that has
    /// ended, and goes.
    fn bind(data: &Path) -> anyhow::Result<Control> {
        let path = data.join(SOCKET);
        let bind = || {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let address = Address::of(data)?;
            let listener = UnixListener::bind(&address.path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = bind().with_context(|| {
            format!(
                "cannot open the control socket {}; the data folder has to be on a local disk",
                path.display()
            )
        })?;
        Ok(Control { listener, path })
    }

    /// Answers until `stop` is done. What was begun is finished first.
    async fn serve(
        self,
        setup: Setup,
        on_applied: OnApplied,
        look: Look,
        beside: Router,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let applying = Arc::new(Applying { setup, on_applied, one_at_a_time: Mutex::new(()) });
        let router = Router::new()
            .route("/apply", post(handle_apply))
            .route("/secrets/rotate", post(self::secrets::handle_rotate))
            .route("/secrets", get(self::secrets::handle_list))
            .with_state(applying)
            .route("/failures", get(handle_look).with_state((View::Failures, look.clone())))
            .route("/limits", get(handle_look).with_state((View::Limits, look)))
            .merge(beside);
        let own_user = rustix::process::geteuid().as_raw();
        let listener = SameUser { listener: self.listener, own_user };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
            tracing::error!(%error, "the control socket has ended; `cnsp apply` cannot reach this host");
        }
        // A file that stays is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Only this user and root get in. The file's mode says so too, but not between bind and chmod.
struct SameUser {
    listener: UnixListener,
    own_user: u32,
}

impl axum::serve::Listener for SameUser {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (UnixStream, ()) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred().map(|peer| peer.uid()) {
                    Ok(user) if user == self.own_user || user == 0 => return (stream, ()),
                    user => tracing::warn!(?user, "refused another user on the control socket"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Applying {
    setup: Setup,
    on_applied: OnApplied,
    /// Two at once would only make each other fail on the versions, also where one rotates secrets.
    one_at_a_time: Mutex<()>,
}

async fn handle_apply(
    State(applying): State<Arc<Applying>>,
    query: Result<Query<ApplyQuery>, axum::extract::rejection::QueryRejection>,
    body: Bytes,
) -> Response {
    let request = match (query, serde_json::from_slice::<ApplyRequest>(&body)) {
        (Ok(Query(query)), Ok(request)) if request.directory.is_absolute() => (query, request),
        _ => {
            let text =
                "send POST /apply?dry_run=true|false with {\"directory\": \"/absolute/path\"}";
            return answer(StatusCode::BAD_REQUEST, &Answer::Error(text.to_owned()));
        }
    };
    let (ApplyQuery { dry_run }, ApplyRequest { directory }) = request;
    // Detached: a client that hangs up leaves no host that has stored a set-up and not taken it over.
    let applied = tokio::spawn(async move { applying.apply(directory, dry_run).await });
    match applied.await {
        Ok(Ok(report)) => answer(StatusCode::OK, &Answer::Report(report)),
        Ok(Err(ApplyError::Problems(problems))) => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, &Answer::Problems(problems))
        }
        Ok(Err(ApplyError::Failed(error))) => {
            tracing::error!(error = format!("{error:#}"), "a set-up was not applied");
            answer(StatusCode::INTERNAL_SERVER_ERROR, &Answer::Error(format!("{error:#}")))
        }
        Err(error) => {
            tracing::error!(%error, "applying a set-up ended early");
            let text = "applying the set-up ended early; the host's log says why".to_owned();
            answer(StatusCode::INTERNAL_SERVER_ERROR, &Answer::Error(text))
        }
    }
}

async fn handle_look(
    State((view, look)): State<(View, Look)>,
    query: Result<Query<LookQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(LookQuery { endpoint })) = query else {
        let text = "send ?endpoint=ID".to_owned();
        return answer(StatusCode::BAD_REQUEST, &Answer::Error(text));
    };
    match look(view, &endpoint) {
        Some(seen) => answer(StatusCode::OK, &Answer::Endpoint(seen)),
        None => {
            let text = format!("there is no endpoint `{}`", endpoint.escape_debug());
            answer(StatusCode::NOT_FOUND, &Answer::Error(text))
        }
    }
}

impl Applying {
    async fn apply(&self, directory: PathBuf, dry_run: bool) -> Result<Report, ApplyError> {
        let _turn = self.one_at_a_time.lock().await;
        let report = self.setup.apply_folder(directory.clone(), dry_run).await?;
        if dry_run {
            return Ok(report);
        }
        // Also where nothing changed: an earlier take-over may have failed.
        (self.on_applied)().await.context(
            "the set-up is stored, but this host cannot take it over and goes on with the one before",
        )?;
        let (created, changed) = (report.created.len(), report.changed.len());
        tracing::info!(directory = %directory.display(), created, changed, "applied a set-up");
        Ok(report)
    }
}

fn answer(status: StatusCode, body: &Answer) -> Response {
    let text =
        serde_json::to_string(body).unwrap_or_else(|_| r#"{"error":"unwritable"}"#.to_owned());
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A path to the socket that the kernel takes, however deep the data folder lies.
struct Address {
    path: PathBuf,
    /// Keeps the folder open while the path names it.
    _folder: Option<File>,
}

impl Address {
    fn of(data: &Path) -> std::io::Result<Address> {
        let path = data.join(SOCKET);
        if path.as_os_str().len() < SOCKET_PATH_BYTES_MAX {
            return Ok(Address { path, _folder: None });
        }
        let folder = File::open(data)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()));
        Ok(Address { path, _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests;
