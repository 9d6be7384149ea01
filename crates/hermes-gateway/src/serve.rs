//! The server of a gateway, and the drain that ends it.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hermes_server::{Connection, Limits, Listener, StopRequests, Stream, Transport};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::http::{self, Activity, Admission, Refused, Vitals};
use crate::listen::{Peers, Standing};
use crate::say::warn;
use crate::turns::Turns;

/// The limits of one socket. Each socket has its own, so clients of the port cannot lock the operator out of the Unix socket.
pub(crate) const LIMITS: Limits =
    Limits { connections: 256, head_timeout: Duration::from_secs(10), buffer_max: 64 * 1024 };

/// The server with its open sockets.
#[derive(Debug)]
pub(crate) struct Server {
    vitals: Arc<Vitals>,
    drain: Arc<watch::Sender<bool>>,
    accept_loops: JoinSet<()>,
}

/// The end of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// All requests were finished.
    Whole,
    /// The drain time-out ended it.
    TimedOut,
    /// A second request to stop ended it.
    Hurried,
}

impl Server {
    /// Accepts connections on `listeners` from now on.
    pub(crate) fn open(
        listeners: Vec<Listener>,
        router: &Router,
        vitals: &Arc<Vitals>,
        peers: &Arc<Peers>,
    ) -> Self {
        let (drain, _) = watch::channel(false);
        let drain = Arc::new(drain);
        let mut accept_loops = JoinSet::new();
        for listener in listeners {
            let (vitals, peers) = (Arc::clone(vitals), Arc::clone(peers));
            accept_loops.spawn(accept(listener, router.clone(), vitals, peers, Arc::clone(&drain)));
        }
        Self { vitals: Arc::clone(vitals), drain, accept_loops }
    }

    /// Finishes the requests and turns in flight, for `limit` at the longest or until another request to stop. New connections are refused.
    pub(crate) async fn drain(&mut self, turns: &Turns, limit: Duration, stop: &mut StopRequests) -> Drained {
        self.drain.send_replace(true);
        let finished = async {
            self.drain.closed().await;
            // Runs have no connection.
            turns.idle().await;
        };
        tokio::select! {
            biased;
            () = finished => Drained::Whole,
            () = stop.next() => Drained::Hurried,
            _ = time::timeout(limit, std::future::pending::<()>()) => Drained::TimedOut,
        }
    }

    /// Returns the number of connections with a request.
    pub(crate) fn in_flight(&self) -> usize {
        self.vitals.in_flight().load(Ordering::Relaxed)
    }

    /// Closes the sockets. Requests that are still in flight end with the event loop.
    pub(crate) async fn close(mut self) {
        self.accept_loops.shutdown().await;
    }
}

async fn accept(
    listener: Listener,
    router: Router,
    vitals: Arc<Vitals>,
    peers: Arc<Peers>,
    drain: Arc<watch::Sender<bool>>,
) {
    let transport = listener.transport();
    let serve = move |connection: Connection<Stream>| {
        let standing = match transport {
            Transport::Unix => peers.standing(connection.stream().as_fd()),
            Transport::Tcp => Standing::Restricted,
        };
        let admission = match standing {
            Standing::Tool => Admission::Refused(Refused::Tool),
            _ if *drain.borrow() => Admission::Refused(Refused::Draining),
            Standing::Restricted => Admission::Served { needs_key: true, drain: drain.subscribe() },
            Standing::Account => Admission::Served { needs_key: false, drain: drain.subscribe() },
        };
        let activity = Activity::new(Arc::clone(&vitals), transport);
        http::serve(connection, activity, router.clone(), admission)
    };
    hermes_server::accept_connections(listener, LIMITS, |line| warn(line), serve).await;
}
