//! The forms of the overview: start, stop, restart, create. Each redirects to a page with the result.

use axum::Form;
use axum::response::{IntoResponse, Redirect, Response};
use hermes_operations::{Report, ReportKind, Verb};
use serde::Deserialize;

use super::{Refused, Visitor};
use crate::actions;
use crate::site::profile_named;

/// The value of a button: a verb and a profile, as in `start:coder`.
#[derive(Debug, Deserialize)]
pub(crate) struct Act {
    #[serde(rename = "do")]
    what: String,
    /// The page that the button is on: `profile`, or else the overview.
    #[serde(default)]
    from: String,
}

/// A new profile.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    name: String,
}

/// The action before this page, from its URL. Only known actions and valid names count, so a link cannot add its own text to the
/// page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
    #[serde(default)]
    profile: String,
    /// The number of agents of an action on many.
    #[serde(default)]
    count: String,
}

impl Done {
    /// Returns `true` after a change that a running gateway reads at its next start.
    pub(crate) fn is_change_of_files(&self) -> bool {
        matches!(self.done.as_str(), "config" | "secret" | "soul")
    }

    /// Returns the message for a person.
    pub(crate) fn describe(&self) -> Option<String> {
        let many = match self.done.as_str() {
            "start-many" => Some("started"),
            "stop-many" => Some("stopped"),
            "restart-many" => Some("restarted"),
            _ => None,
        };
        if let Some(many) = many {
            let count: u16 = self.count.parse().ok()?;
            let agents = if count == 1 { "agent was" } else { "agents were" };
            return Some(format!("{count} {agents} {many}."));
        }
        let name = profile_named(&self.profile).ok()?;
        let what = match self.done.as_str() {
            "start" => "is running",
            "stop" => "is stopped",
            "restart" => "was restarted",
            "create" => "was created",
            "delete" => "was deleted",
            "config" => "has its new configuration; it takes effect at the next start of the gateway",
            "secret" => "has its new secret; it takes effect at the next start of the gateway",
            "soul" => "has its new SOUL.md; it takes effect at the next start of the gateway",
            _ => return None,
        };
        Some(format!("{name} {what}."))
    }
}

/// `POST /act`.
pub(crate) async fn act(visitor: Visitor, Form(act): Form<Act>) -> Result<Response, Refused> {
    let refused = |failure| visitor.refused(failure);
    let odd = || Report::new(ReportKind::BadRequest, "unknown action");
    let (verb, name) = act.what.split_once(':').ok_or_else(odd).map_err(refused)?;
    let verb = Verb::of(verb).ok_or_else(odd).map_err(refused)?;
    let name = profile_named(name).map_err(refused)?;
    actions::drive(&visitor.site, &name, verb).await.map_err(|failure| visitor.refused(failure).of(&name))?;
    let page = if act.from == "profile" { format!("profiles/{name}") } else { String::new() };
    Ok(back(&visitor, &page, verb.word(), name.as_str()))
}

/// `POST /profiles`.
pub(crate) async fn create(visitor: Visitor, Form(create): Form<Create>) -> Result<Response, Refused> {
    let made = actions::create(&visitor.site, create.name.trim()).await;
    let name = made.map_err(|failure| visitor.refused(failure))?;
    Ok(back(&visitor, "", "create", name.as_str()))
}

/// Redirects to a page with the result.
pub(super) fn back(visitor: &Visitor, page: &str, done: &str, profile: &str) -> Response {
    Redirect::to(&format!("{}{page}?done={done}&profile={profile}", visitor.site.base())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_adds_no_text_to_a_page() {
        let describe = |done: &str, profile: &str| {
            Done { done: done.into(), profile: profile.into(), count: "3".into() }.describe()
        };
        assert_eq!(describe("start", "coder"), Some("coder is running.".into()));
        assert_eq!(describe("start-many", ""), Some("3 agents were started.".into()));
        assert_eq!(describe("start", "<b>"), None);
        assert_eq!(describe("call us", "coder"), None);
        assert_eq!(describe("", ""), None);
    }
}
