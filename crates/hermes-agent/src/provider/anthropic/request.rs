//! Writes requests of Anthropic Messages. Equal histories give equal bytes, apart from the marks of the cache.

use serde::Serialize;
use serde::ser::{Error, SerializeSeq, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::{Block, Message, Role, ToolCall, ToolResult};
use crate::provider::ModelRequest;
use crate::provider::chat_completions::sendable_arguments;
use crate::settings::ModelSettings;

/// The name of the protocol in [`crate::message::Opaque`].
pub(super) const PROTOCOL: &str = "anthropic";

/// The longest answer if the settings have none: the API requires a number that every model accepts.
const MAX_TOKENS: u64 = 8192;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Part<'a>>,
    messages: Vec<Out<'a>>,
}

/// The forms of thinking. Newer models accept the second one alone, older ones the first.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Thinking {
    Enabled { budget_tokens: u64 },
    Adaptive,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

/// The end of a prefix that the server keeps.
#[derive(Clone, Copy, Serialize)]
struct CacheControl {
    r#type: &'static str,
}

const CACHE: CacheControl = CacheControl { r#type: "ephemeral" };

#[derive(Serialize)]
struct Out<'a> {
    role: &'static str,
    content: Content<'a>,
}

/// The blocks of a message. `marked` puts the end of a prefix at the last one.
struct Content<'a> {
    parts: Vec<Part<'a>>,
    marked: bool,
}

enum Part<'a> {
    Text(&'a str),
    Image { media_type: &'a str, data: &'a str },
    Call(&'a ToolCall),
    Result(&'a ToolResult),
    Verbatim(&'a RawValue),
    MarkedText(&'a str),
}

/// The forms of blocks that this program writes itself.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Written<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: &'a str,
    data: &'a str,
}

/// Returns the body of a request. `adaptive` tells the form of thinking.
pub(super) fn body(
    settings: &ModelSettings,
    request: &ModelRequest,
    adaptive: bool,
) -> Result<Vec<u8>, serde_json::Error> {
    let limit = request.max_tokens.or(settings.max_tokens);
    let budget = thinking_budget(settings).filter(|_| !request.without_reasoning);
    // The answer's limit includes the thinking.
    let (max_tokens, budget) = match (limit, budget) {
        (None, budget) => (MAX_TOKENS + budget.unwrap_or(0), budget),
        (Some(limit), Some(budget)) if limit > 2048 => (limit, Some(budget.min(limit / 2))),
        (Some(limit), _) => (limit, None),
    };
    // The server caches the tools with the system prompt, which follows them. The first part is the stable one.
    let texts: Vec<&str> =
        request.system.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    let mark = |place: usize| place == 0 || place + 1 == texts.len();
    let system = texts
        .iter()
        .enumerate()
        .map(|(place, text)| if mark(place) { Part::MarkedText(text) } else { Part::Text(text) });
    let system: Vec<_> = system.collect();
    let mut tools: Vec<_> = request.tools.iter().map(tool).collect();
    if let Some(last) = tools.last_mut().filter(|_| system.is_empty()) {
        last.cache_control = Some(CACHE);
    }
    let mut messages = messages(request);
    let users = messages.iter_mut().rev().filter(|message| message.role == "user");
    for message in users.take(2) {
        message.content.marked = true;
    }
    serde_json::to_vec(&Body {
        model: &settings.model,
        max_tokens,
        stream: true,
        // With thinking, the API accepts no temperature.
        temperature: request.temperature.or(settings.temperature).filter(|_| budget.is_none()),
        thinking: budget.map(
            |budget_tokens| if adaptive { Thinking::Adaptive } else { Thinking::Enabled { budget_tokens } },
        ),
        output_config: budget.filter(|_| adaptive).map(|_| OutputConfig { effort: effort(settings) }),
        tools,
        system,
        messages,
    })
}

/// Returns the tokens for thinking. `None` is no thinking.
fn thinking_budget(settings: &ModelSettings) -> Option<u64> {
    match settings.reasoning_effort.as_deref()? {
        "minimal" => Some(1024),
        "low" => Some(2048),
        "medium" => Some(8192),
        "high" => Some(16384),
        "xhigh" => Some(32768),
        _ => None,
    }
}

/// Returns the effort in the words of the API.
fn effort(settings: &ModelSettings) -> &str {
    match settings.reasoning_effort.as_deref() {
        Some("low" | "minimal") => "low",
        Some("high" | "xhigh") => "high",
        _ => "medium",
    }
}

fn tool(schema: &crate::tools::ToolSchema) -> Tool<'_> {
    Tool {
        name: &schema.name,
        description: &schema.description,
        input_schema: &schema.parameters,
        cache_control: None,
    }
}

/// Returns the messages with alternating roles. All results of a batch are one user message, and come first in it.
fn messages(request: &ModelRequest) -> Vec<Out<'_>> {
    // Thinking goes back within the current tool loop: after the last message of the user.
    let last_user = request.messages.iter().rposition(|message| message.role == Role::User);
    let mut all: Vec<Out<'_>> = Vec::new();
    for (place, message) in request.messages.iter().enumerate() {
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let in_loop = !request.without_reasoning && last_user.is_none_or(|last| place > last);
        let parts = parts(message, in_loop);
        match all.last_mut() {
            Some(last) if last.role == role => {
                let results =
                    last.content.parts.iter().take_while(|part| matches!(part, Part::Result(_))).count();
                let (first, rest): (Vec<_>, Vec<_>) =
                    parts.into_iter().partition(|part| matches!(part, Part::Result(_)));
                last.content.parts.splice(results..results, first);
                last.content.parts.extend(rest);
            }
            _ if parts.is_empty() => {}
            _ => all.push(Out { role, content: Content { parts, marked: false } }),
        }
    }
    all
}

fn parts<'a>(message: &'a Message, with_thinking: bool) -> Vec<Part<'a>> {
    let part = |block: &'a Block| match block {
        // The API refuses a text of white space.
        Block::Text { text } => (!text.trim().is_empty()).then_some(Part::Text(text)),
        Block::Image { media_type, data } => Some(Part::Image { media_type, data }),
        Block::ToolCall(call) => Some(Part::Call(call)),
        Block::ToolResult(result) => Some(Part::Result(result)),
        Block::Opaque(opaque) => {
            (opaque.protocol == PROTOCOL && with_thinking).then_some(Part::Verbatim(&opaque.raw.0))
        }
        Block::Reasoning { .. } => None,
    };
    message.blocks.iter().filter_map(part).collect()
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.parts.len()))?;
        for (place, part) in self.parts.iter().enumerate() {
            let marked = self.marked && place + 1 == self.parts.len();
            list.serialize_element(&Marked { part, cache_control: marked.then_some(CACHE) })?;
        }
        list.end()
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Marked { part: self, cache_control: None }.serialize(serializer)
    }
}

struct Marked<'a> {
    part: &'a Part<'a>,
    cache_control: Option<CacheControl>,
}

impl Serialize for Marked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cache_control = self.cache_control;
        let written = match self.part {
            Part::Text(text) => Written::Text { text, cache_control },
            Part::MarkedText(text) => Written::Text { text, cache_control: Some(CACHE) },
            Part::Image { media_type, data } => {
                Written::Image { source: Source { r#type: "base64", media_type, data }, cache_control }
            }
            Part::Call(call) => {
                let input = sendable_arguments(&call.arguments);
                let input: &RawValue = serde_json::from_str(&input).map_err(S::Error::custom)?;
                return Written::ToolUse { id: &call.id, name: &call.name, input }.serialize(serializer);
            }
            Part::Result(result) => Written::ToolResult {
                tool_use_id: &result.call_id,
                content: &result.content,
                is_error: result.is_error,
                cache_control,
            },
            Part::Verbatim(raw) => return raw.serialize(serializer),
        };
        written.serialize(serializer)
    }
}
