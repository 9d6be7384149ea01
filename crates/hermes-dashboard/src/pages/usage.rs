//! `/profiles/{name}/usage`: the tokens and costs of an agent for each day, and its budget.

use askama::Template;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;

use super::{Refused, Visitor};
use crate::frame::{Frame, html};

#[derive(Debug, Deserialize)]
struct UsageDocument {
    data: Vec<Day>,
    budget: Budget,
}

#[derive(Debug, Deserialize)]
struct Day {
    day: String,
    calls: u64,
    usage: Usage,
    #[serde(default)]
    usd: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    input: u64,
    cached: u64,
    output: u64,
}

#[derive(Debug, Deserialize)]
struct Budget {
    tokens: u64,
    usd: f64,
    #[serde(default)]
    tokens_per_day: Option<u64>,
    #[serde(default)]
    usd_per_day: Option<f64>,
}

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    name: String,
    days: Vec<Day>,
    budget: Budget,
}

impl Day {
    fn fresh(&self) -> u64 {
        self.usage.input.saturating_sub(self.usage.cached)
    }

    fn cost(&self) -> String {
        self.usd.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd:.4} USD"))
    }
}

impl Budget {
    /// Returns the use of today and its limits as one sentence.
    fn sentence(&self) -> String {
        if self.tokens_per_day.is_none() && self.usd_per_day.is_none() {
            return "There is no budget of the day, so the use of today is not counted against one."
                .to_owned();
        }
        let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let tokens = of(self.tokens_per_day.map(|limit| limit.to_string()));
        let usd = of(self.usd_per_day.map(|limit| format!("{limit:.2}")));
        format!("Today: {}{tokens} tokens, {:.4}{usd} USD.", self.tokens, self.usd)
    }
}

/// Shows the page.
pub(crate) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refused> {
    let refused = |failure| visitor.refused(failure);
    let (name, client) = visitor.gateway(&name).await?;
    let UsageDocument { data, budget } =
        client.json(Method::GET, "/api/usage", None).await.map_err(refused)?;
    Ok(html(&UsagePage { frame: visitor.frame(""), name: name.to_string(), days: data, budget }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_names_its_limits() {
        let budget = Budget { tokens: 5, usd: 0.25, tokens_per_day: Some(100), usd_per_day: Some(2.0) };
        assert_eq!(budget.sentence(), "Today: 5 of 100 tokens, 0.2500 of 2.00 USD.");
        let free = Budget { tokens_per_day: None, usd_per_day: None, ..budget };
        assert!(free.sentence().starts_with("There is no budget of the day"), "{}", free.sentence());
    }
}
