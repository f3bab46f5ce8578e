//! `cnsp demo`.

use super::local::Local;
use super::{Failure, Settings, describe, note, say, serve, start_log};
use crate::callers;
use crate::config::Config;
use crate::limits::OwnLimits;
use crate::server::runtime;
use crate::setup::{ApplyError, Declaration, Declared, DeclaredCaller, DeclaredEndpoint, Password};
use crate::store::setup::{EndpointAccess, EndpointRecord, Mode, Records, Role, VendorRecord};
use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where components are looked for and built to.
pub(super) const PLUGINS: &str = "target/plugins";
const PLUGIN: &str = "sandbox.wasm";
const VENDOR: &str = "acme";
const ENDPOINT: &str = "sandbox";
/// The passwords of the demo's callers, so that a restart has the same.
const CREDENTIALS: &str = "demo-credentials.json";
/// The same before they are set up.
const CREDENTIALS_NEW: &str = "demo-credentials.json.new";

/// Try everything, with a simulated provider.
///
/// In a new data folder, sets up the vendor `acme` with the endpoint `sandbox` and one caller each for the
/// operator, the vendor and a marketplace, with random passwords. Then it runs a host, as `cnsp serve` does,
/// and tells how to call it. Started again on the same data folder, everything is still there.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cnsp demo --data /tmp/demo
  cnsp demo --listen 127.0.0.1:0 --json 2>/dev/null | head -1

With --json, the first line of stdout is one object, printed when the host takes calls:
  {\"url\", \"operator\": {\"username\", \"password\"}, \"vendor\": {…}, \"marketplace\": {…},
   \"endpoints\": [\"sandbox\"]}")]
pub(super) struct Demo {
    /// Where the API is served [default: the setting `listen`]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where the compiled plugin sandbox.wasm lies
    #[arg(long, value_name = "DIR", default_value = PLUGINS)]
    plugins: PathBuf,
    /// Print one JSON object instead of a text for people
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What `demo-credentials.json` holds.
#[derive(Serialize, Deserialize)]
struct Credentials {
    operator: Login,
    vendor: Login,
    marketplace: Login,
}

#[derive(Serialize, Deserialize)]
struct Login {
    username: String,
    password: String,
}

/// The first line of stdout with `--json`.
#[derive(Serialize)]
struct Started<'a> {
    url: &'a str,
    #[serde(flatten)]
    credentials: &'a Credentials,
    endpoints: [&'a str; 1],
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load(self.listen)?;
        start_log(&config.log)?;
        let runtime = runtime()?;
        let credentials = match read_credentials(&config.data.join(CREDENTIALS))? {
            Some(credentials) => credentials,
            None => runtime.block_on(set_up(&config, &self.plugins))?,
        };
        let data = config.data.clone();
        let ready = move |address| {
            let told = if self.json {
                for_programs(address, &credentials)
            } else {
                Ok(for_people(address, &credentials, &data))
            };
            // Who started this may have closed stdout; the host runs all the same.
            if let Err(error) = told.and_then(|text| Ok(say(&text)?)) {
                note(&format!("cnsp: cannot tell how to call the host: {error:#}"));
            }
        };
        serve::host(runtime, config, ready)
    }
}

/// Sets the demo up in a new data folder. The passwords are kept first: if this is cut short, the next start
/// goes on with them.
async fn set_up(config: &Arc<Config>, plugins: &Path) -> Result<Credentials, Failure> {
    let plugin = plugins.join(PLUGIN);
    if !plugin.is_file() {
        return Err(Failure::Wrong(format!(
            "there is no {}; build it with `cnsp plugin build plugins/sandbox`, or name its folder with --plugins",
            plugin.display()
        )));
    }
    let opening = config.clone();
    let opened = tokio::task::spawn_blocking(move || Local::open(&opening)).await;
    let local = opened.context("opening the data folder failed")??;
    let (new, kept) = (config.data.join(CREDENTIALS_NEW), config.data.join(CREDENTIALS));
    let credentials = match read_credentials(&new)? {
        Some(credentials) => credentials,
        None => {
            if !Records::load(&*local.setup.store).await?.is_empty() {
                return Err(Failure::Wrong(format!(
                    "{} has a set-up that is not the demo's; name another folder with --data, or run it with \
                     `cnsp serve`",
                    config.data.display()
                )));
            }
            let credentials = Credentials::generate()?;
            write_credentials(&new, &credentials)?;
            credentials
        }
    };
    let declaration = declare(&credentials, &plugin)?;
    let applied = local.setup.apply(declaration, Vec::new(), false).await;
    let closed = tokio::task::spawn_blocking(move || local.close()).await;
    closed.context("closing the data folder failed")?;
    match applied {
        Ok(_) => {}
        Err(ApplyError::Problems(problems)) => return Err(Failure::Wrong(describe(&problems))),
        Err(ApplyError::Failed(error)) => return Err(error.into()),
    }
    std::fs::rename(&new, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
    Ok(credentials)
}

fn declare(credentials: &Credentials, plugin: &Path) -> anyhow::Result<Declaration> {
    let mut declaration = Declaration::default();
    let name = VENDOR.to_owned();
    let vendor = VendorRecord { id: name.clone(), name: "Acme".to_owned() };
    declaration.vendors.insert(name.clone(), declared(vendor));
    let callers = [
        (&credentials.operator, Role::Operator, None),
        (&credentials.vendor, Role::Vendor, Some(name.clone())),
        (&credentials.marketplace, Role::Marketplace, None),
    ];
    for (login, role, vendor) in callers {
        let password = Password::Clear(Zeroizing::new(login.password.clone()));
        let caller = DeclaredCaller { role, vendor, endpoints: EndpointAccess::All, password };
        declaration.callers.insert(login.username.clone(), declared(caller));
    }
    let record = EndpointRecord {
        id: ENDPOINT.to_owned(),
        vendor: name,
        plugin: String::new(),
        plugin_name: "sandbox".to_owned(),
        plugin_version: None,
        mode: Mode::Sandbox,
        config: Default::default(),
        secret_references: Default::default(),
        grants: Vec::new(),
        ca_pem: None,
        certificate_sha256: Default::default(),
        limits: OwnLimits::default(),
        drift_check_s: None,
    };
    let plugin = std::path::absolute(plugin).context("the plugin's path cannot be used")?;
    let endpoint = DeclaredEndpoint { record, plugin, secrets: Default::default() };
    declaration.endpoints.insert(ENDPOINT.to_owned(), declared(endpoint));
    Ok(declaration)
}

fn declared<T>(value: T) -> Declared<T> {
    Declared { file: "the demo".to_owned(), value }
}

impl Credentials {
    fn generate() -> anyhow::Result<Credentials> {
        let login = |username: &str| {
            anyhow::Ok(Login { username: username.to_owned(), password: callers::generate()? })
        };
        Ok(Credentials {
            operator: login("operator")?,
            vendor: login(VENDOR)?,
            marketplace: login("marketplace")?,
        })
    }
}

fn read_credentials(path: &Path) -> anyhow::Result<Option<Credentials>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    match serde_json::from_slice(&bytes) {
        Ok(credentials) => Ok(Some(credentials)),
        // Not the error's text: it may show a password.
        Err(_) => {
            bail!("{} holds no credentials of a demo; start with a new data folder", path.display())
        }
    }
}

fn write_credentials(path: &Path, credentials: &Credentials) -> anyhow::Result<()> {
    let text =
        serde_json::to_vec_pretty(credentials).context("the credentials cannot be written")?;
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(&text)?;
        file.sync_all()?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Where a client on this machine finds the host.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    format!("http://{ip}:{}", address.port())
}

fn for_programs(address: SocketAddr, credentials: &Credentials) -> anyhow::Result<String> {
    let url = url(address);
    let started = Started { url: &url, credentials, endpoints: [ENDPOINT] };
    Ok(format!("{}\n", serde_json::to_string(&started)?))
}

fn for_people(address: SocketAddr, credentials: &Credentials, data: &Path) -> String {
    let url = url(address);
    let Credentials { operator, vendor, marketplace } = credentials;
    let shop = format!("{}:{}", marketplace.username, marketplace.password);
    let caller = |what: &str, login: &Login| {
        format!("  {what:<12} {} : {}\n", login.username, login.password)
    };
    format!(
        "\
The demo is at {url}, its state in {}.

Callers (user name : password)
{}{}{}
What the provider `{ENDPOINT}` offers:
  curl -s -u {shop} {url}/apiv1/catalog

Create an account:
  curl -s -u {shop} {url}/apiv1/account -H 'Content-Type: application/json' \\
    -d '{{\"accountid\": \"a-1\", \"accountname\": \"Example Ltd\"}}'

All operations, to try out: {url}/docs
Ctrl-C ends it; started again with the same --data, everything is still there.
",
        data.display(),
        caller("operator", operator),
        caller("vendor", vendor),
        caller("marketplace", marketplace),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn credentials() -> Credentials {
        let login = |name: &str| Login { username: name.into(), password: format!("{name} pass") };
        Credentials {
            operator: login("operator"),
            vendor: login("acme"),
            marketplace: login("marketplace"),
        }
    }

    #[test]
    fn programs_get_one_line_of_json() {
        let line = for_programs("0.0.0.0:81".parse().unwrap(), &credentials()).unwrap();
        let expected = concat!(
            r#"{"url":"http://127.0.0.1:81","operator":{"username":"operator","password":"operator pass"},"#,
            r#""vendor":{"username":"acme","password":"acme pass"},"#,
            r#""marketplace":{"username":"marketplace","password":"marketplace pass"},"#,
            r#""endpoints":["sandbox"]}"#,
            "\n",
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn credentials_are_kept_for_this_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CREDENTIALS);
        assert!(read_credentials(&path).unwrap().is_none());
        write_credentials(&path, &credentials()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_credentials(&path).unwrap().unwrap().vendor.password, "acme pass");
        std::fs::write(&path, "{\"operator\": \"hush\"}").unwrap();
        let error = format!("{:#}", read_credentials(&path).err().unwrap());
        assert!(error.contains(CREDENTIALS) && !error.contains("hush"), "{error}");
    }
}
