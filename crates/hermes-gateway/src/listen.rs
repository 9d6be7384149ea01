//! The doors of a gateway: its Unix socket, and a TCP port where one is configured.

mod stream;
mod tcp;
mod unix;

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, UnixListener};

pub(crate) use stream::Stream;
pub(crate) use tcp::bind as bind_tcp;
pub(crate) use unix::{SocketFile, bind as bind_unix};

/// Which of the doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Unix,
    Tcp,
}

impl Door {
    /// The word in `/metrics`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        }
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(crate) fn door(&self) -> Door {
        match self {
            Self::Unix(_) => Door::Unix,
            Self::Tcp(_) => Door::Tcp,
        }
    }

    /// The address, where it has one that a URL can hold.
    pub(crate) fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(listener) => listener.local_addr().ok(),
        }
    }
}

impl hermes_server::Door for Listener {
    type Stream = Stream;

    async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Self::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), None)),
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written whole; without this the last part of a long one waits for the client's acknowledgement.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Some(peer.ip())))
            }
        }
    }
}
