//! The look-up of names, and the check of each connection before it is made.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::host::Host;
use super::rules::{Refusal, Rules};

/// The time for the look-up of one name.
const LOOKUP_TIME: Duration = Duration::from_secs(10);

/// The time for a connection to one address, if others are left.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(3);

/// The time for a connection to the last address.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The future of a look-up.
pub type Looked<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// The source of the addresses of a name.
pub trait Lookup: Send + Sync {
    /// Returns the addresses of a name, which has no dot at its end.
    fn lookup<'a>(&'a self, name: &'a str) -> Looked<'a>;
}

/// The look-up of the system: `/etc/hosts`, then the servers of `/etc/resolv.conf`. It reads both files at the first look-up.
#[derive(Debug, Default)]
pub struct SystemLookup {
    resolver: OnceLock<TokioResolver>,
}

impl SystemLookup {
    fn resolver(&self) -> io::Result<&TokioResolver> {
        if let Some(resolver) = self.resolver.get() {
            return Ok(resolver);
        }
        let mut builder = TokioResolver::builder_tokio().map_err(io::Error::other)?;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(self.resolver.get_or_init(|| resolver))
    }
}

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> Looked<'a> {
        Box::pin(async move {
            let addresses = self.resolver()?.lookup_ip(name).await.map_err(io::Error::other)?;
            Ok(addresses.iter().collect())
        })
    }
}

/// The check of the way out. The proxy and `web_extract` share one.
pub struct Egress {
    rules: Rules,
    lookup: Arc<dyn Lookup>,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Egress {
    /// Creates the check with the look-up of the system. It reads no file yet.
    pub fn new(rules: Rules) -> Self {
        Self::with_lookup(rules, Arc::new(SystemLookup::default()))
    }

    /// Creates the check with another look-up.
    pub fn with_lookup(rules: Rules, lookup: Arc<dyn Lookup>) -> Self {
        Self { rules, lookup }
    }

    /// Resolves a host once. Returns the addresses that the rules allow: a connection must go to one of them, without another look-up.
    ///
    /// # Errors
    /// Fails if the name has no address, or if the rules allow none.
    pub async fn check(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.look_up(host, name).await?,
        };
        let allowed = self.rules.decide(host, port, &addresses)?;
        let (own, others): (Vec<_>, Vec<_>) = allowed
            .into_iter()
            .partition(|target| is_of_this_machine(target.ip()) && !self.rules.names_literally(*target));
        match own.first() {
            Some(target) if others.is_empty() => {
                Err(Refusal::Guarded { host: host.clone(), port, address: target.ip() })
            }
            _ => Ok(others),
        }
    }

    async fn look_up(&self, host: &Host, name: &str) -> Result<Vec<IpAddr>, Refusal> {
        let fail = |cause: String| Refusal::NotFound { host: host.clone(), cause };
        match timeout(LOOKUP_TIME, self.lookup.lookup(name)).await {
            Ok(found) => found.map_err(|error| fail(error.to_string())),
            Err(_) => Err(fail(format!("the look-up took longer than {} s", LOOKUP_TIME.as_secs()))),
        }
    }
}

/// Connects to the first address that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address is left");
    for (index, address) in addresses.iter().enumerate() {
        let limit = if index + 1 == addresses.len() { CONNECT_TIME } else { NEXT_ADDRESS_AFTER };
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"),
        }
    }
    Err(last)
}

/// Returns `true` for an address of this machine: a service on all interfaces answers there as on loopback.
///
/// The kernel chooses that address itself as the source of a connection to it. Connecting a UDP socket sends no packet.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::scripted_names::ScriptedNames;

    fn own_address() -> Option<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // An address of documentation: no packet is sent.
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().unwrap().ip())
    }

    #[tokio::test]
    async fn a_check_looks_a_name_up_once() {
        let names = ScriptedNames::new(&[("changes.example", &["1.1.1.1", "127.0.0.1"])]);
        let egress = names.egress(&[]);
        let host = Host::parse("changes.example").unwrap();
        assert_eq!(egress.check(&host, 443).await, Ok(vec!["1.1.1.1:443".parse().unwrap()]));
        assert_eq!(names.looked_up().len(), 1);
        assert!(matches!(egress.check(&host, 443).await, Err(Refusal::Guarded { .. })));
    }

    #[tokio::test]
    async fn localhost_of_the_system_is_refused() {
        let egress = Egress::new(Rules::default());
        let host = Host::parse("localhost").unwrap();
        let refusal = egress.check(&host, 80).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Guarded { .. }), "{refusal}");
    }

    #[tokio::test]
    async fn own_addresses_need_a_literal_entry() {
        let Some(own) = own_address() else { return };
        let names = ScriptedNames::new(&[("own.example", &[own.to_string().leak()])]);
        let host = Host::parse("own.example").unwrap();
        let refusal = names.egress(&["own.example"]).check(&host, 80).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Guarded { .. }), "{refusal}");
        let literal = Rules::parse([own.to_string()]).unwrap();
        let allowed = Egress::new(literal).check(&Host::Address(own), 80).await;
        assert_eq!(allowed, Ok(vec![SocketAddr::new(own, 80)]));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_no_refusal_by_rule() {
        let egress = ScriptedNames::new(&[]).egress(&[]);
        let refusal = egress.check(&Host::parse("no.example").unwrap(), 80).await.unwrap_err();
        assert!(!refusal.is_by_rule(), "{refusal}");
    }
}
