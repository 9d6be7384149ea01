//! `POST /act/many`: an action on the agents that are checked in the overview.

use axum::body::Bytes;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::{StreamExt as _, stream};
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, Verb};

use super::{Refused, Visitor};
use crate::actions;
use crate::site::profile_named;

/// The number of agents that one request starts, stops or restarts at one time.
const AT_ONCE: usize = 4;

/// The fields of the form: one verb, and each checked agent.
fn parse(body: &[u8]) -> Result<(Verb, Vec<ProfileName>), Report> {
    let mut verb = None;
    let mut names: Vec<ProfileName> = Vec::new();
    for (field, value) in form_urlencoded::parse(body) {
        match field.as_ref() {
            "do" => verb = Verb::of(&value),
            "agent" => {
                let name = profile_named(&value)?;
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            _ => {}
        }
    }
    let verb = verb.ok_or_else(|| Report::new(ReportKind::BadRequest, "unknown action"))?;
    if names.is_empty() {
        return Err(Report::new(ReportKind::Invalid, "no agent is selected")
            .hint("check the boxes of the agents in the overview"));
    }
    Ok((verb, names))
}

/// Runs the action on each agent. The failure of one stops no other.
pub(crate) async fn act(visitor: Visitor, body: Bytes) -> Result<Response, Refused> {
    let (verb, names) = parse(&body).map_err(|failure| visitor.refused(failure))?;
    let count = names.len();
    let drive = |name: ProfileName| {
        let site = visitor.site.clone();
        async move { actions::drive(&site, &name, verb).await.map_err(|failure| (name, failure)) }
    };
    let results: Vec<_> = stream::iter(names).map(drive).buffered(AT_ONCE).collect().await;
    let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        let to = format!("{}?done={}-many&count={count}", visitor.site.base(), verb.word());
        return Ok(Redirect::to(&to).into_response());
    }
    let what = format!("failed to {} {} of {count} agents", verb.word(), failures.len());
    let kind = failures.first().map_or(ReportKind::Failed, |(_, failure)| failure.kind);
    let report = failures
        .iter()
        .fold(Report::new(kind, what), |report, (name, failure)| {
            report.cause(format!("{name}: {}", failure.one_line()))
        })
        .hint("the page of each agent has its log");
    Err(visitor.refused(report))
}
