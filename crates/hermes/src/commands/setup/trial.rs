//! Calls of a model server during a set-up: one question, and the list of its models.

use std::time::Duration;

use hermes_agent::message::{Message, Role};
use hermes_agent::provider::{self, ErrorClass, ModelRequest, ProviderError};
use hermes_agent::settings::ModelSettings;
use hermes_operations::{Report, ReportKind};

use crate::event_loop;

/// The question of the test.
const QUESTION: &str = "Answer with one word: are you ready?";

/// The longest time for the answer of a hosted model.
const HOSTED_MAX: Duration = Duration::from_secs(60);

/// The longest time for the answer of a local model. Its server may load it first.
const LOCAL_MAX: Duration = Duration::from_secs(5 * 60);

/// The longest time for a list of models.
const LIST_MAX: Duration = Duration::from_secs(15);

/// The most characters of an answer that are shown.
const SHOWN_MAX: usize = 60;

/// Asks the model one question, and returns the beginning of its answer.
///
/// # Errors
/// The call failed, or took too long.
pub(crate) fn run(settings: &ModelSettings) -> Result<String, Report> {
    let limit = if settings.is_local() { LOCAL_MAX } else { HOSTED_MAX };
    let model = provider::connect(settings);
    let request =
        ModelRequest { messages: vec![Message::text(Role::User, QUESTION)], ..ModelRequest::default() };
    let mut ignore = |_| ();
    let called =
        event_loop::block_on(async { tokio::time::timeout(limit, model.call(&request, &mut ignore)).await });
    let answer = called?.map_err(|_| {
        Report::new(
            ReportKind::Failed,
            format!("the test failed: no complete answer in {} s", limit.as_secs()),
        )
        .hint("check that the server has the model loaded, or write without a test: --no-test")
    })?;
    let answer = answer.map_err(|error| failed(settings, &error))?;
    let text = Message { role: Role::Assistant, blocks: answer.blocks }.plain_text();
    let line = text.trim().lines().next().unwrap_or_default();
    Ok(if line.is_empty() { "(no text)".to_owned() } else { line.chars().take(SHOWN_MAX).collect() })
}

/// Returns the names of the server's models.
///
/// # Errors
/// The server cannot be reached, refuses, takes too long, or has no list.
pub(crate) fn models(settings: &ModelSettings) -> Result<Vec<String>, ProviderError> {
    let failed = |message: String| ProviderError {
        class: ErrorClass::Transient,
        message,
        status: None,
        retry_after: None,
        hint: None,
    };
    let listed = hermes_server::block_on(async {
        tokio::time::timeout(LIST_MAX, provider::list_models(settings)).await
    });
    listed
        .map_err(|error| failed(format!("failed to start the event loop: {error}")))?
        .map_err(|_| failed(format!("failed to list the models: no answer in {} s", LIST_MAX.as_secs())))?
}

fn failed(settings: &ModelSettings, error: &ProviderError) -> Report {
    let what = match error.class {
        ErrorClass::Authentication => "the test failed: the server refuses the key",
        ErrorClass::Payment => "the test failed: the account has no credit",
        ErrorClass::Invalid => "the test failed: the server refuses the request",
        ErrorClass::RateLimited => "the test failed: the account is at its rate limit",
        ErrorClass::Overloaded => "the test failed: the server is overloaded",
        ErrorClass::Transient => "the test failed: the server does not answer",
        ErrorClass::BadAnswer => "the test failed: this is no model server",
        ErrorClass::ContextTooLong
        | ErrorClass::ReasoningRejected
        | ErrorClass::Configuration
        | ErrorClass::Internal => "the test failed",
    };
    let report = Report::new(ReportKind::Failed, what).because(error);
    match hint(settings, error) {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

fn hint(settings: &ModelSettings, error: &ProviderError) -> Option<String> {
    let is_here =
        settings.base_url.host_str().is_some_and(|host| host == "localhost" || host.starts_with("127."));
    let text = match error.class {
        ErrorClass::Authentication => "give another key",
        ErrorClass::Invalid | ErrorClass::BadAnswer => {
            "check the name of the model and the base URL, which usually ends with /v1"
        }
        ErrorClass::RateLimited | ErrorClass::Overloaded => {
            "try again later, or write without a test: --no-test"
        }
        ErrorClass::Transient if is_here => {
            "start the server; in a container, this address is the container itself: use the address of the host"
        }
        ErrorClass::Transient => "check the base URL and the network, and that the server runs",
        _ => return error.hint.clone(),
    };
    Some(text.to_owned())
}
