//! The connections that a server holds open, and who makes room when there are too many.
//!
//! A client that sends nothing, or reads nothing, keeps its place only while there are free ones. When all are taken, the address with
//! the most connections gives up the one of these that is at it longest. Behind a reverse proxy, or Docker's port forwarding, all clients
//! have one address: there the oldest idle connection goes, which a browser opens again.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

/// The time after which a client that takes nothing of its answer may lose its place.
const STALLS: Duration = Duration::from_secs(1);

/// The pause between two looks for a connection that may go.
const LOOK: Duration = Duration::from_millis(100);

/// The places of one server.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    began: Instant,
    open: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
    freed: Notify,
}

/// What is known of one connection. Times are milliseconds since the server began, plus one; 0 stands for never.
#[derive(Debug)]
struct State {
    peer: Option<IpAddr>,
    began: Instant,
    /// Since when the server waits for the client; 0 while it answers.
    waits_since: AtomicU64,
    /// Since when the client takes nothing of its answer.
    stalls_since: AtomicU64,
    leave: Notify,
    is_leaving: AtomicBool,
}

impl State {
    fn now(&self) -> u64 {
        milliseconds(self.began)
    }

    /// Returns since when the connection may go.
    fn may_go_since(&self) -> Option<u64> {
        if self.is_leaving.load(Ordering::Relaxed) {
            return None;
        }
        let stalls = self.stalls_since.load(Ordering::Relaxed);
        if stalls > 0 && Duration::from_millis(self.now() - stalls) >= STALLS {
            return Some(stalls);
        }
        let waits = self.waits_since.load(Ordering::Relaxed);
        (waits > 0).then_some(waits)
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    /// As many places as `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            began: Instant::now(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    /// Takes a place for a connection from `peer`. While all are taken, one connection after the other that may go is told to.
    pub async fn take(self: &Arc<Self>, peer: Option<IpAddr>) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_take(peer) {
                return place;
            }
            self.make_room();
            // Nothing tells when a client stalls for long enough.
            let _ = tokio::time::timeout(LOOK, freed).await;
        }
    }

    /// Waits until a connection ends.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn try_take(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Place> {
        let mut open = lock(&self.open);
        if open.len() >= self.limit {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State {
            peer,
            began: self.began,
            waits_since: AtomicU64::new(milliseconds(self.began)),
            stalls_since: AtomicU64::new(0),
            leave: Notify::new(),
            is_leaving: AtomicBool::new(false),
        });
        open.insert(number, Arc::clone(&state));
        Some(Place { places: Arc::clone(self), number, state })
    }

    fn make_room(&self) {
        let open = lock(&self.open);
        let mut counts: HashMap<Option<IpAddr>, usize> = HashMap::new();
        for state in open.values() {
            *counts.entry(state.peer).or_default() += 1;
        }
        let candidates = open.values().filter_map(|state| Some((state, state.may_go_since()?)));
        let count = |state: &State| counts.get(&state.peer).copied().unwrap_or_default();
        let chosen = candidates.max_by_key(|(state, since)| (count(state), std::cmp::Reverse(*since)));
        if let Some((state, _)) = chosen {
            state.is_leaving.store(true, Ordering::Relaxed);
            state.leave.notify_one();
        }
    }
}

/// The place of one connection, free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    state: Arc<State>,
}

impl Place {
    /// Waits until the connection has to make room for another.
    pub async fn has_to_go(&self) {
        self.state.leave.notified().await;
    }

    /// What the connection itself tells.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.state))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.open).remove(&self.number);
        self.places.freed.notify_waiters();
    }
}

/// The progress of one connection, as far as it decides who makes room.
#[derive(Clone, Debug)]
pub struct Progress(Arc<State>);

impl Progress {
    /// A request came; `body` is what of it is still to come. The server waits for the client until all of it is here.
    pub fn received<B: Body>(&self, body: B) -> Received<B> {
        if body.is_end_stream() {
            self.0.waits_since.store(0, Ordering::Relaxed);
        }
        Received { body, progress: self.clone() }
    }

    /// An answer goes out with this body. When it is gone, the server waits for the next request, and drops `held`.
    pub fn answers<B: Body, H>(&self, body: B, held: H) -> Answered<B, H> {
        self.0.waits_since.store(0, Ordering::Relaxed);
        Answered { body, _held: held, progress: self.clone() }
    }

    /// The client takes nothing, or takes something again.
    pub(crate) fn stalls(&self, stalls: bool) {
        let since = if stalls { self.0.now() } else { 0 };
        let stalled = &self.0.stalls_since;
        if !stalls || stalled.load(Ordering::Relaxed) == 0 {
            stalled.store(since, Ordering::Relaxed);
        }
    }
}

/// The body of a request that is still being received.
#[derive(Debug)]
pub struct Received<B> {
    body: B,
    progress: Progress,
}

impl<B: Body + Unpin> Body for Received<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || this.body.is_end_stream() {
            this.progress.0.waits_since.store(0, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer that is being sent. hyper drops it when it has taken the whole.
#[derive(Debug)]
pub struct Answered<B, H> {
    body: B,
    _held: H,
    progress: Progress,
}

impl<B: Body + Unpin, H: Unpin> Body for Answered<B, H> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B, H> Drop for Answered<B, H> {
    fn drop(&mut self) {
        self.progress.0.waits_since.store(self.progress.0.now(), Ordering::Relaxed);
    }
}

/// Returns whether an error of accept(2) is about the one connection that it would have returned: the next one may be fine.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use rustix::io::Errno;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// Serves connections until they have to go; returns how many of each address are open.
    async fn fill(places: &Arc<Places>, peers: &[(u8, bool)]) -> Vec<(u8, Option<Place>)> {
        let mut held = Vec::new();
        for (peer, answers) in peers {
            let place = places.take(address(*peer)).await;
            if *answers {
                place.state.waits_since.store(0, Ordering::Relaxed);
            }
            held.push((*peer, Some(place)));
        }
        held
    }

    #[tokio::test]
    async fn the_address_with_the_most_idle_connections_makes_room() {
        let places = Places::new(4);
        let mut held = fill(&places, &[(1, false), (2, false), (2, false), (2, true)]).await;
        let (_, first_of_two) = &mut held[1];
        let place = first_of_two.take().unwrap();
        let leaving = tokio::spawn(async move { place.has_to_go().await });
        let new = tokio::time::timeout(Duration::from_secs(5), places.take(address(3))).await.unwrap();
        leaving.await.unwrap();
        assert_eq!(new.state.peer, address(3));
        assert!(
            !held[0].1.as_ref().unwrap().state.is_leaving.load(Ordering::Relaxed),
            "one connection is not the most"
        );
    }

    #[tokio::test]
    async fn a_connection_that_is_answered_keeps_its_place() {
        let places = Places::new(1);
        let held = fill(&places, &[(1, true)]).await;
        let waiting = tokio::time::timeout(Duration::from_millis(300), places.take(address(2))).await;
        assert!(waiting.is_err() && !held[0].1.as_ref().unwrap().state.is_leaving.load(Ordering::Relaxed));
        drop(held);
        tokio::time::timeout(Duration::from_secs(5), places.take(address(2))).await.unwrap();
    }

    #[test]
    fn a_body_that_does_not_come_leaves_the_connection_waiting() {
        let places = Places::new(1);
        let place = places.try_take(None).unwrap();
        let progress = place.progress();
        assert!(place.state.may_go_since().is_some(), "nothing has come");
        let whole = progress.received(String::new());
        assert!(place.state.may_go_since().is_none() && whole.is_end_stream());
        let answer = progress.answers("answer".to_owned(), ());
        assert!(place.state.may_go_since().is_none());
        drop(answer);
        assert!(place.state.may_go_since().is_some(), "the next request has not come");
        let _half = progress.received("half".to_owned());
        assert!(place.state.may_go_since().is_some(), "the rest has not come");
    }
}
