//! What a gateway is started with.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use hermes_core::{Home, ProfileName};

/// What a gateway is started with. Not `Debug`: the environment holds secrets.
pub struct Options {
    /// Where everything lies.
    pub home: Home,
    /// Whose gateway it is.
    pub profile: ProfileName,
    /// The variables of the process; those in the profile's `.env` are above them.
    pub environment: BTreeMap<String, String>,
    /// The command line, for the state file.
    pub argv: Vec<String>,
    /// The version of the program, for `/health` and `/metrics`.
    pub version: String,
    /// Where readiness is told: a newline is written, then the descriptor is closed (s6's `notification-fd`). Nothing: nobody asked.
    pub ready: Option<OwnedFd>,
    /// Whether s6 supervises it. Then `API_SERVER_PORT` in the environment is the container's, reaches every gateway, and is meant
    /// for the default profile alone. One in the profile's `.env` counts in any case.
    pub supervised: bool,
}
