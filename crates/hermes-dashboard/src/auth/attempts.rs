//! The failed password logins of each client, and how long the client has to wait after them.
//!
//! Only passwords are throttled, because a token of 256 bits cannot be guessed. An attempt counts after it has failed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The number of the failure after which delays begin: people mistype.
const DELAYED_FROM: u32 = 5;
/// The delay after that failure. Each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(15);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);
/// A client without a failure for so long begins anew. Longer than any delay.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);
/// The number of clients that are remembered. One record takes about 100 bytes.
const CLIENTS_MAX: usize = 8192;

/// The way in which a client sends a password. A web page can make a browser send a header, and never the form:
/// failures of one way do not delay the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// The form of the login page.
    Form,
    /// The header `Authorization`.
    Header,
}

/// A client: a network of one subscriber, and the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    network: IpAddr,
    way: Way,
}

impl Client {
    pub(crate) fn new(address: IpAddr, way: Way) -> Self {
        Self { network: network_of(address), way }
    }

    pub(super) fn network(self) -> IpAddr {
        self.network
    }
}

/// The failures of all clients.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_client: Mutex<HashMap<Client, Failures>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// The digest of the credential that failed last: to repeat it is no other guess.
    digest: String,
}

/// The answer to a client that wants to try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The credential has to be verified.
    Try,
    /// The same credential has just failed.
    KnownWrong,
    /// The client has to wait that long.
    Wait(Duration),
}

impl Failures {
    fn delay(&self) -> Duration {
        match self.count.checked_sub(DELAYED_FROM) {
            None => Duration::ZERO,
            Some(beyond) => (FIRST_DELAY * 2_u32.pow(beyond.min(10))).min(LONGEST_DELAY),
        }
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGOTTEN_AFTER
    }
}

impl Attempts {
    /// Tells whether `client` may try the credential of this digest now. Counts nothing.
    pub(crate) fn turn(&self, client: Client, digest: &str, now: Instant) -> Turn {
        let by_client = self.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = by_client.get(&client).filter(|failures| !failures.is_forgotten(now)) else {
            return Turn::Try;
        };
        if super::equal(&failures.digest, digest) {
            return Turn::KnownWrong;
        }
        match failures.delay().checked_sub(now.saturating_duration_since(failures.last)) {
            Some(wait) if !wait.is_zero() => Turn::Wait(wait),
            _ => Turn::Try,
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, client: Client, digest: String, now: Instant) {
        let mut by_client = self.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        if by_client.len() >= CLIENTS_MAX && !by_client.contains_key(&client) {
            by_client.retain(|_, failures| !failures.is_forgotten(now));
            if by_client.len() >= CLIENTS_MAX {
                // The client with the fewest failures loses the least.
                let least = by_client.iter().min_by_key(|(_, failures)| (failures.count, failures.last));
                if let Some(least) = least.map(|(client, _)| *client) {
                    by_client.remove(&least);
                }
            }
        }
        let failures = by_client.entry(client).or_insert_with(|| Failures {
            count: 0,
            last: now,
            digest: String::new(),
        });
        if failures.is_forgotten(now) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.digest = digest;
    }

    /// Forgets the failures of a client that has logged in.
    pub(crate) fn succeeded(&self, client: Client) {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
    }
}

/// Returns the network of one subscriber: for IPv6 the /64 (RFC 4291, 2.5.1).
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Client {
        Client::new(text.parse().unwrap(), Way::Form)
    }

    /// Fails `count` times, each time with another password.
    fn fail(attempts: &Attempts, client: Client, count: u32, now: Instant) {
        for number in 0..count {
            attempts.failed(client, format!("wrong {number}"), now);
        }
    }

    #[test]
    fn delays_grow_with_failures_and_have_a_ceiling() {
        let (attempts, mut now) = (Attempts::default(), Instant::now());
        let one = client("192.0.2.1");
        fail(&attempts, one, DELAYED_FROM - 1, now);
        assert_eq!(attempts.turn(one, "x", now), Turn::Try);
        let mut seen = Vec::new();
        for number in 0..10 {
            attempts.failed(one, format!("again {number}"), now);
            let Turn::Wait(wait) = attempts.turn(one, "x", now) else { panic!("no delay after {number}") };
            assert_eq!(attempts.turn(one, "x", now + wait), Turn::Try);
            seen.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(seen, [15, 30, 60, 120, 240, 480, 900, 900, 900, 900]);
        assert_eq!(attempts.turn(one, "x", now + FORGOTTEN_AFTER), Turn::Try);
    }

    #[test]
    fn clients_do_not_change_the_counts_of_others() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
        fail(&attempts, one, 20, now);
        assert_eq!(attempts.turn(other, "x", now), Turn::Try);
        attempts.succeeded(other);
        assert!(matches!(attempts.turn(one, "x", now), Turn::Wait(_)));
        let by_header = Client::new("192.0.2.1".parse().unwrap(), Way::Header);
        assert_eq!(attempts.turn(by_header, "x", now), Turn::Try);
        attempts.succeeded(one);
        assert_eq!(attempts.turn(one, "x", now), Turn::Try);
    }

    #[test]
    fn asking_for_a_turn_counts_nothing() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..1000 {
            assert_eq!(attempts.turn(client("192.0.2.1"), "x", now), Turn::Try);
        }
        assert!(attempts.by_client.lock().unwrap().is_empty());
    }

    #[test]
    fn a_repeated_wrong_credential_is_no_other_guess() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let one = client("192.0.2.1");
        attempts.failed(one, "same".into(), now);
        assert_eq!(attempts.turn(one, "same", now), Turn::KnownWrong);
        assert_eq!(attempts.turn(one, "other", now), Turn::Try);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for count in 0..DELAYED_FROM {
            attempts.failed(client(&format!("2001:db8::{count:x}")), count.to_string(), now);
        }
        assert!(matches!(attempts.turn(client("2001:db8::ffff:1"), "x", now), Turn::Wait(_)));
        assert_eq!(attempts.turn(client("2001:db8:0:1::1"), "x", now), Turn::Try);
        // An IPv6 socket shows an IPv4 client like this.
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_worst_clients() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let worst = client("203.0.113.1");
        fail(&attempts, worst, 20, now);
        for count in 0..u32::try_from(CLIENTS_MAX).unwrap() + 100 {
            let one = Client::new(IpAddr::V4(count.into()), Way::Form);
            attempts.failed(one, "x".into(), now + Duration::from_nanos(count.into()));
        }
        assert_eq!(attempts.by_client.lock().unwrap().len(), CLIENTS_MAX);
        assert!(matches!(attempts.turn(worst, "y", now), Turn::Wait(_)));
    }
}
