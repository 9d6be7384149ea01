//! `GET /v1/models`: the agent as the one model of the API.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::answer;
use super::app::App;
use super::problem::Problem;

#[derive(Serialize)]
struct Models<'a> {
    object: &'static str,
    data: [Model<'a>; 1],
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    /// The start of the gateway, in seconds since 1970.
    created: u64,
    owned_by: &'static str,
}

fn model(app: &App) -> Model<'_> {
    Model { id: &app.model_name, object: "model", created: app.vitals.started_at(), owned_by: "hermes" }
}

pub(crate) async fn list(State(app): State<Arc<App>>) -> Response {
    answer::json(StatusCode::OK, &Models { object: "list", data: [model(&app)] })
}

pub(crate) async fn show(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    if name == app.model_name {
        return answer::json(StatusCode::OK, &model(&app));
    }
    let message = format!("there is no model {name:?}; this gateway has the model {:?}", app.model_name);
    Problem::new(StatusCode::NOT_FOUND, "model_not_found", message).into_response()
}
