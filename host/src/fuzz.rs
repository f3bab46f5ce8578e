//! What is fuzzed: each function takes any bytes, and panics where a promise does not hold. `tests/fuzz` lets them run
//! for long; the tests below, for a moment, so that none of them rots. No part of the product.

pub use crate::api::fuzz::bodies;
pub use crate::egress::fuzz::grants;
pub use crate::plugin::fuzz::gate;
pub use crate::server::fuzz::Http;

/// A file of a set-up; or settings, where that is the first line.
pub fn setup(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.strip_prefix("# settings\n") {
        Some(text) => crate::config::fuzz::settings(text),
        None => crate::setup::fuzz::file(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    use std::path::Path;

    /// How many inputs are made of the seeds.
    const MUTATION_COUNT: u32 = 10_000;
    /// Edits of one input.
    const EDIT_COUNT_MAX: usize = 6;

    #[derive(Clone, Debug)]
    enum Edit {
        Put(Vec<u8>),
        Remove(usize),
        /// So many bytes of another place of this seed, or of one of the others.
        Copy(Index, Index, usize),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            vec(any::<u8>(), 1..4).prop_map(Edit::Put),
            "[ -~]{1,3}".prop_map(|text| Edit::Put(text.into_bytes())),
            (1_usize..20).prop_map(Edit::Remove),
            (any::<Index>(), any::<Index>(), 1_usize..40)
                .prop_map(|(seed, place, length)| Edit::Copy(seed, place, length)),
        ]
    }

    fn edited(seeds: &[Vec<u8>], seed: &[u8], edits: &[(Index, Edit)]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for (place, edit) in edits {
            let at = place.index(bytes.len() + 1);
            let within = |length: usize| at..(at + length).min(bytes.len());
            match edit {
                Edit::Put(new) => drop(bytes.splice(within(new.len()), new.iter().copied())),
                Edit::Remove(length) => drop(bytes.drain(within(*length))),
                Edit::Copy(seed, from, length) => {
                    let from = from.index(seed.get(seeds).len() + 1);
                    let rest = seed.get(seeds)[from..].iter().take(*length).copied();
                    drop(bytes.splice(at..at, rest));
                }
            }
        }
        bytes
    }

    /// Each of the seeds as it is, and then a number of them with edits, the same ones every time.
    fn run(name: &str, target: impl Fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(name);
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{}", folder.display());
        let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        for (path, seed) in paths.iter().zip(&seeds) {
            println!("{}", path.display());
            target(seed);
        }
        let config =
            Config { cases: MUTATION_COUNT, failure_persistence: None, ..Config::default() };
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let edits = vec((any::<Index>(), edit()), 1..=EDIT_COUNT_MAX);
        TestRunner::new_with_rng(config, random)
            .run(&(any::<Index>(), edits), |(seed, edits)| {
                target(&edited(&seeds, &seeds[seed.index(seeds.len())], &edits));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn the_gate_takes_any_bytes() {
        run("gate", gate);
    }

    #[test]
    fn set_ups_and_settings_take_any_text() {
        run("setup", setup);
    }

    #[test]
    fn grants_mean_what_they_say() {
        run("grants", grants);
    }

    #[test]
    fn bodies_keep_what_they_hold() {
        run("bodies", bodies);
    }

    #[test]
    fn every_request_is_answered_in_the_envelope() {
        let folder = tempfile::tempdir().unwrap();
        let host = Http::start(folder.path());
        run("http", |bytes| host.exchange(bytes));
    }
}
