//! What an endpoint's plugin may take, by limit: the host's ceiling, and less where an endpoint has less.
//!
//! Each limit is named once, with its unit, its reason and what a hostile guest can still do inside it. The
//! set-up, the API, `cnsp endpoint limits` and the table of SECURITY.md are made from this ([`table`]), and
//! `selftest` trips each of them at every start. Defaults are in `config.default.toml`.

pub(crate) mod component;
pub(crate) mod fixed;
mod table;

pub(crate) use self::table::table;

use crate::config::Config;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use utoipa::ToSchema;

/// Where a value is surely a slip of the unit.
const HOUR_MS: u64 = 3_600_000;

/// One limit of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limit {
    CallTimeout,
    Cpu,
    Memory,
    HostMemory,
    AnswerBytes,
    LogLines,
    LogBytes,
    HttpRequests,
    HttpBodyBytes,
    HttpBytes,
    HttpFirstByte,
    HttpConcurrency,
    HttpRate,
    KvOperations,
    KvWriteBytes,
    KvWriteCount,
    KvQuotaBytes,
    KvQuotaCount,
    Concurrency,
}

/// What there is to say of a limit.
pub(crate) struct About {
    /// What it is called in a set-up's `limits`.
    pub(crate) key: &'static str,
    /// The host's setting, which is the most that an endpoint can have.
    pub(crate) setting: &'static str,
    /// What it counts.
    pub(crate) unit: &'static str,
    /// What it can be set to, for the host or for an endpoint.
    pub(crate) range: RangeInclusive<u64>,
    /// Why there is one, and why it is what it is.
    pub(crate) why: &'static str,
    /// What a hostile guest can still do inside it.
    pub(crate) inside: &'static str,
}

impl Limit {
    pub(crate) const ALL: [Limit; 19] = [
        Limit::CallTimeout,
        Limit::Cpu,
        Limit::Memory,
        Limit::HostMemory,
        Limit::AnswerBytes,
        Limit::LogLines,
        Limit::LogBytes,
        Limit::HttpRequests,
        Limit::HttpBodyBytes,
        Limit::HttpBytes,
        Limit::HttpFirstByte,
        Limit::HttpConcurrency,
        Limit::HttpRate,
        Limit::KvOperations,
        Limit::KvWriteBytes,
        Limit::KvWriteCount,
        Limit::KvQuotaBytes,
        Limit::KvQuotaCount,
        Limit::Concurrency,
    ];

    pub(crate) const fn about(self) -> &'static About {
        match self {
            Limit::CallTimeout => &About {
                key: "call_timeout_ms",
                setting: "calls.timeout_ms",
                unit: "ms",
                range: 1..=HOUR_MS,
                why: "a provider or a guest that hangs must not hold its caller for ever",
                inside: "hold its own callers and its own places for that long",
            },
            Limit::Cpu => &About {
                key: "cpu_ms",
                setting: "calls.cpu_ms",
                unit: "ms",
                range: 1..=HOUR_MS,
                why: "cores are what everybody shares; looked at every 5 ms",
                inside: "keep the cores that nobody else wants busy for that long per call",
            },
            Limit::Memory => &About {
                key: "memory_bytes_max",
                setting: "calls.memory_bytes_max",
                unit: "bytes",
                range: 1 << 20..=4 << 30,
                why: "linear memory and tables of all instances of a call, added up",
                inside: "fill that much in each of its calls at a time",
            },
            Limit::HostMemory => &About {
                key: "host_bytes_max",
                setting: "calls.host_bytes_max",
                unit: "bytes",
                range: 1 << 20..=4 << 30,
                why: "what the host holds for a call outside the guest's memory: arguments and answers on their way, \
                      bodies, keys read and written",
                inside: "make the host hold that much in each of its calls at a time",
            },
            Limit::AnswerBytes => &About {
                key: "answer_bytes_max",
                setting: "calls.answer_bytes_max",
                unit: "bytes",
                range: 1024..=1 << 30,
                why: "texts and lists are copied out of the guest before anybody looks at them",
                inside: "make the host copy and check that much per call",
            },
            Limit::LogLines => &About {
                key: "log_lines_max",
                setting: "calls.log_lines_max",
                unit: "lines",
                range: 0..=1 << 20,
                why: "the log is everybody's; what is more is dropped, and the log says so",
                inside: "write that many lines per call, cleaned of control characters",
            },
            Limit::LogBytes => &About {
                key: "log_bytes_max",
                setting: "calls.log_bytes_max",
                unit: "bytes",
                range: 0..=1 << 30,
                why: "the same, for the lines together",
                inside: "fill that much of the log per call",
            },
            Limit::HttpRequests => &About {
                key: "http_requests_max",
                setting: "calls.http_requests_max",
                unit: "requests",
                range: 0..=10_000,
                why: "a call that asks without end would use its provider up, and us",
                inside: "send that many to hosts it is granted",
            },
            Limit::HttpBodyBytes => &About {
                key: "http_body_bytes_max",
                setting: "calls.http_body_bytes_max",
                unit: "bytes",
                range: 0..=1 << 30,
                why: "a body is held whole, in the host and then in the guest; nothing is unpacked",
                inside: "have one of that size held at a time",
            },
            Limit::HttpBytes => &About {
                key: "http_bytes_max",
                setting: "calls.http_bytes_max",
                unit: "bytes",
                range: 0..=1 << 40,
                why: "all bodies of a call, both ways: the line to providers is shared",
                inside: "move that much per call",
            },
            Limit::HttpFirstByte => &About {
                key: "http_first_byte_ms",
                setting: "egress.first_byte_ms",
                unit: "ms",
                range: 1..=HOUR_MS,
                why: "a provider that accepts and does not answer; the exchange as a whole ends with the call",
                inside: "have a connection stay open for that long",
            },
            Limit::HttpConcurrency => &About {
                key: "http_concurrency_max",
                setting: "egress.concurrency_max",
                unit: "requests at a time",
                range: 1..=10_000,
                why: "connections cost descriptors here and places there; who is over waits",
                inside: "have that many under way",
            },
            Limit::HttpRate => &About {
                key: "http_requests_per_s_max",
                setting: "egress.requests_per_s_max",
                unit: "requests/s",
                range: 1..=1_000_000,
                why: "nobody shall be able to use us against a provider; who is over waits",
                inside: "send that many each second to hosts it is granted",
            },
            Limit::KvOperations => &About {
                key: "kv_operation_count_max",
                setting: "calls.kv_operation_count_max",
                unit: "keys",
                range: 0..=30_000,
                why: "each key that is read in an operation is checked again when it commits",
                inside: "make the store look up that many keys per call",
            },
            Limit::KvWriteBytes => &About {
                key: "kv_write_bytes_max",
                setting: "calls.kv_write_bytes_max",
                unit: "bytes",
                range: 0..=960 << 10,
                why: "a call's writes are one transaction of the store, with its outcome",
                inside: "write that much per change, and again with the next",
            },
            Limit::KvWriteCount => &About {
                key: "kv_write_count_max",
                setting: "calls.kv_write_count_max",
                unit: "keys",
                range: 0..=480,
                why: "the same, for the keys",
                inside: "write that many keys per change",
            },
            Limit::KvQuotaBytes => &About {
                key: "kv_quota_bytes_max",
                setting: "calls.kv_quota_bytes_max",
                unit: "bytes",
                range: 0..=1 << 50,
                why: "the disk is everybody's: keys and values that the endpoint keeps, of all of its calls together",
                inside: "keep that much, and once as much as its calls at a time may write",
            },
            Limit::KvQuotaCount => &About {
                key: "kv_quota_count_max",
                setting: "calls.kv_quota_count_max",
                unit: "keys",
                range: 0..=1 << 40,
                why: "the same, for the keys: the store's index has each in memory",
                inside: "keep that many, and once as many as its calls at a time may write",
            },
            Limit::Concurrency => &About {
                key: "concurrency_max",
                setting: "calls.endpoint_concurrency_max",
                unit: "calls at a time",
                range: 1..=10_000,
                why: "one slow provider must not take all of the host; who is over waits a moment, then gets 429",
                inside: "use that many of the host's places",
            },
        }
    }

    /// What the host gives at most.
    pub(crate) fn ceiling(self, config: &Config) -> u64 {
        let (calls, egress) = (&config.calls, &config.egress);
        match self {
            Limit::CallTimeout => calls.timeout_ms,
            Limit::Cpu => calls.cpu_ms,
            Limit::Memory => calls.memory_bytes_max as u64,
            Limit::HostMemory => calls.host_bytes_max as u64,
            Limit::AnswerBytes => calls.answer_bytes_max as u64,
            Limit::LogLines => calls.log_lines_max as u64,
            Limit::LogBytes => calls.log_bytes_max as u64,
            Limit::HttpRequests => calls.http_requests_max as u64,
            Limit::HttpBodyBytes => calls.http_body_bytes_max as u64,
            Limit::HttpBytes => calls.http_bytes_max as u64,
            Limit::HttpFirstByte => egress.first_byte_ms,
            Limit::HttpConcurrency => egress.concurrency_max as u64,
            Limit::HttpRate => egress.requests_per_s_max.into(),
            Limit::KvOperations => calls.kv_operation_count_max as u64,
            Limit::KvWriteBytes => calls.kv_write_bytes_max as u64,
            Limit::KvWriteCount => calls.kv_write_count_max as u64,
            Limit::KvQuotaBytes => calls.kv_quota_bytes_max,
            Limit::KvQuotaCount => calls.kv_quota_count_max,
            Limit::Concurrency => calls.endpoint_concurrency_max as u64,
        }
    }

    fn from_key(key: &str) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.about().key == key)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.about().key)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
        let key = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Limit::from_key(&key).ok_or_else(|| de::Error::custom(format!("there is no limit `{key}`")))
    }
}

/// Where an endpoint has less than the host gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct OwnLimits(BTreeMap<Limit, u64>);

impl OwnLimits {
    pub(crate) fn set(&mut self, limit: Limit, value: u64) {
        self.0.insert(limit, value);
    }

    pub(crate) fn get(&self, limit: Limit) -> Option<u64> {
        self.0.get(&limit).copied()
    }
}

impl<'de> Deserialize<'de> for OwnLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OwnLimits, D::Error> {
        // 0.1 wrote a null for each that is not set.
        let all = BTreeMap::<Limit, Option<u64>>::deserialize(deserializer)?;
        Ok(OwnLimits(all.into_iter().filter_map(|(limit, value)| Some((limit, value?))).collect()))
    }
}

/// What a call of one endpoint may take, effectively: a value for each limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits([u64; Limit::ALL.len()]);

impl Limits {
    /// As much of everything: what to begin with where some are set.
    pub(crate) const fn all(value: u64) -> Limits {
        Limits([value; Limit::ALL.len()])
    }

    /// What the host gives at most.
    pub(crate) fn ceilings(config: &Config) -> Limits {
        Limits(Limit::ALL.map(|limit| limit.ceiling(config)))
    }

    /// The endpoint's own within these.
    pub(crate) fn narrowed(&self, own: &OwnLimits) -> Limits {
        Limits(Limit::ALL.map(|limit| {
            let ceiling = self.get(limit);
            own.get(limit).map_or(ceiling, |own| own.min(ceiling))
        }))
    }

    pub(crate) fn get(&self, limit: Limit) -> u64 {
        // It is there: there are as many values as limits. Without one, nothing would be allowed.
        self.0.get(limit as usize).copied().unwrap_or(0)
    }

    /// As a count of something in memory.
    pub(crate) fn count(&self, limit: Limit) -> usize {
        usize::try_from(self.get(limit)).unwrap_or(usize::MAX)
    }

    /// Of a limit in milliseconds.
    pub(crate) fn time(&self, limit: Limit) -> Duration {
        Duration::from_millis(self.get(limit))
    }

    /// The same with another value for one of them.
    #[must_use]
    pub(crate) fn with(mut self, limit: Limit, value: u64) -> Limits {
        if let Some(own) = self.0.get_mut(limit as usize) {
            *own = value;
        }
        self
    }
}

/// The limits of one endpoint as they are in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EffectiveLimits {
    endpoint: String,
    limits: Vec<EffectiveLimit>,
}

/// One limit as it is in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EffectiveLimit {
    /// What it is called in a set-up's `limits`.
    name: &'static str,
    /// What is in force.
    value: u64,
    unit: &'static str,
    /// Whether the set-up of the endpoint says so; else it is what the host gives to all.
    own: bool,
    /// The most that the set-up could say: the host's setting.
    max: u64,
    /// What that is called.
    setting: &'static str,
}

impl EffectiveLimits {
    pub(crate) fn new(endpoint: &str, own: &OwnLimits, ceilings: &Limits) -> EffectiveLimits {
        let effective = ceilings.narrowed(own);
        let limits = Limit::ALL.map(|limit| {
            let About { key, setting, unit, .. } = limit.about();
            EffectiveLimit {
                name: key,
                value: effective.get(limit),
                unit,
                own: own.get(limit).is_some(),
                max: ceilings.get(limit),
                setting,
            }
        });
        EffectiveLimits { endpoint: endpoint.to_owned(), limits: limits.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_listed_once_at_its_place() {
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place, "{limit:?}");
            assert_eq!(Limit::from_key(limit.about().key), Some(limit));
        }
    }

    #[test]
    fn an_endpoint_has_its_own_up_to_the_ceiling() {
        let ceilings = Limits::all(100);
        let own: OwnLimits =
            serde_json::from_str(r#"{"cpu_ms": 7, "log_lines_max": 700, "concurrency_max": null}"#)
                .unwrap();
        let effective = ceilings.narrowed(&own);
        let values =
            [Limit::Cpu, Limit::LogLines, Limit::Concurrency].map(|limit| effective.get(limit));
        assert_eq!(values, [7, 100, 100]);
        assert_eq!(serde_json::to_string(&own).unwrap(), r#"{"cpu_ms":7,"log_lines_max":700}"#);
        assert!(serde_json::from_str::<OwnLimits>(r#"{"sleep_ms": 7}"#).is_err());
    }
}
