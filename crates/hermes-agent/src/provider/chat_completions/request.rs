//! Writes requests. Equal histories give equal bytes: a server's cache counts on the prefix.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::replay::Replay;
use super::wire::PROTOCOL;
use crate::message::{Block, Message, Opaque, Role, ToolCall};
use crate::provider::ModelRequest;
use crate::settings::ModelSettings;
use crate::tools::ToolSchema;

/// Fields that a server may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Sends `stream_options`.
    pub(super) usage: bool,
    /// Names the limit `max_completion_tokens` instead of `max_tokens`.
    pub(super) completion_tokens: bool,
}

/// The body. The messages come last, so that a longer history only adds bytes.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    messages: Vec<Out<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: &'a ToolSchema,
}

/// A message of the request.
enum Out<'a> {
    System(String),
    User(&'a Message),
    Assistant { message: &'a Message, replay: Replay, without_reasoning: bool },
    Result { call_id: &'a str, content: &'a str },
}

/// Returns the body of a request.
pub(super) fn body(
    settings: &ModelSettings,
    request: &ModelRequest,
    options: Options,
) -> Result<Vec<u8>, serde_json::Error> {
    let replay = Replay::of(&settings.provider, &settings.model);
    let limit = request.max_tokens.or(settings.max_tokens);
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    let system = request.system.join("\n\n");
    if !system.is_empty() {
        messages.push(Out::System(system));
    }
    for message in &request.messages {
        match message.role {
            Role::User => messages.push(Out::User(message)),
            Role::Assistant => {
                messages.push(Out::Assistant {
                    message,
                    replay,
                    without_reasoning: request.without_reasoning,
                });
            }
            Role::Tool => messages.extend(message.blocks.iter().filter_map(|block| match block {
                Block::ToolResult(result) => {
                    Some(Out::Result { call_id: &result.call_id, content: &result.content })
                }
                _ => None,
            })),
        }
    }
    serde_json::to_vec(&Body {
        model: &settings.model,
        stream: true,
        stream_options: options.usage.then_some(StreamOptions { include_usage: true }),
        max_tokens: limit.filter(|_| !options.completion_tokens),
        max_completion_tokens: limit.filter(|_| options.completion_tokens),
        temperature: request.temperature.or(settings.temperature),
        reasoning_effort: settings.reasoning_effort.as_deref(),
        tools: request.tools.iter().map(|function| Tool { r#type: "function", function }).collect(),
        messages,
    })
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::System(text) => {
                map.serialize_entry("role", "system")?;
                map.serialize_entry("content", text)?;
            }
            Self::User(message) => {
                map.serialize_entry("role", "user")?;
                if message.blocks.iter().any(|block| matches!(block, Block::Image { .. })) {
                    map.serialize_entry("content", &parts(message))?;
                } else {
                    map.serialize_entry("content", &text_of_user(message))?;
                }
            }
            Self::Assistant { message, replay, without_reasoning } => {
                map.serialize_entry("role", "assistant")?;
                let text = message.plain_text();
                let calls: Vec<_> = message
                    .calls()
                    .map(|call| Call { call, fields: replay.call_fields && !without_reasoning })
                    .collect();
                // Some servers refuse an empty text beside calls, others a missing one without calls.
                let content = (!text.is_empty() || calls.is_empty()).then_some(text);
                map.serialize_entry("content", &content)?;
                if !calls.is_empty() {
                    map.serialize_entry("tool_calls", &calls)?;
                }
                if !without_reasoning {
                    fields(&mut map, message, *replay, !calls.is_empty())?;
                }
            }
            Self::Result { call_id, content } => {
                map.serialize_entry("role", "tool")?;
                map.serialize_entry("tool_call_id", call_id)?;
                map.serialize_entry("content", content)?;
            }
        }
        map.end()
    }
}

/// Writes the fields that the rule of the provider asks for.
fn fields<M: SerializeMap>(
    map: &mut M,
    message: &Message,
    replay: Replay,
    has_calls: bool,
) -> Result<(), M::Error> {
    if let Some(name) = replay.reasoning {
        let texts = message.blocks.iter().filter_map(|block| match block {
            Block::Reasoning { text } => Some(text.as_str()),
            _ => None,
        });
        let text: String = texts.collect();
        if !text.is_empty() || replay.requires_reasoning && has_calls {
            map.serialize_entry(name, &text)?;
        }
    }
    for block in &message.blocks {
        if let Block::Opaque(Opaque { protocol, kind, raw }) = block
            && protocol == PROTOCOL
            && replay.fields.contains(&kind.as_str())
        {
            map.serialize_entry(kind, &raw.0)?;
        }
    }
    Ok(())
}

/// Returns the texts of a user's message. A blank line separates messages that became one.
fn text_of_user(message: &Message) -> String {
    let texts = message.blocks.iter().filter_map(|block| match block {
        Block::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// A part of a user's message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

fn parts<'a>(message: &'a Message) -> Vec<Part<'a>> {
    let part = |block: &'a Block| match block {
        Block::Text { text } => Some(Part::Text { text }),
        Block::Image { media_type, data } => {
            Some(Part::ImageUrl { image_url: ImageUrl { url: format!("data:{media_type};base64,{data}") } })
        }
        _ => None,
    };
    message.blocks.iter().filter_map(part).collect()
}

/// A tool call. `fields` tells if its further fields go back.
struct Call<'a> {
    call: &'a ToolCall,
    fields: bool,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: Cow<'a, str>,
}

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.call.id)?;
        map.serialize_entry("type", "function")?;
        let arguments = sendable_arguments(&self.call.arguments);
        map.serialize_entry("function", &Function { name: &self.call.name, arguments })?;
        if let Some(extra) = self.call.extra.as_ref().filter(|_| self.fields) {
            let extra: std::collections::BTreeMap<String, &RawValue> =
                serde_json::from_str(extra.0.get()).map_err(serde::ser::Error::custom)?;
            for (name, value) in extra {
                map.serialize_entry(&name, value)?;
            }
        }
        map.end()
    }
}

/// Returns arguments that every server can parse. Templates of local servers fail for text that is no JSON object.
pub(in crate::provider) fn sendable_arguments(arguments: &str) -> Cow<'_, str> {
    let text = arguments.trim();
    if text.is_empty() {
        return Cow::Borrowed("{}");
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) if text.starts_with('{') => Cow::Borrowed(arguments),
        _ => Cow::Owned(serde_json::json!({ "invalid_arguments": arguments }).to_string()),
    }
}
