//! Taking connections in, and the drain that ends them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hermes_server::{Place, Places};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::http::{self, Activity, Admission, Vitals};
use crate::listen::Listener;
use crate::say::warn;
use crate::signals::Orders;

/// How many connections may be open through one door. Each door has its own, so that strangers on the port do not shut the
/// operator out of the socket.
pub(crate) const CONNECTIONS_MAX: usize = 256;

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
    let door = listener.door();
    let serve = move |stream, _, place: &Place| {
        let admission =
            if *drain.borrow() { Admission::Refused } else { Admission::Served(drain.subscribe()) };
        let activity = Activity::new(Arc::clone(&vitals), door);
        http::serve(stream, activity, router.clone(), admission, place.progress())
    };
    hermes_server::take_in(listener, Places::new(CONNECTIONS_MAX), |line| warn(line), serve).await;
}
