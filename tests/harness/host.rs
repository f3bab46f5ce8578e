//! A `cnsp` process: started, restarted, killed, and never left behind.

use crate::client::Client;
use crate::programs::{command, plugins};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A host that has not said where it listens by then never will.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than `http.shutdown_timeout_ms` twice.
const STOP_TIMEOUT: Duration = Duration::from_secs(80);
/// How much of a host's log a failed test shows.
const LOG_LINES_SHOWN: usize = 80;

/// How to start a host.
#[derive(Clone, Debug, Default)]
pub struct Options {
    env: Vec<(String, String)>,
    arguments: Vec<String>,
    data: Option<PathBuf>,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password, in clear.
    pub password: String,
}

/// A host that is running, or was until a moment ago.
pub struct Host {
    options: Options,
    folder: TempDir,
    process: Option<Process>,
    starts: u32,
}

struct Process {
    child: Child,
    /// Kept open: a host whose reader is gone would fail to print.
    _stdout: BufReader<ChildStdout>,
    ready: Value,
}

/// How a start failed: the status of the process.
#[derive(Debug)]
pub struct NotStarted {
    /// What it ended with; none when it was ended by a signal.
    pub code: Option<i32>,
}

impl Options {
    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl ToString) -> Options {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets a setting of `config.default.toml`, by `section.key`.
    pub fn set(self, key: &str, value: impl ToString) -> Options {
        let name = format!("CNSP_{}", key.replace('.', "__").to_ascii_uppercase());
        self.env(&name, value)
    }

    /// Adds an argument.
    pub fn argument(mut self, argument: &str) -> Options {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Uses this data folder, in place of one of the host's own.
    pub fn data(mut self, data: &Path) -> Options {
        self.data = Some(data.to_owned());
        self
    }

    /// Starts it, and waits until it says where it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(self) -> Host {
        let mut host = self.stopped();
        host.resume();
        host
    }

    /// A host that [`Host::resume`] or [`Host::try_resume`] starts.
    pub fn stopped(self) -> Host {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Host { options: self, folder, process: None, starts: 0 }
    }
}

impl Host {
    /// Starts the demo in a folder of its own.
    pub fn start() -> Host {
        Options::default().start()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.options.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// A folder beside the data folder, which goes with the host.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that it has logged, over all of its starts.
    pub fn log(&self) -> String {
        let read = |start| std::fs::read(self.log_path(start)).unwrap_or_default();
        (1..=self.starts).map(|start| String::from_utf8_lossy(&read(start)).into_owned()).collect()
    }

    fn log_path(&self, start: u32) -> PathBuf {
        self.folder.path().join(format!("stderr-{start}"))
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&mut self) {
        if let Err(why) = self.try_resume(&[]) {
            panic!("the host did not start: {why:?}\n{}", self.log_end());
        }
    }

    /// Starts it again with more variables; it may refuse.
    pub fn try_resume(&mut self, env: &[(String, String)]) -> Result<(), NotStarted> {
        let mut child = self.spawn(env);
        let stdout = child.stdout.take().expect("its stdout is piped");
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            // Nobody may be waiting any more.
            let _ = send.send(read.map(|_| (line, stdout)));
        });
        let read = receive.recv_timeout(START_TIMEOUT);
        match read {
            Ok(Ok((line, stdout))) if !line.is_empty() => {
                let ready = serde_json::from_str(&line);
                let ready = ready.unwrap_or_else(|error| panic!("`{line}` is not JSON: {error}"));
                self.process = Some(Process { child, _stdout: stdout, ready });
                Ok(())
            }
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the host did not start within {START_TIMEOUT:?}\n{}", self.log_end());
            }
            Ok(_) => {
                let status = child.wait().expect("it has ended");
                Err(NotStarted { code: status.code() })
            }
        }
    }

    /// Starts it and kills it after a while, wherever it is by then.
    pub fn start_and_kill(&mut self, after: Duration) {
        let mut child = self.spawn(&[]);
        // The moment is the point of this, and nothing waits for it.
        std::thread::sleep(after);
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
    }

    fn spawn(&mut self, env: &[(String, String)]) -> Child {
        assert!(self.process.is_none(), "it is running already");
        self.starts += 1;
        let log = std::fs::File::create(self.log_path(self.starts)).expect("a log file");
        // A check at a moment of its own would be one more caller than a test counts.
        let no_drift = [("CNSP_DRIFT__CHECK_S".to_owned(), "0".to_owned())];
        let all = [&no_drift, self.options.env.as_slice(), env].concat();
        command(&all)
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .arg("--plugins")
            .arg(plugins())
            .args(&self.options.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it can be started")
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the host is running")
    }

    /// The process, for its resources and the like.
    pub fn process_id(&self) -> u32 {
        self.process().child.id()
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> &Value {
        &self.process().ready
    }

    /// Where it listens: `http://…`.
    pub fn url(&self) -> &str {
        self.ready()["url"].as_str().expect("`url` is a text").trim_end_matches('/')
    }

    /// Where it listens, for a socket.
    pub fn address(&self) -> &str {
        self.url().strip_prefix("http://").expect("it serves HTTP")
    }

    fn credentials(&self, role: &str) -> Credentials {
        let text = |key: &str| {
            let text = self.ready()[role][key].as_str();
            text.unwrap_or_else(|| panic!("`{role}.{key}` is no text in {}", self.ready()))
                .to_owned()
        };
        Credentials { username: text("username"), password: text("password") }
    }

    /// Somebody's client.
    pub fn client(&self, username: &str, password: &str) -> Client {
        Client::new(self.url(), Some((username, password)))
    }

    /// Nobody's client.
    pub fn anonymous(&self) -> Client {
        Client::new(self.url(), None)
    }

    fn of_role(&self, role: &str) -> Client {
        let Credentials { username, password } = self.credentials(role);
        self.client(&username, &password)
    }

    /// The demo's operator.
    pub fn operator(&self) -> Client {
        self.of_role("operator")
    }

    /// The demo's vendor.
    pub fn vendor(&self) -> Client {
        self.of_role("vendor")
    }

    /// The demo's marketplace, as most calls are made.
    pub fn marketplace(&self) -> Client {
        self.of_role("marketplace")
    }

    /// The name and password of the demo's marketplace.
    pub fn marketplace_credentials(&self) -> Credentials {
        self.credentials("marketplace")
    }

    /// Whether the process has ended, and with what status.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        let process = self.process.as_mut().expect("the host was running");
        process.child.try_wait().expect("it can be asked")
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let end = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.ended() {
                self.process = None;
                return status;
            }
            assert!(Instant::now() < end, "the host did not end\n{}", self.log_end());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it as a crash would.
    pub fn kill9(&mut self) {
        let mut process = self.process.take().expect("the host is running");
        process.child.kill().expect("it can be killed");
        process.child.wait().expect("it has ended");
    }

    /// Sends SIGTERM, and goes on.
    pub fn signal_terminate(&self) {
        let id = i32::try_from(self.process_id()).expect("process ids are small");
        let id = rustix::process::Pid::from_raw(id).expect("process ids are not 0");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it can be told");
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// When its status says that something was wrong.
    pub fn terminate(&mut self) {
        self.signal_terminate();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "after SIGTERM\n{}", self.log_end());
    }

    /// Ends it in order, and starts it again.
    pub fn restart(&mut self) {
        self.terminate();
        self.resume();
    }

    /// Runs `cnsp apply` for this host's data folder.
    pub fn apply(&self, folder: &Path, arguments: &[&str]) -> Output {
        let arguments = [&[folder.to_str().expect("a plain path")], arguments].concat();
        self.command("apply", &arguments)
    }

    /// Runs a command of `cnsp` for this host's data folder.
    pub fn command(&self, name: &str, arguments: &[&str]) -> Output {
        let command = self.spawn_command(name, arguments);
        command.wait_with_output().expect("it ends")
    }

    /// Starts a command of `cnsp` for this host's data folder.
    pub fn spawn_command(&self, name: &str, arguments: &[&str]) -> Child {
        command(&self.options.env)
            .arg(name)
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started")
    }

    /// As [`Host::apply`], for a set-up that is right.
    ///
    /// # Panics
    /// When it is not.
    pub fn apply_right(&self, folder: &Path) -> Output {
        let output = self.apply(folder, &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`cnsp apply` failed: {errors}\n{}", self.log_end());
        output
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let begin = lines.len().saturating_sub(LOG_LINES_SHOWN);
        format!("--- the host's log ---\n{}", lines[begin..].join("\n"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log_end());
        }
    }
}
