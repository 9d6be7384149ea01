//! Tests of whole calls against a small server.

mod anthropic;
mod chat_completions;
mod faults;
mod server;
mod tls;

use std::time::Duration;

use super::{ModelAnswer, ModelProgress, ModelRequest, ProviderError, connect};
use crate::message::{Message, Role};
use crate::settings::{ModelSettings, Network, Protocol, Secret, Timeouts};

/// The key of all tests. No output may hold it.
const KEY: &str = "canary-key-4711";

fn settings(url: &str, protocol: Protocol) -> ModelSettings {
    ModelSettings {
        provider: "custom".to_owned(),
        model: "m".to_owned(),
        base_url: reqwest::Url::parse(url).unwrap(),
        protocol,
        key: Some(Secret::new(KEY)),
        context_length: None,
        max_tokens: None,
        temperature: None,
        reasoning_effort: None,
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(10),
            between_bytes: Duration::from_secs(10),
        },
        text_tool_calls: false,
        network: Network::default(),
        record: None,
    }
}

fn question() -> ModelRequest {
    ModelRequest {
        system: vec!["You help.".to_owned()],
        messages: vec![Message::text(Role::User, "hi")],
        ..ModelRequest::default()
    }
}

/// Makes one call and returns its result with its progress.
async fn call(
    settings: &ModelSettings,
    request: &ModelRequest,
) -> (Result<ModelAnswer, ProviderError>, Vec<ModelProgress>) {
    let provider = connect(settings);
    let mut progress = Vec::new();
    let result = provider.call(request, &mut |step| progress.push(step)).await;
    if let Err(error) = &result {
        assert!(!format!("{error:?}").contains(KEY), "{error:?}");
    }
    (result, progress)
}
