//! Keys are changed while the power goes.

use super::{handed, keys_in_use, own_keys, secret, sent, until_begun, with_token};
use cnsp_tests::host::Host;
use cnsp_tests::powerloss::{Mode, Random, Shim, undo};
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::upstream::Upstream;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// What was not durable when the power went is taken back: every secret opens all the same, and the next rotation ends
/// the one that was cut off.
#[test]
fn a_rotation_survives_a_power_cut_at_any_point() {
    const COUNT: usize = 40;
    let upstream = Upstream::start();
    let shim = Shim::build().unwrap();
    let mut host = Host::start();
    let (_, source) = handed(&host, "still-here");
    host.apply_right(with_token(&upstream, &source).path());
    let mut more = String::from("[endpoints.large.secrets]\n");
    for number in 0..COUNT {
        let path = host.folder().join(format!("large-{number}"));
        std::fs::write(&path, format!("{number:04}").repeat(4 << 10)).unwrap();
        let _ = writeln!(more, "s{number} = {{ file = {path:?} }}");
    }
    host.apply_right(SetupFolder::default().fixture("large", "caller", &more).path());
    host.terminate();

    let log = host.folder().join("shim-log");
    let mut random = Random(17);
    let mut window = Duration::ZERO;
    let (mut volatile, mut between) = (0, 0);
    for round in 0..crate::kill::round_count(12) {
        let mode = [Mode::DropAll, Mode::Subset, Mode::Torn][round as usize % 3];
        let env = shim.env(&host.data(), &log, None);
        host.try_resume(&env).unwrap_or_else(|why| panic!("{why:?}\n{}", host.log()));
        let mut rotating = host.spawn_command("secret", &["rotate"]);
        until_begun(&host, &mut rotating);
        if round == 0 {
            // How long it is between its keys.
            let began = Instant::now();
            while own_keys(&host).len() > 1 {
                std::hint::spin_loop();
            }
            window = began.elapsed();
        } else {
            std::thread::sleep(window.mul_f64(random.below(1000) as f64 / 1000.0));
        }
        host.kill9();
        let _ = rotating.wait().unwrap();
        volatile += undo(&host.data(), &log, mode, random.number()).unwrap().volatile;
        between += usize::from(own_keys(&host).len() == 2);

        // Every secret opens, or the host would not start.
        host.resume();
        assert_eq!(sent(&host, &upstream), "Bearer still-here");
        let ended = secret(&host, &["rotate"]);
        assert_eq!(ended["secrets"], COUNT + 1, "round {round}, after {mode:?}");
        assert_eq!(keys_in_use(&host), [ended["key"].as_str().unwrap().to_owned()].into());
        assert_eq!(own_keys(&host).len(), 1);
        host.terminate();
    }
    assert!(volatile > 0 && between > 0, "{volatile} changes taken back, {between} between keys");
}
