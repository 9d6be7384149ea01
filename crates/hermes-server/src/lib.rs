//! A server of Hermes: bind, accept, limits, time-outs, the Host check, readiness, signals, runtime.
//!
//! The gateways and the dashboard share it. It knows neither of them.

mod accept;
pub mod authority;
mod bind;
mod connection;
mod connection_limit;
mod host_check;
mod limits;
mod listener;
mod readiness;
mod runtime;
mod stop_requests;
mod stream;
mod write_timeout;

pub use accept::accept_connections;
pub use bind::{ListenError, bind};
pub use connection::{Connection, Exchange};
pub use host_check::{HostError, check_host};
pub use limits::Limits;
pub use listener::{Listener, Transport};
pub use readiness::{notification_fd, notify_ready};
pub use runtime::block_on;
pub use stop_requests::{StopRequests, ignore_hangup};
pub use stream::Stream;
pub use write_timeout::WRITE_TIMEOUT;
