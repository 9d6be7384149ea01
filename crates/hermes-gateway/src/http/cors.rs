//! Cross-origin requests of web pages (Fetch Standard, "HTTP extensions"): only the configured origins may read answers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

/// The methods of all routes.
const METHODS: &str = "GET, POST, PATCH, DELETE";

/// The headers that a page may send.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, X-Hermes-Session-Id";

/// The headers that a page may read.
const EXPOSED_HEADERS: &str = "Retry-After, X-Hermes-Session-Id, X-Hermes-Completed, X-Hermes-Partial";

/// The time for which a browser keeps the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// The origins whose pages may call the API.
#[derive(Debug)]
pub(crate) struct Cors {
    /// Origins in lower case, or `*`.
    origins: Vec<String>,
}

impl Cors {
    pub(crate) fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    /// Returns the origin of a request if its pages may call the API.
    pub(crate) fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.origins.iter().any(|known| known == "*" || *known == text).then(|| origin.clone())
    }
}

/// Tells whether a browser asks before it sends the request of a page.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Returns the answer to a preflight of an allowed origin.
pub(crate) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let mut set = |name: HeaderName, value| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    set(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    set(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Lets the pages of `origin` read the answer.
pub(crate) fn allow(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
