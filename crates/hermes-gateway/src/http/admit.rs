//! Refuses requests that must not reach a route, and counts every answer.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::app::App;
use super::caller::Refused;
use super::cors;
use super::problem::Problem;
use super::rule::{Access, REQUEST_BODY_MAX, Rule};

/// The label for a request without a route. With its path as the label, clients could create any number of label values.
const NO_ROUTE: &str = "other";

/// The table of the routes, for the checks.
pub(crate) struct Checks {
    pub(crate) app: Arc<App>,
    pub(crate) rules: HashMap<(Method, &'static str), Rule>,
}

impl Checks {
    /// Returns the rule of a route. A path or method that is not in the table needs the key, so that a stranger does not learn which
    /// paths exist.
    fn rule_of(&self, method: &Method, path: &str) -> Rule {
        // axum answers HEAD by the handler of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let known = self.rules.iter().find(|((known, route), _)| known == method && *route == path);
        known.map_or(Rule { access: Access::Key, body_max: REQUEST_BODY_MAX }, |(_, rule)| *rule)
    }

    async fn check(&self, request: Request, route: &str) -> Result<Request, Problem> {
        let gate = &self.app.gate;
        let Rule { access, body_max } = self.rule_of(request.method(), route);
        let (mut parts, body) = request.into_parts();
        if let Some(caller) = gate.check_access(&parts, access).await? {
            parts.extensions.insert(caller);
        }
        if access != Access::Anyone && parts.extensions.get() == Some(&Refused::Draining) {
            return Err(Problem::draining());
        }
        if body.size_hint().lower() > body_max as u64 {
            return Err(Problem::too_large(body_max));
        }
        Ok(Request::from_parts(parts, body))
    }
}

/// Refuses requests that must not reach a route, and counts every answer.
pub(crate) async fn admit(State(checks): State<Arc<Checks>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let origin = checks.app.gate.cors.allowed_origin(request.headers());
    let is_preflight = origin.is_some() && cors::is_preflight(request.method(), request.headers());
    let is_tool = request.extensions().get() == Some(&Refused::Tool);
    let checked = if is_tool { Err(Problem::tool()) } else { checks.app.gate.check_host(&request) };
    let mut response = match checked {
        Err(problem) => problem.into_response(),
        Ok(()) if is_preflight => cors::preflight(),
        Ok(()) => match checks.check(request, route).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        },
    };
    if let Some(origin) = origin {
        cors::allow(&mut response, origin);
    }
    checks.app.vitals.count_answer(route, response.status().as_u16());
    response
}
