//! The table of all routes. It alone decides which of them need a key.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::routing::{MethodRouter, get};

use super::admit::{self, Checks};
use super::app::App;
use super::problem::Problem;
use super::{health, models};

/// The longest body of a request, in bytes.
pub(crate) const REQUEST_BODY_MAX: usize = 1024 * 1024;

/// The access to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Open to everybody: for probes and monitoring.
    Anyone,
    /// Open with the key. The Unix socket needs no key.
    Key,
}

/// A method and a path with their handler.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// The path in the notation of axum: `{name}` stands for one segment, `{*name}` for several.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: MethodRouter<Arc<App>>,
}

/// Returns all routes.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Anyone, Key};
    let route = |method, path, access, handler| Route { method, path, access, handler };
    vec![
        route(Method::GET, "/health", Anyone, get(health::show)),
        route(Method::GET, "/metrics", Anyone, get(health::show_metrics)),
        route(Method::GET, "/v1/models", Key, get(models::list)),
        route(Method::GET, "/v1/models/{*name}", Key, get(models::show)),
    ]
}

/// Returns the router with all routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes =
        table().into_iter().fold(Router::new(), |routes, route| routes.route(route.path, route.handler));
    finish(routes, app)
}

/// Adds the fallbacks, limits and checks that all routes share. A route that is not in the table needs the key.
pub(crate) fn finish(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    let access: HashMap<_, _> =
        table().into_iter().map(|route| ((route.method, route.path), route.access)).collect();
    let checks = Arc::new(Checks { app: Arc::clone(&app), access });
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
