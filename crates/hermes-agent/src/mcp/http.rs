//! The transport of a server that speaks streamable HTTP.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::NeverRetry;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use super::error::McpError;
use super::lines::LINE_MAX;
use crate::provider::tls::{client_config, with_proxies};
use crate::settings::{Network, Secret};

/// The time for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The redirects of one request at most.
const REDIRECTS_MAX: usize = 5;

/// The bytes of an error's body at most.
const ERROR_MAX: usize = 4 << 10;

/// Returns the transport. It makes no request before the handshake.
pub(super) fn transport(
    url: &Secret,
    headers: &BTreeMap<String, Secret>,
    network: &Network,
) -> Result<StreamableHttpClientTransport<Client>, McpError> {
    let fault = |cause: String| McpError::Start(cause);
    let tls = client_config(network).map_err(|error| fault(error.message))?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .hickory_dns(true)
        .redirect(redirect::Policy::custom(same_origin))
        .referer(false)
        .connect_timeout(CONNECT)
        .user_agent(concat!("hermes/", env!("CARGO_PKG_VERSION")));
    let client =
        with_proxies(builder, network).map_err(|error| fault(error.message))?.build().map_err(|error| {
            fault(format!("failed to set up the HTTP client: {}", hermes_core::chain(&error)))
        })?;
    let header = |(name, value): (&String, &Secret)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value.reveal()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    let headers: Option<HashMap<_, _>> = headers.iter().map(header).collect();
    let headers = headers.ok_or_else(|| fault("a header cannot be sent".to_owned()))?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url.reveal())
        .custom_headers(headers)
        .max_sse_event_size(LINE_MAX)
        .max_json_response_size(LINE_MAX)
        .max_error_response_size(ERROR_MAX);
    // A call that breaks off fails. Nothing else is worth another connection.
    config.retry_config = Arc::new(NeverRetry::default());
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// Follows a redirect to the same scheme, host and port alone: the headers are for them.
fn same_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let origin = |url: &Url| url.origin();
    let first = attempt.previous().first().map(origin);
    if first.is_some_and(|first| first != attempt.url().origin()) {
        return attempt.error("the server redirects to another host");
    }
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("the server redirects too often");
    }
    attempt.follow()
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
