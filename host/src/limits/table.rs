//! Every limit in one table, for `cnsp limits` and SECURITY.md.

use super::fixed::Fixed;
use super::{About, Limit, component, fixed};
use crate::config::DEFAULT;
use std::fmt::Write;

/// A setting that bounds the host as a whole, and what is still possible inside it. Why it is there and as it is
/// stands beside its default, in `config.default.toml`.
struct OfHost(&'static str, &'static str);

const OF_HOST: [OfHost; 36] = [
    OfHost("calls.concurrency_max", "fill the host together with all other endpoints; 503 then"),
    OfHost("calls.wait_ms_max", "wait that long for a place"),
    OfHost("calls.component_bytes_max", "have that much read, hashed and looked at per upload"),
    OfHost("calls.backtrace_frames_max", "have that many frames of its own traps logged"),
    OfHost("egress.connect_ms", "have a request wait that long for a host that does not answer"),
    OfHost("breaker.failure_count", "fail that often in a row before it is left alone"),
    OfHost("breaker.pause_ms", "be tried again that soon"),
    OfHost("breaker.pause_ms_max", "be tried again that often at least"),
    OfHost("drift.check_s", "be asked for its lists that often by itself"),
    OfHost("drift.pause_ms", "be asked for the next page that soon"),
    OfHost("compile.concurrency_max", "keep others' uploads waiting, not their calls"),
    OfHost("compile.timeout_ms", "keep the compiler for that long per upload"),
    OfHost("compile.cpu_s", "use that much processor time per upload"),
    OfHost("compile.memory_bytes_max", "have the compiler take that much for a moment"),
    OfHost("http.header_bytes_max", "have that much read before it is refused"),
    OfHost("http.header_count_max", "the same"),
    OfHost("http.header_timeout_ms", "hold a connection that long without a request"),
    OfHost("http.body_bytes_max", "have that much parsed per request"),
    OfHost("http.body_timeout_ms", "hold a connection that long with half a body"),
    OfHost(
        "http.connection_count_max",
        "take all connections; put a proxy with limits per client in front",
    ),
    OfHost("http.shutdown_timeout_ms", "delay a stop that long"),
    OfHost("auth.cache_ttl_s", "nothing: a changed password counts at once"),
    OfHost("auth.verify_concurrency_max", "keep that many cores busy with wrong passwords"),
    OfHost(
        "auth.verify_queue_max",
        "keep others waiting for their first verification; known ones are remembered",
    ),
    OfHost("auth.argon2_memory_kib", "try passwords at that cost each"),
    OfHost("auth.argon2_passes", "the same"),
    OfHost("auth.argon2_lanes", "the same"),
    OfHost("operations.replay_hours", "have each change's answer kept that long"),
    OfHost("operations.audit_days", "have each change's audit row kept that long"),
    OfHost("operations.conflict_attempts_max", "have a call run that often for one request"),
    OfHost("operations.account_queue_max", "have that many changes of one account wait"),
    OfHost("operations.repeat_wait_ms_max", "hold a connection that long with a repeat"),
    OfHost("operations.pending_wait_ms", "hold a caller that long with unfinished work"),
    OfHost("operations.pending_s", "keep work under way that long"),
    OfHost("store.cache_bytes", "nothing: it is full and stays so"),
    OfHost(
        "store.free_ratio_min",
        "fill the disk up to there; then changes are refused and reads go on",
    ),
];

/// All limits, as Markdown.
pub(crate) fn table() -> String {
    let mut out = String::from(
        "| of each endpoint, as set | default | why | what is still possible |\n|---|---|---|---|\n",
    );
    for limit in Limit::ALL {
        let About { key, setting, unit, why, inside, .. } = limit.about();
        let default = shown(&default_of(setting), unit);
        let _ = writeln!(out, "| `{key}`, up to `{setting}` | {default} | {why} | {inside} |");
    }
    for (of, limits) in [("endpoint", &fixed::ALL[..]), ("component", &component::ALL[..])] {
        let _ = writeln!(
            out,
            "\n| of every {of}, fixed | most | why | what is still possible |\n|---|---|---|---|"
        );
        for Fixed { max, name, unit, why, inside } in limits {
            let most = shown(&max.to_string(), unit);
            let _ = writeln!(out, "| {name} | {most} | {why} | {inside} |");
        }
    }
    out.push_str("\n| of the host, as set | default | what is still possible |\n|---|---|---|\n");
    for OfHost(setting, inside) in OF_HOST {
        let unit = match setting.rsplit_once('_').map_or("", |(_, unit)| unit) {
            "ms" => "ms",
            "s" => "s",
            "hours" => "hours",
            "days" => "days",
            _ if setting.contains("_ms_") => "ms",
            _ if setting.contains("_bytes_") || setting.ends_with("_bytes") => "bytes",
            _ => "",
        };
        let _ = writeln!(out, "| `{setting}` | {} | {inside} |", shown(&default_of(setting), unit));
    }
    out
}

/// What `config.default.toml` says.
fn default_of(setting: &str) -> String {
    let settings: toml::Table = DEFAULT.parse().unwrap_or_default();
    let (section, key) = setting.split_once('.').unwrap_or_default();
    settings
        .get(section)
        .and_then(|section| section.get(key))
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// A number with its unit, as people say it.
fn shown(number: &str, unit: &str) -> String {
    let Ok(value) = number.parse::<u64>() else { return format!("`{number}`") };
    match unit {
        "bytes" => match value {
            0 => "0 bytes".to_owned(),
            _ if value % (1 << 30) == 0 => format!("{} GiB", value >> 30),
            _ if value % (1 << 20) == 0 => format!("{} MiB", value >> 20),
            _ if value % (1 << 10) == 0 => format!("{} KiB", value >> 10),
            _ => format!("{value} bytes"),
        },
        "ms" if value > 0 && value % 1000 == 0 => format!("{} s", value / 1000),
        "" => value.to_string(),
        unit => format!("{value} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between these, SECURITY.md has the table.
    const MARKS: [&str; 2] =
        ["<!-- limits: made from host/src/limits -->\n", "<!-- end of limits -->\n"];

    /// Where it is not as the code has it, this writes it and fails.
    #[test]
    fn security_md_has_all_limits() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../SECURITY.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(MARKS[0]).expect("it says where the table begins");
        let (_, after) = rest.split_once(MARKS[1]).expect("it says where the table ends");
        let wanted = [before, MARKS[0], &table(), MARKS[1], after].concat();
        if text != wanted {
            std::fs::write(path, wanted).unwrap();
            panic!(
                "SECURITY.md did not have the limits as they are; it has now: look at it and commit it"
            );
        }
    }

    /// A setting that is no limit is text, or is named here.
    #[test]
    fn every_number_among_the_settings_is_in_the_table() {
        let settings: toml::Table = DEFAULT.parse().unwrap();
        for (section, keys) in
            settings.iter().filter_map(|(name, value)| Some((name, value.as_table()?)))
        {
            for (key, value) in keys {
                let setting = format!("{section}.{key}");
                let named = OF_HOST.iter().any(|OfHost(name, _)| *name == setting)
                    || Limit::ALL.iter().any(|limit| limit.about().setting == setting);
                assert!(named || value.is_str(), "{setting} is in no table of limits");
            }
        }
        for OfHost(setting, _) in OF_HOST {
            assert_ne!(default_of(setting), "", "{setting} is no setting");
        }
    }
}
