//! The begin of a turn for a request: the agent, the limit of turns, the session.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use hermes_agent::agent::{Agent, NewConversation};
use hermes_agent::message::Message;
use hermes_agent::question::Person;
use hermes_agent::store::{OnDisk, SessionId};

use super::app::App;
use super::outcome::SESSION_ID;
use super::problem::Problem;
use crate::agent::STATELESS;
use crate::turns::{Afterwards, Permit, Running};

/// The surface of stored sessions.
pub(crate) const SOURCE: &str = "api";

/// The longest ID of a session that a client may choose.
const SESSION_ID_MAX: usize = 128;

/// A turn to begin.
pub(crate) struct Start {
    /// The session. `None` begins one.
    pub(crate) session: Option<SessionId>,
    /// The title of a new session.
    pub(crate) title: Option<String>,
    /// The system text of the client, for a new session.
    pub(crate) system: Option<String>,
    /// The messages so far, for a new session.
    pub(crate) history: Vec<Message>,
    /// The message of the user.
    pub(crate) message: Message,
    /// The person, who may answer a question of the turn.
    pub(crate) person: Person,
    /// The fate of a new session.
    pub(crate) afterwards: Afterwards,
}

impl Start {
    /// Begins the turn, and the session if there is none.
    ///
    /// # Errors
    /// A turn of the session runs, or the store failed.
    pub(crate) async fn begin(
        self,
        agent: &Arc<Agent>,
        permit: Permit,
    ) -> Result<(SessionId, Running), Problem> {
        let Self { session, title, system, history, message, person, afterwards } = self;
        let known = match &session {
            Some(id) => agent.store().session(id).await.map_err(|error| Problem::of_store(&error))?.is_some(),
            None => false,
        };
        let (session, afterwards) = match session {
            Some(id) if known => (id, Afterwards::Keep),
            id => {
                let (source, on_disk) = match afterwards {
                    Afterwards::Keep => (SOURCE, OnDisk::WithFirstTurn),
                    Afterwards::Delete => (STATELESS, OnDisk::Never),
                };
                let source = source.to_owned();
                let new =
                    NewConversation { source, title, client_system: system, id, history, on_disk, depth: 0 };
                (begin_session(agent, new).await?, afterwards)
            }
        };
        let running = permit.start(agent, &session, message, person, afterwards)?;
        Ok((session, running))
    }
}

/// Begins a session.
///
/// # Errors
/// Another session has the title, or the store failed.
pub(crate) async fn begin_session(agent: &Agent, new: NewConversation) -> Result<SessionId, Problem> {
    let (session, warnings) = agent.begin(new).await.map_err(|error| Problem::of_store(&error))?;
    for warning in warnings {
        crate::say::warn(warning);
    }
    Ok(session)
}

/// Returns the session that the request names in `X-Hermes-Session-Id`.
///
/// # Errors
/// The header holds no ID of a session.
pub(crate) fn named_session(headers: &HeaderMap) -> Result<Option<SessionId>, Problem> {
    let Some(value) = headers.get(SESSION_ID) else { return Ok(None) };
    let is_id = |text: &&str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        !text.is_empty() && text.len() <= SESSION_ID_MAX && text.bytes().all(fits)
    };
    value.to_str().ok().filter(is_id).map(|text| Some(SessionId::from(text))).ok_or_else(|| {
        Problem::invalid("X-Hermes-Session-Id must have 1 to 128 letters, digits and characters of _-.:")
    })
}

impl App {
    /// Checks the model of a request: the name of this agent, or the name of its configured model.
    ///
    /// # Errors
    /// The request names another model.
    pub(crate) fn check_model(&self, agent: &Agent, model: Option<&str>) -> Result<(), Problem> {
        match model {
            None | Some("") => Ok(()),
            Some(name) if name == self.model_name || name == agent.model() => Ok(()),
            Some(name) => {
                let message =
                    format!("there is no model {name:?}; this gateway has the model {:?}", self.model_name);
                Err(Problem::new(StatusCode::NOT_FOUND, "model_not_found", message))
            }
        }
    }
}
