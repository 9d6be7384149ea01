//! `/profiles/{name}/turns/{turn}`: the time line of a turn.

use askama::Template;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use hermes_operations::{Report, ReportKind};
use hermes_os::printable::unambiguous;
use serde::Deserialize;

use super::{Refused, Visitor};
use crate::frame::{Frame, html};

#[derive(Debug, Deserialize)]
struct TurnDocument {
    session: String,
    owner: String,
    started_at: i64,
    #[serde(default)]
    ended_at: Option<i64>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    error: Option<ErrorDocument>,
    model_calls: Vec<ModelCall>,
    tool_runs: Vec<ToolRun>,
    #[serde(default)]
    approvals: Vec<Approval>,
    usage: Usage,
    #[serde(default)]
    usd: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct ErrorDocument {
    message: String,
}

#[derive(Debug, Deserialize)]
struct ModelCall {
    at: i64,
    model: String,
    usage: Usage,
    #[serde(default)]
    usd: Option<f64>,
    #[serde(default)]
    compaction: bool,
}

#[derive(Debug, Deserialize)]
struct Approval {
    tool: String,
    subject: String,
    state: String,
    asked_at: i64,
    #[serde(default)]
    answered_by: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Usage {
    input: u64,
    cached: u64,
    output: u64,
}

#[derive(Debug, Deserialize)]
struct ToolRun {
    tool: String,
    state: String,
    planned_at: i64,
    #[serde(default)]
    started_at: Option<i64>,
    #[serde(default)]
    ended_at: Option<i64>,
}

/// A row of the time line.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// The time since the begin of the turn, in milliseconds.
    since: i64,
    kind: &'static str,
    name: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "turn.html")]
struct TurnPage {
    frame: Frame,
    name: String,
    turn: i64,
    record: TurnDocument,
    steps: Vec<Step>,
}

impl Step {
    fn after(&self) -> String {
        seconds(self.since)
    }
}

impl TurnPage {
    fn took(&self) -> Option<String> {
        self.record.ended_at.map(|ended_at| seconds(ended_at - self.record.started_at))
    }

    fn sum(&self) -> String {
        tokens(self.record.usage, self.record.usd)
    }
}

/// Shows the time line.
pub(crate) async fn show(
    visitor: Visitor,
    Path((name, turn)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let refused = |failure| visitor.refused(failure);
    let (name, client) = visitor.gateway(&name).await?;
    let unknown = |_| Report::new(ReportKind::NotFound, "no such turn");
    let turn: i64 = turn.parse().map_err(unknown).map_err(refused)?;
    let record: TurnDocument =
        client.json(Method::GET, &format!("/api/turns/{turn}"), None).await.map_err(refused)?;
    let steps = steps(&record);
    Ok(html(&TurnPage { frame: visitor.frame(""), name: name.to_string(), turn, record, steps }))
}

/// Returns the steps in the order of time.
fn steps(record: &TurnDocument) -> Vec<Step> {
    let since = |at: i64| (at - record.started_at).max(0);
    let calls = record.model_calls.iter().map(|call| Step {
        since: since(call.at),
        kind: if call.compaction { "compaction" } else { "model" },
        name: call.model.clone(),
        detail: tokens(call.usage, call.usd),
    });
    let tools = record.tool_runs.iter().map(|run| Step {
        since: since(run.started_at.unwrap_or(run.planned_at)),
        kind: "tool",
        name: run.tool.clone(),
        detail: match (run.started_at, run.ended_at) {
            (Some(begin), Some(end)) => format!("{} in {}", run.state, seconds(end - begin)),
            _ => run.state.clone(),
        },
    });
    let approvals = record.approvals.iter().map(|approval| Step {
        since: since(approval.asked_at),
        kind: "approval",
        name: approval.tool.clone(),
        detail: match &approval.answered_by {
            Some(by) => format!("{}, by {by}: {}", approval.state, unambiguous(&approval.subject)),
            None => format!("{}: {}", approval.state, unambiguous(&approval.subject)),
        },
    });
    let mut steps: Vec<_> = calls.chain(tools).chain(approvals).collect();
    steps.sort_by_key(|step| step.since);
    steps
}

fn tokens(usage: Usage, usd: Option<f64>) -> String {
    let fresh = usage.input.saturating_sub(usage.cached);
    let usd = usd.map_or_else(String::new, |usd| format!(", {usd:.4} USD"));
    format!("{} cached, {fresh} fresh, {} output{usd}", usage.cached, usage.output)
}

fn seconds(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_in_the_order_of_time() {
        let usage = json!({"input": 100, "cached": 40, "output": 7, "reasoning": 0});
        let record: TurnDocument = serde_json::from_value(json!({
            "session": "s", "owner": "the gateway", "started_at": 1000, "usage": usage,
            "model_calls": [{"at": 1500, "model": "m", "usage": usage, "usd": 0.5}, {"at": 4000, "model": "m", "usage": usage}],
            "approvals": [{"tool": "terminal", "subject": "curl x\n", "state": "once", "asked_at": 3000, "answered_by": "api"}],
            "tool_runs": [{"tool": "terminal", "state": "done", "planned_at": 1500, "started_at": 1600, "ended_at": 2850}],
        }))
        .unwrap();
        let shown: Vec<_> = steps(&record)
            .into_iter()
            .map(|step| format!("{} {} {}: {}", step.since, step.kind, step.name, step.detail))
            .collect();
        assert_eq!(
            shown,
            [
                "500 model m: 40 cached, 60 fresh, 7 output, 0.5000 USD",
                "600 tool terminal: done in 1.250 s",
                "2000 approval terminal: once, by api: curl x\\u{a}",
                "3000 model m: 40 cached, 60 fresh, 7 output",
            ]
        );
    }
}
