//! What a setting may be, where its type does not say so.

use super::layers::{ConfigError, Layers};
use super::{Config, DRIFT_CHECK_S_MAX, Secrets};
use crate::limits::{About, Limit};

impl Config {
    /// Bounds that a type cannot say. Upper ones are where a value is surely a slip of the unit.
    pub(super) fn check(&self, layers: &Layers) -> Result<(), ConfigError> {
        const HOUR_MS: u64 = 3_600_000;
        const GIB: u64 = 1 << 30;
        // Pending work keeps its request in one record of the store, sealed.
        const STORED_BODY_BYTES_MAX: u64 = 20 << 10;
        let (http, auth, calls, operations) =
            (&self.http, &self.auth, &self.calls, &self.operations);
        let compile = &self.compile;
        let ranges: &[(&str, u64, u64, u64)] = &[
            ("http.header_bytes_max", http.header_bytes_max as u64, 8192, 1 << 20),
            ("http.header_count_max", http.header_count_max as u64, 16, 10_000),
            ("http.header_timeout_ms", http.header_timeout_ms, 1, HOUR_MS),
            ("http.body_bytes_max", http.body_bytes_max as u64, 1024, STORED_BODY_BYTES_MAX),
            ("http.body_timeout_ms", http.body_timeout_ms, 1, HOUR_MS),
            ("http.connection_count_max", http.connection_count_max as u64, 1, 1 << 20),
            ("http.shutdown_timeout_ms", http.shutdown_timeout_ms, 0, HOUR_MS),
            ("auth.cache_ttl_s", auth.cache_ttl_s, 0, 86_400),
            ("auth.verify_concurrency_max", auth.verify_concurrency_max as u64, 0, 1024),
            ("auth.verify_queue_max", auth.verify_queue_max as u64, 1, 100_000),
            ("auth.argon2_memory_kib", auth.argon2_memory_kib.into(), 8, 1 << 20),
            ("auth.argon2_passes", auth.argon2_passes.into(), 1, 64),
            ("auth.argon2_lanes", auth.argon2_lanes.into(), 1, 64),
            ("calls.concurrency_max", calls.concurrency_max as u64, 1, 10_000),
            ("calls.wait_ms_max", calls.wait_ms_max, 0, HOUR_MS),
            ("egress.connect_ms", self.egress.connect_ms, 1, HOUR_MS),
            ("breaker.failure_count", self.breaker.failure_count.into(), 1, u32::MAX.into()),
            ("breaker.pause_ms", self.breaker.pause_ms, 100, HOUR_MS),
            ("breaker.pause_ms_max", self.breaker.pause_ms_max, self.breaker.pause_ms, HOUR_MS),
            ("drift.check_s", self.drift.check_s, 0, DRIFT_CHECK_S_MAX),
            ("drift.pause_ms", self.drift.pause_ms, 0, 60_000),
            ("compile.concurrency_max", compile.concurrency_max as u64, 1, 64),
            ("compile.timeout_ms", compile.timeout_ms, 100, HOUR_MS),
            ("compile.cpu_s", compile.cpu_s, 1, 3600),
            // Under 2 GiB there is no room beside what the allocator reserves.
            ("compile.memory_bytes_max", compile.memory_bytes_max, 2 * GIB, 1 << 40),
            ("operations.replay_hours", operations.replay_hours, 1, 24 * 366),
            ("operations.audit_days", operations.audit_days, 1, 366 * 30),
            ("operations.conflict_attempts_max", operations.conflict_attempts_max.into(), 1, 1000),
            ("operations.account_queue_max", operations.account_queue_max as u64, 1, 100_000),
            ("operations.repeat_wait_ms_max", operations.repeat_wait_ms_max, 0, HOUR_MS),
            ("operations.pending_wait_ms", operations.pending_wait_ms, 0, HOUR_MS),
            ("operations.pending_s", operations.pending_s, 1, 366 * 86_400),
            ("calls.component_bytes_max", calls.component_bytes_max as u64, 1024, 64 << 20),
            ("calls.backtrace_frames_max", calls.backtrace_frames_max as u64, 1, 1000),
            ("store.cache_bytes", self.store.cache_bytes, 1 << 20, 1 << 40),
        ];
        let of_endpoints = Limit::ALL.map(|limit| {
            let About { setting, range, .. } = limit.about();
            (*setting, limit.ceiling(self), *range.start(), *range.end())
        });
        for (key, value, min, max) in ranges.iter().chain(&of_endpoints) {
            if value < min || value > max {
                return Err(layers.error(key, format!("is {value}; it must be {min} to {max}")));
            }
        }
        // An answer comes on top of the keys that the call has read and written.
        if calls.host_bytes_max < calls.answer_bytes_max.saturating_add(calls.kv_write_bytes_max) {
            let least = calls.answer_bytes_max.saturating_add(calls.kv_write_bytes_max);
            let problem = format!(
                "is {}; it must be at least calls.answer_bytes_max and calls.kv_write_bytes_max together, {least}",
                calls.host_bytes_max
            );
            return Err(layers.error("calls.host_bytes_max", problem));
        }
        let (memory, lanes) = (auth.argon2_memory_kib, auth.argon2_lanes);
        if memory < 8 * lanes {
            let problem = format!("is {memory}; argon2 takes at least 8 for each of {lanes} lanes");
            return Err(layers.error("auth.argon2_memory_kib", problem));
        }
        if !(0.0..=1.0).contains(&self.store.free_ratio_min) {
            let problem = format!("is {}; it must be 0 to 1", self.store.free_ratio_min);
            return Err(layers.error("store.free_ratio_min", problem));
        }
        if self.compile.program.as_ref().is_some_and(|program| !program.is_absolute()) {
            let problem = "is no absolute path".to_owned();
            return Err(layers.error("compile.program", problem));
        }
        let Secrets { key_file, key_variable } = &self.secrets;
        if key_file.as_ref().is_some_and(|file| !file.is_absolute()) {
            let problem = "is no absolute path".to_owned();
            return Err(layers.error("secrets.key_file", problem));
        }
        if key_file.is_some() && !key_variable.is_empty() {
            let problem = "is set beside secrets.key_file; keep the keys in one place".to_owned();
            return Err(layers.error("secrets.key_variable", problem));
        }
        self.log
            .parsed_filter()
            .map_err(|e| layers.error("log.filter", format!("is no filter: {e}")))?;
        Ok(())
    }
}
