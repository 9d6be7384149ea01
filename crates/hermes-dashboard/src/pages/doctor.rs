//! `/doctor`: the findings of `hermes doctor`, by agent.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use hermes_operations::doctor::Finding;

use super::order::by_name;
use super::{Refused, Visitor};
use crate::api::doctor;
use crate::frame::{Frame, html};
use crate::site::profile_named;

#[derive(Template)]
#[template(path = "doctor.html")]
struct Doctor {
    frame: Frame,
    groups: Vec<Group>,
}

/// The findings about one agent, or about the whole installation.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    agent: Option<String>,
    /// `true` if the agent has a page.
    has_page: bool,
    findings: Vec<Finding>,
}

/// Groups findings. The whole installation comes first. Findings in the same words are one entry.
fn grouped(findings: Vec<Finding>, has_page: impl Fn(&str) -> bool) -> Vec<Group> {
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for finding in &findings {
        *times.entry((finding.what.clone(), finding.hint.clone())).or_default() += 1;
    }
    let mut groups: Vec<Group> = Vec::new();
    for finding in findings {
        let is_shared =
            times.get(&(finding.what.clone(), finding.hint.clone())).is_some_and(|&times| times > 1);
        let agent = if is_shared { None } else { finding.profile.clone() };
        let place = groups.iter().position(|group| group.agent == agent).unwrap_or_else(|| {
            let has_page = agent.as_deref().is_some_and(&has_page);
            groups.push(Group { agent, has_page, findings: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[place];
        if group.findings.iter().all(|known| (&known.what, &known.hint) != (&finding.what, &finding.hint)) {
            group.findings.push(finding);
        }
    }
    for group in &mut groups {
        group.findings.sort_by_key(|finding| !finding.severity.is_broken());
    }
    groups.sort_by(|one, other| match (&one.agent, &other.agent) {
        (Some(one), Some(other)) => by_name(one, other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    });
    groups
}

/// Shows the page.
pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refused> {
    let findings = doctor::findings(&visitor.site).await.map_err(|failure| visitor.refused(failure))?;
    let has_page =
        |agent: &str| profile_named(agent).is_ok_and(|name| visitor.site.require_profile(&name).is_ok());
    let groups = grouped(findings, has_page);
    Ok(html(&Doctor { frame: visitor.frame("doctor"), groups }))
}
