//! `POST /api/logout`: ends the session that the request came with.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::{cookie, guard};
use crate::site::{Identity, Site};

/// Ends the session that the request came with.
#[utoipa::path(post, operation_id = "logout", path = "/api/logout", tag = "container", responses((status = 204)))]
pub(crate) async fn leave(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Response {
    end(&site, &identity);
    let gone = cookie::ending(&site.sessions.cookie(), &site.base(), guard::is_encrypted(&site, &request));
    (StatusCode::NO_CONTENT, gone.map(|value| [(header::SET_COOKIE, value)]), ()).into_response()
}

pub(crate) fn end(site: &Site, identity: &Identity) {
    if let Identity::Session(session) = identity {
        site.sessions.end(session);
    }
}
