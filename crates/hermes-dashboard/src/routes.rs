//! The table of all routes. It alone decides which of them need a login.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use crate::auth::guard;
use crate::site::{Identity, Site};
use crate::{api, assets, events, follow_log, pages, refusal, security_headers};

/// The access to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Open to everybody: for probes, and for the login.
    Open,
    /// Open after a login.
    Login,
}

/// A path and its handlers.
pub(crate) struct Route {
    /// The path in the notation of axum: `{name}` stands for one segment.
    pub(crate) path: &'static str,
    /// The methods, in upper case.
    pub(crate) methods: &'static [&'static str],
    pub(crate) access: Access,
    pub(crate) answer: MethodRouter<Arc<Site>>,
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const GET_POST: &[&str] = &["GET", "POST"];

/// Returns all routes.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Login, Open};
    let route = |path, methods, access, answer| Route { path, methods, access, answer };
    vec![
        route("/login", GET_POST, Open, get(pages::login::show).post(pages::login::enter)),
        route("/assets/style.css", GET, Open, get(assets::style)),
        route("/assets/dashboard.js", GET, Open, get(assets::script)),
        route("/assets/conversation.js", GET, Open, get(assets::conversation)),
        route("/assets/stream.js", GET, Open, get(assets::stream)),
        route("/assets/icon.svg", GET, Open, get(assets::icon)),
        route("/api/status", GET, Open, get(api::status::show)),
        route("/", GET, Login, get(pages::overview::show)),
        route("/act", POST, Login, post(pages::act::act)),
        route("/act/many", POST, Login, post(pages::many::act)),
        route("/profiles", POST, Login, post(pages::act::create)),
        route("/profiles/{name}", GET, Login, get(pages::profile::show)),
        route("/profiles/{name}/soul", POST, Login, post(pages::profile::save_soul)),
        route(
            "/profiles/{name}/delete",
            GET_POST,
            Login,
            get(pages::delete::ask).post(pages::delete::delete),
        ),
        route("/profiles/{name}/conversation", GET, Login, get(pages::conversation::show)),
        route("/profiles/{name}/messages", POST, Login, post(pages::conversation::say)),
        route("/profiles/{name}/approvals/{approval}", POST, Login, post(pages::conversation::approve)),
        route("/profiles/{name}/sessions/{session}", POST, Login, post(pages::conversation::change)),
        route("/profiles/{name}/sessions/{session}/export", GET, Login, get(pages::conversation::export)),
        route(
            "/profiles/{name}/sessions/{session}/delete",
            GET_POST,
            Login,
            get(pages::conversation::ask_delete).post(pages::conversation::delete),
        ),
        route("/profiles/{name}/usage", GET, Login, get(pages::usage::show)),
        route("/profiles/{name}/turns/{turn}", GET, Login, get(pages::turn::show)),
        route(
            "/profiles/{name}/configuration",
            GET_POST,
            Login,
            get(pages::configuration::show).post(pages::configuration::save),
        ),
        route("/profiles/{name}/secrets", POST, Login, post(pages::configuration::save_secret)),
        route("/boots", GET, Login, get(pages::boots::show)),
        route("/doctor", GET, Login, get(pages::doctor::show)),
        route("/logout", POST, Login, post(pages::login::leave)),
        route("/api/openapi.json", GET, Login, get(api::openapi::show)),
        route("/api/facts", GET, Login, get(api::facts::show)),
        route("/api/events", GET, Login, get(events::stream)),
        route("/api/profiles", GET_POST, Login, get(api::profiles::list).post(api::profiles::create)),
        route(
            "/api/profiles/{name}",
            &["GET", "DELETE"],
            Login,
            get(api::profiles::show).delete(api::profiles::delete),
        ),
        route("/api/profiles/{name}/{verb}", POST, Login, post(api::profiles::drive)),
        route("/api/profiles/{name}/config", GET, Login, get(api::profiles::config)),
        route(
            "/api/profiles/{name}/soul",
            &["GET", "PUT"],
            Login,
            get(api::soul::show).put(api::soul::change),
        ),
        route("/api/profiles/{name}/log", GET, Login, get(api::log::show)),
        route("/api/profiles/{name}/log/events", GET, Login, get(follow_log::stream)),
        route("/api/profiles/{name}/messages", POST, Login, post(api::conversation::say)),
        route("/api/profiles/{name}/sessions/{session}/stop", POST, Login, post(api::conversation::stop)),
        route("/api/profiles/{name}/approvals/{approval}", POST, Login, post(api::conversation::approve)),
        route("/api/profiles/{name}/runs/{run}/events", GET, Login, get(api::conversation::events)),
        route("/api/boots", GET, Login, get(api::boots::show)),
        route("/api/doctor", GET, Login, get(api::doctor::show)),
        route("/api/logout", POST, Login, post(api::logout::leave)),
    ]
}

/// Returns the router, with all checks in front of it.
pub(crate) fn router(site: &Arc<Site>) -> Router {
    let (mut open, mut closed) = (Router::new(), Router::new());
    for Route { path, methods, access, answer } in table() {
        let not_allowed = async move |State(site): State<Arc<Site>>,
                                      identity: Option<Extension<Identity>>,
                                      request: Request| {
            refusal::not_allowed(&site, &request, identity.as_deref(), methods)
        };
        let answer = answer.fallback(not_allowed);
        match access {
            Access::Open => open = open.route(path, answer),
            Access::Login => closed = closed.route(path, answer),
        }
    }
    // A visitor without a login does not learn which paths exist.
    let closed = closed
        .fallback(refusal::not_found)
        .layer(from_fn_with_state(Arc::clone(site), guard::check_change))
        .layer(from_fn_with_state(Arc::clone(site), guard::require_login));
    open.layer(from_fn_with_state(Arc::clone(site), guard::check_change))
        .merge(closed)
        .layer(from_fn_with_state(Arc::clone(site), guard::check_site))
        .layer(from_fn_with_state(Arc::clone(site), guard::check_host))
        .layer(from_fn(security_headers::add))
        .with_state(Arc::clone(site))
}
