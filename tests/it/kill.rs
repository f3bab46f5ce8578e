//! kill -9 in a loop, with clients outside that keep what they sent and what was acknowledged.

mod clients;

pub(crate) use self::clients::{Record, check_all, work};

use cnsp_tests::host::Host;
use cnsp_tests::powerloss::Random;
use std::time::Duration;

/// More at night, by `CNSP_CRASH_ROUNDS`.
pub(crate) fn round_count(default: u32) -> u32 {
    let wanted = std::env::var("CNSP_CRASH_ROUNDS").ok();
    wanted.map_or(default, |wanted| wanted.parse().unwrap())
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let mut host = Host::start();
    let mut random = Random(7);
    let mut record = Record::default();
    for round in 0..round_count(60) {
        if round > 0 {
            // Some are killed while they start.
            if random.below(3) == 0 {
                host.start_and_kill(Duration::from_millis(random.below(400) as u64));
            }
            host.resume();
            record.check_some(&host.marketplace(), &mut random);
        }
        let lives = Duration::from_millis(20 + random.below(300) as u64);
        work(&mut host, &mut record, round, lives);
    }
    host.resume();
    check_all(&host.marketplace(), &record);
    let acknowledged = record.acknowledged();
    assert!(acknowledged > 500, "{acknowledged} acknowledged requests are too few to tell");
}
