//! The imports, in the shape of their bindings.

pub(crate) mod kv {
    use crate::bindings::cnsp::adapter::kv::{Entry, KvError};
    use crate::testing::{Fake, with};
    use std::collections::BTreeSet;

    /// The contract's bounds.
    const KEY_BYTES_MAX: usize = 256;
    const VALUE_BYTES_MAX: usize = 24 * 1024;
    const LIST_MAX: u32 = 1000;
    const LIST_BYTES_MAX: usize = 1024 * 1024;

    fn error(code: u16, message: &str) -> KvError {
        KvError { code, message: message.to_owned() }
    }

    fn check_key(key: &str) -> Result<(), KvError> {
        match key.len() {
            1..=KEY_BYTES_MAX => Ok(()),
            _ => Err(error(1, "A key has 1 to 256 bytes.")),
        }
    }

    fn check_write(fake: &Fake, key: &str, value: &[u8]) -> Result<(), KvError> {
        check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(error(1, "A value has at most 24 KiB."));
        }
        match fake.running {
            Some(_) => Ok(()),
            None => Err(error(3, "Only an operation can write.")),
        }
    }

    fn read(fake: &Fake, key: &str) -> Option<Entry> {
        let (value, version) = match fake.written.get(key) {
            Some(written) => (written.clone()?, 0),
            None => fake.kv.get(key).cloned()?,
        };
        Some(Entry { key: key.to_owned(), value, version })
    }

    pub(crate) fn get(key: &str) -> Result<Option<Entry>, KvError> {
        check_key(key)?;
        Ok(with(|fake| read(fake, key)))
    }

    pub(crate) fn set(key: &str, value: &[u8]) -> Result<(), KvError> {
        with(|fake| {
            check_write(fake, key, value)?;
            fake.written.insert(key.to_owned(), Some(value.to_vec()));
            Ok(())
        })
    }

    pub(crate) fn delete(key: &str) -> Result<(), KvError> {
        with(|fake| {
            check_write(fake, key, &[])?;
            fake.written.insert(key.to_owned(), None);
            Ok(())
        })
    }

    pub(crate) fn list(
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, KvError> {
        with(|fake| {
            let keys: BTreeSet<&String> = fake
                .kv
                .keys()
                .chain(fake.written.keys())
                .filter(|key| {
                    key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
                })
                .collect();
            let found = keys.into_iter().filter_map(|key| read(fake, key));
            let found: Vec<Entry> = found.take(limit.clamp(1, LIST_MAX) as usize).collect();
            let bytes: usize = found.iter().map(|entry| entry.key.len() + entry.value.len()).sum();
            if bytes > LIST_BYTES_MAX {
                return Err(error(6, "One list has at most 1 MiB: ask for fewer at a time."));
            }
            Ok(found)
        })
    }

    pub(crate) fn compare_and_set(
        key: &str,
        expected: Option<u64>,
        value: &[u8],
    ) -> Result<bool, KvError> {
        with(|fake| {
            check_write(fake, key, value)?;
            if read(fake, key).map(|entry| entry.version) != expected {
                return Ok(false);
            }
            fake.written.insert(key.to_owned(), Some(value.to_vec()));
            Ok(true)
        })
    }
}

pub(crate) mod http {
    use crate::bindings::cnsp::adapter::http::{HttpError, Request, Response};
    use crate::testing::with;

    pub(crate) fn send(request: &Request) -> Result<Response, HttpError> {
        // Taken out while it runs, so that the handler can use the fake itself.
        let Some(mut handler) = with(|fake| fake.handler.take()) else {
            return Err(HttpError {
                code: 1,
                message: format!(
                    "No handler for {} {}: see `testing::on_http`.",
                    request.method, request.url
                ),
                outcome_unknown: false,
            });
        };
        let answer = handler(request);
        with(|fake| {
            fake.handler.get_or_insert(handler);
        });
        answer
    }
}

pub(crate) mod config {
    pub(crate) fn get(name: &str) -> Option<String> {
        crate::testing::with(|fake| fake.config.get(name).cloned())
    }
}

pub(crate) mod log {
    use crate::bindings::cnsp::adapter::log::Level;
    use crate::testing::{Line, with};

    pub(crate) fn write(level: Level, message: &str, fields: &[(String, String)]) {
        let line = Line { level, message: message.to_owned(), fields: fields.to_vec() };
        with(|fake| fake.lines.push(line));
    }
}

pub(crate) mod operation {
    use crate::testing::with;

    pub(crate) fn id() -> Option<String> {
        with(|fake| fake.running.as_ref().map(|running| running.id.clone()))
    }

    pub(crate) fn attempt() -> u32 {
        with(|fake| fake.running.as_ref().map_or(1, |running| running.attempt))
    }

    pub(crate) fn token() -> Option<String> {
        with(|fake| fake.running.as_ref().and_then(|running| running.token.clone()))
    }
}

pub(crate) mod wall_clock {
    use crate::bindings::wasi::clocks::wall_clock::Datetime;
    use crate::testing::with;

    pub(crate) fn now() -> Datetime {
        let now = with(|fake| fake.now);
        Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
    }
}

pub(crate) mod random {
    use crate::testing::with;

    /// SplitMix64: short, and good enough for a test.
    pub(crate) fn get_random_u64() -> u64 {
        with(|fake| {
            fake.seed = fake.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (fake.seed ^ (fake.seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        })
    }

    pub(crate) fn get_random_bytes(count: u64) -> Vec<u8> {
        (0..count).map(|_| (get_random_u64() >> 56) as u8).collect()
    }
}
