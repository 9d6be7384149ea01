//! The choice of the protocol, and the list of a server's models.

use std::sync::Arc;

use serde::Deserialize;

use super::anthropic::{self, Anthropic};
use super::chat_completions::ChatCompletions;
use super::http::{BODY_MAX, Http};
use super::{ErrorClass, Provider, ProviderError};
use crate::settings::{ModelSettings, Protocol};

/// Returns the provider for these settings. It opens no connection.
pub fn connect(settings: &ModelSettings) -> Arc<dyn Provider> {
    let http = Http::new(settings.clone());
    match settings.protocol {
        Protocol::ChatCompletions => Arc::new(ChatCompletions::new(http)),
        Protocol::Anthropic => Arc::new(Anthropic::new(http)),
    }
}

#[derive(Deserialize)]
struct Models {
    #[serde(alias = "models")]
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(alias = "name")]
    id: String,
}

/// Returns the names of the server's models, sorted.
///
/// # Errors
/// Fails if the server cannot be reached, refuses, or answers with something else.
pub async fn list_models(settings: &ModelSettings) -> Result<Vec<String>, ProviderError> {
    let http = Http::new(settings.clone());
    let path = match settings.protocol {
        Protocol::ChatCompletions => "/models".to_owned(),
        Protocol::Anthropic => anthropic::path_of(settings, "/models"),
    };
    let body = http.get(&path).await?.body(BODY_MAX).await?;
    let models: Models = serde_json::from_slice(&body).map_err(|_| ProviderError {
        class: ErrorClass::BadAnswer,
        message: format!(
            "failed to read the list of models of {}: it is not the JSON of a list",
            http.host()
        ),
        status: None,
        retry_after: None,
        hint: Some("check model.base_url: it usually ends with /v1".to_owned()),
    })?;
    // Gemini puts `models/` before each name.
    let name =
        |model: Model| model.id.strip_prefix("models/").map_or_else(|| model.id.clone(), str::to_owned);
    let mut names: Vec<_> = models.data.into_iter().map(name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
