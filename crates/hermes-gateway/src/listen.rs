//! The sockets of a gateway: its Unix socket, and a TCP port where one is configured.

mod tcp;
mod unix;

pub(crate) use tcp::bind as bind_tcp;
pub(crate) use unix::{SocketFile, bind as bind_unix};
