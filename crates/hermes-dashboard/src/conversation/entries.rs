//! The entries of a conversation on the page, made of stored messages.

use std::collections::HashMap;

use hermes_os::printable::printable;
use serde::Deserialize;

use super::documents::{BlockDocument, MessageDocument};
use super::moment::moment_of;
use crate::markdown;

/// The longest output or input of a tool on the page, in bytes.
const TOOL_TEXT_MAX: usize = 8 * 1024;
/// The longest sum of all texts on a page, in bytes. Older messages are on earlier pages.
const PAGE_MAX: usize = 2 * 1024 * 1024;
/// The tool that asks the person.
const CLARIFY: &str = "clarify";

/// An entry of the conversation.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A message of the person, or of the program that talks to the agent.
    Person(Said),
    /// A text of the model.
    Agent(Said),
    /// A call of a tool.
    Tool(Tool),
    /// The begin of what the model sees since a compaction.
    Compaction,
}

/// A text in the conversation.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) at: String,
    /// HTML of the allow-list of [`markdown`].
    pub(crate) html: String,
    /// The kinds and sizes of pictures.
    pub(crate) pictures: Vec<String>,
    pub(crate) is_interrupted: bool,
    pub(crate) turn: Option<i64>,
}

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) output: Option<String>,
    pub(crate) is_error: bool,
    /// The time from the call to its result.
    pub(crate) took: String,
}

/// A question of the model that waits for the next message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    pub(crate) question: String,
    #[serde(default)]
    pub(crate) choices: Vec<String>,
}

impl Entry {
    fn length(&self) -> usize {
        match self {
            Self::Person(said) | Self::Agent(said) => said.html.len(),
            Self::Tool(tool) => tool.input.len() + tool.output.as_ref().map_or(0, String::len),
            Self::Compaction => 0,
        }
    }
}

/// Returns the entries of messages. If they are too long for one page, the oldest are left out. Then the ID of the first one that stays
/// comes with them.
pub(super) fn of_messages(messages: &[MessageDocument]) -> (Vec<Entry>, Option<i64>) {
    let results = results_of(messages);
    let mut kept: Vec<(i64, Vec<Entry>)> = Vec::new();
    let mut length = 0;
    let mut is_cut = false;
    for message in messages.iter().rev().filter(|message| message.hidden.as_deref() != Some("undone")) {
        let entries = of_message(message, &results);
        length += entries.iter().map(Entry::length).sum::<usize>();
        is_cut = length > PAGE_MAX && !kept.is_empty();
        if is_cut {
            break;
        }
        kept.push((message.id, entries));
    }
    let first = kept.last().filter(|_| is_cut).map(|(id, _)| *id);
    let mut entries = Vec::new();
    for entry in kept.into_iter().rev().flat_map(|(_, entries)| entries) {
        // A compaction writes several messages.
        let is_repeated = matches!((&entry, entries.last()), (Entry::Compaction, Some(Entry::Compaction)));
        if !is_repeated {
            entries.push(entry);
        }
    }
    (entries, first)
}

struct Outcome<'m> {
    content: &'m str,
    is_error: bool,
    at: i64,
}

fn results_of(messages: &[MessageDocument]) -> HashMap<&str, Outcome<'_>> {
    let mut results = HashMap::new();
    for message in messages {
        for block in &message.blocks {
            if let BlockDocument::ToolResult { call_id, content, is_error } = block {
                let outcome = Outcome { content, is_error: *is_error, at: message.at };
                results.insert(call_id.as_str(), outcome);
            }
        }
    }
    results
}

fn of_message(message: &MessageDocument, results: &HashMap<&str, Outcome<'_>>) -> Vec<Entry> {
    if message.summary {
        return vec![Entry::Compaction];
    }
    let mut text = String::new();
    let mut pictures = Vec::new();
    let mut tools = Vec::new();
    for block in &message.blocks {
        match block {
            BlockDocument::Text { text: piece } => text.push_str(piece),
            BlockDocument::Image { media_type, data } => {
                pictures.push(format!(
                    "{}, {} KB",
                    printable(media_type.as_bytes()),
                    data.len() * 3 / 4 / 1024
                ));
            }
            BlockDocument::ToolCall { id, name, arguments } => {
                tools.push(Entry::Tool(tool(name, arguments, results.get(id.as_str()), message.at)));
            }
            BlockDocument::ToolResult { .. } | BlockDocument::Other => {}
        }
    }
    let said = |html| Said {
        at: moment_of(message.at),
        html,
        pictures,
        is_interrupted: message.interrupted,
        turn: message.turn,
    };
    let mut entries = Vec::new();
    match message.role.as_str() {
        "user" => entries.push(Entry::Person(said(markdown::plain(&text)))),
        "assistant" if !text.trim().is_empty() || message.interrupted => {
            entries.push(Entry::Agent(said(markdown::html(&text))));
        }
        _ => {}
    }
    entries.extend(tools);
    entries
}

fn tool(name: &str, arguments: &str, outcome: Option<&Outcome<'_>>, called_at: i64) -> Tool {
    Tool {
        name: printable(name.as_bytes()),
        input: cut(arguments),
        output: outcome.map(|outcome| cut(outcome.content)),
        is_error: outcome.is_some_and(|outcome| outcome.is_error),
        took: outcome.map_or_else(String::new, |outcome| seconds(outcome.at - called_at)),
    }
}

fn cut(text: &str) -> String {
    match text.split_at_checked(text.floor_char_boundary(TOOL_TEXT_MAX)) {
        Some((begin, rest)) if !rest.is_empty() => format!("{begin}\n… ({} more bytes)", rest.len()),
        _ => text.to_owned(),
    }
}

fn seconds(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// Returns the question that the last messages leave open.
pub(super) fn open_question(messages: &[MessageDocument]) -> Option<Question> {
    let results = results_of(messages);
    let calls = messages
        .iter()
        .rev()
        .take_while(|message| message.role != "user")
        .flat_map(|message| &message.blocks);
    calls
        .filter_map(|block| match block {
            BlockDocument::ToolCall { id, name, arguments }
                if name == CLARIFY && !results.contains_key(id.as_str()) =>
            {
                serde_json::from_str(arguments).ok()
            }
            _ => None,
        })
        .next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(documents: serde_json::Value) -> Vec<MessageDocument> {
        serde_json::from_value(documents).unwrap()
    }

    #[test]
    fn a_call_gets_its_result_and_its_time() {
        let messages = messages(json!([
            {"id": 1, "role": "user", "at": 0, "blocks": [{"type": "text", "text": "<b>go</b>"}]},
            {"id": 2, "role": "assistant", "at": 1000, "blocks": [
                {"type": "opaque", "protocol": "x"}, {"type": "tool_call", "id": "c", "name": "terminal", "arguments": "{}"}]},
            {"id": 3, "role": "tool", "at": 2500, "blocks": [
                {"type": "tool_result", "call_id": "c", "content": "done", "is_error": true}]},
            {"id": 4, "role": "assistant", "at": 3000, "hidden": "undone", "blocks": [{"type": "text", "text": "gone"}]},
        ]));
        let (entries, first) = of_messages(&messages);
        assert_eq!((entries.len(), first), (2, None), "{entries:?}");
        let Entry::Person(said) = &entries[0] else { panic!("{entries:?}") };
        assert_eq!(said.html, "<p class=\"plain\">&lt;b&gt;go&lt;/b&gt;</p>");
        let Entry::Tool(tool) = &entries[1] else { panic!("{entries:?}") };
        assert_eq!(
            (tool.output.as_deref(), tool.is_error, tool.took.as_str()),
            (Some("done"), true, "1.5 s")
        );
    }

    #[test]
    fn a_page_of_long_messages_keeps_the_newest() {
        let text = "x".repeat(PAGE_MAX / 4);
        let message = |id: i64| json!({"id": id, "role": "user", "blocks": [{"type": "text", "text": text}]});
        let (entries, first) = of_messages(&messages((1..=9).map(message).collect()));
        assert_eq!((entries.len(), first), (3, Some(7)));
    }

    #[test]
    fn an_unanswered_question_waits() {
        let call = json!({"id": 2, "role": "assistant", "blocks": [
            {"type": "tool_call", "id": "c", "name": "clarify", "arguments": "{\"question\":\"Which?\",\"choices\":[\"a\",\"b\"]}"}]});
        let question = Question { question: "Which?".into(), choices: vec!["a".into(), "b".into()] };
        assert_eq!(open_question(&messages(json!([call]))), Some(question));
        let result = json!({"id": 3, "role": "tool", "blocks": [{"type": "tool_result", "call_id": "c", "content": "a"}]});
        assert_eq!(open_question(&messages(json!([call, result]))), None);
    }
}
