//! The sessions that a person begins on a terminal.

use hermes_agent::agent::{Agent, NewConversation};
use hermes_agent::store::{OnDisk, SessionId, StoreError};

/// The surface of these sessions. `hermes chat` and the full screen can go on with those of each other.
pub const SOURCE: &str = "cli";

/// Begins a session. Returns warnings about its prompt, too.
///
/// # Errors
/// The store failed.
pub async fn begin(agent: &Agent) -> Result<(SessionId, Vec<String>), StoreError> {
    let new = NewConversation {
        source: SOURCE.to_owned(),
        on_disk: OnDisk::WithFirstTurn,
        ..NewConversation::default()
    };
    agent.begin(new).await
}

/// Returns the session if it has a message. One without a message is no session for its person, and is deleted.
pub async fn end(agent: &Agent, id: &SessionId) -> Option<SessionId> {
    let session = agent.store().session(id).await.ok().flatten()?;
    if session.messages > 0 {
        return Some(session.id);
    }
    // If the store fails, an empty session stays.
    let _ = agent.store().delete(id).await;
    None
}
