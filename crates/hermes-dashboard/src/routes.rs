//! Every route of the dashboard, in one table: what is not open needs a login, and that is decided here and nowhere else.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};

use crate::auth::guard;
use crate::site::Site;
use crate::{api, events, follow_log, pages, security_headers};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody: probes, and who wants to log in.
    Open,
    /// Who is logged in.
    Login,
}

/// A path, and what answers there.
pub(crate) struct Route {
    /// As axum writes it: `{name}` stands for one part.
    pub(crate) path: &'static str,
    /// In upper case.
    pub(crate) methods: &'static [&'static str],
    pub(crate) access: Access,
    pub(crate) answer: MethodRouter<Arc<Site>>,
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const GET_POST: &[&str] = &["GET", "POST"];

/// All of them.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Login, Open};
    let route = |path, methods, access, answer| Route { path, methods, access, answer };
    vec![
        route("/login", GET_POST, Open, get(pages::login::show).post(pages::login::enter)),
        route("/assets/style.css", GET, Open, get(pages::assets::style)),
        route("/assets/dashboard.js", GET, Open, get(pages::assets::script)),
        route("/assets/stream.js", GET, Open, get(pages::assets::stream)),
        route("/assets/icon.svg", GET, Open, get(pages::assets::icon)),
        route("/api/status", GET, Open, get(api::status::show)),
        route("/", GET, Login, get(pages::overview::show)),
        route("/act", POST, Login, post(pages::act::act)),
        route("/profiles", POST, Login, post(pages::act::create)),
        route("/profiles/{name}", GET, Login, get(pages::profile::show)),
        route("/profiles/{name}/soul", POST, Login, post(pages::profile::save_soul)),
        route(
            "/profiles/{name}/delete",
            GET_POST,
            Login,
            get(pages::delete::ask).post(pages::delete::delete),
        ),
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
        route("/api/boots", GET, Login, get(api::boots::show)),
        route("/api/doctor", GET, Login, get(api::doctor::show)),
        route("/api/logout", POST, Login, post(api::logout::leave)),
    ]
}

/// What answers requests, with everything in front of it that a request has to pass.
pub(crate) fn router(site: &Arc<Site>) -> Router {
    let (mut open, mut closed) = (Router::new(), Router::new());
    for Route { path, access, answer, .. } in table() {
        match access {
            Access::Open => open = open.route(path, answer),
            Access::Login => closed = closed.route(path, answer),
        }
    }
    // What is not there is told to nobody who is not logged in.
    let closed = closed
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::not_allowed)
        .layer(from_fn_with_state(Arc::clone(site), guard::check_change))
        .layer(from_fn_with_state(Arc::clone(site), guard::require_login));
    open.method_not_allowed_fallback(pages::not_allowed)
        .layer(from_fn_with_state(Arc::clone(site), guard::check_change))
        .merge(closed)
        .layer(from_fn_with_state(Arc::clone(site), guard::check_site))
        .layer(from_fn_with_state(Arc::clone(site), guard::check_host))
        .layer(from_fn(security_headers::add))
        .with_state(Arc::clone(site))
}
