//! The forms for programs: `--events` and `--json`.

use hermes_agent::message::Usage;
use hermes_agent::protocol::{Event, StopReason, TurnEnd, TurnError};
use serde::Serialize;

/// The object of `--json`. Fields may be added.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    /// The session. `--resume` takes it.
    session_id: &'a str,
    /// The number of the turn. `hermes turn` takes it.
    turn: i64,
    text: &'a str,
    stop_reason: StopReason,
    /// The tokens of all model calls of the turn.
    usage: Usage,
    /// `null` if the turn did not fail.
    error: Option<&'a TurnError>,
}

/// Returns the line of `--events` for `event`, without a newline.
pub(crate) fn line(event: &Event) -> String {
    text_of(event)
}

/// Returns the object of `--json`, without a newline.
pub(crate) fn answer(end: &TurnEnd) -> String {
    let answer = Answer {
        session_id: &end.session,
        turn: end.turn,
        text: &end.text,
        stop_reason: end.reason,
        usage: end.usage,
        error: end.error.as_ref(),
    };
    text_of(&answer)
}

/// Returns the JSON with its fields in the order of their declaration. Texts and numbers always have a JSON form.
fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
