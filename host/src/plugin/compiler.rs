//! Has components compiled by somebody who can be killed: a process of the same program, for one component each,
//! that gets the bytes and answers machine code or a refusal. What makes it slow, huge or crash costs no more.

use super::worker::{ARTIFACT, FINGERPRINT_BYTES, REFUSAL};
use crate::blobs::ARTIFACT_BYTES_MAX;
use crate::config::Compile;
use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// The subcommand that is the worker.
pub(crate) const SUBCOMMAND: &str = "compile-worker";
/// The very file that this process runs, even where an upgrade has put another in its place.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// What is kept of a worker's last words.
const STDERR_BYTES_MAX: u64 = 4096;
/// What a refusal quotes of them.
const WORDS_CHARS_MAX: usize = 300;
const REFUSAL_CHARS_MAX: usize = 2000;

/// Starts workers, a few at a time.
pub(super) struct Compiler {
    program: PathBuf,
    limits: Compile,
    guest_memory_bytes_max: usize,
    turns: Semaphore,
}

/// What a worker did, seen from outside.
struct Ended {
    status: ExitStatus,
    answer: Vec<u8>,
    words: String,
}

impl Compiler {
    pub(super) fn new(limits: &Compile, guest_memory_bytes_max: usize) -> anyhow::Result<Compiler> {
        let program = match &limits.program {
            Some(program) => program.clone(),
            None if Path::new(OWN_PROGRAM).exists() => PathBuf::from(OWN_PROGRAM),
            None => std::env::current_exe().context("cannot tell what program this is")?,
        };
        let turns = Semaphore::new(limits.concurrency_max);
        Ok(Compiler { program, limits: limits.clone(), guest_memory_bytes_max, turns })
    }

    /// The artifact of a component, made by an engine of this fingerprint, or why there is none. Blocks.
    pub(super) fn compile(
        &self,
        bytes: &[u8],
        fingerprint: [u8; FINGERPRINT_BYTES],
    ) -> anyhow::Result<Vec<u8>> {
        let runtime =
            Handle::try_current().context("nothing is compiled outside of the runtime")?;
        let ended = runtime.block_on(async {
            let _turn = self.turns.acquire().await.context("the compiler is gone")?;
            self.run(bytes).await
        })?;
        self.read(ended, fingerprint)
    }

    async fn run(&self, bytes: &[u8]) -> anyhow::Result<Ended> {
        let mut worker = self.command().spawn().with_context(|| {
            format!("the compile worker {} cannot be started", self.program.display())
        })?;
        let group = worker.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let limit = Duration::from_millis(self.limits.timeout_ms);
        let ended = tokio::time::timeout(limit, converse(&mut worker, bytes)).await;
        // Whatever it started, where `compile.program` is something else, goes with it.
        if let Some(group) = group.filter(|_| ended.is_err()) {
            let _gone_already = kill_process_group(group, Signal::KILL);
        }
        match ended {
            Ok(ended) => ended.context("talking to the compile worker failed"),
            Err(_) => {
                worker.kill().await.context("the compile worker cannot be killed")?;
                bail!(
                    "compiling it took longer than {limit:?}, and was stopped; {}",
                    advice("timeout_ms")
                )
            }
        }
    }

    /// Nothing of ours goes along: no variable, no folder, no file; and no terminal's signal.
    fn command(&self) -> Command {
        let limits = &self.limits;
        let mut command = Command::new(&self.program);
        command
            .arg0("cnsp")
            .arg(SUBCOMMAND)
            .args(["--memory-bytes-max", &limits.memory_bytes_max.to_string()])
            .args(["--cpu-s", &limits.cpu_s.to_string()])
            .args(["--guest-memory-bytes-max", &self.guest_memory_bytes_max.to_string()])
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn read(&self, ended: Ended, fingerprint: [u8; FINGERPRINT_BYTES]) -> anyhow::Result<Vec<u8>> {
        let Ended { status, mut answer, words } = ended;
        if !status.success() {
            bail!(self.why(status, &words));
        }
        match answer.split_first() {
            Some((&REFUSAL, text)) => {
                bail!(printable(&String::from_utf8_lossy(text), REFUSAL_CHARS_MAX))
            }
            Some((&ARTIFACT, made)) if made.len() > FINGERPRINT_BYTES => {
                ensure!(
                    made.starts_with(&fingerprint),
                    "the compile worker {} is another build than the host that runs; start the host again, or name \
                     the right program in compile.program",
                    self.program.display()
                );
                answer.drain(..=FINGERPRINT_BYTES);
                Ok(answer)
            }
            _ => bail!(
                "{} does not answer as a compile worker: is it this build of cnsp? (compile.program) {words}",
                self.program.display()
            ),
        }
    }

    fn why(&self, status: ExitStatus, words: &str) -> String {
        let Compile { cpu_s, memory_bytes_max, .. } = self.limits;
        if words.contains("memory allocation of") {
            return format!(
                "compiling it took more than {memory_bytes_max} bytes of memory, and was stopped; {}",
                advice("memory_bytes_max")
            );
        }
        match status.signal().and_then(Signal::from_named_raw) {
            Some(Signal::XCPU) => format!(
                "compiling it took more than {cpu_s} s of processor time, and was stopped; {}",
                advice("cpu_s")
            ),
            Some(Signal::KILL) => format!(
                "the compiler was killed from outside, perhaps because the machine has no memory left; apply it \
                 again, or {}",
                advice("memory_bytes_max")
            ),
            _ => format!(
                "the compiler broke on it ({status}), and the host is not affected; build it with another \
                 version of its tools, or tell us: {words}"
            ),
        }
    }
}

fn advice(setting: &str) -> String {
    format!(
        "build the component smaller and with optimisation, or let the operator raise compile.{setting}"
    )
}

/// Gives it the bytes, and takes what it says until it has ended. All at once: each may wait for the other.
async fn converse(worker: &mut Child, bytes: &[u8]) -> anyhow::Result<Ended> {
    let mut stdin = worker.stdin.take().context("it has no stdin")?;
    let stdout = worker.stdout.take().context("it has no stdout")?;
    let stderr = worker.stderr.take().context("it has no stderr")?;
    let feed = async move {
        // It may have seen enough before the end, or crashed: its answer or status tells.
        let _told_by_its_end = stdin.write_all(bytes).await;
    };
    let answer_bytes_max = (1 + FINGERPRINT_BYTES + ARTIFACT_BYTES_MAX) as u64;
    let ((), answer, words, status) = tokio::join!(
        feed,
        read_some(stdout, answer_bytes_max + 1),
        read_some(stderr, STDERR_BYTES_MAX),
        worker.wait()
    );
    let answer = answer?;
    ensure!(
        answer.len() as u64 <= answer_bytes_max,
        "the compiled code has more than {ARTIFACT_BYTES_MAX} bytes; build the component smaller"
    );
    let words = printable(&String::from_utf8_lossy(&words?), WORDS_CHARS_MAX);
    Ok(Ended { status: status?, answer, words })
}

/// The beginning. Then the pipe is closed, which ends who goes on writing.
async fn read_some(from: impl AsyncRead + Unpin, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut some = Vec::new();
    from.take(bytes_max).read_to_end(&mut some).await?;
    Ok(some)
}

/// On one line, with nothing that moves a terminal: names in it are the guest's own.
fn printable(text: &str, chars_max: usize) -> String {
    let shown = text.trim().chars().take(chars_max);
    shown.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    const FINGERPRINT: [u8; FINGERPRINT_BYTES] = [7; FINGERPRINT_BYTES];

    /// Compiles with a script in the worker's place.
    fn compile(script: &str) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let limits = Compile {
            program: Some(program),
            concurrency_max: 1,
            timeout_ms: 1500,
            cpu_s: 5,
            memory_bytes_max: 1 << 30,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let compiler = Compiler::new(&limits, 1 << 20).unwrap();
        let _inside = runtime.enter();
        compiler.compile(&vec![0; 1 << 20], FINGERPRINT).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_artifact_comes_back() {
        let answer = "cat >/dev/null; printf 'A\\7\\7\\7\\7\\7\\7\\7\\7code'";
        assert_eq!(compile(answer).unwrap(), b"code");
    }

    #[test]
    fn what_another_build_made_is_not_taken() {
        let refused =
            compile("cat >/dev/null; printf 'A\\7\\7\\7\\7\\7\\7\\7\\6code'").unwrap_err();
        assert!(refused.contains("another build"), "{refused}");
        for nonsense in ["true", "printf A", "printf 'running 0 tests'"] {
            let refused = compile(nonsense).unwrap_err();
            assert!(refused.contains("does not answer as a compile worker"), "{refused}");
        }
    }

    #[test]
    fn a_refusal_cannot_move_a_terminal() {
        let refused = compile("printf 'Rno \\033[31m\\nred'").unwrap_err();
        assert_eq!(refused, "no  [31m red");
    }

    #[test]
    fn a_worker_that_hangs_is_killed_with_what_it_started() {
        let began = Instant::now();
        let refused = compile("sleep 77 & sleep 77").unwrap_err();
        assert!(refused.contains("took longer than 1.5s"), "{refused}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[test]
    fn a_worker_that_dies_is_told() {
        let refused = compile("kill -SEGV $$").unwrap_err();
        assert!(refused.contains("the compiler broke on it (signal: 11"), "{refused}");
        let refused = compile("kill -XCPU $$").unwrap_err();
        assert!(refused.contains("more than 5 s of processor time"), "{refused}");
        let refused = compile("echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$");
        assert!(refused.unwrap_err().contains("more than 1073741824 bytes of memory"));
    }

    #[test]
    fn a_worker_that_never_stops_talking_is_cut_off() {
        let refused = compile("yes x >&2").unwrap_err();
        assert!(refused.contains("the compiler broke on it"), "{refused}");
    }
}
