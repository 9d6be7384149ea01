//! The limits of a server.

use std::time::Duration;

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number of connections that may be open.
    pub connections: usize,
    /// The time that a client has for the head of a request, and that a connection may wait for its next request.
    pub head_timeout: Duration,
    /// The approximate length of a head, in bytes: hyper stops to read when its buffer holds as much. As many bytes of an answer
    /// wait for a slow client.
    pub buffer_max: usize,
}
