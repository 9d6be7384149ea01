//! The assets of the pages, compiled into the program: one style sheet, three scripts, one picture. Several files make up the style
//! sheet and the first script.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::auth::of_text;

const STYLE: &str = concat!(include_str!("../assets/style.css"), include_str!("../assets/board.css"));
const SCRIPT: &str = concat!(
    include_str!("../assets/order.js"),
    include_str!("../assets/log.js"),
    include_str!("../assets/copy.js"),
    include_str!("../assets/dashboard.js")
);
const STREAM: &str = include_str!("../assets/stream.js");
const CONVERSATION: &str = include_str!("../assets/conversation.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// The digest of these files.
static BUILD: LazyLock<String> =
    LazyLock::new(|| of_text(&format!("{STYLE}{SCRIPT}{STREAM}{CONVERSATION}{ICON}"))[..12].to_owned());

/// Returns the query of the assets' URLs. It changes with the files.
pub(crate) fn build() -> &'static str {
    &BUILD
}

/// `/assets/style.css`.
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// `/assets/dashboard.js`.
pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

/// `/assets/conversation.js`.
pub(crate) async fn conversation() -> Response {
    asset("text/javascript; charset=utf-8", CONVERSATION)
}

/// `/assets/stream.js`.
pub(crate) async fn stream() -> Response {
    asset("text/javascript; charset=utf-8", STREAM)
}

/// `/assets/icon.svg`.
pub(crate) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, text).into_response()
}
