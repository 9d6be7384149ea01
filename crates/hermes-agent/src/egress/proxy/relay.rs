//! One plain `http://` request: hyper reads it from the client and writes it anew to the server.

use std::convert::Infallible;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1 as client_side;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::server::conn::http1 as server_side;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use url::{Position, Url};

use super::head::Head;
use super::tunnel::Counted;

/// Headers that belong to one connection (RFC 9110, 7.6.1), and those of proxies. `Expect` is answered by the proxy.
const HOP_BY_HOP: [HeaderName; 8] =
    [CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Further headers of one connection, which have no constant.
const OLD_HOP_BY_HOP: [&str; 2] = ["keep-alive", "proxy-connection"];

type Driver = Pin<Box<client_side::Connection<TokioIo<Counted>, Incoming>>>;

/// Serves one request. The URL decides on the server and on `Host`, not the headers.
pub(super) async fn run(client: TcpStream, server: Counted, head: Head, url: &Url) {
    let (reader, writer) = client.into_split();
    let reader = Cursor::new(head.bytes).chain(Cursor::new(head.rest)).chain(reader);
    let server = Mutex::new(Some(server));
    let service = service_fn(|request| {
        let server = server.lock().ok().and_then(|mut server| server.take());
        async move {
            let answer = match server {
                Some(server) => forward(server, request, url).await,
                None => Err("the connection serves one request".to_owned()),
            };
            Ok::<_, Infallible>(answer.unwrap_or_else(|cause| failed(url, &cause)))
        }
    });
    // A broken connection has nobody who would read an error.
    let _ = server_side::Builder::new()
        .keep_alive(false)
        .half_close(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(tokio::io::join(reader, writer)), service)
        .await;
}

async fn forward(
    server: Counted,
    mut request: Request<Incoming>,
    url: &Url,
) -> Result<Response<Relayed>, String> {
    strip(request.headers_mut());
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let host = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let path = &url[Position::BeforePath..Position::AfterQuery];
    *request.uri_mut() = path.parse().map_err(|_| "the URL has an unusable path".to_owned())?;
    *request.version_mut() = hyper::Version::HTTP_11;

    let (mut sender, connection) =
        client_side::handshake(TokioIo::new(server)).await.map_err(|error| error.to_string())?;
    let mut driver: Driver = Box::pin(connection);
    let mut driven = false;
    let response = {
        let mut sending = std::pin::pin!(sender.send_request(request));
        loop {
            tokio::select! {
                response = &mut sending => break response,
                _ = &mut driver, if !driven => driven = true,
            }
        }
    };
    let (mut parts, body) = response.map_err(|error| error.to_string())?.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err("it switches to another protocol, which nobody asked for".to_owned());
    }
    strip(&mut parts.headers);
    let driver = (!driven).then_some(driver);
    Ok(Response::from_parts(parts, Relayed::Server { body, driver }))
}

/// Removes the headers of one connection, and those that `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // `Content-Length` frames the body: no client may take it away.
        .filter(|name: &HeaderName| *name != hyper::header::CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    for name in OLD_HOP_BY_HOP {
        headers.remove(name);
    }
}

fn failed(url: &Url, cause: &str) -> Response<Relayed> {
    let host = url.host_str().unwrap_or_default();
    let text = format!("failed to get an answer of {host}: {cause}\n");
    let mut response = Response::new(Relayed::Text(Some(text.into())));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The body of an answer. It drives the connection to the server that it comes from.
enum Relayed {
    Server { body: Incoming, driver: Option<Driver> },
    Text(Option<Bytes>),
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Server { body, driver } => {
                if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
                    *driver = None;
                }
                Pin::new(body).poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Server { body, .. } => body.is_end_stream(),
            Self::Text(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Server { body, .. } => body.size_hint(),
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
