//! Classes of IP addresses, after the registries of special addresses of IANA (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The class of an address. The order is the order of danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// An address of the public internet.
    Public,
    /// An address of a private network. A rule may open it by a name or a network.
    Private,
    /// An address of this machine, of its link, of its cloud's metadata, or of no machine. A rule must name it literally.
    Guarded,
}

/// Addresses of metadata services and of the cloud's own agents that no whole range covers.
const METADATA_V4: [Ipv4Addr; 2] = [
    // Alibaba Cloud.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure's agent: an address of the public range.
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Addresses of metadata services within fc00::/7.
const METADATA_V6: [Ipv6Addr; 4] = [
    // AWS: metadata, and the resolver beside it.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253),
    // Google Cloud.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    // Scaleway.
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Returns `true` for an address of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    class(address) == Class::Public
}

/// Returns the class of an address. An IPv6 address that stands for an IPv4 address has the class of that one.
pub fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    if METADATA_V4.contains(&address) {
        return Class::Guarded;
    }
    match address.octets() {
        // Private networks, shared networks (RFC 6598), benchmarks (RFC 2544), documentation (RFC 5737).
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18 | 19, ..] => {
            Class::Private
        }
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Private,
        // This network, loopback, link-local, protocol assignments, relays of 6to4, multicast, reserved, broadcast.
        [0 | 127, ..] | [169, 254, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [224..=255, ..] => {
            Class::Guarded
        }
        _ => Class::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    if METADATA_V6.contains(&address) {
        return Class::Guarded;
    }
    let parts = address.segments();
    let own = match parts {
        // Mapped (RFC 4291), translated (RFC 2765), and NAT64 (RFC 6052): the address is the IPv4 address within.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            Class::Public
        }
        // Unique local addresses, site-local addresses, documentation.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            Class::Private
        }
        // Teredo (RFC 4380). The rest of 2001::/23 belongs to protocols, not to servers.
        [0x2001, 0, ..] => Class::Public,
        [0x2001, 0..=0x1ff, ..] => Class::Guarded,
        // The internet lies within 2000::/3. Everything else is loopback, link-local, multicast or reserved.
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Guarded,
    };
    embedded(address).into_iter().flatten().map(class_v4).fold(own, Class::max)
}

/// Returns the IPv4 addresses that an IPv6 address stands for.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let parts = address.segments();
    let at = |index: usize| {
        let ([one, two], [three, four]) = (parts[index].to_be_bytes(), parts[index + 1].to_be_bytes());
        Ipv4Addr::new(one, two, three, four)
    };
    match parts {
        // Mapped, translated, and NAT64: the last 32 bits. Compatible addresses are guarded as a whole.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            [Some(at(6)), None]
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => [Some(at(1)), None],
        // Teredo: the server, and the client with its bits inverted.
        [0x2001, 0, ..] => [Some(at(2)), Some(Ipv4Addr::from(!u32::from(at(6))))],
        // ISATAP (RFC 5214), in every network.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [Some(at(6)), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    // Metadata services: AWS, GCP, Azure, DigitalOcean, OpenStack share the first.
    #[case::shared_by_most("169.254.169.254", Class::Guarded)]
    #[case::aws_v6("fd00:ec2::254", Class::Guarded)]
    #[case::aws_resolver("169.254.169.253", Class::Guarded)]
    #[case::aws_containers("169.254.170.2", Class::Guarded)]
    #[case::aws_pods("169.254.170.23", Class::Guarded)]
    #[case::gcp_v6("fd20:ce::254", Class::Guarded)]
    #[case::azure_agent("168.63.129.16", Class::Guarded)]
    #[case::alibaba("100.100.100.200", Class::Guarded)]
    #[case::oracle("192.0.0.192", Class::Guarded)]
    #[case::tencent("169.254.0.23", Class::Guarded)]
    #[case::scaleway("169.254.42.42", Class::Guarded)]
    #[case::scaleway_v6("fd00:42::42", Class::Guarded)]
    #[case::openstack_v6("fe80::a9fe:a9fe", Class::Guarded)]
    // This machine.
    #[case("127.0.0.1", Class::Guarded)]
    #[case("127.0.0.11", Class::Guarded)]
    #[case("127.255.255.255", Class::Guarded)]
    #[case("0.0.0.0", Class::Guarded)]
    #[case("0.1.2.3", Class::Guarded)]
    #[case("::", Class::Guarded)]
    #[case("::1", Class::Guarded)]
    // No machine.
    #[case("224.0.0.1", Class::Guarded)]
    #[case("240.0.0.1", Class::Guarded)]
    #[case("255.255.255.255", Class::Guarded)]
    #[case("192.88.99.1", Class::Guarded)]
    #[case("ff02::1", Class::Guarded)]
    #[case("100::1", Class::Guarded)]
    #[case("5f00::1", Class::Guarded)]
    #[case("2001:2::1", Class::Guarded)]
    #[case("2001:20::1", Class::Guarded)]
    #[case("4000::1", Class::Guarded)]
    // Private networks.
    #[case("10.1.2.3", Class::Private)]
    #[case("172.16.0.1", Class::Private)]
    #[case("172.31.255.255", Class::Private)]
    #[case("192.168.1.1", Class::Private)]
    #[case("100.64.0.1", Class::Private)]
    #[case("100.127.255.255", Class::Private)]
    #[case("198.18.0.1", Class::Private)]
    #[case("192.0.2.1", Class::Private)]
    #[case("198.51.100.1", Class::Private)]
    #[case("203.0.113.1", Class::Private)]
    #[case("fd12:3456::1", Class::Private)]
    #[case("fc00::1", Class::Private)]
    #[case("fec0::1", Class::Private)]
    #[case("2001:db8::1", Class::Private)]
    #[case("3fff::1", Class::Private)]
    // IPv4 addresses within IPv6 addresses.
    #[case::mapped("::ffff:127.0.0.1", Class::Guarded)]
    #[case::mapped("::ffff:10.0.0.1", Class::Private)]
    #[case::mapped("::ffff:8.8.8.8", Class::Public)]
    #[case::translated("::ffff:0:169.254.169.254", Class::Guarded)]
    #[case::compatible("::127.0.0.1", Class::Guarded)]
    #[case::compatible("::8.8.8.8", Class::Guarded)]
    #[case::nat64("64:ff9b::169.254.169.254", Class::Guarded)]
    #[case::nat64("64:ff9b::10.0.0.1", Class::Private)]
    #[case::nat64("64:ff9b::8.8.8.8", Class::Public)]
    #[case::local_nat64("64:ff9b:1::8.8.8.8", Class::Guarded)]
    #[case::six_to_four("2002:7f00:1::", Class::Guarded)]
    #[case::six_to_four("2002:a00:1::1", Class::Private)]
    #[case::six_to_four("2002:808:808::1", Class::Public)]
    #[case::teredo_client("2001:0:808:808::80ff:fffe", Class::Guarded)]
    #[case::teredo_server("2001:0:7f00:1::f7f7:f7f7", Class::Guarded)]
    #[case::isatap("2a00::200:5efe:7f00:1", Class::Guarded)]
    // The internet.
    #[case("1.1.1.1", Class::Public)]
    #[case("9.255.255.255", Class::Public)]
    #[case("11.0.0.0", Class::Public)]
    #[case("100.63.255.255", Class::Public)]
    #[case("100.128.0.0", Class::Public)]
    #[case("172.15.255.255", Class::Public)]
    #[case("172.32.0.0", Class::Public)]
    #[case("192.0.1.1", Class::Public)]
    #[case("198.17.255.255", Class::Public)]
    #[case("198.20.0.0", Class::Public)]
    #[case("223.255.255.255", Class::Public)]
    #[case("2606:4700::1111", Class::Public)]
    #[case("2a00:1450:4001::200e", Class::Public)]
    #[case("2001:200::1", Class::Public)]
    fn every_special_address_has_its_class(#[case] address: IpAddr, #[case] expected: Class) {
        assert_eq!(class(address), expected);
        assert_eq!(is_public(address), expected == Class::Public);
    }

    fn refused() -> impl Strategy<Value = Ipv4Addr> {
        let any = any::<u32>();
        prop_oneof![
            any.prop_map(|low| Ipv4Addr::from(0x7f00_0000 | low & 0x00ff_ffff)),
            any.prop_map(|low| Ipv4Addr::from(0x0a00_0000 | low & 0x00ff_ffff)),
            any.prop_map(|low| Ipv4Addr::from(0xa9fe_0000 | low & 0xffff)),
            any.prop_map(|low| Ipv4Addr::from(0xc0a8_0000 | low & 0xffff)),
            any.prop_map(|low| Ipv4Addr::from(0xac10_0000 | low & 0x000f_ffff)),
            any.prop_map(|low| Ipv4Addr::from(0x6440_0000 | low & 0x003f_ffff)),
            any.prop_map(|low| Ipv4Addr::from(0xe000_0000 | low & 0x1fff_ffff)),
            any.prop_map(Ipv4Addr::from)
                .prop_filter("a refused address", |address| class_v4(*address) != Class::Public),
        ]
    }

    proptest! {
        #[test]
        fn no_form_of_a_refused_address_is_public(address in refused(), noise in any::<u128>()) {
            let low = u128::from(u32::from(address));
            let forms = [
                low,
                0xffff << 32 | low,
                0xffff << 48 | low,
                0x64_ff9b << 96 | low,
                0x64_ff9b_0001 << 80 | noise & 0xffff_ffff_ffff << 32 | low,
                0x2002 << 112 | low << 80 | noise >> 48,
                0x2001_0000 << 96 | low << 64 | noise >> 64,
                0x2001_0000 << 96 | noise & 0xffff_ffff_ffff_ffff << 32 | !low & 0xffff_ffff,
                noise << 64 | 0x5efe << 32 | low,
                noise << 64 | 0x0200_5efe << 32 | low,
            ];
            prop_assert!(!is_public(address.into()));
            for form in forms {
                prop_assert!(!is_public(Ipv6Addr::from(form).into()), "{}", Ipv6Addr::from(form));
            }
        }

        #[test]
        fn public_addresses_of_ipv6_are_global_unicast(bits in any::<u128>()) {
            let address = Ipv6Addr::from(bits);
            let is_global = bits >> 125 == 1 || embedded(address)[0].is_some();
            prop_assert!(is_global || !is_public(address.into()));
        }
    }
}
