//! The checks before every handler: the host, the login, the origin of the request, the CSRF token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use hermes_operations::{Report, ReportKind};
use hermes_server::HostError;

use super::admission::{Given, admits};
use super::attempts::Way;
use super::fetch_site::{Maker, maker_of};
use super::forwarded::{client_behind, says_https};
use super::{cookie, equal};
use crate::refusal::{Refusal, is_api, refuse};
use crate::site::{Identity, Peer, Site};

/// The longest body of a request, in bytes: a `SOUL.md` and its encoding.
pub(crate) const BODY_MAX: usize = 1024 * 1024;
/// The longest body without a login, in bytes: a login form.
pub(crate) const STRANGER_BODY_MAX: usize = 8 * 1024;
/// The time-out of a body.
const BODY_TIME: Duration = Duration::from_secs(20);
/// The header with the CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// The field of a form with the CSRF token.
pub(crate) const CSRF_FIELD: &str = "csrf";

/// Refuses a request for a foreign host, because of DNS rebinding ([`hermes_server::check_host`]).
pub(crate) async fn check_host(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = match hermes_server::check_host(&request, &site.settings.allowed_hosts) {
        Ok(()) => return next.run(request).await,
        Err(HostError::Missing) => String::new(),
        Err(HostError::NotAllowed(host)) => host,
    };
    let failure =
        Report::new(ReportKind::WrongHost, format!("this dashboard does not answer to the name {host:?}"))
            .hint("allow it: HERMES_DASHBOARD_ALLOWED_HOSTS=NAME, or dashboard.allowed_hosts in config.yaml");
    refuse(&site, &request, failure, None)
}

/// Refuses a request from a page of another site before it counts as an attempt. A link that a person follows is allowed.
pub(crate) async fn check_site(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let maker = maker_of(request.method(), request.headers());
    if maker == Maker::Foreign {
        let failure = Report::new(ReportKind::Forbidden, "the request comes from a page of another site")
            .hint("behind a proxy: let it pass the Host header on unchanged");
        return refuse(&site, &request, failure, None);
    }
    request.extensions_mut().insert(maker);
    next.run(request).await
}

/// Passes a request on if its sender is logged in.
pub(crate) async fn require_login(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = client_of(&site, &request);
    // A link on another site may contain a name and a password (`http://user:guess@host/`). It does not count as an attempt.
    let may_try = request.extensions().get::<Maker>() != Some(&Maker::Link);
    match identify(&site, request.headers(), address, may_try).await {
        Ok(Some(identity)) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Ok(None) if is_api(&request) => {
            let report = Report::new(ReportKind::Unauthenticated, "not logged in")
                .hint("log in at /login, or send Authorization: Bearer TOKEN, or Authorization: Basic");
            Refusal(report).into_response()
        }
        Ok(None) => Redirect::to(&format!("{}login", site.base())).into_response(),
        Err(failure) => refuse(&site, &request, failure, None),
    }
}

/// Refuses a change that carries no CSRF token of its session. The body is read here, whole and with limits.
pub(crate) async fn check_change(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let identity = request.extensions().get::<Identity>().cloned();
    let (head, body) = request.into_parts();
    let body_max = if identity.is_some() { BODY_MAX } else { STRANGER_BODY_MAX };
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, body_max)).await;
    let with = |body: Body| Request::from_parts(head.clone(), body);
    let body = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let what = format!("the request is longer than {body_max} bytes, or incomplete");
            let failure = Report::new(ReportKind::TooLarge, what);
            return refuse(&site, &with(Body::empty()), failure, identity.as_ref());
        }
        Err(_) => {
            let failure = Report::new(ReportKind::TooSlow, "the request did not arrive in time");
            return refuse(&site, &with(Body::empty()), failure, identity.as_ref());
        }
    };
    let expected = identity.as_ref().and_then(|identity| site.csrf(identity));
    if let Some(expected) = expected {
        let header = head.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let sent = header.or_else(|| is_form(&head.headers).then(|| field(&body, CSRF_FIELD)).flatten());
        if !sent.is_some_and(|sent| equal(&sent, &expected)) {
            let failure = Report::new(ReportKind::Forbidden, "missing or invalid CSRF token")
                .hint("load the page again and repeat what you did");
            return refuse(&site, &with(Body::empty()), failure, identity.as_ref());
        }
    }
    next.run(with(Body::from(body))).await
}

async fn identify(
    site: &Arc<Site>,
    headers: &HeaderMap,
    address: IpAddr,
    may_try: bool,
) -> Result<Option<Identity>, Report> {
    let in_force = site.credentials.in_force();
    if !in_force.gate.is_closed() {
        return Ok(Some(Identity::Anybody(in_force.generation)));
    }
    let now = SystemTime::now();
    if let Some(session) =
        cookie::sessions_of(&site.sessions.cookie(), headers).find_map(|id| site.sessions.find(id, now))
    {
        return Ok(Some(Identity::Session(session)));
    }
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(given) = value.filter(|_| may_try).and_then(given_by) else { return Ok(None) };
    let admitted = admits(site, address, Way::Header, given).await?;
    Ok(admitted.map(Identity::Program))
}

/// Returns the credential that a value of `Authorization` holds (RFC 9110, 11.4).
fn given_by(value: &str) -> Option<Given> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Given::Token(rest.trim().to_owned()));
    }
    let (user, password) = scheme.eq_ignore_ascii_case("basic").then(|| basic(rest.trim())).flatten()?;
    Some(Given::Password { user, password })
}

/// Returns the address of the client: the last address that no trusted proxy has, or the peer.
pub(crate) fn client_of(site: &Site, request: &Request) -> IpAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    let peer = request.extensions().get::<Peer>().map_or(unknown, |peer| peer.0.to_canonical());
    client_behind(peer, request.headers(), &site.settings.trusted_proxies)
}

/// Tells whether the browser's connection is encrypted, as the proxy in front reports.
pub(crate) fn is_encrypted(site: &Site, request: &Request) -> bool {
    let Some(peer) = request.extensions().get::<Peer>() else { return false };
    let peer = peer.0.to_canonical();
    site.settings.trusted_proxies.iter().any(|net| net.contains(&peer)) && says_https(request.headers())
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded")
}

fn field(body: &[u8], wanted: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

/// Returns the name and the password of `Authorization: Basic` (RFC 7617).
fn basic(text: &str) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
