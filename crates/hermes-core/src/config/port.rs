//! The port of a profile's gateway, a stable function of its name (`docs/gateways.md`).

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use super::yaml::{Config, Key, SetError};
use crate::profile::name::ProfileName;

/// The port of the default profile.
pub const DEFAULT_PROFILE_PORT: u16 = 8642;

/// The ports of all other profiles.
pub const PROFILE_PORTS: RangeInclusive<u16> = 9200..=9799;

/// Returns the port for a new profile: the first eight bytes of the SHA-256 of its name, as a big-endian
/// number, modulo the size of [`PROFILE_PORTS`]. A port in `taken` is skipped, with wrap-around. The default
/// profile always gets [`DEFAULT_PROFILE_PORT`].
///
/// Returns `None` if all ports are taken. Such a profile has only its Unix socket.
pub fn port_for(profile: &ProfileName, taken: &BTreeSet<u16>) -> Option<u16> {
    if profile.is_default() {
        return Some(DEFAULT_PROFILE_PORT);
    }
    let size = u64::from(PROFILE_PORTS.end() - PROFILE_PORTS.start()) + 1;
    let digest = Sha256::digest(profile.as_str());
    let number = digest.iter().take(8).fold(0, |number, &byte| (number << 8) | u64::from(byte));
    (0..size)
        .filter_map(|step| u16::try_from((number % size + step) % size).ok())
        .map(|offset| PROFILE_PORTS.start() + offset)
        .find(|port| !taken.contains(port))
}

/// Returns `true` if the text is a Kubernetes service link. A Service called `api-server` sets
/// `API_SERVER_PORT=tcp://10.96.12.8:8642` in the environment of each pod.
pub fn is_service_link(text: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.trim_start().starts_with(scheme))
}

/// Returns the warning about a service link in the variable `place`.
pub fn service_link_warning(place: &str, value: &str) -> String {
    format!(
        "{place} is {value:?}, a Kubernetes service link and no port, so hermes ignores it; \
         set enableServiceLinks: false in the pod, or rename the Service"
    )
}

impl Config {
    /// Sets the port of the profile's gateway, `gateway.port`.
    ///
    /// # Errors
    /// Fails if the present value cannot be changed.
    pub fn set_gateway_port(&mut self, port: u16) -> Result<(), SetError> {
        self.set(&Key::root().child("gateway").child("port"), &port.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ProfileName {
        ProfileName::new(name).unwrap()
    }

    #[test]
    fn a_port_depends_on_the_name_alone() {
        // sha256("coder") and sha256("writer"), computed with another program. A change here moves the ports
        // of all installations.
        assert_eq!(port_for(&name("coder"), &BTreeSet::new()), Some(9653));
        assert_eq!(port_for(&name("writer"), &BTreeSet::new()), Some(9298));
        assert_eq!(port_for(&name("default"), &BTreeSet::from([8642])), Some(8642));
    }

    #[test]
    fn taken_ports_are_skipped_with_wrap_around() {
        let coder = name("coder");
        let mut taken: BTreeSet<u16> = BTreeSet::new();
        let first = port_for(&coder, &taken).unwrap();
        let mut expected = first;
        for _ in PROFILE_PORTS {
            assert_eq!(port_for(&coder, &taken), Some(expected));
            taken.insert(expected);
            expected = if expected == *PROFILE_PORTS.end() { *PROFILE_PORTS.start() } else { expected + 1 };
        }
        assert_eq!(port_for(&coder, &taken), None, "all are held");
    }

    #[test]
    fn every_name_gets_a_port_in_the_range() {
        for number in 0..5000 {
            let port = port_for(&name(&format!("p{number}")), &BTreeSet::new()).unwrap();
            assert!(PROFILE_PORTS.contains(&port), "{port}");
        }
    }
}
