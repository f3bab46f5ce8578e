//! The worker's side of compiling: `cnsp compile-worker`. It takes from itself what it does not need, looks at the
//! component, compiles it, answers, and ends.
//!
//! The walls are against what hostile bytes make a validator or a compiler do: run for ever, take all memory,
//! crash. They hold without privileges. The network is gone twice: no new file descriptor can be had, and where
//! the kernel gives a network namespace of our own, there is none in it. Code that took the compiler over could
//! still answer any machine code it likes: nothing outside can check that.

use super::{artifact, engine, gate};
use crate::blobs::ARTIFACT_BYTES_MAX;
use anyhow::Context;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::UnshareFlags;
use std::io::{Read, Write};

/// The first byte of an answer. The fingerprint and the machine code follow.
pub(super) const ARTIFACT: u8 = b'A';
/// The first byte of an answer. A text follows: what is wrong, and what to do.
pub(super) const REFUSAL: u8 = b'R';
/// Of the engine's settings and version.
pub(super) const FINGERPRINT_BYTES: usize = 8;
/// The last place in the kernel's queue: calls go first.
const NICENESS: i32 = 19;

/// What the worker may take.
pub(crate) struct WorkerLimits {
    /// Of address space.
    pub(crate) memory_bytes_max: u64,
    /// Of processor time, of all threads together.
    pub(crate) cpu_s: u64,
    /// Of linear memory, which the component may ask for to start with.
    pub(crate) guest_memory_bytes_max: usize,
}

/// Compiles what comes in on stdin, and answers on stdout.
pub(crate) fn work(limits: &WorkerLimits) -> anyhow::Result<()> {
    confine(limits).context("the compile worker cannot be confined")?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("the component cannot be read")?;
    let mut stdout = std::io::stdout().lock();
    match make(&bytes, limits.guest_memory_bytes_max) {
        Ok((fingerprint, code)) => {
            stdout.write_all(&[ARTIFACT])?;
            stdout.write_all(&fingerprint)?;
            stdout.write_all(&code)?;
        }
        Err(refusal) => {
            stdout.write_all(&[REFUSAL])?;
            stdout.write_all(format!("{refusal:#}").as_bytes())?;
        }
    }
    Ok(stdout.flush()?)
}

pub(super) fn make(
    bytes: &[u8],
    guest_memory_bytes_max: usize,
) -> anyhow::Result<([u8; FINGERPRINT_BYTES], Vec<u8>)> {
    gate::check(bytes, guest_memory_bytes_max)?;
    let engine = engine::for_compiling()?;
    let code = engine.precompile_component(bytes).map_err(anyhow::Error::from);
    let code = code.context("the component cannot be compiled; build it with other tools")?;
    anyhow::ensure!(
        code.len() <= ARTIFACT_BYTES_MAX,
        "the compiled code has {} bytes, and may have {ARTIFACT_BYTES_MAX}; build the component smaller",
        code.len()
    );
    Ok((artifact::fingerprint(&engine), code))
}

fn confine(limits: &WorkerLimits) -> anyhow::Result<()> {
    // The host's end is the worker's, too, also where the host is killed.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::nice(NICENESS)?;
    // Where the machine's memory ends before the limit does, this is who goes.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        anyhow::ensure!(error.kind() == std::io::ErrorKind::NotFound, error);
    }
    close_inherited();
    leave_network();
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let memory = Some(limits.memory_bytes_max);
    // At the first limit a signal that tells why; a second later one that cannot be ignored.
    let cpu = Rlimit { current: Some(limits.cpu_s), maximum: Some(limits.cpu_s + 1) };
    for (resource, limit) in [
        (Resource::As, Rlimit { current: memory, maximum: memory }),
        (Resource::Cpu, cpu),
        (Resource::Fsize, none),
        (Resource::Core, none),
        // What is open stays open. Nothing else can be opened: no file, no socket, no pipe.
        (Resource::Nofile, none),
    ] {
        rustix::process::setrlimit(resource, limit)
            .with_context(|| format!("the limit {resource:?} is refused"))?;
    }
    Ok(())
}

/// The host opens every file so that it is closed here; whoever started the host may not have.
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let name =
        |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let open: Vec<i32> = entries.filter_map(name).filter_map(|name| name.parse().ok()).collect();
    for number in open.into_iter().filter(|number| *number > 2) {
        // The folder itself was among them, and is closed by now.
        if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok() {
            #[expect(
                unsafe_code,
                reason = "nobody owns what was inherited, so nothing else can close it"
            )]
            // SAFETY: nothing in this process has opened anything that it still uses.
            unsafe {
                rustix::io::close(number);
            };
        }
    }
}

/// An own network namespace has no way out. Some kernels give it to root only, some with a user namespace, some
/// not at all: then the limit of open files has to do.
fn leave_network() {
    for flags in [UnshareFlags::NEWNET, UnshareFlags::NEWUSER | UnshareFlags::NEWNET] {
        #[expect(unsafe_code, reason = "the safe name of this call is deprecated")]
        // SAFETY: file descriptors stay shared, which is what this call can go wrong with.
        let left = unsafe { rustix::thread::unshare_unsafe(flags) };
        if left.is_ok() {
            return;
        }
    }
}
