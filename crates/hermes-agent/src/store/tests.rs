//! Tests of the store, by subject.

use std::path::PathBuf;

use serde_json::value::RawValue;
use tempfile::TempDir;

use super::*;
use crate::message::{Block, Message, Opaque, Raw, Role, ToolCall, ToolResult, Usage};
use crate::protocol::StopReason;
use crate::tools::Effect;

mod approvals;
mod cut;
mod files;
mod ledger;
mod sessions;
mod speed;
mod turns;

/// A database in a directory of its own.
struct Bench {
    folder: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join(FILE)).unwrap().store;
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Closes the database, and opens it again.
    fn reopen(self) -> Self {
        let Self { folder, store } = self;
        drop(store);
        let opened = Store::open(&folder.path().join(FILE)).unwrap();
        assert_eq!(opened.notices, Vec::<String>::new());
        Self { folder, store: opened.store }
    }

    fn owner(&self) -> Owner {
        Owner::claim(&self.path(), "chat").unwrap()
    }

    async fn session(&self) -> SessionId {
        self.store.create_session(NewSession { source: "chat".into(), ..Default::default() }).await.unwrap()
    }

    /// Returns the visible conversation, each message as a word: its role, and its text or calls.
    async fn seen(&self, session: &SessionId) -> Vec<String> {
        let conversation = self.store.conversation(session).await.unwrap();
        conversation.iter().map(|stored| describe(&stored.message)).collect()
    }
}

fn describe(message: &Message) -> String {
    let blocks = message.blocks.iter().map(|block| match block {
        Block::Text { text } => text.clone(),
        Block::ToolCall(call) => format!("call {}", call.id),
        Block::ToolResult(result) => format!("result {}", result.call_id),
        _ => "other".to_owned(),
    });
    format!("{:?}: {}", message.role, blocks.collect::<Vec<_>>().join(", "))
}

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn assistant(text: &str) -> Message {
    Message::text(Role::Assistant, text)
}

fn calls(ids: &[&str]) -> Message {
    let call = |id: &&str| {
        Block::ToolCall(ToolCall {
            id: (*id).to_owned(),
            name: format!("tool_{id}"),
            arguments: "{}".into(),
            extra: None,
        })
    };
    Message { role: Role::Assistant, blocks: ids.iter().map(call).collect() }
}

fn result(call_id: &str) -> Message {
    Message::result(ToolResult { call_id: call_id.to_owned(), content: "done".into(), is_error: false })
}

fn run(call_id: &str, state: RunState) -> Change {
    Change::Run {
        call_id: call_id.to_owned(),
        tool: format!("tool_{call_id}"),
        state,
        effect: Effect::Writes,
    }
}
