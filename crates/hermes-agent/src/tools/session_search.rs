//! The tool `session_search`: it finds former sessions of the agent, and reads the end of one.

use std::fmt::Write;
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use hermes_core::{chain, timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{Effect, Invocation, Tool, ToolOutput, ToolSchema, arguments};
use crate::message::Role;
use crate::prompt::text_file::one_line;
use crate::store::{Filter, Hit, Order, SessionId, Store, StoreError};

/// The sessions of a call without `limit`, and the messages of one session.
const DEFAULT_SESSIONS: u32 = 5;
const DEFAULT_MESSAGES: u32 = 20;

/// The messages that are looked at for each found session. Several may be of one session.
const HITS_PER_SESSION: u32 = 10;

/// The characters of a snippet, a title and a message.
const SNIPPET_CHARACTERS: usize = 240;
const TITLE_CHARACTERS: usize = 80;
const MESSAGE_CHARACTERS: usize = 1_500;

/// The tool.
#[derive(Clone, Debug)]
pub struct SessionSearchTool {
    store: Store,
}

/// The arguments.
#[derive(Deserialize)]
struct Arguments {
    query: Option<String>,
    limit: Option<u32>,
    #[serde(default)]
    sort: Sort,
    session_id: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Newest,
    #[default]
    Relevance,
}

impl SessionSearchTool {
    /// Creates the tool for the sessions of a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    async fn call(&self, current: &SessionId, arguments: Arguments) -> Result<ToolOutput, StoreError> {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        match (filled(arguments.session_id), filled(arguments.query)) {
            (Some(session), _) => self.messages(&session, arguments.limit.unwrap_or(DEFAULT_MESSAGES)).await,
            (None, Some(query)) => {
                let order = match arguments.sort {
                    Sort::Newest => Order::Newest,
                    Sort::Relevance => Order::Relevance,
                };
                self.search(current, &query, arguments.limit.unwrap_or(DEFAULT_SESSIONS), order).await
            }
            (None, None) => self.recent(current, arguments.limit.unwrap_or(DEFAULT_SESSIONS)).await,
        }
    }

    async fn search(
        &self,
        current: &SessionId,
        query: &str,
        limit: u32,
        order: Order,
    ) -> Result<ToolOutput, StoreError> {
        let hits = self.store.search_in_order(query, limit * HITS_PER_SESSION, order).await?;
        let mut found: Vec<(&Hit, usize)> = Vec::new();
        for hit in hits.iter().filter(|hit| hit.session != *current) {
            match found.iter_mut().find(|(first, _)| first.session == hit.session) {
                Some((_, more)) => *more += 1,
                None => found.push((hit, 0)),
            }
        }
        found.truncate(limit as usize);
        if found.is_empty() {
            let hint = "Each word must be in one message: use fewer words.";
            return Ok(ToolOutput::done(format!(
                "no message in another session has all these words. {hint}"
            )));
        }
        let mut text = String::new();
        for (hit, more) in found {
            text.push_str(&head(&hit.session, hit.title.as_deref(), hit.at));
            let _ = writeln!(
                text,
                "  {}: {}",
                speaker(hit.role),
                cut(&one_line(&hit.snippet), SNIPPET_CHARACTERS)
            );
            if more > 0 {
                let _ = writeln!(text, "  (and {more} more messages)");
            }
        }
        Ok(ToolOutput::done(text))
    }

    async fn recent(&self, current: &SessionId, limit: u32) -> Result<ToolOutput, StoreError> {
        let filter = Filter { limit: Some(limit + 1), ..Filter::default() };
        let mut sessions = self.store.list(filter).await?;
        sessions.retain(|session| session.id != *current);
        sessions.truncate(limit as usize);
        if sessions.is_empty() {
            return Ok(ToolOutput::done("there is no other session"));
        }
        let mut text = String::new();
        for session in sessions {
            text.push_str(&head(&session.id, session.title.as_deref(), session.active_at));
            let preview = one_line(session.preview.as_deref().unwrap_or_default());
            let _ = writeln!(text, "  {} messages: {}", session.messages, cut(&preview, SNIPPET_CHARACTERS));
        }
        Ok(ToolOutput::done(text))
    }

    async fn messages(&self, session: &str, limit: u32) -> Result<ToolOutput, StoreError> {
        let id = match self.store.find(session).await {
            Ok(id) => id,
            Err(error) => return Ok(ToolOutput::failed(chain(&error))),
        };
        let messages = self.store.last_messages(&id, limit).await?;
        let Some(stored) = self.store.session(&id).await? else {
            return Ok(ToolOutput::failed(format!("failed to find the session {id}")));
        };
        let mut text = head(&id, stored.title.as_deref(), stored.active_at);
        if messages.len() == limit as usize {
            let _ = writeln!(text, "[the last {limit} messages with text; {} in all]", stored.messages);
        }
        for stored in messages {
            let said = stored.message.plain_text();
            let _ =
                writeln!(text, "{}: {}", speaker(stored.message.role), cut(said.trim(), MESSAGE_CHARACTERS));
        }
        Ok(ToolOutput::done(text))
    }
}

/// Returns the line of a session: ID, date, title.
fn head(id: &SessionId, title: Option<&str>, at: i64) -> String {
    let moment = UNIX_EPOCH + Duration::from_millis(at.max(0).unsigned_abs());
    let date: String = timestamp::rfc3339(moment).chars().take(10).collect();
    match title.map(one_line).filter(|title| !title.is_empty()) {
        Some(title) => format!("{id} ({date}) {}\n", cut(&title, TITLE_CHARACTERS)),
        None => format!("{id} ({date})\n"),
    }
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Tool for SessionSearchTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "session_search".to_owned(),
            description: "Finds former sessions by words; without query lists the last ones. With session_id returns the end of \
                          that session."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "words that one message has"},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                    "sort": {"type": "string", "enum": ["relevance", "newest"]},
                    "session_id": {"type": "string"},
                },
            }),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            let arguments = match arguments::parse(&self.schema(), call.arguments) {
                Ok(arguments) => arguments,
                Err(faults) => return ToolOutput::failed(faults),
            };
            match self.call(&call.session, arguments).await {
                Ok(output) => output,
                Err(error) => ToolOutput::failed(chain(&error)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;
    use crate::message::Message;
    use crate::store::NewSession;

    /// A store with sessions, and the tool on it.
    async fn tool(sessions: &[(&str, Option<&str>, &[&str])]) -> (TempDir, SessionSearchTool) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hermes.db")).unwrap().store;
        for (id, title, messages) in sessions {
            let roles = [Role::User, Role::Assistant].into_iter().cycle();
            let history = roles.zip(*messages).map(|(role, text)| Message::text(role, *text)).collect();
            let new = NewSession {
                id: Some((*id).into()),
                title: title.map(str::to_owned),
                history,
                ..NewSession::default()
            };
            store.create_session(new).await.unwrap();
        }
        (folder, SessionSearchTool::new(store))
    }

    /// Calls the tool in the session `current`. Today's date becomes `DATE`.
    async fn call(tool: &SessionSearchTool, arguments: Value) -> ToolOutput {
        let mut output = tool.run(Invocation::confined("current".into(), arguments)).await;
        let today: String = timestamp::rfc3339(std::time::SystemTime::now()).chars().take(10).collect();
        output.content = output.content.replace(&today, "DATE");
        output
    }

    #[rstest]
    #[case::relevance(json!({"query": "kettle"}), "best (DATE) Tea\n  user: kettle kettle kettle\nlast (DATE)\n  assistant: the kettle\n  (and 1 more messages)\n")]
    #[case::newest(json!({"query": "kettle", "sort": "newest", "limit": 1}), "last (DATE)\n  assistant: the kettle\n  (and 1 more messages)\n")]
    #[case::nothing(json!({"query": "kettle zebra"}), "no message in another session has all these words. Each word must be in one message: use fewer words.")]
    #[case::recent(json!({"limit": 1}), "last (DATE)\n  2 messages: a long text about many other things, and one kettle\n")]
    #[case::messages(json!({"session_id": "Tea"}), "best (DATE) Tea\nuser: kettle kettle kettle\nassistant: yes\n")]
    #[case::last_message(json!({"session_id": "be", "limit": 1}), "best (DATE) Tea\n[the last 1 messages with text; 2 in all]\nassistant: yes\n")]
    #[tokio::test]
    async fn sessions_are_found_and_read(#[case] arguments: Value, #[case] expected: &str) {
        let (_folder, tool) = tool(&[
            ("best", Some("Tea"), &["kettle kettle kettle", "yes"]),
            ("last", None, &["a long text about many other things, and one kettle", "the kettle"]),
            ("current", None, &["kettle"]),
        ])
        .await;
        // Sessions of one millisecond are sorted by their IDs.
        assert_eq!(call(&tool, arguments).await, ToolOutput::done(expected));
    }

    #[tokio::test]
    async fn an_unknown_session_is_told() {
        let (_folder, tool) = tool(&[]).await;
        let output = call(&tool, json!({"session_id": "none"})).await;
        assert!(output.is_error, "{}", output.content);
        assert_eq!(call(&tool, json!({})).await, ToolOutput::done("there is no other session"));
    }

    #[tokio::test]
    async fn a_long_message_is_cut() {
        let (_folder, tool) = tool(&[("a", None, &[&"x ".repeat(5_000)])]).await;
        let output = call(&tool, json!({"session_id": "a"})).await;
        assert!(output.content.len() < MESSAGE_CHARACTERS + 50);
    }
}
