//! One HTTP/1.1 connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection_limit::Progress;
use crate::limits::Limits;
use crate::write_timeout::WriteTimeoutStream;

/// The steps that a server adds to each request and its response.
pub trait Exchange: Send + 'static {
    /// A value that lives until the response has been handed to the kernel, or the connection has ended.
    type Guard: Send + Unpin + 'static;

    /// Runs when the head of a request is complete, before the router gets the request.
    fn begin(&self, request: &mut Request<Incoming>) -> Self::Guard;

    /// Runs when the router has answered, before the response is sent.
    fn finish(guard: &Self::Guard, response: &mut Response<Body>);
}

/// A connection that was accepted, with the limits of its server.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    peer: Option<IpAddr>,
    progress: Progress,
    limits: Limits,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, peer: Option<IpAddr>, progress: Progress, limits: Limits) -> Self {
        Self { stream, peer, progress, limits }
    }

    /// Returns the address of the client. A Unix socket has none.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Replaces the stream.
    pub fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Connection<T> {
        Connection {
            stream: wrap(self.stream),
            peer: self.peer,
            progress: self.progress,
            limits: self.limits,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Serves requests until the connection ends.
    pub async fn serve<E: Exchange>(self, router: Router, exchange: E) {
        self.serve_until(router, exchange, pending(), || false).await;
    }

    /// Serves requests until the connection ends, or until `drain` is ready. Then a request that has begun is finished, and an
    /// idle connection is closed. `is_receiving` tells whether a request has begun and its head is incomplete.
    pub async fn serve_until<E: Exchange>(
        self,
        router: Router,
        exchange: E,
        drain: impl Future<Output = ()>,
        is_receiving: impl Fn() -> bool,
    ) {
        let Self { stream, progress, limits, .. } = self;
        let stream = WriteTimeoutStream::new(stream, progress.clone());
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let guard = exchange.begin(&mut request);
            let progress = progress.clone();
            let answer = router.call(request.map(|body| progress.receive(body)));
            async move {
                let mut response = answer.await.unwrap_or_else(|never| match never {});
                E::finish(&guard, &mut response);
                Ok::<_, Infallible>(response.map(|body| progress.send(body, guard)))
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_timeout)
                .max_buf_size(limits.buffer_max)
                .serve_connection(TokioIo::new(stream), service)
        );
        // An error of a connection is the client's: it went away, or it does not speak HTTP and got status 400.
        tokio::select! {
            // The bytes that have arrived count before the drain does.
            biased;
            _ = connection.as_mut() => return,
            () = drain => {}
        }
        let mut is_closing = false;
        poll_fn(|cx| {
            loop {
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                // While the head is incomplete, hyper would take the connection for idle and close it.
                if is_closing || is_receiving() {
                    return Poll::Pending;
                }
                connection.as_mut().graceful_shutdown();
                is_closing = true;
            }
        })
        .await;
    }
}
