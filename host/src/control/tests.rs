use super::*;
use crate::blobs::{Blobs, Digest};
use crate::config::{Config, Flags};
use crate::secrets::Vault;
use crate::store::{SledOptions, SledStore};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Host {
    folder: tempfile::TempDir,
    data: PathBuf,
    taken_over: Arc<AtomicUsize>,
    stop: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

fn start(below: &str) -> Host {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(below);
    let flags = Flags { data: Some(data.clone()), ..Flags::default() };
    let config = Arc::new(Config::load(&flags).unwrap());
    let blobs = Arc::new(Blobs::open(&data).unwrap());
    let setup = Setup {
        config: config.clone(),
        store: Arc::new(SledStore::open(SledOptions::new(data.join("store"))).unwrap()),
        blobs: blobs.clone(),
        accept: Arc::new(|bytes: &[u8]| Ok(Digest::of(bytes))),
        vault: Arc::new(Vault::new(&config.secrets, blobs.clone())),
    };
    let taken_over = Arc::new(AtomicUsize::new(0));
    let on_applied: OnApplied = {
        let taken_over = taken_over.clone();
        Arc::new(move || {
            taken_over.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        })
    };
    let look: Look =
        Arc::new(|view, id| (id == "acme").then(|| serde_json::json!(format!("{view:?}"))));
    std::fs::write(data.join(SOCKET), "left by a host that was killed").unwrap();
    let control = Control::bind(&data).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let served = tokio::spawn(
        control.serve(setup, on_applied, look, Router::new(), async { drop(stopped.await) }),
    );
    std::fs::create_dir(folder.path().join("setup")).unwrap();
    std::fs::write(folder.path().join("setup/a.toml"), "[vendors.acme]\n").unwrap();
    Host { folder, data, taken_over, stop, served }
}

#[tokio::test]
async fn a_running_host_applies_a_folder_and_takes_it_over() {
    let host = start("data");
    let mode = std::fs::metadata(host.data.join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let setup = host.folder.path().join("setup");
    let report = apply(&host.data, &setup, true).await.unwrap().unwrap();
    assert!(report.dry_run && report.created == ["vendor acme"]);
    assert_eq!(host.taken_over.load(Ordering::Relaxed), 0);
    let report = apply(&host.data, &setup, false).await.unwrap().unwrap();
    assert!(!report.dry_run && report.created == ["vendor acme"]);
    assert_eq!(host.taken_over.load(Ordering::Relaxed), 1);
    let report = apply(&host.data, &setup, false).await.unwrap().unwrap();
    assert_eq!(report.unchanged, ["vendor acme"]);

    std::fs::write(setup.join("b.toml"), "[vendors.acme]\n").unwrap();
    let Err(ApplyError::Problems(problems)) = apply(&host.data, &setup, false).await.unwrap()
    else {
        panic!("there are no problems")
    };
    assert_eq!(
        problems[0].to_string(),
        "b.toml: vendors.acme is already in a.toml; declare it once"
    );

    let relative = apply(&host.data, Path::new("setup"), false).await.unwrap();
    assert!(matches!(relative, Err(ApplyError::Failed(_))));

    host.stop.send(()).unwrap();
    host.served.await.unwrap();
    assert!(!host.data.join(SOCKET).exists());
    assert!(apply(&host.data, &setup, false).await.is_none());
}

#[tokio::test]
async fn a_deep_data_folder_has_a_socket_as_well() {
    let host = start(&"deep/".repeat(40));
    let setup = host.folder.path().join("setup");
    assert!(apply(&host.data, &setup, false).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_socket_that_nobody_answers_is_no_host() {
    let folder = tempfile::tempdir().unwrap();
    assert!(apply(folder.path(), Path::new("/x"), true).await.is_none());
    drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    assert!(apply(folder.path(), Path::new("/x"), true).await.is_none());
}

#[tokio::test]
async fn endpoints_that_there_are_can_be_looked_at() {
    let host = start("data");
    for view in [View::Failures, View::Limits] {
        let seen = look(&host.data, view, "acme").await.unwrap();
        assert_eq!(seen, Some(serde_json::json!(format!("{view:?}"))));
    }
    let failures = |id: &'static str| look(&host.data, View::Failures, id);
    let error = failures("nowhere").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no endpoint `nowhere`");
    assert!(failures("a b&c").await.is_err());
    host.stop.send(()).unwrap();
    host.served.await.unwrap();
    assert_eq!(failures("acme").await.unwrap(), None);
}
