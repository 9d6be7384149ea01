//! The HTTP client of model calls: HTTP/1.1, limits of time, no redirects, errors without secrets.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout, timeout_at};

use super::record::Recorder;
use super::{ErrorClass, ProviderError, classify, tls};
use crate::settings::{ModelSettings, Protocol, shown};

/// The longest body of an error that is read, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// The longest body without a stream that is read, in bytes.
pub(super) const BODY_MAX: usize = 32 * 1024 * 1024;

/// A client of one server. It builds the connection pool at the first call.
pub(super) struct Http {
    settings: ModelSettings,
    client: OnceLock<Client>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base_url", &shown(&self.settings.base_url)).finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(settings: ModelSettings) -> Self {
        Self { settings, client: OnceLock::new() }
    }

    pub(super) fn settings(&self) -> &ModelSettings {
        &self.settings
    }

    /// Returns host and port, for messages.
    pub(super) fn host(&self) -> String {
        host_of(&self.settings.base_url)
    }

    /// Posts a JSON body. Returns the answer if its status is a success.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, ProviderError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Gets a resource.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, ProviderError> {
        self.send(Method::GET, path, None).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Answer, ProviderError> {
        let client = self.client()?;
        let url = self.url(path);
        let mut recorder = self.recorder(&method, &url, body.as_deref())?;
        let mut request = client.request(method, url.clone()).headers(self.headers()?);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let limits = self.settings.timeouts;
        let deadline = Instant::now() + limits.connect + limits.first_byte;
        let response = match timeout_at(deadline, request.send()).await {
            Ok(response) => response.map_err(|error| self.send_error(&error))?,
            Err(_) => return Err(self.first_byte_error()),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        if let Some(recorder) = &mut recorder {
            recorder.response(status.as_u16(), &headers).map_err(|error| record_error(&error))?;
        }
        let mut answer = Answer {
            response,
            recorder,
            host: self.host(),
            first_byte: limits.first_byte,
            between: limits.between_bytes,
            first: Some(deadline),
        };
        if status.is_success() {
            return Ok(answer);
        }
        if status.is_redirection() {
            let mut error = redirect_error(status, &headers, &url);
            error.message = self.without_key(error.message);
            return Err(error);
        }
        // A body that breaks off still has the status.
        let body = answer.body(ERROR_BODY_MAX).await.unwrap_or_default();
        Err(classify::of_answer(status, &headers, &body, &self.host(), &|text| self.without_key(text)))
    }

    /// Removes the key from a text: some servers repeat it in their messages.
    pub(super) fn without_key(&self, text: String) -> String {
        match &self.settings.key {
            Some(key) => key.hide_in(text, 4, "[key]"),
            None => text,
        }
    }

    fn client(&self) -> Result<&Client, ProviderError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let network = &self.settings.network;
        let builder = Client::builder()
            .tls_backend_preconfigured(tls::client_config(network)?)
            .http1_only()
            .hickory_dns(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.settings.timeouts.connect)
            .user_agent(concat!("hermes/", env!("CARGO_PKG_VERSION")));
        let client = tls::with_proxies(builder, network)?.build().map_err(|error| ProviderError {
            class: ErrorClass::Internal,
            message: format!("failed to set up the HTTP client: {}", causes(&error)),
            status: None,
            retry_after: None,
            hint: None,
        })?;
        Ok(self.client.get_or_init(|| client))
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.settings.base_url.clone();
        let base = url.path().trim_end_matches('/');
        let base = base.strip_suffix(path).unwrap_or(base).to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    fn headers(&self) -> Result<HeaderMap, ProviderError> {
        let mut headers = HeaderMap::new();
        if self.settings.protocol == Protocol::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        let Some(key) = &self.settings.key else { return Ok(headers) };
        let is_plain =
            self.settings.protocol == Protocol::Anthropic && !key.reveal().starts_with("sk-ant-oat");
        let (name, value) = if is_plain {
            (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key.reveal()))
        } else {
            (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", key.reveal())))
        };
        let mut value = value.map_err(|_| ProviderError {
            class: ErrorClass::Configuration,
            message: format!(
                "failed to send the key of {}: it holds characters that no header can hold",
                self.settings.provider
            ),
            status: None,
            retry_after: None,
            hint: Some("set the key again: one line of ASCII characters".to_owned()),
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(headers)
    }

    fn recorder(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&[u8]>,
    ) -> Result<Option<Recorder>, ProviderError> {
        let Some(directory) = &self.settings.record else { return Ok(None) };
        Recorder::create(directory, self.settings.key.as_ref(), method.as_str(), url.path(), body)
            .map(Some)
            .map_err(|error| record_error(&error))
    }

    fn send_error(&self, error: &reqwest::Error) -> ProviderError {
        let host = self.host();
        let causes = self.without_key(causes(error));
        let is_local = self.settings.is_local();
        let (class, cause, hint) = if error.is_builder() {
            (ErrorClass::Configuration, causes, Some("check model.base_url".to_owned()))
        } else if error.is_connect() && causes.contains("certificate") {
            let hint = "if the server has a certificate of its own, set model.ca_file to the certificate of its issuer";
            (ErrorClass::Configuration, causes, Some(hint.to_owned()))
        } else if error.is_connect() && error.is_timeout() {
            let cause = format!("connecting took longer than {}", seconds(self.settings.timeouts.connect));
            (
                ErrorClass::Transient,
                cause,
                Some("check the network, or raise model.timeouts.connect".to_owned()),
            )
        } else if error.is_connect() && is_local {
            let hint = "start the server, and check that this container reaches it: localhost is the container itself";
            (ErrorClass::Transient, causes, Some(hint.to_owned()))
        } else {
            (ErrorClass::Transient, causes, None)
        };
        ProviderError {
            class,
            message: format!("failed to reach the model at {host}: {cause}"),
            status: None,
            retry_after: None,
            hint,
        }
    }

    fn first_byte_error(&self) -> ProviderError {
        first_byte_error(&self.host(), self.settings.timeouts.first_byte)
    }
}

/// A successful answer whose body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    response: reqwest::Response,
    recorder: Option<Recorder>,
    host: String,
    first_byte: Duration,
    between: Duration,
    /// The deadline of the first piece of the body, until it came.
    first: Option<Instant>,
}

impl Answer {
    /// Returns the next piece of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Vec<u8>>, ProviderError> {
        let waited = match self.first {
            Some(deadline) => timeout_at(deadline, self.response.chunk()).await,
            None => timeout(self.between, self.response.chunk()).await,
        };
        let piece = match waited {
            Ok(piece) => piece.map_err(|error| {
                transient(format!("failed to read the answer of {}: {}", self.host, causes(&error)), None)
            })?,
            Err(_) if self.first.is_some() => return Err(first_byte_error(&self.host, self.first_byte)),
            Err(_) => {
                let (host, limit) = (&self.host, seconds(self.between));
                let message =
                    format!("failed to read the answer of {host}: it paused for longer than {limit}");
                return Err(transient(message, Some("raise model.timeouts.between_bytes, in seconds")));
            }
        };
        let Some(piece) = piece else { return Ok(None) };
        self.first = None;
        if let Some(recorder) = &mut self.recorder {
            recorder.piece(&piece).map_err(|error| record_error(&error))?;
        }
        Ok(Some(piece.to_vec()))
    }

    /// Shortens the time between two pieces: the answer is complete, and only its figures are missing.
    pub(super) fn hurry(&mut self, limit: Duration) {
        self.between = self.between.min(limit);
    }

    /// Reads the rest of the body, at most `limit` bytes.
    pub(super) async fn body(&mut self, limit: usize) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
            if body.len() >= limit {
                body.truncate(limit);
                break;
            }
        }
        Ok(body)
    }
}

fn redirect_error(status: StatusCode, headers: &HeaderMap, url: &Url) -> ProviderError {
    let target = headers.get(LOCATION).and_then(|target| url.join(target.to_str().ok()?).ok());
    let (to, hint) = match &target {
        Some(target) if target.host_str() == url.host_str() => {
            (shown(target), "set model.base_url to that address, without the last part of its path")
        }
        Some(target) => {
            (host_of(target), "set model.base_url to that host if you trust it: it would get the key")
        }
        None => ("an unknown address".to_owned(), "check model.base_url"),
    };
    ProviderError {
        class: ErrorClass::Invalid,
        message: format!(
            "failed to call the model at {}: it redirects to {to}, and hermes does not follow",
            host_of(url)
        ),
        status: Some(status.as_u16()),
        retry_after: None,
        hint: Some(hint.to_owned()),
    }
}

fn first_byte_error(host: &str, limit: Duration) -> ProviderError {
    let message = format!("failed to read the answer of {host}: no byte came within {}", seconds(limit));
    transient(message, Some("raise model.timeouts.first_byte, in seconds"))
}

pub(super) fn transient(message: String, hint: Option<&str>) -> ProviderError {
    ProviderError {
        class: ErrorClass::Transient,
        message,
        status: None,
        retry_after: None,
        hint: hint.map(str::to_owned),
    }
}

fn record_error(error: &io::Error) -> ProviderError {
    ProviderError {
        class: ErrorClass::Configuration,
        message: format!("failed to record the model call: {error}"),
        status: None,
        retry_after: None,
        hint: Some("set provider.record to a directory that this account can write, or remove it".to_owned()),
    }
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("an unknown host");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Returns the innermost two causes of an error. The outer ones repeat the URL.
fn causes(error: &dyn Error) -> String {
    let mut all = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        all.push(error.to_string());
        next = error.source();
    }
    all.dedup();
    let from = all.len().saturating_sub(2);
    let text = all[from..].join(": ");
    if text.is_empty() { "the connection broke".to_owned() } else { classify::plain(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Network, Timeouts};

    #[test]
    fn the_client_is_built_at_the_first_call() {
        let second = Duration::from_secs(1);
        let http = Http::new(ModelSettings {
            provider: "custom".to_owned(),
            model: "m".to_owned(),
            base_url: Url::parse("http://h/v1").unwrap(),
            protocol: Protocol::ChatCompletions,
            key: None,
            context_length: None,
            max_tokens: None,
            temperature: None,
            reasoning_effort: None,
            timeouts: Timeouts { connect: second, first_byte: second, between_bytes: second },
            text_tool_calls: false,
            network: Network::default(),
            record: None,
        });
        assert!(http.client.get().is_none());
        let start = std::time::Instant::now();
        http.client().unwrap();
        println!("the client took {:?}", start.elapsed());
        assert!(http.client.get().is_some());
    }
}
