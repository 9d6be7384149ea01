//! Taking connections in, and the drain that ends them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time;

use crate::http::{self, Activity, Admission, Vitals};
use crate::listen::Listener;
use crate::say::warn;
use crate::signals::Orders;

/// How many connections may be open through one door. Each door has its own, so that strangers on the port do not shut the
/// operator out of the socket.
pub(crate) const CONNECTIONS_MAX: usize = 256;

/// How long a door waits for a connection to end when there is no descriptor or memory for another.
const OUT_OF_RESOURCES_WAIT: Duration = Duration::from_secs(1);

/// How often a door says so. At the limit each connection that ends lets one in, and the next one fails again.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The open doors.
#[derive(Debug)]
pub(crate) struct Server {
    vitals: Arc<Vitals>,
    drain: Arc<watch::Sender<bool>>,
    doors: JoinSet<()>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Nothing is in flight any more.
    Whole,
    /// The time was over.
    TimedOut,
    /// It was told to end at once.
    Hurried,
}

impl Server {
    /// Takes connections in through `listeners` from now on.
    pub(crate) fn open(listeners: Vec<Listener>, router: &Router, vitals: &Arc<Vitals>) -> Self {
        let (drain, _) = watch::channel(false);
        let drain = Arc::new(drain);
        let mut doors = JoinSet::new();
        for listener in listeners {
            doors.spawn(take_in(listener, router.clone(), Arc::clone(vitals), Arc::clone(&drain)));
        }
        Self { vitals: Arc::clone(vitals), drain, doors }
    }

    /// Finishes what is in flight, for `limit` at the longest or until an order comes. Connections that come meanwhile are told
    /// that the gateway drains.
    pub(crate) async fn drain(&mut self, limit: Duration, orders: &mut Orders) -> Drained {
        self.drain.send_replace(true);
        tokio::select! {
            biased;
            () = self.drain.closed() => Drained::Whole,
            () = orders.next() => Drained::Hurried,
            _ = time::timeout(limit, std::future::pending::<()>()) => Drained::TimedOut,
        }
    }

    /// How many connections are in a request.
    pub(crate) fn in_flight(&self) -> usize {
        self.vitals.in_flight().load(Ordering::Relaxed)
    }

    /// Closes the doors. What is still in flight ends with the event loop.
    pub(crate) async fn close(mut self) {
        self.doors.shutdown().await;
    }
}

async fn take_in(listener: Listener, router: Router, vitals: Arc<Vitals>, drain: Arc<watch::Sender<bool>>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut warned: Option<Instant> = None;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let admission =
                    if *drain.borrow() { Admission::Refused } else { Admission::Served(drain.subscribe()) };
                let activity = Activity::new(Arc::clone(&vitals), listener.door());
                let connection = http::serve(stream, activity, router.clone(), admission);
                tokio::spawn(holding(place, connection));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if warned.is_none_or(|when| when.elapsed() >= WARNING_INTERVAL) {
                    warn(format_args!("take in a connection: {error}; waiting for one to end"));
                    warned = Some(Instant::now());
                }
                // The connection stays in the kernel's queue and `accept` would fail again at once.
                let _ = time::timeout(OUT_OF_RESOURCES_WAIT, vitals.connection_ended()).await;
            }
        }
    }
}

/// The connection keeps its place until it ends.
async fn holding(place: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
    drop(place);
}

/// `accept` hands on errors of the connection that it would have returned (`accept(2)`); the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    let of_one = [
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
    of_one.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
