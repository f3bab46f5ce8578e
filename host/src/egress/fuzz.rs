//! Any grants, request and address, held against what a grant means, said in another way.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what does not hold has to be seen"
)]

use super::{Denied, Egress, Outbound, check, is_encoded};
use crate::config::{Config, Flags};
use crate::limits::Limits;
use crate::secrets::Secrets;
use crate::setup::fuzz::{endpoint, parse_grant};
use crate::store::setup::{HttpGrant, Scheme};
use ipnet::IpNet;
use reqwest::{Method, Url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, OnceLock, PoisonError};
use url::Host;

/// IANA's special-purpose blocks of IPv4, as the registry writes them, with multicast and 6to4's relays.
const NOT_PUBLIC: &str = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 \
    192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4";
/// Of IPv6, inside of what is given out at all.
const NOT_PUBLIC_V6: &str = "2001::/23 2001:db8::/32 3fff::/20";
const GIVEN_OUT_V6: &str = "2000::/3";
/// All of link-local has metadata somewhere.
const METADATA: &str =
    "169.254.0.0/16 100.100.100.200/32 192.0.0.192/32 168.63.129.16/32 fd00:ec2::/32 fd20:ce::/32";
/// What no exemption opens: nobody's, everybody's, and ways to any address of IPv4.
const NEVER_V6: &str = "::/128 fe80::/10 ff00::/8 2001::/23 64:ff9b::/32";
/// Where an address of IPv4 may hide, and after how many bytes it begins.
const TRANSLATED: [(&str, usize); 4] =
    [("::ffff:0:0/96", 12), ("64:ff9b::/96", 12), ("2002::/16", 2), ("::/96", 12)];

/// A grant as its text says it.
struct Said<'a> {
    url: &'a str,
    methods: Vec<&'a str>,
    exempt: Vec<IpNet>,
}

/// Lines of `URL [METHOD…] [BLOCK…]`, an empty one, `METHOD URL`, and an address that the URL's host has.
pub fn grants(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((lines, request)) = text.split_once("\n\n") else { return };
    let mut request = request.lines();
    let Some((method, url)) = request.next().and_then(|line| line.split_once(' ')) else { return };
    let (Ok(method), Ok(url)) = (Method::from_bytes(method.as_bytes()), Url::parse(url)) else {
        return;
    };
    let (said, granted): (Vec<Said<'_>>, Vec<HttpGrant>) = lines.lines().filter_map(grant).unzip();
    let address = request.next().and_then(|line| line.parse().ok());
    admitted(&said, &granted, &method, &url);
    if let (Some(address), Some(host)) = (address, url.host_str()) {
        assert_eq!(
            check(&granted, host, address).is_ok(),
            may_dial(&said, &url, address),
            "{address} for {url}"
        );
    }
}

fn grant(line: &str) -> Option<(Said<'_>, HttpGrant)> {
    let mut words = line.split(' ');
    let url = words.next()?;
    let (scheme, host, port, path) = parse_grant(url).ok()?;
    let (addresses, methods): (Vec<&str>, Vec<&str>) =
        words.partition(|word| word.parse::<IpNet>().is_ok());
    let exempt: Vec<IpNet> = addresses.iter().filter_map(|word| word.parse().ok()).collect();
    // What a set-up takes is what other programs understand by the same text.
    let name = url.replacen("://*.", "://any.", 1);
    let known = Url::parse(&name).expect("a grant is a URL");
    let is_https = scheme == Scheme::Https;
    match known.host().expect("a grant has a host") {
        Host::Domain(name) => assert_eq!(name, host.replacen("*.", "any.", 1), "{url}"),
        Host::Ipv4(address) => assert_eq!(host.parse(), Ok(IpAddr::from(address)), "{url}"),
        Host::Ipv6(address) => assert_eq!(host.parse(), Ok(IpAddr::from(address)), "{url}"),
    }
    assert_eq!((known.scheme() == "https", known.path()), (is_https, path.as_str()), "{url}");
    assert_eq!(known.port_or_known_default(), Some(port), "{url}");
    let granted = HttpGrant {
        scheme,
        host,
        port,
        path,
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        addresses: exempt.iter().map(IpNet::trunc).collect(),
        secrets: Default::default(),
    };
    Some((Said { url, methods, exempt }, granted))
}

/// A request goes out by exactly the grants that say so, and not at all where a server may read its path differently.
fn admitted(said: &[Said<'_>], granted: &[HttpGrant], method: &Method, url: &Url) {
    static OUTBOUND: OnceLock<Mutex<Outbound>> = OnceLock::new();
    let outbound = OUTBOUND.get_or_init(|| Mutex::new(outbound()));
    let mut outbound = outbound.lock().unwrap_or_else(PoisonError::into_inner);
    outbound.grants = granted.to_vec().into();
    let expected: Vec<&HttpGrant> = said
        .iter()
        .zip(granted)
        .filter_map(|(said, granted)| says(said, method, url).then_some(granted))
        .collect();
    match outbound.grants(method, url) {
        Ok((_, found)) => {
            for grant in &found {
                assert!(expected.contains(grant), "{url} by {grant:?}");
                assert!(
                    grant.path == "/" || !is_read_differently(url.path()),
                    "{url} by {grant:?}"
                );
            }
            assert!(!found.is_empty());
            let address = match url.host() {
                Some(Host::Ipv4(address)) => IpAddr::from(address),
                Some(Host::Ipv6(address)) => IpAddr::from(address),
                _ => return,
            };
            assert!(may_dial(said, url, address), "{url}");
        }
        Err(Denied::NotGranted(_)) => assert!(expected.is_empty(), "{url}"),
        Err(Denied::EncodedPath(_)) => assert!(is_encoded(url.path()), "{url}"),
        Err(Denied::Address { address, .. }) => assert!(!may_dial(said, url, address), "{url}"),
        Err(other) => panic!("{other}"),
    }
}

/// Whether a grant, by its text, is for such a request: host by labels, path by segments.
fn says(said: &Said<'_>, method: &Method, url: &Url) -> bool {
    let segments = |path: &str| -> Vec<String> {
        path.trim_start_matches('/').split('/').map(str::to_owned).collect()
    };
    let known = Url::parse(&said.url.replacen("://*.", "://", 1)).expect("a grant is a URL");
    let mut below = segments(known.path());
    while below.last().is_some_and(String::is_empty) {
        below.pop();
    }
    has_host(said, url)
        && (known.scheme(), known.port_or_known_default())
            == (url.scheme(), url.port_or_known_default())
        && (said.methods.is_empty() || said.methods.contains(&method.as_str()))
        && (below.is_empty() || url.path().starts_with('/') && !url.path().starts_with("//"))
        && segments(url.path()).starts_with(&below)
}

fn has_host(said: &Said<'_>, url: &Url) -> bool {
    let known = Url::parse(&said.url.replacen("://*.", "://", 1)).expect("a grant is a URL");
    let (Some(granted), Some(host)) = (known.host(), url.host()) else { return false };
    match (granted, host) {
        (Host::Domain(granted), Host::Domain(host)) if said.url.contains("://*.") => {
            let granted: Vec<&str> = granted.split('.').collect();
            let host: Vec<&str> = host.split('.').collect();
            let above = host.len().saturating_sub(granted.len());
            host.ends_with(&granted) && host[..above].iter().any(|label| !label.is_empty())
        }
        (granted, host) => granted == host,
    }
}

fn is_read_differently(path: &str) -> bool {
    let bytes = path.as_bytes();
    let decoded = |at: usize| {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        Some(digit(at + 1)? << 4 | digit(at + 2)?)
    };
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'%' => matches!(decoded(at), Some(0x2f | 0x5c | 0x2e | 0)),
        byte => *byte == b'\\',
    })
}

fn may_dial(said: &[Said<'_>], url: &Url, address: IpAddr) -> bool {
    let has = |blocks: &str, address: IpAddr| {
        blocks.split(' ').any(|block| block.parse::<IpNet>().expect("a block").contains(&address))
    };
    let inner = match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => translated(v6).map_or(address, IpAddr::from),
    };
    let is_public = match inner {
        IpAddr::V4(_) => !has(NOT_PUBLIC, inner),
        IpAddr::V6(_) => has(GIVEN_OUT_V6, inner) && !has(NOT_PUBLIC_V6, inner),
    };
    if is_public && !has(METADATA, inner) {
        return true;
    }
    let never = match inner {
        IpAddr::V4(_) => has(METADATA, inner),
        IpAddr::V6(_) => has(METADATA, inner) || has(NEVER_V6, inner),
    };
    let exempt = said.iter().filter(|said| has_host(said, url)).flat_map(|said| &said.exempt);
    !never && exempt.into_iter().any(|block| block.contains(&address.to_canonical()))
}

fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (_, at) = TRANSLATED.into_iter().find(|(block, _)| {
        block.parse::<IpNet>().expect("a block").contains(&IpAddr::from(address))
    })?;
    let octets = address.octets();
    let inner = Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]);
    // ::/112 has the addresses that are IPv6's own.
    (at == 2 || octets[..12] != [0; 12] || inner.octets()[..2] != [0, 0]).then_some(inner)
}

/// A way out whose grants are exchanged: its client, which sends nothing here, is what takes time to make.
fn outbound() -> Outbound {
    let flags =
        Flags { set: vec!["egress.nameservers=192.0.2.1:53".to_owned()], ..Flags::default() };
    let config = Config::load(&flags).expect("the defaults are valid");
    let record = endpoint(
        "[endpoints.fuzz]\nvendor = \"acme\"\nplugin = \"fuzz.wasm\"\ngrants = [{ url = \"https://example.com\" }]",
    );
    let egress = Egress::start(&config.egress).expect("names can be resolved");
    let limits = Limits::ceilings(&config);
    egress.outbound(&record, Secrets::default(), &limits).expect("a client can be made")
}
