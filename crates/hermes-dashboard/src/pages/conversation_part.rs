//! The conversation as a part of the page of an agent.

use askama::Template;
use hermes_core::ProfileName;
use hermes_operations::Report;

use super::Visitor;
use crate::conversation::{self, Entry, NEW, Shown, Talk, Wanted};
use crate::gateway_client;

/// The conversation as a part of a page.
#[derive(Template)]
#[template(path = "conversation.html")]
struct Part<'p> {
    base: &'p str,
    build: &'static str,
    csrf: &'p str,
    name: &'p str,
    find: &'p str,
    talk: Result<Talk, Report>,
    /// The text in the form.
    draft: &'p str,
}

impl Part<'_> {
    fn is_down(&self) -> bool {
        self.talk.as_ref().is_err_and(gateway_client::is_down)
    }

    fn shown(&self) -> Option<&Shown> {
        self.talk.as_ref().ok().and_then(|talk| talk.shown.as_ref())
    }

    fn session(&self) -> &str {
        self.shown().map_or(NEW, |shown| shown.id.as_str())
    }

    fn run(&self) -> &str {
        self.shown().and_then(|shown| shown.run.as_deref()).unwrap_or_default()
    }
}

/// Returns the conversation as HTML. A gateway that is down is a sentence in it.
pub(super) async fn part(visitor: &Visitor, name: &ProfileName, wanted: &Wanted, draft: &str) -> String {
    let talk = conversation::load(&visitor.site, name, wanted).await;
    let frame = visitor.frame("");
    let part = Part {
        base: &frame.base,
        build: frame.build,
        csrf: &frame.csrf,
        name: name.as_str(),
        find: &wanted.find,
        talk,
        draft,
    };
    part.render().unwrap_or_default()
}
