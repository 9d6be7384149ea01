//! The limit of open connections, and the eviction of idle ones.
//!
//! A client that sends nothing, or reads nothing, keeps its connection only while permits are free. At the limit, the address with
//! the most connections loses its longest idle one. Behind a reverse proxy, or Docker's port forwarding, all clients have one
//! address. There the oldest idle connection ends, and a browser opens it again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

/// The time after which a client that does not keep up with its answer may lose its connection.
const STALLED: Duration = Duration::from_secs(1);

/// The longest pause between two blocked writes of one stall. A client that reads a few bytes now and then unblocks a write for an
/// instant; the next write blocks again.
const UNBLOCKED: Duration = Duration::from_millis(200);

/// The interval of the search for a connection that can be evicted.
const SEARCH_INTERVAL: Duration = Duration::from_millis(100);

/// The permits of one server.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    limit: usize,
    began: Instant,
    open: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
    released: Notify,
}

/// The state of one connection. Times are milliseconds since the start of the server, plus one. 0 stands for never.
#[derive(Debug)]
struct State {
    peer: Option<IpAddr>,
    began: Instant,
    /// The time since which the server waits for the client; 0 while it answers.
    idle_since: AtomicU64,
    /// The time since which writes block.
    stalled_since: AtomicU64,
    /// The time at which the last blocked write succeeded; 0 while a write is blocked.
    unblocked_at: AtomicU64,
    eviction: Notify,
    is_evicted: AtomicBool,
}

impl State {
    fn now(&self) -> u64 {
        milliseconds(self.began)
    }

    fn passed_since(&self, time: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(time))
    }

    /// Returns true if no write has blocked for [`UNBLOCKED`].
    fn has_recovered(&self) -> bool {
        let unblocked = self.unblocked_at.load(Ordering::Relaxed);
        unblocked > 0 && self.passed_since(unblocked) > UNBLOCKED
    }

    /// Returns the time since which the connection can be evicted. Returns `None` if it cannot.
    fn evictable_since(&self) -> Option<u64> {
        if self.is_evicted.load(Ordering::Relaxed) {
            return None;
        }
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        if stalled > 0 && !self.has_recovered() && self.passed_since(stalled) >= STALLED {
            return Some(stalled);
        }
        let idle = self.idle_since.load(Ordering::Relaxed);
        (idle > 0).then_some(idle)
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionLimit {
    /// Allows `limit` connections.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            began: Instant::now(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            released: Notify::new(),
        })
    }

    /// Takes a permit for a connection from `peer`. At the limit it evicts one connection after the other until a permit is free.
    pub(crate) async fn acquire(self: &Arc<Self>, peer: Option<IpAddr>) -> Permit {
        loop {
            let released = self.released.notified();
            if let Some(permit) = self.try_acquire(peer) {
                return permit;
            }
            self.evict();
            // No event tells that a client has stalled for long enough.
            let _ = tokio::time::timeout(SEARCH_INTERVAL, released).await;
        }
    }

    /// Waits until a connection ends.
    pub(crate) async fn released(&self) {
        self.released.notified().await;
    }

    fn try_acquire(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Permit> {
        let mut open = lock(&self.open);
        if open.len() >= self.limit {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State {
            peer,
            began: self.began,
            idle_since: AtomicU64::new(milliseconds(self.began)),
            stalled_since: AtomicU64::new(0),
            unblocked_at: AtomicU64::new(0),
            eviction: Notify::new(),
            is_evicted: AtomicBool::new(false),
        });
        open.insert(number, Arc::clone(&state));
        Some(Permit { limit: Arc::clone(self), number, state })
    }

    fn evict(&self) {
        let open = lock(&self.open);
        let mut counts: HashMap<Option<IpAddr>, usize> = HashMap::new();
        for state in open.values() {
            *counts.entry(state.peer).or_default() += 1;
        }
        let candidates = open.values().filter_map(|state| Some((state, state.evictable_since()?)));
        let count = |state: &State| counts.get(&state.peer).copied().unwrap_or_default();
        let chosen = candidates.max_by_key(|(state, since)| (count(state), std::cmp::Reverse(*since)));
        if let Some((state, _)) = chosen {
            state.is_evicted.store(true, Ordering::Relaxed);
            state.eviction.notify_one();
        }
    }
}

/// The permit of one connection. Dropping it frees the permit.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Arc<ConnectionLimit>,
    number: u64,
    state: Arc<State>,
}

impl Permit {
    /// Waits until the connection must make room for another.
    pub(crate) async fn evicted(&self) {
        self.state.eviction.notified().await;
    }

    /// Returns the handle through which the connection reports its progress.
    pub(crate) fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.state))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.limit.open).remove(&self.number);
        self.limit.released.notify_waiters();
    }
}

/// The progress of one connection. It decides which connection is evicted.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<State>);

impl Progress {
    /// Wraps the body of a request. The connection counts as idle until the whole body has arrived.
    pub(crate) fn receive<B: Body>(&self, body: B) -> RequestBody<B> {
        if body.is_end_stream() {
            self.0.idle_since.store(0, Ordering::Relaxed);
        }
        RequestBody { body, progress: self.clone() }
    }

    /// Wraps the body of a response. When it has been sent, the connection is idle again and `guard` is dropped.
    pub(crate) fn send<B: Body, G>(&self, body: B, guard: G) -> ResponseBody<B, G> {
        self.0.idle_since.store(0, Ordering::Relaxed);
        ResponseBody { body, _guard: guard, progress: self.clone() }
    }

    /// Records that a write is blocked, or that a blocked write succeeded.
    pub(crate) fn set_blocked(&self, is_blocked: bool) {
        let state = &self.0;
        if !is_blocked {
            state.unblocked_at.store(state.now(), Ordering::Relaxed);
            return;
        }
        if state.stalled_since.load(Ordering::Relaxed) == 0 || state.has_recovered() {
            state.stalled_since.store(state.now(), Ordering::Relaxed);
        }
        state.unblocked_at.store(0, Ordering::Relaxed);
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct RequestBody<B> {
    body: B,
    progress: Progress,
}

impl<B: Body + Unpin> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || this.body.is_end_stream() {
            this.progress.0.idle_since.store(0, Ordering::Relaxed);
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

/// The body of a response. hyper drops it after the last byte.
#[derive(Debug)]
pub(crate) struct ResponseBody<B, G> {
    body: B,
    _guard: G,
    progress: Progress,
}

impl<B: Body + Unpin, G: Unpin> Body for ResponseBody<B, G> {
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

impl<B, G> Drop for ResponseBody<B, G> {
    fn drop(&mut self) {
        self.progress.0.idle_since.store(self.progress.0.now(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// Takes a permit for each peer. The server answers a request on those with `true`.
    async fn fill(limit: &Arc<ConnectionLimit>, peers: &[(u8, bool)]) -> Vec<Permit> {
        let mut permits = Vec::new();
        for (peer, is_answering) in peers {
            let permit = limit.acquire(address(*peer)).await;
            if *is_answering {
                permit.state.idle_since.store(0, Ordering::Relaxed);
            }
            permits.push(permit);
        }
        permits
    }

    #[tokio::test]
    async fn the_address_with_the_most_connections_loses_one() {
        let limit = ConnectionLimit::new(4);
        let mut permits = fill(&limit, &[(1, false), (2, false), (2, false), (2, true)]).await;
        let first_of_two = permits.remove(1);
        let leaving = tokio::spawn(async move { first_of_two.evicted().await });
        let new = tokio::time::timeout(Duration::from_secs(5), limit.acquire(address(3))).await.unwrap();
        leaving.await.unwrap();
        assert_eq!(new.state.peer, address(3));
        assert!(!permits[0].state.is_evicted.load(Ordering::Relaxed), "one connection is not the most");
    }

    #[tokio::test]
    async fn a_connection_with_a_request_is_not_evicted() {
        let limit = ConnectionLimit::new(1);
        let permits = fill(&limit, &[(1, true)]).await;
        let waiting = tokio::time::timeout(Duration::from_millis(300), limit.acquire(address(2))).await;
        assert!(waiting.is_err() && !permits[0].state.is_evicted.load(Ordering::Relaxed));
        drop(permits);
        tokio::time::timeout(Duration::from_secs(5), limit.acquire(address(2))).await.unwrap();
    }

    #[tokio::test]
    async fn slow_reader_can_be_evicted_until_it_keeps_up() {
        let limit = ConnectionLimit::new(1);
        let permit = fill(&limit, &[(1, true)]).await.remove(0);
        let progress = permit.progress();
        let is_evictable = || permit.state.evictable_since().is_some();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let deadline = Instant::now() + Duration::from_secs(10);
        // Each read of the client lets one write succeed, and the next one blocks.
        while !is_evictable() {
            assert!(Instant::now() < deadline, "a slow reader keeps its connection");
            pace.tick().await;
            progress.set_blocked(false);
            progress.set_blocked(true);
        }
        progress.set_blocked(false);
        while is_evictable() {
            assert!(Instant::now() < deadline, "a client that keeps up can lose its connection");
            pace.tick().await;
        }
        progress.set_blocked(true);
        assert!(!is_evictable(), "a new stall counts from its own beginning");
    }

    #[test]
    fn an_incomplete_request_leaves_the_connection_idle() {
        let limit = ConnectionLimit::new(1);
        let permit = limit.try_acquire(None).unwrap();
        let progress = permit.progress();
        assert!(permit.state.evictable_since().is_some(), "no request has arrived");
        let whole = progress.receive(String::new());
        assert!(permit.state.evictable_since().is_none() && whole.is_end_stream());
        let answer = progress.send("answer".to_owned(), ());
        assert!(permit.state.evictable_since().is_none());
        drop(answer);
        assert!(permit.state.evictable_since().is_some(), "the next request has not arrived");
        let _half = progress.receive("half".to_owned());
        assert!(permit.state.evictable_since().is_some(), "the rest has not arrived");
    }
}
