//! Somebody else on the same host, who must not notice what is done beside it.

use crate::client::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest that one call of a neighbour may take. Far more than it does, so that only a host that is held up
/// fails, and no machine that is busy with other tests.
const LATENCY_MAX: Duration = Duration::from_secs(2);

/// Lets somebody read and write at the endpoint `sandbox`, one call after the other, for as long as `job` takes.
///
/// # Panics
/// When a call of the neighbour fails, or takes longer than 2 s.
pub fn beside<T>(client: &Client, job: impl FnOnce() -> T) -> T {
    let neighbour = client.at("sandbox");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut worst = Duration::ZERO;
            loop {
                for call in [read, write] {
                    let began = Instant::now();
                    call(&neighbour);
                    worst = worst.max(began.elapsed());
                }
                if done.load(Ordering::Relaxed) {
                    return worst;
                }
            }
        });
        // Also when the job panics: else nobody would ever end the calls.
        let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        done.store(true, Ordering::Relaxed);
        let worst = calls.join().expect("the neighbour's calls succeed");
        let finished = finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(worst < LATENCY_MAX, "a neighbour had to wait for {worst:?}");
        finished
    })
}

fn read(neighbour: &Client) {
    neighbour.get("/discovery").succeeded();
}

fn write(neighbour: &Client) {
    neighbour.new_account();
}
