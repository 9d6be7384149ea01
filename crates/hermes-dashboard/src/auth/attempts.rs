//! How often an address may try to log in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures within [`WINDOW`] and an address has to wait.
const FAILURES_MAX: usize = 10;
/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// How many addresses are remembered. Beyond it the one that was seen longest ago is forgotten.
const ADDRESSES_MAX: usize = 4096;

/// The failures of each address.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_address: Mutex<HashMap<IpAddr, Vec<Instant>>>,
}

impl Attempts {
    /// Counts an attempt, as a failure until [`succeeded`](Self::succeeded) says otherwise: so attempts that are made at the same
    /// time are counted, too.
    ///
    /// # Errors
    /// The address has to wait that long.
    pub(crate) fn begin(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network_of(address);
        if by_address.len() >= ADDRESSES_MAX && !by_address.contains_key(&key) {
            by_address.retain(|_, times| times.last().is_some_and(|last| now.duration_since(*last) < WINDOW));
            if by_address.len() >= ADDRESSES_MAX {
                let oldest = by_address.iter().min_by_key(|(_, times)| times.last().copied());
                if let Some(oldest) = oldest.map(|(address, _)| *address) {
                    by_address.remove(&oldest);
                }
            }
        }
        let times = by_address.entry(key).or_default();
        times.retain(|time| now.duration_since(*time) < WINDOW);
        match times.first() {
            Some(first) if times.len() >= FAILURES_MAX => Err(WINDOW - now.duration_since(*first)),
            _ => {
                times.push(now);
                Ok(())
            }
        }
    }

    /// The address has logged in: what it did before is forgotten.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner).remove(&network_of(address));
    }
}

/// Who has one address of IPv6 has all of its /64 (RFC 4291, 2.5.1).
fn network_of(address: IpAddr) -> IpAddr {
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_ten_failures_an_address_waits_and_others_do_not() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let one = address("192.0.2.1");
        for _ in 0..FAILURES_MAX {
            attempts.begin(one, now).unwrap();
        }
        let later = now + Duration::from_secs(60);
        assert_eq!(attempts.begin(one, later), Err(WINDOW - Duration::from_secs(60)));
        attempts.begin(address("192.0.2.2"), later).unwrap();
        attempts.begin(one, now + WINDOW).unwrap();
    }

    #[test]
    fn a_login_forgets_the_failures_before_it() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let one = address("192.0.2.1");
        for _ in 0..FAILURES_MAX * 3 {
            attempts.begin(one, now).unwrap();
            attempts.succeeded(one);
        }
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for count in 0..FAILURES_MAX {
            attempts.begin(address(&format!("2001:db8::{count:x}")), now).unwrap();
        }
        assert!(attempts.begin(address("2001:db8::ffff:1"), now).is_err());
        assert!(attempts.begin(address("2001:db8:0:1::1"), now).is_ok());
        // The same machine, through a socket of IPv6.
        assert_eq!(network_of(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for count in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 100 {
            attempts.begin(IpAddr::V4(count.into()), now + Duration::from_nanos(count.into())).unwrap();
        }
        assert_eq!(attempts.by_address.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
