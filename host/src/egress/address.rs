//! Which addresses are on the public Internet. All others need an exemption, and some have none.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    /// For a person: "resolved to 10.0.0.5, which is …".
    pub(super) kind: &'static str,
    /// Whether the operator may exempt it.
    pub(super) exemptable: bool,
}

const METADATA: Local = Local { kind: "a metadata service of a cloud", exemptable: false };

/// Where clouds answer whoever asks from inside with the keys of the machine.
const METADATA_V4: [Ipv4Addr; 4] = [
    // Alibaba, Oracle, Azure's WireServer, which lies among the public addresses, and DigitalOcean's anchor.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(169, 254, 169, 254),
];

/// AWS (`fd00:ec2::/32`) and Google (`fd20:ce::/32`) on IPv6.
const METADATA_V6: [(u16, u16); 2] = [(0xfd00, 0x0ec2), (0xfd20, 0x00ce)];

/// The special-purpose blocks of IPv4 (IANA registry, RFC 6890).
const SPECIAL_V4: [(u32, u8, &str); 15] = [
    (0x0000_0000, 8, "this network"),
    (0x0a00_0000, 8, "private"),
    (0x6440_0000, 10, "shared by carriers (RFC 6598)"),
    (0x7f00_0000, 8, "the host's own (loopback)"),
    (0xa9fe_0000, 16, "link-local"),
    (0xac10_0000, 12, "private"),
    (0xc000_0000, 24, "set aside for protocols"),
    (0xc000_0200, 24, "for documentation"),
    (0xc058_6300, 24, "a relay of 6to4"),
    (0xc0a8_0000, 16, "private"),
    (0xc612_0000, 15, "for benchmarks"),
    (0xc633_6400, 24, "for documentation"),
    (0xcb00_7100, 24, "for documentation"),
    (0xe000_0000, 4, "multicast"),
    (0xf000_0000, 4, "reserved"),
];

/// Whether an address may be dialled: it is public, or one of the exemptions has it.
pub(super) fn check<'a>(
    address: IpAddr,
    mut exempted: impl Iterator<Item = &'a IpNet>,
) -> Result<(), Local> {
    let Some(local) = local(address) else { return Ok(()) };
    // An exemption is written in the family that is meant: ::ffff:10.0.0.1 is 10.0.0.1.
    let address = address.to_canonical();
    match local.exemptable && exempted.any(|net| net.contains(&address)) {
        true => Ok(()),
        false => Err(local),
    }
}

/// What is wrong with an address, unless it is public.
fn local(address: IpAddr) -> Option<Local> {
    match address {
        IpAddr::V4(address) => local_v4(address),
        IpAddr::V6(address) => local_v6(address),
    }
}

fn local_v4(address: Ipv4Addr) -> Option<Local> {
    if METADATA_V4.contains(&address) {
        return Some(METADATA);
    }
    let bits = address.to_bits();
    let block = SPECIAL_V4.iter().find(|(net, length, _)| (bits ^ net) >> (32 - length) == 0);
    // More clouds have their metadata somewhere in link-local; nothing else worth calling is there.
    block.map(|(net, _, kind)| Local { kind, exemptable: *net != 0xa9fe_0000 })
}

fn local_v6(address: Ipv6Addr) -> Option<Local> {
    if let Some(inner) = embedded(address) {
        return local_v4(inner);
    }
    let [first, second, ..] = address.segments();
    if METADATA_V6.contains(&(first, second)) {
        return Some(METADATA);
    }
    let (kind, exemptable) = match (first, second) {
        _ if address.is_unspecified() => ("unspecified", false),
        _ if address.is_loopback() => ("the host's own (loopback)", true),
        (0xfc00..=0xfdff, _) => ("private", true),
        (0xfe80..=0xfebf, _) => ("link-local", false),
        (0xff00..=0xffff, _) => ("multicast", false),
        // 2001::/23 is for protocols, Teredo among them, which would carry any IPv4 address.
        (0x2001, 0..=0x01ff) => ("set aside for protocols", false),
        // 64:ff9b:1::/48 is for translators of a network's own (RFC 8215): any IPv4 address may be behind it.
        (0x0064, 0xff9b) => ("a translator's way to IPv4", false),
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) => ("for documentation", true),
        (0x2000..=0x3fff, _) => return None,
        // Unicast is given out in 2000::/3 only (RFC 4291, and IANA's registry).
        _ => ("not public", true),
    };
    Some(Local { kind, exemptable })
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (RFC 2765),
/// compatible, NAT64 (RFC 6052) and 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            Some(v4(g, h))
        }
        [0, 0, 0, 0, 0, 0] if g != 0 => Some(v4(g, h)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(address: &str) -> Option<&'static str> {
        local(address.parse().unwrap()).map(|local| local.kind)
    }

    #[test]
    fn what_is_not_public_is_found_in_every_notation() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            let found = kind(address);
            assert!(found.is_some(), "{address}");
            let v4: Ipv4Addr = address.parse().unwrap();
            let [a, b, c, d] = v4.octets();
            for wrapped in [
                v4.to_ipv6_mapped().to_string(),
                format!("64:ff9b::{address}"),
                format!("::ffff:0:{address}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            ] {
                assert_eq!(kind(&wrapped), found, "{wrapped}");
            }
        }
        for address in [
            "::",
            "::1",
            "::7f00:1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "3fff:fff::1",
            "64:ff9b:1::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(kind(address).is_some(), "{address}");
        }
    }

    #[test]
    fn what_is_public_passes() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.169.0.0",
            "198.17.0.0",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2001:4860:4860::8888",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    #[test]
    fn an_exemption_opens_what_it_names_and_never_metadata() {
        let nets: [IpNet; 4] =
            ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8"].map(|n| n.parse().unwrap());
        let exempt = |address: &str, nets: &[IpNet]| check(address.parse().unwrap(), nets.iter());
        assert!(exempt("10.0.0.5", &nets[..1]).is_ok());
        assert!(exempt("::ffff:10.0.0.5", &nets[..1]).is_ok());
        assert!(exempt("192.168.0.5", &nets[..1]).is_err());
        for metadata in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "::ffff:0:a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(exempt(metadata, &nets).is_err(), "{metadata}");
        }
    }

    proptest! {
        #[test]
        fn the_standard_library_agrees_where_it_has_an_opinion(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let known = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified()
                || address.is_multicast();
            prop_assert!(!known || local_v4(address).is_some());
        }
    }
}
