//! The adapter for remotes that speak CNSP 1.0 themselves, against a small one with a memory that is looked into.

mod faults;
mod operations;
mod pending;
mod quirks;
mod through;

use cnsp_tests::client::Client;
use cnsp_tests::cnsp_remote::{LOGIN, Remote, Switches};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;

/// What its vendor sets for an endpoint, beside `url`.
pub(crate) type Config<'a> = [(&'a str, &'a str)];

/// A host with an endpoint for a remote like this.
fn start(switches: Switches, config: &Config<'_>) -> (Host, Client, Remote) {
    let (host, mut remotes) = start_all(Options::default(), &[(switches, config)]);
    let (client, remote) = remotes.remove(0);
    (host, client, remote)
}

/// A host with an endpoint for each of several remotes: `remote-1` and so on.
pub(crate) fn start_all(
    options: Options,
    kinds: &[(Switches, &Config<'_>)],
) -> (Host, Vec<(Client, Remote)>) {
    let host = options.start();
    let mut set_up = SetupFolder::default();
    let mut remotes = Vec::new();
    for ((switches, config), number) in kinds.iter().zip(1..) {
        let (remote, id) = (Remote::start(*switches), format!("remote-{number}"));
        let url = format!("{}/apiv1", remote.origin());
        set_up = declare(set_up, &host, &id, &url, LOGIN, config);
        remotes.push((host.marketplace().at(&id), remote));
    }
    host.apply_right(set_up.path());
    (host, remotes)
}

/// Declares an endpoint for the remote below this URL.
fn declare(
    set_up: SetupFolder,
    host: &Host,
    id: &str,
    url: &str,
    login: &str,
    config: &Config<'_>,
) -> SetupFolder {
    let secret = host.folder().join(format!("{id}.login"));
    std::fs::write(&secret, login).unwrap();
    let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let config = config.iter().map(|(name, value)| format!("{name} = {value:?}"));
    let config: Vec<String> = config.chain([format!("url = {url:?}")]).collect();
    set_up.plugin(
        id,
        "cnsp-remote",
        &format!(
            "config = {{ {} }}\nsecrets = {{ remote = {{ file = {secret:?} }} }}\ngrants = [{{ url = {origin:?}, addresses = [\"127.0.0.0/8\"], secrets = [\"remote\"] }}]",
            config.join(", ")
        ),
    )
}
