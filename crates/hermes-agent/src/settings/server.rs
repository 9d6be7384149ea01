//! A model with its server: address, protocol, key, limits of time, and the way to it.

use std::path::PathBuf;
use std::time::Duration;

use super::address::is_local;
use super::secret::Secret;

/// A model with its server.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    /// The provider, as `openai`, or `custom`.
    pub provider: String,
    /// The name of the model.
    pub model: String,
    /// The base URL: requests go to paths below it. It holds no user and no password.
    pub base_url: reqwest::Url,
    /// The protocol of the server.
    pub protocol: Protocol,
    /// The key. A local server may need none.
    pub key: Option<Secret>,
    /// `model.context_length`: the whole window, in tokens.
    pub context_length: Option<u64>,
    /// `model.max_tokens`: the longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// `model.temperature`.
    pub temperature: Option<f64>,
    /// `agent.reasoning_effort`, as `low`, `medium` or `high`.
    pub reasoning_effort: Option<String>,
    /// `model.timeouts`.
    pub timeouts: Timeouts,
    /// `model.text_tool_calls`: tool calls in the text count. Only a local server has this.
    pub text_tool_calls: bool,
    /// The way to the server.
    pub network: Network,
    /// The directory for records of calls.
    pub record: Option<PathBuf>,
}

impl ModelSettings {
    /// Returns `true` if the server runs on this machine or in a network nearby.
    pub fn is_local(&self) -> bool {
        is_local(&self.base_url)
    }
}

/// The protocol of a model server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's Chat Completions.
    ChatCompletions,
    /// Anthropic's Messages.
    Anthropic,
}

/// The limits of time of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time for name, connection and TLS. 10 s by default.
    pub connect: Duration,
    /// The time from the connection to the first byte of the answer's body. 120 s by default, 15 min for a local server.
    pub first_byte: Duration,
    /// The time between two pieces of the answer. 120 s by default.
    pub between_bytes: Duration,
}

/// The way to a server: certificates and proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Files of further root certificates in PEM: `SSL_CERT_FILE` and `model.ca_file`.
    pub ca_files: Vec<PathBuf>,
    /// `HTTPS_PROXY`.
    pub https_proxy: Option<Secret>,
    /// `HTTP_PROXY`.
    pub http_proxy: Option<Secret>,
    /// `ALL_PROXY`.
    pub all_proxy: Option<Secret>,
    /// `NO_PROXY`.
    pub no_proxy: Option<String>,
}
