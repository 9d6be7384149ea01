//! The connections of the dashboard.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Response, Uri};
use hermes_server::{Connection, Exchange, Limits, Listener, Stream};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::say::warn;
use crate::site::{Peer, STREAMS_MAX};

/// The limits of the server. Besides all streams, some connections are for pages.
const LIMITS: Limits =
    Limits { connections: STREAMS_MAX + 256, head_timeout: Duration::from_secs(15), buffer_max: 16 * 1024 };

/// Accepts connections for as long as it is polled. `base_path` is the prefix that a proxy may leave in the paths.
pub(crate) async fn accept(listener: TcpListener, router: Router, base_path: Arc<str>) {
    let serve = move |connection: Connection<Stream>| {
        let peer = Peer(connection.peer().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        connection.serve(router.clone(), DashboardExchange { peer, base_path: Arc::clone(&base_path) })
    };
    hermes_server::accept_connections(Listener::Tcp(listener), LIMITS, |line| warn(line), serve).await;
}

struct DashboardExchange {
    peer: Peer,
    base_path: Arc<str>,
}

impl Exchange for DashboardExchange {
    type Guard = ();

    fn begin(&self, request: &mut Request<Incoming>) {
        request.extensions_mut().insert(self.peer);
        if let Some(uri) = strip_base_path(&self.base_path, request.uri()) {
            *request.uri_mut() = uri;
        }
    }

    fn finish((): &(), _: &mut Response<Body>) {}
}

/// Returns the address without the path of the proxy. Returns `None` if the proxy removed it already.
fn strip_base_path(base_path: &str, uri: &Uri) -> Option<Uri> {
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
    fn the_path_of_the_proxy_is_removed_if_present() {
        let of = |base: &str, uri: &str| {
            strip_base_path(base, &uri.parse().unwrap()).map_or_else(|| uri.to_owned(), |uri| uri.to_string())
        };
        assert_eq!(of("/hermes", "/hermes/profiles/x?a=b"), "/profiles/x?a=b");
        assert_eq!(of("/hermes", "/hermes"), "/");
        assert_eq!(of("/hermes", "/hermes?a"), "/?a");
        assert_eq!(of("/hermes", "/api/status"), "/api/status");
        assert_eq!(of("/hermes", "/hermesx"), "/hermesx");
        assert_eq!(of("", "/hermes"), "/hermes");
    }
}
