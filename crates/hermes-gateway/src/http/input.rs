//! Messages of clients in OpenAI's forms, of Chat Completions and of Responses.

use hermes_agent::message::{Block, Message, Role, ToolCall, ToolResult};
use serde::Deserialize;
use serde_json::Value;

use super::problem::Problem;

/// A conversation of a client.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// The system text of the client.
    pub(crate) system: Option<String>,
    /// All messages, in order.
    pub(crate) messages: Vec<Message>,
}

/// A message of a client. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct InputMessage {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<InputCall>>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct InputCall {
    id: String,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// The content of a message: a text, or parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    /// A text.
    Text(String),
    /// Parts.
    Parts(Vec<Part>),
}

/// A part of a content.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Part {
    r#type: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    image_url: Option<ImageUrl>,
}

/// The URL of a picture: an object in Chat Completions, a text in Responses.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum ImageUrl {
    Object { url: String },
    Text(String),
}

impl Content {
    /// Returns the blocks of the content.
    ///
    /// # Errors
    /// A part has an unknown type, or a picture is no data URL.
    pub(crate) fn blocks(self) -> Result<Vec<Block>, Problem> {
        match self {
            Self::Text(text) => Ok(vec![Block::Text { text }]),
            Self::Parts(parts) => parts.into_iter().map(Part::block).collect(),
        }
    }

    fn text(self) -> Result<String, Problem> {
        Ok(Message { role: Role::User, blocks: self.blocks()? }.plain_text())
    }
}

impl Part {
    fn block(self) -> Result<Block, Problem> {
        match (self.r#type.as_str(), self.text, self.image_url) {
            ("text" | "input_text" | "output_text" | "refusal", Some(text), _) => Ok(Block::Text { text }),
            ("image_url" | "input_image", _, Some(ImageUrl::Object { url } | ImageUrl::Text(url))) => {
                picture(&url)
            }
            (kind, ..) => Err(Problem::invalid(format!(
                "failed to read a part of a message: a part of the type {kind:?} is not supported, or is incomplete"
            ))),
        }
    }
}

/// Reads a data URL (RFC 2397) in Base64.
fn picture(url: &str) -> Result<Block, Problem> {
    let (media_type, data) = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
        .filter(|(media_type, data)| media_type.starts_with("image/") && !data.is_empty())
        .ok_or_else(|| {
            Problem::invalid("failed to read a picture: send it as a data URL, data:image/png;base64,…")
        })?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if !data.bytes().all(is_base64) {
        return Err(Problem::invalid("failed to read a picture: its data is no Base64"));
    }
    Ok(Block::Image { media_type: media_type.to_owned(), data: data.to_owned() })
}

/// Reads the messages of a client.
///
/// # Errors
/// A message has an unknown role, or a part is not supported.
pub(crate) fn conversation(messages: Vec<InputMessage>) -> Result<Conversation, Problem> {
    let mut systems = Vec::new();
    let mut conversation = Conversation::default();
    for message in messages {
        if message.r#type.as_deref().is_some_and(|kind| kind != "message") {
            // Items of Responses other than messages are the agent's own: the store has them.
            continue;
        }
        let content = message.content.unwrap_or(Content::Parts(Vec::new()));
        let role = match message.role.as_deref() {
            Some("system" | "developer") => {
                systems.push(content.text()?);
                continue;
            }
            Some("tool") => {
                let call_id = message.tool_call_id.unwrap_or_default();
                let result = ToolResult { call_id, content: content.text()?, is_error: false };
                conversation.messages.push(Message::result(result));
                continue;
            }
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            other => {
                let role = other.unwrap_or_default();
                return Err(Problem::invalid(format!(
                    "failed to read a message: the role {role:?} is unknown"
                )));
            }
        };
        let mut blocks = content.blocks()?;
        if role == Role::Assistant {
            let calls = message.tool_calls.into_iter().flatten();
            blocks.extend(calls.map(|call| {
                let InputCall { id, function: Function { name, arguments } } = call;
                Block::ToolCall(ToolCall { id, name, arguments, extra: None })
            }));
        }
        conversation.messages.push(Message { role, blocks });
    }
    conversation.system = (!systems.is_empty()).then(|| systems.join("\n\n"));
    Ok(conversation)
}

/// Reads the `input` of Responses: a text, or items.
///
/// # Errors
/// As [`conversation`].
pub(crate) fn of_input(input: Value) -> Result<Conversation, Problem> {
    match input {
        Value::String(text) => {
            Ok(Conversation { system: None, messages: vec![Message::text(Role::User, text)] })
        }
        items @ Value::Array(_) => {
            let messages = serde_json::from_value(items)
                .map_err(|error| Problem::invalid(format!("failed to read \"input\": {error}")))?;
            conversation(messages)
        }
        _ => Err(Problem::invalid("failed to read \"input\": it must be a text or a list of messages")),
    }
}

impl Conversation {
    /// Splits off the last message, which must be the user's.
    ///
    /// # Errors
    /// There is none, it is not the user's, or it is empty.
    pub(crate) fn split(mut self) -> Result<(Option<String>, Vec<Message>, Message), Problem> {
        match self.messages.pop() {
            Some(last) if last.role == Role::User && !is_empty(&last) => {
                Ok((self.system, self.messages, last))
            }
            _ => Err(Problem::invalid(
                "failed to begin a turn: the last message must be the user's, and not empty",
            )),
        }
    }
}

fn is_empty(message: &Message) -> bool {
    message.blocks.iter().all(|block| matches!(block, Block::Text { text } if text.trim().is_empty()))
}
