//! A question about a call of a tool, as JSON.

use hermes_agent::approval::Approval;
use serde_json::{Value, json};

/// Returns a question as JSON.
pub(crate) fn document(approval: &Approval) -> Value {
    json!({
        "object": "hermes.approval",
        "id": approval.id,
        "session_id": approval.session,
        "turn": approval.turn,
        "call_id": approval.call_id,
        "tool": approval.tool,
        "subject": approval.subject,
        "reason": approval.reason,
        "message": approval.reason.sentence(),
        "asked_at": approval.asked_at / 1000,
        "expires_at": approval.expires_at / 1000,
        "state": approval.state,
        "answered_by": approval.answered_by,
        "choices": ["once", "session", "always", "deny"],
    })
}
