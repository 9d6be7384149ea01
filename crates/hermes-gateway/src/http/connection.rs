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
use super::admit::Refused;

/// The kind of service that a connection gets.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Its requests are answered until the value becomes `true`: the gateway drains. The drain waits for every holder of a receiver.
    Served(watch::Receiver<bool>),
    /// Its requests are refused, because the gateway drains. The drain does not wait for it.
    Refused,
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
    let is_refused = matches!(admission, Admission::Refused);
    let exchange = GatewayExchange { activity: Arc::clone(&activity), is_refused };
    // The receiver lives as long as the connection: the drain waits until it is dropped.
    let drain = async {
        match &mut admission {
            Admission::Served(drain) => _ = drain.changed().await,
            Admission::Refused => pending().await,
        }
    };
    watched.serve_until(router, exchange, drain, || activity.is_half_received()).await;
}

struct GatewayExchange {
    activity: Arc<Activity>,
    is_refused: bool,
}

impl Exchange for GatewayExchange {
    type Guard = Answering;

    fn begin(&self, request: &mut Request<Incoming>) -> Answering {
        if self.is_refused {
            request.extensions_mut().insert(Refused);
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
