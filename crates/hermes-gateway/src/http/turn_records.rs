//! `/api/turns/{id}`: the time line of a turn, as `hermes turn --json` prints it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use hermes_agent::store::TurnId;

use super::answer;
use super::app::App;
use super::problem::Problem;

pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let unknown = || {
        let message = format!("there is no turn {id:?}; the answer of a turn has its number in \"turn\"");
        Problem::new(StatusCode::NOT_FOUND, "turn_not_found", message)
    };
    let turn = TurnId(id.parse().map_err(|_| unknown())?);
    let agent = app.agent.get().await?;
    let found = agent.store().turn(turn).await.map_err(|error| Problem::of_store(&error))?;
    let record = found.ok_or_else(unknown)?;
    Ok(answer::json(StatusCode::OK, &record.with_costs(&app.agent.budget().await.prices)))
}
