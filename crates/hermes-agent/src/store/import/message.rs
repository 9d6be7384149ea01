//! Converts messages of the Python program: the format of Chat Completions, with columns for the parts.

use serde_json::Value;
use serde_json::value::RawValue;

use super::source::OldMessage;
use crate::message::{Block, Message, Opaque, Raw, Role, ToolCall, ToolResult};
use crate::store::Hidden;

/// The mark of content that is a JSON list of parts.
const JSON_MARK: &str = "\0json:";

/// A converted message.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) message: Message,
    pub(crate) hidden: Option<Hidden>,
    pub(crate) at: i64,
}

/// Returns the message. `None` if it is empty or has another role.
pub(crate) fn convert(old: OldMessage) -> Option<Converted> {
    let hidden = match old {
        OldMessage { active: true, .. } => None,
        OldMessage { compacted: true, .. } => Some(Hidden::Compacted),
        _ => Some(Hidden::Undone),
    };
    let at = old.at;
    let content = old.content.as_deref().unwrap_or_default();
    let message = match old.role.as_str() {
        "user" => Message { role: Role::User, blocks: parts(content) },
        "assistant" => {
            let mut blocks = reasoning(&old);
            blocks.extend(parts(content));
            blocks.extend(old.tool_calls.as_deref().map(calls).unwrap_or_default());
            Message { role: Role::Assistant, blocks }
        }
        "tool" => {
            let call_id = old.tool_call_id.clone()?;
            let content = content.strip_prefix(JSON_MARK).unwrap_or(content).to_owned();
            Message::result(ToolResult { call_id, content, is_error: false })
        }
        _ => return None,
    };
    (!message.blocks.is_empty()).then_some(Converted { message, hidden, at })
}

/// Returns the blocks of a text, or of a JSON list of parts.
fn parts(content: &str) -> Vec<Block> {
    let marked = content.strip_prefix(JSON_MARK);
    let is_list = marked.is_some() || content.starts_with("[{");
    if is_list
        && let Ok(list) = serde_json::from_str::<Vec<Value>>(marked.unwrap_or(content))
        && list.iter().all(|part| marked.is_some() || kind(part).is_some_and(is_known))
    {
        return list.iter().filter_map(block).collect();
    }
    match content {
        "" => Vec::new(),
        text => vec![Block::Text { text: text.to_owned() }],
    }
}

fn kind(part: &Value) -> Option<&str> {
    part.get("type")?.as_str()
}

fn is_known(kind: &str) -> bool {
    matches!(kind, "text" | "input_text" | "output_text" | "image_url" | "input_image")
}

/// Returns a part as a block. A part of an unknown kind leaves its name.
fn block(part: &Value) -> Option<Block> {
    if let Some(text) = part.get("text").and_then(Value::as_str).or(part.as_str()) {
        return Some(Block::Text { text: text.to_owned() }).filter(|_| !text.is_empty());
    }
    let url = part.get("image_url").map(|image| image.get("url").unwrap_or(image)).and_then(Value::as_str);
    let Some(url) = url else {
        return Some(Block::Text { text: format!("[{}]", kind(part).unwrap_or("unknown part")) });
    };
    let picture = url.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
    Some(match picture {
        Some((media_type, data)) => Block::Image { media_type: media_type.to_owned(), data: data.to_owned() },
        None => Block::Text { text: format!("[image: {url}]") },
    })
}

/// Returns the reasoning: readable, and in the fields that go back to its provider.
fn reasoning(old: &OldMessage) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(text) = old.reasoning.as_ref().or(old.reasoning_content.as_ref()) {
        blocks.push(Block::Reasoning { text: text.clone() });
    }
    let opaque = |kind: &str, json: String| {
        let raw = RawValue::from_string(json).ok()?;
        let (protocol, kind) = ("chat_completions".to_owned(), kind.to_owned());
        Some(Block::Opaque(Opaque { protocol, kind, raw: Raw(raw) }))
    };
    let content = old.reasoning_content.as_ref().and_then(|text| serde_json::to_string(text).ok());
    blocks.extend(content.and_then(|json| opaque("reasoning_content", json)));
    // An empty list holds no reasoning.
    let details = old.reasoning_details.clone().filter(|json| json.trim() != "[]" && json.trim() != "null");
    blocks.extend(details.and_then(|json| opaque("reasoning_details", json)));
    blocks
}

fn calls(json: &str) -> Vec<Block> {
    let list: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
    list.into_iter().filter_map(call).map(Block::ToolCall).collect()
}

fn call(call: Value) -> Option<ToolCall> {
    let Value::Object(mut fields) = call else { return None };
    let function = fields.remove("function")?;
    let (id, call_id) = (fields.remove("id"), fields.remove("call_id"));
    let id = [call_id, id].into_iter().flatten().find_map(|id| id.as_str().map(str::to_owned))?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "{}".to_owned(),
    };
    for ours in ["type", "response_item_id", "index"] {
        fields.remove(ours);
    }
    fields.retain(|_, value| !value.is_null());
    let extra = (!fields.is_empty()).then(|| serde_json::to_string(&fields).ok()).flatten();
    let extra = extra.and_then(|json| RawValue::from_string(json).ok()).map(Raw);
    Some(ToolCall { id, name: function.get("name")?.as_str()?.to_owned(), arguments, extra })
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
