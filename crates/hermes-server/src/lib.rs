//! The parts that every server of Hermes shares: the socket, the accept loop and its limits, the authority of a request, and the write
//! time-out.

mod accept;
pub mod authority;
mod bind;
mod places;
mod write_timeout;

pub use accept::{Door, take_in};
pub use bind::{ListenError, bind};
pub use places::{Answered, Place, Places, Progress, Received};
pub use write_timeout::{WRITE_TIMEOUT, WriteTimeout};
