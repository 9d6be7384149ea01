//! `/api/usage`: tokens and costs of each day, and the budget.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hermes_agent::message::Usage;
use hermes_core::timestamp::rfc3339;
use serde_json::{Value, json};

use super::answer;
use super::app::App;
use super::clock::seconds;
use super::problem::Problem;

/// The number of days, today included.
const DAYS: u64 = 30;

/// The seconds of a day.
const DAY: u64 = 24 * 60 * 60;

#[derive(Default)]
struct Day {
    calls: u64,
    usage: Usage,
    /// `None` if a model of the day has no price.
    usd: Option<f64>,
}

pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    let budget = app.agent.budget().await;
    // The first day counts from its begin (UTC).
    let since = (seconds() / DAY + 1).saturating_sub(DAYS) * DAY * 1000;
    let failed = |error| Problem::of_store(&error);
    let since = i64::try_from(since).unwrap_or(0);
    let rows = agent.store().usage_by_day(since).await.map_err(failed)?;
    let today = rfc3339(SystemTime::now())[..10].to_owned();
    let used = agent.store().used(&today).await.map_err(failed)?;
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for row in rows {
        let day = days.entry(row.day).or_insert_with(|| Day { usd: Some(0.0), ..Day::default() });
        let usd = budget.prices.get(&row.model).map(|price| price.cost(row.usage));
        day.calls += row.calls;
        day.usage.add(row.usage);
        day.usd = day.usd.zip(usd).map(|(sum, usd)| sum + usd);
    }
    let data: Vec<Value> = days
        .into_iter()
        .rev()
        .map(|(day, Day { calls, usage, usd })| json!({ "day": day, "calls": calls, "usage": usage, "usd": usd }))
        .collect();
    let document = json!({
        "object": "list",
        "data": data,
        "budget": {
            "day": today,
            "tokens": used.tokens,
            "usd": used.usd,
            "tokens_per_day": budget.tokens_per_day,
            "usd_per_day": budget.usd_per_day,
        },
    });
    Ok(answer::json(StatusCode::OK, &document))
}
