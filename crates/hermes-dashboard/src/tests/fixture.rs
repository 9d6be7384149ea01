//! A dashboard in a folder, and requests to it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use hermes_core::{Home, ProfileName};
use hermes_operations::Operations;
use hermes_service::ServiceStatus;
use hermes_service::fake::FakeManager;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::auth::{Credentials, Gate, Password, Verifier, Watched};
use crate::fake;
use crate::routes;
use crate::settings::{Settings, Sources};
use crate::site::{Peer, Site};

pub(super) const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The dashboard of a test.
pub(super) struct Dashboard {
    pub(super) home: Home,
    pub(super) manager: Arc<FakeManager>,
    pub(super) site: Arc<Site>,
    pub(super) router: Router,
    _folder: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct LoggedIn {
    pub(super) cookie: String,
    pub(super) csrf: String,
}

impl Dashboard {
    pub(super) fn new() -> Self {
        Self::with(&[], Gate::Token(TOKEN.to_owned()))
    }

    pub(super) fn with_password(user: &str, password: &str) -> Self {
        Self::with(&[], Gate::Password(Verifier::new(user.into(), Password::Plain(password.into()))))
    }

    pub(super) fn with(environment: &[(&str, &str)], gate: Gate) -> Self {
        Self::made(environment, |_, _| Credentials::fixed(gate))
    }

    /// A dashboard that goes by the files of its volume, as in operation.
    pub(super) fn watching() -> Self {
        Self::made(&[], |home, settings| {
            let (home, settings, address) = (home.clone(), settings.clone(), "http://localhost:9119/".into());
            Credentials::of(Watched { home, settings, is_loopback: false, address }).unwrap()
        })
    }

    fn made(environment: &[(&str, &str)], credentials: impl FnOnce(&Home, &Settings) -> Credentials) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        crate::auth::make_directory(&home).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let settings = Settings::resolve(&Sources { environment, ..Sources::default() }).unwrap();
        let manager = Arc::new(FakeManager::default());
        manager.set_status(&ProfileName::default_profile(), fake::down());
        let operations = Operations::new(home.clone(), Arc::clone(&manager) as _);
        let credentials = credentials(&home, &settings);
        let site = Site::new(operations, settings, credentials, "1.2.3".into(), None);
        let router = routes::router(&site);
        Self { home, manager, site, router, _folder: folder }
    }

    pub(super) fn log_in(&self) -> LoggedIn {
        let session = self.site.sessions.begin(std::time::SystemTime::now()).unwrap();
        LoggedIn { cookie: format!("{}={}", self.site.sessions.cookie(), session.id), csrf: session.csrf }
    }

    pub(super) fn profile(&self, name: &str) -> ProfileName {
        let name = ProfileName::new(name).unwrap();
        self.site.operations.create(&name).unwrap();
        std::fs::write(self.home.soul(&name), "You are.\n").unwrap();
        name
    }

    /// Changes the status of the gateway of a profile.
    pub(super) fn set(&self, name: &str, status: ServiceStatus) {
        self.manager.set_status(&ProfileName::new(name).unwrap(), status);
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(super) async fn get(&self, path: &str, who: Option<&LoggedIn>) -> Answer {
        self.send(request("GET", path, who).body(Body::empty()).unwrap()).await
    }

    /// A change through the API, as the page's script makes it.
    pub(super) async fn call(&self, method: &str, path: &str, who: &LoggedIn, body: &Value) -> Answer {
        let request = request(method, path, Some(who))
            .header("x-csrf-token", &who.csrf)
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A form, as a browser without a script sends it.
    pub(super) async fn submit(&self, path: &str, who: &LoggedIn, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", &who.csrf)
            .extend_pairs(fields)
            .finish();
        let request = request("POST", path, Some(who))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}

/// A request to this machine, from this machine.
pub(super) fn request(method: &str, path: &str, who: Option<&LoggedIn>) -> axum::http::request::Builder {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:9119")
        .extension(Peer([127, 0, 0, 1].into()));
    match who {
        Some(who) => request.header(header::COOKIE, &who.cookie),
        None => request,
    }
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}
