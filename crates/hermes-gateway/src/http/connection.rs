//! One connection, from its first byte to its end, and what a stop does to it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use hermes_server::{Progress, WriteTimeout};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use super::activity::{Activity, Watched};
use super::routes::Refused;
use crate::listen::Stream;

/// How long a client has for the head of a request, and how long a connection may wait for its next one.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// About how long a head may be, in bytes: hyper stops reading when its buffer holds as much.
const HEAD_MAX: usize = 64 * 1024;

/// What a connection is taken in for.
#[derive(Debug)]
pub(crate) enum Admission {
    /// To be served, until this says that the gateway drains; the drain waits for whoever holds one.
    Served(watch::Receiver<bool>),
    /// To be told that the gateway drains. Nobody waits for it.
    Refused,
}

/// Serves `stream` until it ends. A connection that a drain finds in a request, a half-received one included, finishes that
/// request; one that it finds idle is closed.
pub(crate) async fn serve(
    stream: Stream,
    activity: Arc<Activity>,
    router: Router,
    admission: Admission,
    progress: Progress,
) {
    let stream = WriteTimeout::new(stream, progress.clone());
    let refused = matches!(admission, Admission::Refused);
    let service = {
        let activity = Arc::clone(&activity);
        let router = TowerToHyperService::new(router);
        service_fn(move |mut request: Request<Incoming>| {
            if refused {
                request.extensions_mut().insert(Refused);
            }
            request.extensions_mut().insert(activity.door());
            let answering = activity.answering();
            let drains = Arc::clone(activity.vitals());
            let progress = progress.clone();
            let answer = router.call(request.map(|body| progress.received(body)));
            async move {
                let (mut head, body) = answer.await?.into_parts();
                if drains.is_draining() {
                    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(Response::from_parts(head, progress.answers(body, answering)))
            }
        })
    };
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_MAX)
            .serve_connection(io, service)
    );
    // What goes wrong on a connection is the client's: it went away, or it speaks no HTTP and was told so.
    let Admission::Served(mut drain) = admission else {
        let _ = connection.await;
        return;
    };
    tokio::select! {
        // The bytes that are here already count before the drain does.
        biased;
        _ = connection.as_mut() => return,
        _ = drain.changed() => {}
    }
    let mut told = false;
    poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            // Told while the head is incomplete, hyper would take the connection for idle and close it.
            if told || activity.is_half_received() {
                return Poll::Pending;
            }
            connection.as_mut().graceful_shutdown();
            told = true;
        }
    })
    .await;
}
