//! The marks that a request gets: from its connection, and from its key.

use hermes_core::ProfileName;

/// Marks a request on a connection that gets no answers of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was opened while the gateway drained. Routes for everybody are open.
    Draining,
    /// A tool opened it.
    Tool,
}

/// Marks a request through the Unix socket that needs the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NeedsKey;

/// Marks a request of another agent.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) ProfileName);
