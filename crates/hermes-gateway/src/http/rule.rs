//! The rule of a route: the access to it, and the length of its requests.

/// The longest body of a request, in bytes.
pub(crate) const REQUEST_BODY_MAX: usize = 1024 * 1024;

/// The access to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Open to everybody: for probes and monitoring.
    Anyone,
    /// Open with the key. A process of the account needs none on the Unix socket.
    Key,
    /// Open with the key, through the Unix socket too: a person decides here, and a tool could connect to the socket.
    Person,
    /// Open with the key of an agent that may ask this one ([`hermes_core::gateway::agent_keys`]).
    Agent,
}

/// The rule of one route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) access: Access,
    /// The longest body of a request, in bytes.
    pub(crate) body_max: usize,
}
