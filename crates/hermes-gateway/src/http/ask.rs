//! The questions of other agents. Each one has a session of its own.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use hermes_agent::agent::NewConversation;
use hermes_agent::message::{Message, Role};
use hermes_agent::protocol::{Event, TurnEnd};
use hermes_agent::question::Person;
use hermes_agent::store::OnDisk;
use hermes_agent::tools::{Spent, ask_agent};
use serde::Deserialize;
use serde_json::json;

use super::app::App;
use super::body::{self, Received};
use super::caller::Caller;
use super::converse::begin_session;
use super::problem::Problem;
use super::sse::{self, Frames, Translate};
use crate::turns::Afterwards;

#[derive(Deserialize)]
struct Question {
    message: String,
}

pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(Caller(caller)): Extension<Caller>,
    headers: HeaderMap,
    received: Received,
) -> Result<Response, Problem> {
    let depth = depth_of(&headers)?;
    let Question { message } = body::parse(&body::bytes(received)?)?;
    let agent = app.agent.get().await?;
    let permit = app.turns.admit()?;
    let system = format!("The messages of this session come from the agent {caller}, not from a person.");
    let new = NewConversation {
        source: format!("agent:{caller}"),
        client_system: Some(system),
        on_disk: OnDisk::WithFirstTurn,
        depth,
        ..NewConversation::default()
    };
    let session = begin_session(&agent, new).await?;
    let message = Message::text(Role::User, message);
    let running = permit.start(&agent, &session, message, Person::Absent, Afterwards::Keep)?;
    sse::respond(running, Answering::default(), None).await
}

/// Returns the depth of the session. An agent that claims 0 has at least 1.
fn depth_of(headers: &HeaderMap) -> Result<u32, Problem> {
    let depth = headers.get(ask_agent::DEPTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match depth {
        Some(depth @ 0..=ask_agent::DEPTH_MAX) => Ok(u32::max(depth, 1)),
        _ => {
            let most = ask_agent::DEPTH_MAX;
            Err(Problem::invalid(format!("{} must be a number up to {most}", ask_agent::DEPTH)))
        }
    }
}

/// The answer to another agent: the tokens of each model call, then the text.
#[derive(Default)]
struct Answering {
    model: String,
}

impl Translate for Answering {
    fn event(&mut self, event: &Event, frames: &mut Frames) {
        match event {
            Event::ModelCallStarted { model, .. } => self.model.clone_from(model),
            Event::ModelCallEnded { usage } => {
                let spent = Spent { model: self.model.clone(), usage: *usage };
                frames.named(ask_agent::SPENT, &json!(spent));
            }
            _ => {}
        }
    }

    fn end(&mut self, end: Result<&TurnEnd, &Problem>, frames: &mut Frames) {
        match end {
            Ok(TurnEnd { text, reason, .. }) => {
                let answer = ask_agent::Answer { text: text.clone(), reason: *reason };
                frames.named(ask_agent::ANSWER, &json!(answer));
            }
            Err(problem) => frames.named(ask_agent::ERROR, &problem.document()),
        }
    }
}
