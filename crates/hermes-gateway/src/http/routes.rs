//! The table of all routes. It alone decides which of them need a key.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, patch, post};
use hermes_agent::tools::ask_agent;

use super::admit::{self, Checks};
use super::app::App;
use super::problem::Problem;
use super::rule::{Access, REQUEST_BODY_MAX, Rule};
use super::{approvals, ask, chat, health, models, responses, runs, sessions, turn_records, usage};

/// The longest body of a request with pictures, in bytes.
const PICTURES_BODY_MAX: usize = 32 * 1024 * 1024;

/// A method and a path with their handler.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// The path in the notation of axum: `{name}` stands for one segment, `{*name}` for several.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// The longest body of a request, in bytes.
    pub(crate) body_max: usize,
    pub(crate) handler: MethodRouter<Arc<App>>,
}

/// Returns all routes.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Agent, Anyone, Key, Person};
    let route =
        |method, path, access, handler| Route { method, path, access, body_max: REQUEST_BODY_MAX, handler };
    let with_pictures =
        |path, handler| Route { body_max: PICTURES_BODY_MAX, ..route(Method::POST, path, Key, handler) };
    vec![
        route(Method::GET, "/health", Anyone, get(health::show)),
        route(Method::GET, "/metrics", Anyone, get(health::show_metrics)),
        route(Method::GET, "/v1/models", Key, get(models::list)),
        route(Method::GET, "/v1/models/{*name}", Key, get(models::show)),
        with_pictures("/v1/chat/completions", post(chat::complete)),
        with_pictures("/v1/responses", post(responses::create)),
        route(Method::GET, "/v1/responses/{id}", Key, get(responses::show)),
        route(Method::DELETE, "/v1/responses/{id}", Key, delete(responses::delete)),
        route(Method::GET, "/v1/runs", Key, get(runs::list)),
        with_pictures("/v1/runs", post(runs::create)),
        route(Method::GET, "/v1/runs/{id}", Key, get(runs::show)),
        route(Method::GET, "/v1/runs/{id}/events", Key, get(runs::events)),
        route(Method::POST, "/v1/runs/{id}/stop", Key, post(runs::stop)),
        route(Method::POST, "/v1/runs/{id}/approval", Person, post(approvals::decide_for_run)),
        route(Method::POST, ask_agent::PATH, Agent, post(ask::answer)),
        route(Method::GET, "/api/approvals", Person, get(approvals::list)),
        route(Method::POST, "/api/approvals/{id}", Person, post(approvals::decide)),
        route(Method::GET, "/api/sessions", Key, get(sessions::list)),
        route(Method::POST, "/api/sessions", Key, post(sessions::create)),
        route(Method::GET, "/api/sessions/{id}", Key, get(sessions::show)),
        route(Method::PATCH, "/api/sessions/{id}", Key, patch(sessions::change)),
        route(Method::DELETE, "/api/sessions/{id}", Key, delete(sessions::delete)),
        route(Method::GET, "/api/sessions/{id}/messages", Key, get(sessions::messages)),
        route(Method::POST, "/api/sessions/{id}/fork", Key, post(sessions::fork)),
        route(Method::POST, "/api/sessions/{id}/undo", Key, post(sessions::undo)),
        route(Method::GET, "/api/usage", Key, get(usage::show)),
        route(Method::GET, "/api/turns/{id}", Key, get(turn_records::show)),
        with_pictures("/api/sessions/{id}/chat", post(sessions::chat)),
        with_pictures("/api/sessions/{id}/chat/stream", post(sessions::stream)),
    ]
}

/// Returns the router with all routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = table().into_iter().fold(Router::new(), |routes, route| {
        routes.route(route.path, route.handler.layer(DefaultBodyLimit::max(route.body_max)))
    });
    finish(routes, app)
}

/// Adds the fallbacks, limits and checks that all routes share. A route that is not in the table needs the key.
pub(crate) fn finish(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    let rules = table().into_iter().map(|route| {
        let rule = Rule { access: route.access, body_max: route.body_max };
        ((route.method, route.path), rule)
    });
    let checks = Arc::new(Checks { app: Arc::clone(&app), rules: rules.collect() });
    routes
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "not_found", "no such path"))
        .method_not_allowed_fallback(async || {
            let message = "this path does not support the method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(DefaultBodyLimit::max(REQUEST_BODY_MAX))
        .layer(middleware::from_fn_with_state(checks, admit::admit))
        .with_state(app)
}
