//! The policy of a sandbox: the directories, the network and the limits of one call.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// The paths of a system that programs need. A policy that lets a tool run programs has them in [`Policy::readable`].
///
/// `/proc` is among them. The kernel closes the memory, the environment and the descriptors of processes outside the sandbox. It
/// shows their command lines, so a secret must never be in one.
pub const SYSTEM_PATHS: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc",
    "/opt/hermes",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];

/// The policy of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The files and directories that the call may read and execute, with all below them. A path that does not exist is ignored.
    ///
    /// `/dev/null` and the other harmless devices need no entry.
    pub readable: Vec<PathBuf>,
    /// The files and directories that the call may read, execute and change, with all below them. Each must exist.
    ///
    /// Device nodes cannot be made there.
    pub writable: Vec<PathBuf>,
    /// The network of the call.
    pub network: Network,
    /// The resource limits.
    pub limits: Limits,
    /// The action on a kernel without Landlock.
    pub enforcement: Enforcement,
}

/// The network of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// No socket but pairs inside the call.
    Off,
    /// TCP connections to the proxy on this port of the loopback address.
    ///
    /// The call may bind TCP ports, so a tool can run a server. It cannot connect to its own server.
    Proxy {
        /// The port of the proxy.
        port: u16,
    },
    /// TCP, UDP and routing information (netlink), to all addresses.
    Open,
}

/// The action on a kernel without Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// The call ends as [`Ended::NotConfined`](super::Ended::NotConfined).
    Required,
    /// The call runs with the other parts of the sandbox. Only for a command that a person approved.
    WithoutLandlock,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(Network::Off, json!("off"))]
    #[case(Network::Proxy { port: 4123 }, json!({"proxy": {"port": 4123}}))]
    #[case(Network::Open, json!("open"))]
    fn a_network_has_the_words_of_the_configuration(
        #[case] network: Network,
        #[case] expected: serde_json::Value,
    ) {
        assert_eq!(serde_json::to_value(network).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Network>(expected).unwrap(), network);
    }

    #[rstest]
    #[case(json!("on"))]
    #[case(json!({"proxy": {}}))]
    #[case(json!({"proxy": {"port": 65536}}))]
    #[case(json!(null))]
    fn an_unknown_network_is_refused(#[case] text: serde_json::Value) {
        assert!(serde_json::from_value::<Network>(text).is_err());
    }
}
