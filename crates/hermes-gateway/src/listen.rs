//! The sockets of a gateway: its Unix socket, and a TCP port where one is configured.

mod peers;
mod tcp;
mod unix;

pub(crate) use peers::{Peers, Standing};
pub(crate) use tcp::bind as bind_tcp;
pub(crate) use unix::{SocketFile, bind as bind_unix};
