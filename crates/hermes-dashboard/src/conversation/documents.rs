//! The answers of the gateway's API, as far as the page shows them. Unknown fields and blocks are ignored.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SessionDocument {
    pub(super) id: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) preview: Option<String>,
    #[serde(default)]
    pub(super) active_at: i64,
    #[serde(default)]
    pub(super) busy: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct MessageDocument {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) turn: Option<i64>,
    #[serde(default)]
    pub(super) at: i64,
    pub(super) role: String,
    #[serde(default)]
    pub(super) blocks: Vec<BlockDocument>,
    #[serde(default)]
    pub(super) interrupted: bool,
    #[serde(default)]
    pub(super) summary: bool,
    /// `undone` or `compacted`, if the model does not see it.
    #[serde(default)]
    pub(super) hidden: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum BlockDocument {
    Text {
        text: String,
    },
    Image {
        media_type: String,
        data: String,
    },
    ToolCall {
        id: String,
        name: String,
        arguments: String,
    },
    ToolResult {
        call_id: String,
        content: String,
        #[serde(default)]
        is_error: bool,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunDocument {
    pub(super) run_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) error: Option<ErrorDocument>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorDocument {
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApprovalDocument {
    pub(super) id: String,
    pub(super) session_id: String,
    pub(super) tool: String,
    pub(super) subject: String,
    pub(super) message: String,
}
