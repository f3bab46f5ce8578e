//! One vendor, caller or endpoint of a set-up file.

use super::fields::Fields;
use super::read::{DeclaredCaller, DeclaredEndpoint, Password, resolve};
use crate::callers::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, Passwords};
use crate::config::{DRIFT_CHECK_S_MAX, SecretSource};
use crate::limits::{About, Limit, OwnLimits};
use crate::store::setup::{
    EndpointAccess, EndpointRecord, HttpGrant, Mode, Role, Scheme, VendorRecord,
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::path::Path;
use toml::Value;
use zeroize::Zeroizing;

/// The most config values, secrets, grants, or endpoints of a caller.
const LIST_COUNT_MAX: usize = 256;
/// The longest name of a config value or a secret.
const NAME_BYTES_MAX: usize = 64;
const ROLES: &[(&str, Role)] = &[
    ("operator", Role::Operator),
    ("vendor", Role::Vendor),
    ("marketplace", Role::Marketplace),
    ("auditor", Role::Auditor),
];
/// The most that an endpoint's own certificates may have: they are part of one record.
const CA_BYTES_MAX: usize = 12 << 10;
const NO_HOST_NAME: &str = "has no valid host name (an international one goes in its xn-- form)";
const MODES: &[(&str, Mode)] = &[("sandbox", Mode::Sandbox), ("live", Mode::Live)];

pub(super) fn vendor(mut fields: Fields<'_>, id: &str) -> VendorRecord {
    let name = fields.text("name").unwrap_or_else(|| id.to_owned());
    if name.trim().is_empty() {
        fields.problem("name", "is empty");
    }
    fields.finish();
    VendorRecord { id: id.to_owned(), name }
}

pub(super) fn caller(mut fields: Fields<'_>, folder: &Path) -> DeclaredCaller {
    let role = fields.word("role", ROLES, true);
    let vendor = fields.text("vendor");
    match (role, &vendor) {
        (Some(Role::Vendor), None) => {
            fields.problem("vendor", "is missing; a caller of role \"vendor\" belongs to one");
        }
        (Some(Role::Operator | Role::Marketplace | Role::Auditor), Some(_)) => {
            fields.problem("vendor", "is only for callers of role \"vendor\"; take it out");
        }
        _ => {}
    }
    let endpoints = access(&mut fields, role);
    let password = password(&mut fields, folder);
    fields.finish();
    // Whoever has no role has a problem, and is not stored.
    DeclaredCaller { role: role.unwrap_or(Role::Auditor), vendor, endpoints, password }
}

/// Operators and vendors get all that their role may, unless a list says less; others have to be told.
fn access(fields: &mut Fields<'_>, role: Option<Role>) -> EndpointAccess {
    let Some(listed) = fields.texts("endpoints") else {
        if matches!(role, Some(Role::Marketplace | Role::Auditor)) {
            fields.problem("endpoints", "is missing; list endpoints, or [\"*\"] for all");
        }
        return EndpointAccess::All;
    };
    if listed == ["*"] {
        return EndpointAccess::All;
    }
    if listed.iter().any(|id| id == "*") {
        fields.problem("endpoints", "has \"*\" beside others; \"*\" alone means all");
    }
    if listed.is_empty() || listed.len() > LIST_COUNT_MAX {
        let text =
            format!("lists {}; list 1 to {LIST_COUNT_MAX}, or [\"*\"] for all", listed.len());
        fields.problem("endpoints", text);
    }
    EndpointAccess::List(listed.into_iter().filter(|id| id != "*").collect())
}

fn password(fields: &mut Fields<'_>, folder: &Path) -> Password {
    let nothing = Password::Clear(Zeroizing::default());
    let kinds = ["password", "password_env", "password_file", "password_hash"];
    let given = kinds.iter().filter(|key| fields.has(key)).count();
    let clear = fields.text("password").map(Zeroizing::new);
    let env = fields.text("password_env").map(SecretSource::Env);
    let file = fields.text("password_file").map(|f| SecretSource::File(resolve(folder, &f)));
    let hash = fields.text("password_hash");
    if given != 1 {
        let text = format!("is given {given} times; give exactly one of {}", kinds.join(", "));
        fields.problem("password", text);
        return nothing;
    }
    let (key, password) = match (clear, env, file, hash) {
        (_, _, _, Some(hash)) => {
            if let Err(error) = Passwords::parse(&hash) {
                let text = format!("cannot be used: {error:#}; it must be an argon2id PHC string");
                fields.problem("password_hash", text);
            }
            return Password::Hash(hash);
        }
        (Some(clear), ..) => ("password", Ok(clear)),
        (_, Some(source), ..) => ("password_env", source.read()),
        (_, _, Some(source), _) => ("password_file", source.read()),
        // Its type was wrong, which is noted already.
        (None, None, None, None) => return nothing,
    };
    match password {
        Err(error) => fields.problem(key, format!("cannot be read: {error:#}")),
        Ok(password) => {
            let length = password.len();
            if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&length) {
                let range = format!("{PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX}");
                fields.problem(
                    key,
                    format!("holds a password of {length} bytes; it must have {range}"),
                );
            } else if password.chars().any(char::is_control) {
                fields.problem(
                    key,
                    "holds a password with control characters, which HTTP Basic forbids",
                );
            }
            return Password::Clear(password);
        }
    }
    nothing
}

pub(super) fn endpoint(mut fields: Fields<'_>, folder: &Path, id: &str) -> DeclaredEndpoint {
    let vendor = fields.required_text("vendor");
    let plugin = resolve(folder, &fields.required_text("plugin"));
    let plugin_name = plugin.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mode = fields.word("mode", MODES, false).unwrap_or(Mode::Sandbox);
    let config = config(&mut fields);
    let secrets = secrets(&mut fields, folder);
    let grants = grants(&mut fields, &secrets);
    let ca_pem = ca(&mut fields, folder);
    let certificate_sha256 = fingerprints(&mut fields);
    let limits = fields.table("limits");
    let limits = fields.enter("limits", limits.into()).map(self::limits).unwrap_or_default();
    let drift_check_s = fields.number("drift_check_s", 0, DRIFT_CHECK_S_MAX, " seconds");
    fields.finish();
    let record = EndpointRecord {
        id: id.to_owned(),
        vendor,
        plugin: String::new(),
        plugin_name,
        plugin_version: None,
        mode,
        config,
        secret_references: BTreeMap::new(),
        grants,
        ca_pem,
        certificate_sha256,
        limits,
        drift_check_s,
    };
    DeclaredEndpoint { record, plugin, secrets }
}

fn config(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let table = fields.table("config");
    check_count(fields, "config", table.len());
    let mut config = BTreeMap::new();
    for (name, value) in table {
        let key = format!("config.{name}");
        check_name(fields, &key, &name);
        match value {
            Value::String(text) => drop(config.insert(name, text)),
            other => {
                let text =
                    format!("is a TOML {}; plugins get text: put it in quotes", other.type_str());
                fields.problem(&key, text);
            }
        }
    }
    config
}

fn secrets(fields: &mut Fields<'_>, folder: &Path) -> BTreeMap<String, SecretSource> {
    let table = fields.table("secrets");
    check_count(fields, "secrets", table.len());
    let mut secrets = BTreeMap::new();
    for (name, value) in table {
        let key = format!("secrets.{name}");
        check_name(fields, &key, &name);
        let source = match as_secret_source(&value) {
            Some(("env", variable)) if !variable.is_empty() => {
                SecretSource::Env(variable.to_owned())
            }
            Some(("file", path)) if !path.is_empty() => SecretSource::File(resolve(folder, path)),
            _ => {
                let text = "must say where the secret is: env = \"VARIABLE\" or file = \"PATH\"";
                fields.problem(&key, text);
                continue;
            }
        };
        secrets.insert(name, source);
    }
    secrets
}

/// `{env = "…"}` or `{file = "…"}`, as its only key and value.
fn as_secret_source(value: &Value) -> Option<(&str, &str)> {
    let table = value.as_table().filter(|table| table.len() == 1)?;
    let (kind, place) = table.iter().next()?;
    Some((kind, place.as_str()?))
}

fn grants(fields: &mut Fields<'_>, secrets: &BTreeMap<String, SecretSource>) -> Vec<HttpGrant> {
    let items = fields.tables("grants");
    check_count(fields, "grants", items.len());
    let mut grants = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let Some(mut grant) = fields.enter(&format!("grants[{index}]"), item) else { continue };
        let url = grant.required_text("url");
        let names: BTreeSet<String> =
            grant.texts("secrets").unwrap_or_default().into_iter().collect();
        for name in names.iter().filter(|name| !secrets.contains_key(*name)) {
            let text = format!(
                "names \"{}\", which the endpoint's secrets do not have",
                name.escape_debug()
            );
            grant.problem("secrets", text);
        }
        let methods = methods(&mut grant);
        let addresses = addresses(&mut grant);
        match parse_grant(&url) {
            Ok((scheme, host, port, path)) => grants.push(HttpGrant {
                scheme,
                host,
                port,
                path,
                methods,
                addresses,
                secrets: names,
            }),
            Err(_) if url.is_empty() => {}
            Err(why) => grant.problem(
                "url",
                format!("{why}; write https://HOST[:PORT][/PATH] or https://*.HOST[:PORT][/PATH]"),
            ),
        }
        grant.finish();
    }
    grants
}

fn methods(grant: &mut Fields<'_>) -> BTreeSet<String> {
    let methods = grant.texts("methods").unwrap_or_default();
    for method in &methods {
        let plain =
            (1..=20).contains(&method.len()) && method.bytes().all(|c| c.is_ascii_uppercase());
        if !plain || ["CONNECT", "TRACE"].contains(&method.as_str()) {
            let text = format!("has \"{}\"; write methods like \"GET\"", method.escape_debug());
            grant.problem("methods", text);
        }
    }
    methods.into_iter().collect()
}

fn addresses(grant: &mut Fields<'_>) -> Vec<IpNet> {
    let mut nets = Vec::new();
    for text in grant.texts("addresses").unwrap_or_default() {
        match text.parse::<IpNet>() {
            Ok(net) => nets.push(net.trunc()),
            Err(_) => {
                let text =
                    format!("has \"{}\"; write a block like \"10.0.0.0/8\"", text.escape_debug());
                grant.problem("addresses", text);
            }
        }
    }
    check_count(grant, "addresses", nets.len());
    nets
}

/// The certificates themselves are kept: the set-up may be applied from another machine.
fn ca(fields: &mut Fields<'_>, folder: &Path) -> Option<String> {
    let file = resolve(folder, &fields.text("ca_file")?);
    let pem = match SecretSource::File(file).read() {
        Ok(pem) => pem.to_string(),
        Err(error) => {
            fields.problem("ca_file", format!("cannot be read: {error:#}"));
            return None;
        }
    };
    let found = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
    if pem.len() > CA_BYTES_MAX
        || pem.contains("PRIVATE KEY")
        || !found.is_ok_and(|found| !found.is_empty())
    {
        let text =
            format!("holds no certificates in PEM, or over {CA_BYTES_MAX} bytes, or a private key");
        fields.problem("ca_file", text);
    }
    Some(pem)
}

/// As `openssl x509 -fingerprint -sha256` prints them, or without the colons.
fn fingerprints(fields: &mut Fields<'_>) -> BTreeSet<String> {
    let key = "certificate_sha256";
    let Some(texts) = fields.texts(key) else { return BTreeSet::new() };
    if texts.is_empty() {
        fields.problem(key, "names no certificate; leave it out where any will do");
    }
    check_count(fields, key, texts.len());
    let mut fingerprints = BTreeSet::new();
    for text in texts {
        let plain = text.replace(':', "").to_ascii_lowercase();
        if plain.len() != 64 || !plain.bytes().all(|c| c.is_ascii_hexdigit()) {
            let text = format!(
                "has \"{}\", which is no SHA-256 fingerprint of 64 hexadecimal digits",
                text.escape_debug()
            );
            fields.problem(key, text);
        }
        fingerprints.insert(plain);
    }
    fingerprints
}

fn limits(mut fields: Fields<'_>) -> OwnLimits {
    let mut limits = OwnLimits::default();
    for limit in Limit::ALL {
        let About { key, range, .. } = limit.about();
        if let Some(value) = fields.number(key, *range.start(), *range.end(), "") {
            limits.set(limit, value);
        }
    }
    fields.finish();
    limits
}

fn check_count(fields: &mut Fields<'_>, key: &str, count: usize) {
    if count > LIST_COUNT_MAX {
        fields.problem(key, format!("has {count} entries; it may have {LIST_COUNT_MAX}"));
    }
}

fn check_name(fields: &mut Fields<'_>, key: &str, name: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        let text = format!(
            "has a name that cannot be used; it takes 1 to {NAME_BYTES_MAX} of letters, digits, -, _ and ."
        );
        fields.problem(key, text);
    }
}

/// `https://HOST[:PORT][/PATH]`, where HOST may begin with `*.`, and nothing else.
pub(crate) fn parse_grant(url: &str) -> Result<(Scheme, String, u16, String), &'static str> {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let slash = url.get(after_scheme..).and_then(|rest| rest.find('/')).map(|at| after_scheme + at);
    let (origin, path) = url.split_at(slash.unwrap_or(url.len()));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(c);
    let dots = path.split('/').any(|segment| segment == "." || segment == "..");
    if dots || path.contains("//") || !path.chars().all(plain) {
        return Err("has a path with more than plain segments");
    }
    let (scheme, host, port) = parse_origin(origin)?;
    let path = if path.is_empty() { "/" } else { path };
    Ok((scheme, host, port, path.to_owned()))
}

/// `https://HOST[:PORT]`, where HOST may begin with `*.`, and nothing else.
fn parse_origin(url: &str) -> Result<(Scheme, String, u16), &'static str> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => return Err("begins with neither https:// nor http://"),
    };
    let authority = rest;
    if authority.contains(['/', '?', '#', '@']) {
        return Err("has more than a host and a port");
    }
    let default = match scheme {
        Scheme::Https => 443,
        Scheme::Http => 80,
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
            let port =
                port.parse().ok().filter(|port| digits && *port != 0).ok_or("has no valid port")?;
            (host, port)
        }
        _ => (authority, default),
    };
    let host = host.to_ascii_lowercase();
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "has no valid IPv6 address")?;
        return Ok((scheme, address.to_string(), port));
    }
    let (name, labels_min) = match host.strip_prefix("*.") {
        Some(suffix) => (suffix, 2),
        None => (host.as_str(), 1),
    };
    let labels: Vec<&str> = name.split('.').collect();
    if labels.len() < labels_min {
        return Err("is a wildcard over a whole top-level domain");
    }
    if name.len() > 253 || !labels.iter().all(|label| is_label(label)) {
        return Err(NO_HOST_NAME);
    }
    // What no URL can name, or would name by another text, is never asked for: 0x7f.1 is 127.0.0.1.
    match url::Host::parse(name) {
        Ok(url::Host::Domain(known)) if known == name => {}
        Ok(url::Host::Ipv4(known)) if labels_min == 1 && known.to_string() == name => {}
        Ok(url::Host::Ipv4(_)) | Err(url::ParseError::InvalidIpv4Address) => {
            return Err("has no valid IPv4 address");
        }
        _ => return Err(NO_HOST_NAME),
    }
    Ok((scheme, host, port))
}

fn is_label(label: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_hosts_and_ports() {
        for (url, host, port) in [
            ("https://api.example.com", "api.example.com", 443),
            ("https://API.example.com/", "api.example.com", 443),
            ("http://localhost:8080", "localhost", 8080),
            ("https://*.example.com:8443", "*.example.com", 8443),
            ("http://127.0.0.1", "127.0.0.1", 80),
            ("https://[::1]:9", "::1", 9),
            ("https://[2001:DB8::1]", "2001:db8::1", 443),
        ] {
            let (_, found, at, path) = parse_grant(url).unwrap();
            assert_eq!((found.as_str(), at, path.as_str()), (host, port, "/"), "{url}");
        }
    }

    #[test]
    fn what_is_no_host_is_no_grant() {
        for url in [
            "",
            "api.example.com",
            "ftp://example.com",
            "https://",
            "https:///",
            "https://u:p@a",
            "https://a?b",
            "https://a:0",
            "https://a:99999",
            "https://a:+1",
            "https://a:",
            "https://*",
            "https://*.com",
            "https://*.*.com",
            "https://a.*.com",
            "https://*.0.0.1",
            "https://1.2.3",
            "https://1.2.3.4.5",
            "https://0x7f.1",
            "https://*.example.0x7F",
            "https://a..b",
            "https://a.b.",
            "https://-a.b",
            "https://ü.example.com",
            "https://*.xn--bcher-akva.example",
            "https://[::g]",
            "https://::1",
        ] {
            assert!(parse_grant(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_grant_may_name_a_path() {
        let path = |url| parse_grant(url).map(|(_, _, _, path)| path);
        assert_eq!(path("https://a.b/v2").unwrap(), "/v2");
        assert_eq!(path("https://a.b:8443/v2/c/").unwrap(), "/v2/c/");
        for url in [
            "https://a.b/../c",
            "https://a.b/./c",
            "https://a.b//c",
            "https://a.b/%2e",
            "https://a.b/c?d",
        ] {
            assert!(path(url).is_err(), "{url}");
        }
    }
}
