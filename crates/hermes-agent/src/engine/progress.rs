//! The reports of the parts of a turn that run at one time.

use crate::approval::{Approval, ApprovalId, ApprovalState};
use crate::message::{ToolCall, Usage};
use crate::provider::ModelProgress;

/// Progress of the parts that run at one time.
pub(super) enum Progress {
    /// Of the model call.
    Model(ModelProgress),
    /// A sentence for the user.
    Notice(String),
    /// A tool starts.
    ToolStarted(ToolCall),
    /// Another agent used a model for a call.
    Spent(Usage),
    /// A call waits for a person.
    Asked(Approval),
    /// A call waits no longer.
    Answered(ApprovalId, ApprovalState),
}
