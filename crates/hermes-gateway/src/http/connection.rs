//! One connection, and its end when the gateway drains.

use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use hermes_server::{Connection, Exchange, Stream};
use hyper::Request;
use hyper::body::Incoming;
use tokio::sync::watch;

use super::activity::{Activity, Answering, Watched};
use super::caller::{NeedsKey, Refused};

/// The kind of service that a connection gets.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Its requests are answered.
    Served {
        /// Its requests need the key, though it came through the Unix socket.
        needs_key: bool,
        /// Becomes `true` when the gateway drains. The drain waits for every holder of a receiver.
        drain: watch::Receiver<bool>,
    },
    /// Its requests are refused. The drain does not wait for it.
    Refused(Refused),
}

/// Serves `connection` until it ends. When the gateway drains, a connection with a request finishes that request, a half-received
/// one included. An idle connection is closed.
pub(crate) async fn serve(
    connection: Connection<Stream>,
    activity: Arc<Activity>,
    router: Router,
    mut admission: Admission,
) {
    let watched = connection.map(|stream| Watched { stream, activity: Arc::clone(&activity) });
    let (needs_key, refused) = match &admission {
        Admission::Served { needs_key, .. } => (*needs_key, None),
        Admission::Refused(refused) => (false, Some(*refused)),
    };
    let exchange = GatewayExchange { activity: Arc::clone(&activity), needs_key, refused };
    // The receiver lives as long as the connection: the drain waits until it is dropped.
    let drain = async {
        match &mut admission {
            Admission::Served { drain, .. } => _ = drain.changed().await,
            Admission::Refused(_) => pending().await,
        }
    };
    watched.serve_until(router, exchange, drain, || activity.is_half_received()).await;
}

struct GatewayExchange {
    activity: Arc<Activity>,
    needs_key: bool,
    refused: Option<Refused>,
}

impl Exchange for GatewayExchange {
    type Guard = Answering;

    fn begin(&self, request: &mut Request<Incoming>) -> Answering {
        if let Some(refused) = self.refused {
            request.extensions_mut().insert(refused);
        }
        if self.needs_key {
            request.extensions_mut().insert(NeedsKey);
        }
        request.extensions_mut().insert(self.activity.transport());
        self.activity.answering()
    }

    fn finish(answering: &Answering, response: &mut Response<Body>) {
        if answering.is_draining() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
