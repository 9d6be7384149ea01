//! Anthropic's Messages.

mod assembly;
mod request;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use assembly::Assembly;

use super::answer::{self, Progress};
use super::http::{Answer, Http};
use super::{ErrorClass, ModelAnswer, ModelProgress, ModelRequest, Provider, ProviderError};
use crate::settings::ModelSettings;

/// A server of Messages.
#[derive(Debug)]
pub(super) struct Anthropic {
    http: Http,
    /// The model wants the adaptive form of thinking.
    adaptive: AtomicBool,
}

impl Anthropic {
    pub(super) fn new(http: Http) -> Self {
        Self { http, adaptive: AtomicBool::new(false) }
    }

    async fn send(&self, request: &ModelRequest) -> Result<Answer, ProviderError> {
        let path = path_of(self.http.settings(), "/messages");
        let mut adapted = false;
        loop {
            let adaptive = self.adaptive.load(Ordering::Relaxed);
            let body =
                request::body(self.http.settings(), request, adaptive).map_err(|error| ProviderError {
                    class: ErrorClass::Internal,
                    message: format!("failed to write the request: {error}"),
                    status: None,
                    retry_after: None,
                    hint: None,
                })?;
            match self.http.post(&path, body).await {
                // The message names the form that the model knows.
                Err(error) if !adapted && error.status == Some(400) && error.message.contains("adaptive") => {
                    adapted = true;
                    self.adaptive.store(!adaptive, Ordering::Relaxed);
                }
                result => return result,
            }
        }
    }

    async fn exchange(
        &self,
        request: &ModelRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ModelAnswer, ProviderError> {
        let answer = self.send(request).await?;
        answer::read(&self.http, answer, Assembly::default(), progress).await
    }
}

impl Provider for Anthropic {
    fn name(&self) -> &str {
        &self.http.settings().provider
    }

    fn model(&self) -> &str {
        &self.http.settings().model
    }

    fn call<'a>(
        &'a self,
        request: &'a ModelRequest,
        progress: &'a mut (dyn FnMut(ModelProgress) + Send),
    ) -> Pin<Box<dyn Future<Output = Result<ModelAnswer, ProviderError>> + Send + 'a>> {
        Box::pin(self.exchange(request, progress))
    }
}

/// Returns the path of a resource below the base URL, which may or may not end with `/v1`.
pub(super) fn path_of(settings: &ModelSettings, resource: &str) -> String {
    let has_version = settings.base_url.path().trim_end_matches('/').ends_with("/v1");
    if has_version { resource.to_owned() } else { format!("/v1{resource}") }
}
