//! What the forms of the overview do: start, stop, restart, create. Each goes back to a page that says what was done.

use axum::Form;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Refused, Visitor};
use crate::agents::{Failure, FailureKind, Verb};
use crate::api::profiles;
use crate::site::profile_named;

/// What a button says: a verb and a profile, as in `start:coder`.
#[derive(Debug, Deserialize)]
pub(crate) struct Act {
    #[serde(rename = "do")]
    what: String,
    /// The page that the button is on: `profile`, or else the overview.
    #[serde(default)]
    from: String,
}

/// A profile to be.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    name: String,
}

/// What was done before a page is shown, from its address: words of ours and names that are checked, so that a link can put no
/// text of its own into the page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
    #[serde(default)]
    profile: String,
}

impl Done {
    /// In words.
    pub(crate) fn told(&self) -> Option<String> {
        let name = profile_named(&self.profile).ok()?;
        let what = match self.done.as_str() {
            "start" => "is running",
            "stop" => "is stopped",
            "restart" => "was restarted",
            "create" => "was created",
            "delete" => "was deleted",
            "soul" => "has its new SOUL.md; its gateway takes it at its next start",
            _ => return None,
        };
        Some(format!("{name} {what}."))
    }
}

/// `POST /act`.
pub(crate) async fn act(visitor: Visitor, Form(act): Form<Act>) -> Result<Response, Refused> {
    let refused = |failure| visitor.refused(failure);
    let odd = || Failure::new(FailureKind::BadRequest, "there is no such thing to do");
    let (verb, name) = act.what.split_once(':').ok_or_else(odd).map_err(refused)?;
    let verb = Verb::of(verb).ok_or_else(odd).map_err(refused)?;
    let name = profile_named(name).map_err(refused)?;
    profiles::do_to(&visitor.site, &name, verb).await.map_err(refused)?;
    let page = if act.from == "profile" { format!("profiles/{name}") } else { String::new() };
    Ok(back(&visitor, &page, verb.word(), name.as_str()))
}

/// `POST /profiles`.
pub(crate) async fn create(visitor: Visitor, Form(create): Form<Create>) -> Result<Response, Refused> {
    let made = profiles::make(&visitor.site, create.name.trim()).await;
    let name = made.map_err(|failure| visitor.refused(failure))?;
    Ok(back(&visitor, "", "create", name.as_str()))
}

/// To a page that says what was done.
pub(super) fn back(visitor: &Visitor, page: &str, done: &str, profile: &str) -> Response {
    Redirect::to(&format!("{}{page}?done={done}&profile={profile}", visitor.site.base())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_puts_no_text_of_its_own_into_a_page() {
        let told = |done: &str, profile: &str| Done { done: done.into(), profile: profile.into() }.told();
        assert_eq!(told("start", "coder"), Some("coder is running.".into()));
        assert_eq!(told("start", "<b>"), None);
        assert_eq!(told("call us", "coder"), None);
        assert_eq!(told("", ""), None);
    }
}
