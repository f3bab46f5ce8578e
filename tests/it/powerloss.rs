//! Power cuts and failing disks under a whole host, by the shim of `cnsp_tests::powerloss`.

use crate::kill::{Record, check_all, round_count, work};
use cnsp_tests::bodies::{account, unique};
use cnsp_tests::host::Host;
use cnsp_tests::powerloss::{Call, Errno, Fault, Mode, Random, Shim, undo};
use reqwest::Method;
use std::path::PathBuf;
use std::time::Duration;

/// A host whose data folder the shim watches.
struct Watched {
    shim: Shim,
    host: Host,
    log: PathBuf,
}

impl Watched {
    fn new() -> Watched {
        let host = cnsp_tests::host::Options::default().stopped();
        // What the shim watches has to be there before.
        std::fs::create_dir(host.data()).unwrap();
        let log = host.folder().join("shim-log");
        Watched { shim: Shim::build().unwrap(), host, log }
    }

    /// Starts the host; with a fault, it may not get far.
    fn start(&mut self, fault: Option<&Fault>) -> bool {
        let env = self.shim.env(&self.host.data(), &self.log, fault);
        self.host.try_resume(&env).is_ok()
    }

    /// Takes back what was not durable. Returns how much that was.
    fn cut_power(&self, mode: Mode, seed: u64) -> usize {
        undo(&self.host.data(), &self.log, mode, seed).unwrap().volatile
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_a_power_cut() {
    let mut watched = Watched::new();
    let mut random = Random(11);
    let mut record = Record::default();
    let mut volatile = 0;
    for round in 0..round_count(21) {
        let mode = [Mode::DropAll, Mode::Subset, Mode::Torn][round as usize % 3];
        assert!(watched.start(None), "round {round}, after {mode:?}\n{}", watched.host.log());
        record.check_some(&watched.host.marketplace(), &mut random);
        let lives = Duration::from_millis(20 + random.below(300) as u64);
        work(&mut watched.host, &mut record, round, lives);
        volatile += watched.cut_power(mode, random.number());
    }
    watched.host.resume();
    check_all(&watched.host.marketplace(), &record);
    let acknowledged = record.acknowledged();
    assert!(acknowledged > 150, "{acknowledged} acknowledged requests are too few to tell");
    assert!(volatile > 20, "the shim took back {volatile} changes, too few to tell");
}

#[test]
fn after_a_disk_error_nothing_is_acknowledged_and_the_next_start_works() {
    let mut failed_at_work = 0;
    for (call, error, nth, lasting) in [
        (Call::Sync, Errno::Io, 30, false),
        (Call::Sync, Errno::NoSpace, 60, true),
        (Call::Write, Errno::NoSpace, 120, true),
        (Call::Write, Errno::Io, 200, false),
        (Call::Write, Errno::NoSpace, 8, true),
    ] {
        let fault = Fault { call, error, nth, lasting };
        failed_at_work += usize::from(run_with_fault(&fault));
    }
    assert!(failed_at_work >= 3, "{failed_at_work} hosts failed at work, too few to tell");
}

/// Whether the fault met a host that was serving.
fn run_with_fault(fault: &Fault) -> bool {
    let mut watched = Watched::new();
    watched.host.resume();
    watched.host.marketplace().new_account();
    watched.host.terminate();

    let mut acknowledged = Vec::new();
    let mut failed = false;
    if watched.start(Some(fault)) {
        let client = watched.host.marketplace();
        for _ in 0..300 {
            let id = unique("a");
            let body = account(&id, &format!("{id}@example.com")).to_string().into_bytes();
            let keyed = client.with("idempotency-key", &id);
            match keyed.try_send(Method::POST, "/account", Some(body)) {
                Ok(answer) if answer.status == 200 => {
                    assert!(!failed, "{fault:?}: {id} was acknowledged after the first error");
                    acknowledged.push((id, answer.json));
                }
                Ok(answer) => {
                    assert!([500, 503].contains(&answer.status), "{fault:?}: {}", answer.text);
                    answer.check_envelope("a change on a disk that fails");
                    failed = true;
                }
                // The host is gone.
                Err(_) => {
                    failed = true;
                    break;
                }
            }
        }
        assert!(failed, "{fault:?}: nothing ever failed");
        assert_eq!(
            watched.host.wait().code(),
            Some(70),
            "{fault:?}: the store's end is the host's"
        );
    }
    watched.cut_power(Mode::DropAll, 0);
    watched.host.resume();
    let client = watched.host.marketplace();
    for (id, answer) in acknowledged {
        let body = account(&id, &format!("{id}@example.com"));
        let again = client.with("idempotency-key", &id).post("/account", &body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{fault:?}: {id} was lost");
        assert_eq!(again.json, answer);
    }
    client.new_account();
    failed
}
