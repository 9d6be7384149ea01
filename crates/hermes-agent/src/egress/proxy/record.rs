//! The record of one request: host, port, decision, bytes. It holds no path and no query.

use std::sync::Arc;

/// The receiver of the records.
pub type Log = Arc<dyn Fn(&Record) + Send + Sync>;

/// One request through the proxy, at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The decision.
    pub decision: Decision,
    /// The bytes that went to the server.
    pub sent: u64,
    /// The bytes that came from the server.
    pub received: u64,
}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The proxy connected.
    Allowed,
    /// A rule refused. The sentence is for the model.
    Refused(String),
    /// The server has no address, or does not answer.
    Failed(String),
}
