//! The agent and the session of a conversation.

use std::env;
use std::num::NonZeroU32;

use hermes_agent::agent::{Agent, AgentError, AgentOptions, OpenedAgent};
use hermes_agent::store::{FindError, SessionId};
use hermes_core::{ProfileName, chain};
use hermes_operations::{Report, ReportKind, environment};
use hermes_terminal::sessions;

use super::arguments::Arguments;
use crate::context::Context;
use crate::output::note;

/// Opens the agent of `profile`, and prints its notices.
///
/// # Errors
/// The settings are incomplete, or the store cannot be used.
pub(crate) fn open_agent(
    context: &Context,
    profile: &ProfileName,
    arguments: &Arguments,
) -> Result<Agent, Report> {
    try_to_open(context, profile, arguments).map(with_notices).map_err(|error| report_of(&error))
}

/// Prints the notices of an agent.
pub(super) fn with_notices(opened: OpenedAgent) -> Agent {
    for notice in opened.notices {
        note!("hermes: {notice}");
    }
    opened.agent
}

/// Opens the agent of `profile`.
///
/// # Errors
/// As [`Agent::open`].
pub(crate) fn try_to_open(
    context: &Context,
    profile: &ProfileName,
    arguments: &Arguments,
) -> Result<OpenedAgent, AgentError> {
    // This process reads keys. The kernel refuses this to no process.
    let _ = hermes_os::process::close_to_the_account();
    let options = AgentOptions {
        home: context.home.clone(),
        profile: profile.clone(),
        environment: environment(),
        model: arguments.model.clone(),
        max_turns: arguments.max_turns.map(NonZeroU32::get),
        description: "hermes chat".to_owned(),
        working_directory: env::current_dir().ok(),
    };
    Agent::open(options)
}

/// Returns the report of an agent that cannot be opened.
pub(crate) fn report_of(error: &AgentError) -> Report {
    match error {
        AgentError::Settings(settings) => {
            Report::new(ReportKind::Configuration, "the agent has no usable model")
                .because(settings)
                .hint(settings.hint())
        }
        AgentError::Tools(error) => {
            Report::new(ReportKind::Configuration, "the agent's tools cannot be used").because(error)
        }
        AgentError::Store(_) | AgentError::Owner(_) => {
            Report::new(ReportKind::Failed, "the agent's sessions cannot be used").because(error)
        }
    }
}

/// Returns the session that the options name, or a new one.
///
/// # Errors
/// No session matches, or the store failed.
pub(crate) async fn choose_session(agent: &Agent, arguments: &Arguments) -> Result<SessionId, Report> {
    if let Some(name) = &arguments.resume {
        return agent.store().find(name).await.map_err(|error| no_session(&error));
    }
    if arguments.continues {
        let latest =
            agent.store().latest(Some(sessions::SOURCE)).await.map_err(|error| store_failed(&error))?;
        return latest.ok_or_else(|| {
            Report::new(ReportKind::NotFound, "there is no session to continue")
                .hint("begin one: hermes chat; or list the sessions of the API: hermes sessions list")
        });
    }
    begin_session(agent).await
}

/// Begins a session, and prints warnings about its prompt.
///
/// # Errors
/// The store failed.
pub(crate) async fn begin_session(agent: &Agent) -> Result<SessionId, Report> {
    let (session, warnings) = sessions::begin(agent).await.map_err(|error| store_failed(&error))?;
    for warning in warnings {
        note!("hermes: {warning}");
    }
    Ok(session)
}

/// Returns the report of a name that selects no session.
pub(crate) fn no_session(error: &FindError) -> Report {
    let kind = if matches!(error, FindError::Store(_)) { ReportKind::Failed } else { ReportKind::NotFound };
    Report::new(kind, chain(error))
}

/// Returns the report of a failed store.
pub(crate) fn store_failed(error: &(dyn std::error::Error + 'static)) -> Report {
    Report::new(ReportKind::Failed, "the agent's sessions cannot be used").because(error)
}
