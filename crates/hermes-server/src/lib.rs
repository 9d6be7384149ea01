//! The parts that every server of Hermes shares: the socket, the authority of a request, and the write time-out.

pub mod authority;
mod bind;
mod write_timeout;

pub use authority::{Authority, AuthorityError, Host};
pub use bind::{ListenError, bind};
pub use write_timeout::{WRITE_TIMEOUT, WriteTimeout};
