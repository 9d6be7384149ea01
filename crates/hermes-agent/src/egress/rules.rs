//! The rules of the way out: public addresses, and the hosts that the operator opened.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::address::{Class, class};
use super::host::{Host, split_port};

/// The ports of mail. A tool that reaches them can send spam.
const MAIL_PORTS: [u16; 3] = [25, 465, 587];

/// The cause of a connection that is not made. Its text is for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A text that names no host.
    #[error("hermes refused the connection: {0:?} is no host name and no address")]
    NoHost(String),
    /// An address in a private network.
    #[error(
        "hermes refused the connection to {host}:{port}: it leads to {address}, an address of a private network. \
         Only the operator can open it: terminal.allow_hosts in config.yaml, with the entry \"{host}:{port}\""
    )]
    Private {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
        /// The first refused address.
        address: IpAddr,
    },
    /// An address of this container, its link, or its cloud.
    #[error(
        "hermes refused the connection to {host}:{port}: it leads to {address}, an address of this container, of its cloud, \
         or of no server. Only the operator can open it: terminal.allow_hosts in config.yaml, with the entry \"{}\"",
        target(.address, .port)
    )]
    Guarded {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
        /// The first refused address.
        address: IpAddr,
    },
    /// A port of mail.
    #[error(
        "hermes refused the connection to {host}:{port}: tools must not send mail. \
         Only the operator can open the port: terminal.allow_hosts in config.yaml, with the entry \"{host}:{port}\""
    )]
    Mail {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
    },
    /// A name without an address.
    #[error("failed to find the address of {host}: {cause}")]
    NotFound {
        /// The host.
        host: Host,
        /// The cause.
        cause: String,
    },
}

impl Refusal {
    /// Returns `true` if a rule refused, and `false` if the look-up failed.
    pub fn is_by_rule(&self) -> bool {
        !matches!(self, Self::NotFound { .. })
    }
}

fn target(address: &IpAddr, port: &u16) -> SocketAddr {
    SocketAddr::new(*address, *port)
}

/// An unusable entry of `terminal.allow_hosts`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to read the entry {0:?} of terminal.allow_hosts: write HOST, HOST:PORT, *.DOMAIN, an address, or a network as 10.1.0.0/16"
)]
pub struct RuleError(String);

/// The rules: what the operator opened beside the public addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    pattern: Pattern,
    /// `None` stands for all ports but those of mail.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    /// All names below a domain, with the dot before it.
    Below(String),
    Network(IpNet),
    Literal(IpAddr),
}

impl Rules {
    /// Reads the entries of `terminal.allow_hosts`.
    ///
    /// # Errors
    /// Fails at the first entry that is no host, address or network.
    pub fn parse<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, RuleError> {
        let parse = |entry: T| {
            let text = entry.as_ref().trim();
            Entry::parse(text).ok_or_else(|| RuleError(text.to_owned()))
        };
        Ok(Self { entries: entries.into_iter().map(parse).collect::<Result<_, _>>()? })
    }

    /// Returns the addresses of a host that a connection may go to.
    ///
    /// An entry with a name or a network opens private addresses. Loopback, link-local and metadata addresses need an entry with the
    /// address itself.
    ///
    /// # Errors
    /// Fails if the rules allow no address.
    pub fn decide(&self, host: &Host, port: u16, addresses: &[IpAddr]) -> Result<Vec<SocketAddr>, Refusal> {
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in addresses.iter().map(IpAddr::to_canonical) {
            let matching = || self.entries.iter().filter(|entry| entry.fits(host, port, address));
            let class = class(address);
            let opened = matching().map(Entry::opens).max().unwrap_or(Class::Public);
            if MAIL_PORTS.contains(&port) && !matching().any(|entry| entry.port.is_some()) {
                return Err(Refusal::Mail { host: host.clone(), port });
            }
            let target = SocketAddr::new(address, port);
            if class > opened {
                refused.get_or_insert((class, address));
            } else if !allowed.contains(&target) {
                allowed.push(target);
            }
        }
        if !allowed.is_empty() {
            return Ok(allowed);
        }
        let host = host.clone();
        Err(match refused {
            Some((Class::Guarded, address)) => Refusal::Guarded { host, port, address },
            Some((_, address)) => Refusal::Private { host, port, address },
            None => Refusal::NotFound { host, cause: "the name has no address".to_owned() },
        })
    }

    /// Returns `true` if an entry has this address itself.
    pub(super) fn names_literally(&self, target: SocketAddr) -> bool {
        let host = Host::Address(target.ip());
        self.entries.iter().any(|entry| {
            entry.fits(&host, target.port(), target.ip()) && matches!(entry.pattern, Pattern::Literal(_))
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        // An IPv6 address without brackets has several colons and no port.
        let has_port =
            text.rsplit_once("]:").is_some() || (!text.starts_with('[') && text.matches(':').count() == 1);
        let (host, port) = if has_port {
            let (host, port) = split_port(text)?;
            (host, Some(port))
        } else {
            (text, None)
        };
        let bare = host.strip_prefix('[').map_or(Some(host), |rest| rest.strip_suffix(']'))?;
        let pattern = if let Some(domain) = host.strip_prefix("*.") {
            let Host::Name(domain) = Host::parse(domain)? else { return None };
            Pattern::Below(format!(".{domain}"))
        } else if let Ok(network) = bare.parse::<IpNet>() {
            let full = network.max_prefix_len() == network.prefix_len();
            if full {
                Pattern::Literal(network.addr().to_canonical())
            } else {
                Pattern::Network(network.trunc())
            }
        } else if let Ok(address) = bare.parse::<IpAddr>() {
            Pattern::Literal(address.to_canonical())
        } else {
            match Host::parse(host)? {
                Host::Name(name) => Pattern::Name(name),
                Host::Address(address) => Pattern::Literal(address),
            }
        };
        Some(Self { pattern, port })
    }

    fn fits(&self, host: &Host, port: u16, address: IpAddr) -> bool {
        self.port.is_none_or(|own| own == port)
            && match (&self.pattern, host) {
                (Pattern::Name(own), Host::Name(name)) => own == name,
                (Pattern::Below(domain), Host::Name(name)) => name.ends_with(domain.as_str()),
                (Pattern::Name(_) | Pattern::Below(_), Host::Address(_)) => false,
                (Pattern::Network(network), _) => network.contains(&address),
                (Pattern::Literal(own), _) => *own == address,
            }
    }

    /// Returns the most dangerous class that the entry opens.
    fn opens(&self) -> Class {
        if matches!(self.pattern, Pattern::Literal(_)) { Class::Guarded } else { Class::Private }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn decide(entries: &[&str], host: &str, port: u16, addresses: &[&str]) -> Result<Vec<String>, Refusal> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let rules = Rules::parse(entries).unwrap();
        let allowed = rules.decide(&Host::parse(host).unwrap(), port, &addresses)?;
        Ok(allowed.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_the_public_addresses_of_a_name_are_allowed() {
        let addresses = ["10.0.0.1", "1.1.1.1", "127.0.0.1", "2606:4700::1111", "::ffff:1.1.1.1"];
        let allowed = decide(&[], "example.org", 443, &addresses).unwrap();
        assert_eq!(allowed, ["1.1.1.1:443", "[2606:4700::1111]:443"]);
    }

    #[rstest]
    #[case::name("git.lan", "git.lan", 80, "10.0.0.1", true)]
    #[case::letters("Git.LAN.", "git.lan", 80, "10.0.0.1", true)]
    #[case::other_name("git.lan", "evil.git.lan", 80, "10.0.0.1", false)]
    #[case::port("git.lan:3000", "git.lan", 3000, "10.0.0.1", true)]
    #[case::other_port("git.lan:3000", "git.lan", 22, "10.0.0.1", false)]
    #[case::below("*.lan", "git.lan", 80, "10.0.0.1", true)]
    #[case::below_itself("*.lan", "lan", 80, "10.0.0.1", false)]
    #[case::below_needs_the_dot("*.lan", "evillan", 80, "10.0.0.1", false)]
    #[case::network("10.0.0.0/24", "any.example", 80, "10.0.0.1", true)]
    #[case::other_network("10.0.0.0/24", "any.example", 80, "10.0.1.1", false)]
    #[case::network_v6("fd12::/16", "any.example", 80, "fd12::1", true)]
    #[case::network_port("[fd12::/16]:80", "any.example", 81, "fd12::1", false)]
    #[case::name_for_loopback("git.lan", "git.lan", 80, "127.0.0.1", false)]
    #[case::name_for_metadata("git.lan", "git.lan", 80, "169.254.169.254", false)]
    #[case::name_for_unspecified("git.lan", "git.lan", 80, "0.0.0.0", false)]
    #[case::name_for_alibaba("git.lan", "git.lan", 80, "100.100.100.200", false)]
    #[case::network_for_loopback("127.0.0.0/8", "git.lan", 80, "127.0.0.1", false)]
    #[case::network_for_all("0.0.0.0/0", "git.lan", 80, "169.254.169.254", false)]
    #[case::literal("127.0.0.1:80", "git.lan", 80, "127.0.0.1", true)]
    #[case::literal_mapped("127.0.0.1:80", "git.lan", 80, "::ffff:127.0.0.1", true)]
    #[case::literal_port("127.0.0.1:80", "git.lan", 81, "127.0.0.1", false)]
    #[case::literal_v6("::1", "git.lan", 81, "::1", true)]
    #[case::literal_v6_port("[::1]:81", "git.lan", 81, "::1", true)]
    #[case::literal_full_prefix("127.0.0.1/32", "git.lan", 81, "127.0.0.1", true)]
    #[case::literal_for_nat64("127.0.0.1", "git.lan", 81, "64:ff9b::127.0.0.1", false)]
    fn entries_open_no_more_than_they_say(
        #[case] entry: &str,
        #[case] host: &str,
        #[case] port: u16,
        #[case] address: &str,
        #[case] allowed: bool,
    ) {
        assert_eq!(decide(&[entry], host, port, &[address]).is_ok(), allowed);
    }

    #[rstest]
    #[case(25, &[], false)]
    #[case(465, &[], false)]
    #[case(587, &["mail.example.org"], false)]
    #[case(587, &["mail.example.org:587"], true)]
    #[case(993, &[], true)]
    fn mail_needs_an_entry_with_its_port(#[case] port: u16, #[case] entries: &[&str], #[case] allowed: bool) {
        assert_eq!(decide(entries, "mail.example.org", port, &["1.1.1.1"]).is_ok(), allowed);
    }

    #[rstest]
    #[case("*")]
    #[case("*.")]
    #[case("")]
    #[case("https://host")]
    #[case("host:port")]
    #[case("host:0")]
    #[case("10.0.0.0/33")]
    #[case("a*.example.org")]
    #[case("*.10.0.0.1")]
    fn unusable_entries_are_named(#[case] entry: &str) {
        let error = Rules::parse([entry]).unwrap_err().to_string();
        assert!(error.contains(&format!("{entry:?} of terminal.allow_hosts")), "{error}");
    }

    #[test]
    fn a_refusal_names_the_setting_that_opens() {
        let error = decide(&[], "git.lan", 3000, &["10.0.0.1"]).unwrap_err().to_string();
        assert!(error.contains("10.0.0.1, an address of a private network"), "{error}");
        assert!(
            error.contains("terminal.allow_hosts in config.yaml, with the entry \"git.lan:3000\""),
            "{error}"
        );
        let error = decide(&["git.lan"], "git.lan", 80, &["::1"]).unwrap_err().to_string();
        assert!(error.contains("with the entry \"[::1]:80\""), "{error}");
    }
}
