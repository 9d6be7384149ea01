//! The accept loop.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::connection::Connection;
use crate::connection_limit::ConnectionLimit;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::stream::Stream;

/// The time that a server waits for a connection to end when there is no descriptor or memory for another.
const OUT_OF_RESOURCES_WAIT: Duration = Duration::from_secs(1);

/// The time between two warnings of that. At the limit each connection that ends lets one in, and the next one fails again.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Accepts connections for as long as it is polled. `serve` returns the future that serves a connection. That future is dropped
/// when the connection must make room for another. `warn` prints a line when the machine has no room for more connections.
pub async fn accept_connections<S>(
    listener: Listener,
    limits: Limits,
    warn: impl Fn(fmt::Arguments<'_>),
    mut serve: impl FnMut(Connection<Stream>) -> S,
) where
    S: Future<Output = ()> + Send + 'static,
{
    let limit = ConnectionLimit::new(limits.connections);
    let mut warned: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let permit = limit.acquire(peer).await;
                let connection = serve(Connection::new(stream, peer, permit.progress(), limits));
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        () = permit.evicted() => {}
                    }
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if warned.is_none_or(|when| when.elapsed() >= WARNING_INTERVAL) {
                    warn(format_args!("failed to accept a connection: {error}; waiting for one to end"));
                    warned = Some(Instant::now());
                }
                // The connection stays in the kernel's queue, so an `accept` at once would fail again.
                let _ = tokio::time::timeout(OUT_OF_RESOURCES_WAIT, limit.released()).await;
            }
        }
    }
}

/// Tells whether an error of accept(2) is about the one connection that it would have returned. The next call may succeed.
fn concerns_one_connection(error: &io::Error) -> bool {
    let errors = [
        Errno::CONNABORTED,
        Errno::PERM,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
        Errno::INTR,
    ];
    errors.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
