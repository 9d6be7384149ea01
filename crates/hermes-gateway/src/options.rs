//! The options of a gateway.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use hermes_core::{Home, ProfileName};

/// The options of a gateway. Not `Debug`, because the environment holds secrets.
pub struct Options {
    /// The paths of the volume.
    pub home: Home,
    /// The profile.
    pub profile: ProfileName,
    /// The variables of the process. Those in the profile's `.env` take precedence.
    pub environment: BTreeMap<String, String>,
    /// The command line, for the state file.
    pub argv: Vec<String>,
    /// The version of the program, for `/health` and `/metrics`.
    pub version: String,
    /// The descriptor for the readiness notification (s6's `notification-fd`); `None` without s6.
    pub ready: Option<OwnedFd>,
    /// `true` if s6 supervises it. Then `API_SERVER_PORT` and `API_SERVER_KEY` in the environment are the container's: they reach every
    /// gateway, and count only for the default profile. Those in the profile's `.env` always count.
    pub supervised: bool,
}
