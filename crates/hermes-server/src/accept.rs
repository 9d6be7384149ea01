//! Taking connections in.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::places::{Place, Places, is_of_one_connection};

/// The time that a server waits for a connection to end when there is no descriptor or memory for another.
const OUT_OF_RESOURCES_WAIT: Duration = Duration::from_secs(1);

/// The time between two warnings of that. At the limit each connection that ends lets one in, and the next one fails again.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// A socket that takes connections.
pub trait Door {
    /// A connection.
    type Stream;

    /// Waits for the next connection, and for the address that it comes from where it has one.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

/// Takes connections in for as long as it is polled. `serve` gets each with its place and returns what serves it; that ends when the
/// connection has to make room for another. `warn` prints a line when the machine has no room for more.
pub async fn take_in<D, S>(
    door: D,
    places: Arc<Places>,
    warn: impl Fn(fmt::Arguments<'_>),
    mut serve: impl FnMut(D::Stream, Option<IpAddr>, &Place) -> S,
) where
    D: Door,
    S: Future<Output = ()> + Send + 'static,
{
    let mut warned: Option<Instant> = None;
    loop {
        match door.accept().await {
            Ok((stream, peer)) => {
                let place = places.take(peer).await;
                let connection = serve(stream, peer, &place);
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        () = place.has_to_go() => {}
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if warned.is_none_or(|when| when.elapsed() >= WARNING_INTERVAL) {
                    warn(format_args!("take in a connection: {error}; waiting for one to end"));
                    warned = Some(Instant::now());
                }
                // The connection stays in the kernel's queue and `accept` would fail again at once.
                let _ = tokio::time::timeout(OUT_OF_RESOURCES_WAIT, places.freed()).await;
            }
        }
    }
}
