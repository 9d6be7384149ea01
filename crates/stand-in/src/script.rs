//! Scripts: steps in JSON, each with a condition and an answer or a fault.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Answer, ToolCall, Usage};
use crate::error::Error;
use crate::fault::Fault;
use crate::prompt::Prompt;
use crate::response::Stop;
use crate::stamp;
use crate::words;

/// The bytes of a long line, if a step gives no number.
const LONG_LINE: usize = 10 * 1024 * 1024;

/// The steps of a conversation. `README.md` describes the format.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    when: When,
    /// The number of further requests that it answers. `None` is without end.
    left: Option<u64>,
    pub(crate) answer: Answer,
    pub(crate) fault: Option<Fault>,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The conditions of a step. All of them must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    /// A part of the last message of the user.
    user: Option<String>,
    /// The number of messages without those of the system.
    messages: Option<usize>,
    model: Option<String>,
    /// `true` if tools are offered.
    tools: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    CutEveryByte,
    Stall,
    StallAfterBytes,
    Reset,
    HalfLine,
    LongLine,
    ContentType,
    Html,
    Status,
    ContextTooLong,
    ErrorInStream,
    SlowFirstByte,
    JsonInsteadOfSse,
    NoDone,
    Bom,
    Crlf,
    UsageRefused,
}

/// A step as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    when: Option<When>,
    times: Option<u64>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    reasoning: String,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    finish: Option<String>,
    usage: Option<Usage>,
    chunk_bytes: Option<usize>,
    #[serde(default)]
    delay_ms: u64,
    stamps: Option<usize>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    fault: Option<Kind>,
    after_bytes: Option<usize>,
    bytes: Option<usize>,
    content_type: Option<String>,
    status: Option<u16>,
    retry_after: Option<Value>,
    message: Option<String>,
    body: Option<Value>,
    words: Option<words::Server>,
    wait_ms: Option<u64>,
}

impl Script {
    /// Parses a script: a JSON array of steps.
    ///
    /// # Errors
    ///
    /// Fails for an unknown field, and for fields that do not fit together. The error names them.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let written: Vec<Written> = serde_json::from_str(text).map_err(Error::Script)?;
        let steps = written.into_iter().enumerate().map(|(index, written)| {
            written.check().map_err(|reason| Error::Step { step: index + 1, reason })
        });
        Ok(Self { steps: steps.collect::<Result<_, _>>()? })
    }

    /// Reads a script from a file.
    ///
    /// # Errors
    ///
    /// Fails like [`Script::parse`], and if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Returns the first step that fits, and counts its use.
    pub(crate) fn take(&mut self, prompt: &Prompt) -> Option<Step> {
        let step = self.steps.iter_mut().find(|step| step.left != Some(0) && step.fits(prompt))?;
        step.left = step.left.map(|left| left - 1);
        Some(step.clone())
    }
}

impl Step {
    fn fits(&self, prompt: &Prompt) -> bool {
        let When { user, messages, model, tools } = &self.when;
        user.as_ref().is_none_or(|part| prompt.last_of_user().contains(part))
            && messages.is_none_or(|count| prompt.messages.len() == count)
            && model.as_ref().is_none_or(|name| *name == prompt.model)
            && tools.is_none_or(|offered| offered != prompt.tools.is_empty())
            && (self.fault != Some(Fault::UsageRefused) || prompt.has_stream_options)
    }
}

impl Written {
    /// Checks the fields that depend on each other. An error is a clause.
    fn check(mut self) -> Result<Step, String> {
        let fault = self.fault()?;
        if let Some(stamps) = self.stamps {
            if !self.text.is_empty() || self.chunk_bytes.is_some() {
                return Err("stamps takes the place of text and chunk_bytes".into());
            }
            self.text = "0".repeat(stamps * stamp::DIGITS);
            self.chunk_bytes = Some(stamp::DIGITS);
        }
        let is_answer = !(self.text.is_empty() && self.reasoning.is_empty() && self.tool_calls.is_empty());
        if fault.is_none() && !is_answer && self.finish.is_none() {
            return Err("it has no text, reasoning, tool_calls, finish or fault".into());
        }
        if self.chunk_bytes == Some(0) {
            return Err("chunk_bytes is 0".into());
        }
        // A refusal of an option is a property of the server, so it stays.
        let is_lasting = self.when.is_some() || fault == Some(Fault::UsageRefused);
        Ok(Step {
            left: if is_lasting { self.times } else { Some(self.times.unwrap_or(1)) },
            when: self.when.unwrap_or_default(),
            answer: Answer {
                // A fault needs a text to show itself.
                text: if is_answer || self.fault.is_none() { self.text } else { "An answer.".into() },
                reasoning: self.reasoning,
                tool_calls: self.tool_calls,
                finish: self.finish,
                usage: self.usage,
                chunk_bytes: self.chunk_bytes,
                pause: Duration::from_millis(self.delay_ms),
                is_stamped: self.stamps.is_some(),
            },
            fault,
            headers: self.headers,
        })
    }

    fn fault(&self) -> Result<Option<Fault>, String> {
        use Kind as K;
        let fields = [
            ("after_bytes", self.after_bytes.is_some(), &[K::StallAfterBytes, K::Reset][..]),
            ("bytes", self.bytes.is_some(), &[K::LongLine]),
            ("content_type", self.content_type.is_some(), &[K::ContentType]),
            ("status", self.status.is_some(), &[K::Status]),
            ("retry_after", self.retry_after.is_some(), &[K::Status]),
            ("message", self.message.is_some(), &[K::Status, K::ErrorInStream]),
            ("body", self.body.is_some(), &[K::Status]),
            ("words", self.words.is_some(), &[K::ContextTooLong]),
            ("wait_ms", self.wait_ms.is_some(), &[K::SlowFirstByte]),
        ];
        for (name, is_present, kinds) in fields {
            if is_present && !self.fault.is_some_and(|kind| kinds.contains(&kind)) {
                return Err(format!("the field {name} needs another fault"));
            }
        }
        let Some(kind) = self.fault else { return Ok(None) };
        let missing = |name: &str| format!("its fault needs the field {name}");
        Ok(Some(match kind {
            K::CutEveryByte => Fault::CutEveryByte,
            K::Stall => Fault::Stop(0, Stop::Stall),
            K::StallAfterBytes => {
                Fault::Stop(self.after_bytes.ok_or_else(|| missing("after_bytes"))?, Stop::Stall)
            }
            K::Reset => Fault::Stop(self.after_bytes.unwrap_or(0), Stop::Reset),
            K::HalfLine => Fault::HalfLine,
            K::LongLine => Fault::LongLine(self.bytes.unwrap_or(LONG_LINE)),
            K::ContentType => {
                Fault::ContentType(self.content_type.clone().ok_or_else(|| missing("content_type"))?)
            }
            K::Html => Fault::Html,
            K::Status => Fault::Status {
                status: self.status.ok_or_else(|| missing("status"))?,
                retry_after: match &self.retry_after {
                    None => None,
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(Value::Number(number)) => Some(number.to_string()),
                    Some(_) => return Err("retry_after is no number and no text".into()),
                },
                message: self.message.clone(),
                body: self.body.clone(),
            },
            K::ContextTooLong => Fault::ContextTooLong(self.words.ok_or_else(|| missing("words"))?),
            K::ErrorInStream => Fault::ErrorInStream(self.message.clone()),
            K::SlowFirstByte => {
                Fault::SlowFirstByte(Duration::from_millis(self.wait_ms.ok_or_else(|| missing("wait_ms"))?))
            }
            K::JsonInsteadOfSse => Fault::JsonInsteadOfSse,
            K::NoDone => Fault::NoDone,
            K::Bom => Fault::Bom,
            K::Crlf => Fault::Crlf,
            K::UsageRefused => Fault::UsageRefused,
        }))
    }
}
