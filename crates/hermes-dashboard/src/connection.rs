//! Taking connections in, and how long each may keep the dashboard waiting.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Uri};
use hermes_server::{Door, Place, Places, Progress, WriteTimeout};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use crate::say::warn;
use crate::site::{Peer, STREAMS_MAX};

/// How many connections may be open: all streams, and some more for pages.
const CONNECTIONS_MAX: usize = STREAMS_MAX + 256;
/// How long a client has for the head of a request, and how long a connection may wait for its next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// About how long a head may be, in bytes; and how much of an answer waits for a client that reads slowly.
const BUFFER_MAX: usize = 16 * 1024;
/// The socket of the dashboard.
struct Listener(TcpListener);

impl Door for Listener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, address) = self.0.accept().await?;
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(address.ip())))
    }
}

/// Takes connections in for as long as it is polled. `base_path` is what a proxy may leave in front of the paths.
pub(crate) async fn take_in(listener: TcpListener, router: Router, base_path: Arc<str>) {
    let serve = move |stream, peer: Option<IpAddr>, place: &Place| {
        let peer = Peer(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        serve(stream, peer, router.clone(), Arc::clone(&base_path), place.progress())
    };
    hermes_server::take_in(Listener(listener), Places::new(CONNECTIONS_MAX), |line| warn(line), serve).await;
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, base_path: Arc<str>, progress: Progress) {
    let stream = WriteTimeout::new(stream, progress.clone());
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if let Some(uri) = without(&base_path, request.uri()) {
            *request.uri_mut() = uri;
        }
        let progress = progress.clone();
        let answer = router.call(request.map(|body| progress.received(body)));
        async move {
            let answer = answer.await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(answer.map(|body| progress.answers(body, ())))
        }
    });
    // What goes wrong on a connection is the client's: it went away, or it speaks no HTTP and was told so.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The address below the path of the proxy; nothing to change where the proxy took that away itself.
fn without(base_path: &str, uri: &Uri) -> Option<Uri> {
    if base_path.is_empty() {
        return None;
    }
    let rest = uri.path_and_query()?.as_str().strip_prefix(base_path)?;
    let rest = match rest.as_bytes().first() {
        Some(b'/') => rest.to_owned(),
        None | Some(b'?') => format!("/{rest}"),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_proxy_is_taken_away_where_it_is_still_there() {
        let of = |base: &str, uri: &str| {
            without(base, &uri.parse().unwrap()).map_or_else(|| uri.to_owned(), |uri| uri.to_string())
        };
        assert_eq!(of("/hermes", "/hermes/profiles/x?a=b"), "/profiles/x?a=b");
        assert_eq!(of("/hermes", "/hermes"), "/");
        assert_eq!(of("/hermes", "/hermes?a"), "/?a");
        assert_eq!(of("/hermes", "/api/status"), "/api/status");
        assert_eq!(of("/hermes", "/hermesx"), "/hermesx");
        assert_eq!(of("", "/hermes"), "/hermes");
    }
}
